"""Orders: one at a time, each repeated until its house confirms it.

A half-duplex radio that sends order after order is deaf to the confirmations that come
between; so the next order goes out when the one before is confirmed or given up.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Flight:
    """The order that waits for its confirmation."""

    address: int
    mask: int
    counter: int
    first_us: int
    sent_us: int
    tries: int


@dataclass
class OrderBook:
    """What each house is to be told, and what it has confirmed.

    Parameters
    ----------
    timeout_us : int
        Time to wait for a confirmation. [us]
    tries_max : int
        Times an order is sent before its house counts as out of reach for now.
    """

    timeout_us: int
    tries_max: int
    confirmed: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # mask, when, counter
    waiting: dict[int, int] = field(default_factory=dict)  # mask, in the order of sending
    flight: Flight | None = None
    confirmed_count: int = 0
    lost_count: int = 0
    slowest_us: int = 0

    def want(self, address: int, mask: int, now_us: int, refresh_us: int) -> None:
        """See to it that a house has a mask, and has heard so lately."""
        known = self.confirmed.get(address)
        if known is not None and known[0] == mask and now_us - known[1] < refresh_us:
            self.waiting.pop(address, None)
        elif self.flight is None or (self.flight.address, self.flight.mask) != (address, mask):
            self.waiting[address] = mask

    def due(self, now_us: int) -> tuple[int, int] | None:
        """Return address and mask of the order to send now, if any."""
        flight = self.flight
        if flight is not None:
            if now_us - flight.sent_us < self.timeout_us:
                return None
            if flight.tries < self.tries_max and flight.address not in self.waiting:
                return flight.address, flight.mask
            if flight.tries >= self.tries_max:
                self.lost_count += 1
            self.confirmed.pop(flight.address, None)
            self.flight = None
        return next(iter(self.waiting.items()), None)

    def sent(self, address: int, mask: int, counter: int, now_us: int) -> None:
        """Note an order that goes out."""
        self.waiting.pop(address, None)
        old = self.flight
        first_us, tries = (now_us, 1) if old is None else (old.first_us, old.tries + 1)
        self.flight = Flight(address, mask, counter, first_us, now_us, tries)

    def acknowledged(self, address: int, counter: int, now_us: int) -> None:
        """Take a house's confirmation."""
        flight = self.flight
        if flight is not None and (flight.address, flight.counter & 0xFFFF) == (address, counter):
            self.confirmed[address] = (flight.mask, now_us, counter)
            self.confirmed_count += 1
            self.slowest_us = max(self.slowest_us, now_us - flight.first_us)
            self.flight = None

    def heard(self, address: int, counter_low: int) -> None:
        """Compare the order a house says is in force with the one it confirmed."""
        known = self.confirmed.get(address)
        if known is not None and known[2] & 0x3FF != counter_low:
            del self.confirmed[address]  # it has started anew, or lost its supply
            self.waiting[address] = known[0]

    def next_us(self, now_us: int) -> int | None:
        """Return when there is something to do of its own. [us]"""
        if self.flight is not None:
            return self.flight.sent_us + self.timeout_us
        return now_us + 1 if self.waiting else None

    def forget(self) -> None:
        """Drop everything: the island is over, or begins anew."""
        self.waiting.clear()
        self.confirmed.clear()
        self.flight = None
