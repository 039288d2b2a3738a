"""Orders: each is repeated until its house confirms it."""

from __future__ import annotations

from dataclasses import dataclass, field

from controllers.edge.states import ALL


@dataclass(slots=True)
class Pending:
    """An order on its way."""

    mask: int
    counter: int
    sent_us: int
    tries: int = 1


@dataclass
class OrderBook:
    """What each house was told, and what it has confirmed.

    Parameters
    ----------
    timeout_us : int
        Time to wait for an acknowledgement. [us]
    tries_max : int
        Times an order is sent before the house counts as out of reach for now.
    """

    timeout_us: int
    tries_max: int
    confirmed: dict[int, tuple[int, int]] = field(default_factory=dict)  # mask, when
    pending: dict[int, Pending] = field(default_factory=dict)
    given_up_count: int = 0
    latencies_us: list[int] = field(default_factory=list)

    def believed(self, address: int) -> int:
        """Return the mask a house has most likely."""
        if address in self.pending:
            return self.pending[address].mask
        return self.confirmed.get(address, (ALL, 0))[0]

    def wants(self, address: int, mask: int, now_us: int, refresh_us: int) -> bool:
        """Return whether a house must be told (again)."""
        if address in self.pending:
            return self.pending[address].mask != mask
        known = self.confirmed.get(address)
        return known is None or known[0] != mask or now_us - known[1] >= refresh_us

    def sent(self, address: int, mask: int, counter: int, now_us: int) -> None:
        """Note an order that goes out."""
        old = self.pending.get(address)
        if old is not None and old.mask == mask:
            self.pending[address] = Pending(mask, counter, now_us, old.tries + 1)
        else:
            self.pending[address] = Pending(mask, counter, now_us)

    def acknowledged(self, address: int, counter: int, now_us: int) -> None:
        """Take a house's confirmation."""
        order = self.pending.get(address)
        if order is not None and order.counter & 0xFFFF == counter & 0xFFFF:
            self.confirmed[address] = (order.mask, now_us)
            self.latencies_us.append(now_us - order.sent_us)
            del self.pending[address]

    def overdue(self, now_us: int) -> list[tuple[int, int]]:
        """Return addresses and masks to send again; give up on the hopeless."""
        again = []
        for address, order in list(self.pending.items()):
            if now_us - order.sent_us < self.timeout_us:
                continue
            if order.tries >= self.tries_max:
                del self.pending[address]
                self.confirmed.pop(address, None)
                self.given_up_count += 1
            else:
                again.append((address, order.mask))
        return again

    def next_us(self) -> int | None:
        """Return when the next order is overdue."""
        return min((o.sent_us + self.timeout_us for o in self.pending.values()), default=None)

    def forget(self) -> None:
        """Drop everything: the island is over, or begins anew."""
        self.pending.clear()
        self.confirmed.clear()
