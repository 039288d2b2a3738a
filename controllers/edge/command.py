"""Command: what the coordinator tells many at once: go dark, start again, shed by groups."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.edge.states import ALL, CRITICAL, NORMAL
from gridmodel.units import microseconds

#: Circuits that stay at each level of a shed.
LEVELS = (0, CRITICAL, CRITICAL | NORMAL, ALL)
#: Addresses take turns by so many groups.
GROUPS = 16
#: A start that has not come by so long after its turn is none. [s]
_START_S = 3600.0


@dataclass(slots=True)
class Command:
    """The commands in force at one node."""

    address: int
    dark_from_us: int = 0
    dark_until_us: int = 0
    start_us: int = -1  # for a node without supply: when it may enter service
    group_mask: int = ALL
    group_until_us: int = 0

    def shed_all(self, now_us: int, delay_s: float, valid_s: float) -> None:
        """Go dark after a delay; a command that is repeated only makes it last."""
        begin_us = now_us + microseconds(delay_s)
        if now_us < self.dark_until_us:
            begin_us = min(begin_us, self.dark_from_us)
        self.dark_from_us = begin_us
        self.dark_until_us = now_us + microseconds(delay_s + valid_s)
        self.start_us = -1

    def black_start(self, now_us: int, delay_s: float, stagger_s: float, supplied: bool) -> int:
        """End the darkness, or the wait for service, at this address's turn; return that. [us]

        It makes nothing dark: who is in service, or has a turn from a frame before, keeps it.
        """
        turn_us = now_us + microseconds(delay_s + stagger_s * self.address)
        if now_us < self.dark_from_us < self.dark_until_us:
            self.dark_from_us = self.dark_until_us = now_us  # it had not begun
        self.dark_until_us = min(self.dark_until_us, turn_us)
        if not supplied and self.start_us < 0:
            self.start_us = turn_us
        return turn_us

    def shed_groups(self, now_us: int, group_mask: int, level: int, valid_s: float) -> None:
        """Shed for a while, if this address is meant; an order is narrowed and never widened."""
        if group_mask >> self.address % GROUPS & 1:
            self.group_mask = LEVELS[min(level, len(LEVELS) - 1)]
            self.group_until_us = now_us + microseconds(valid_s)

    def is_dark(self, now_us: int) -> bool:
        """Return whether everything has to be open."""
        return self.dark_from_us <= now_us < self.dark_until_us

    def allowed(self, now_us: int) -> int:
        """Return the circuits that a shed by groups leaves."""
        return self.group_mask if now_us < self.group_until_us else ALL

    def enter_us(self, now_us: int, usual_us: int) -> int:
        """Return when to enter a service that has just returned; a start counts once. [us]"""
        start_us, self.start_us = self.start_us, -1
        if start_us < 0 or now_us > start_us + microseconds(_START_S):
            return usual_us
        return max(now_us, start_us)

    def timers_us(self) -> tuple[int, ...]:
        """Return when darkness begins and ends, and when a shed by groups ends. [us]"""
        return self.dark_from_us, self.dark_until_us, self.group_until_us
