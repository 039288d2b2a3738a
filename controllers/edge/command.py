"""Command: what the coordinator tells its whole cell, signed: go dark, start again."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.edge.states import ALL, CRITICAL, NORMAL
from gridmodel.units import microseconds

#: Circuits that stay at each level of a shed.
LEVELS = (0, CRITICAL, CRITICAL | NORMAL, ALL)
#: Addresses take turns by so many groups.
GROUPS = 16


@dataclass(slots=True)
class Command:
    """The command in force at one node."""

    address: int
    dark_from_us: int = 0
    dark_until_us: int = 0
    start_us: int = -1  # after a black start: when this node may enter service

    def shed_all(self, now_us: int, delay_s: float, valid_s: float) -> None:
        """Go dark after a delay, until the command ends or a black start follows."""
        self.dark_from_us = now_us + microseconds(delay_s)
        self.dark_until_us = self.dark_from_us + microseconds(valid_s)
        self.start_us = -1

    def black_start(self, now_us: int, delay_s: float, stagger_s: float) -> None:
        """Stay dark until this address's turn, and then wait no further."""
        self.start_us = now_us + microseconds(delay_s + stagger_s * self.address)
        self.dark_from_us, self.dark_until_us = now_us, self.start_us

    def is_dark(self, now_us: int) -> bool:
        """Return whether everything has to be open."""
        return self.dark_from_us <= now_us < self.dark_until_us

    def enter_us(self, now_us: int, usual_us: int) -> int:
        """Return when to enter a service that has just returned; a start counts once. [us]"""
        if self.start_us < 0:
            return usual_us
        start_us, self.start_us = self.start_us, -1
        return max(now_us, start_us)

    def timers_us(self) -> tuple[int, int]:
        """Return when darkness begins and ends. [us]"""
        return self.dark_from_us, self.dark_until_us


def concerns(group_mask: int, address: int) -> bool:
    """Return whether a shed by groups is meant for an address."""
    return bool(group_mask >> address % GROUPS & 1)
