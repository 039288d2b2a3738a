"""Contact of an emulated relay: it follows its coil after a while, and it can be stuck."""

from __future__ import annotations

from collections.abc import Callable


class Contact:
    """One contact.

    Parameters
    ----------
    closed : bool
        Where it is at the start.
    delay_us : int
        Time from a change of the coil to the contact's. [us]
    """

    def __init__(self, closed: bool = False, delay_us: int = 0) -> None:
        self.closed = closed
        self.delay_us = delay_us
        self._wanted = closed
        self._now_us = self._moves_us = 0
        self._stuck = False
        self._watchers: list[Callable[[bool], None]] = []

    def watch(self, moved: Callable[[bool], None]) -> None:
        """Call a function with the new position at each move."""
        self._watchers.append(moved)

    def want(self, closed: bool) -> None:
        """Let the coil pull the contact to a position."""
        if closed != self._wanted:
            self._wanted = closed
            self._moves_us = self._now_us + self.delay_us
        self.advance(self._now_us)

    def advance(self, now_us: int) -> None:
        """Let time pass. [us]"""
        self._now_us = max(now_us, self._now_us)
        if self._now_us >= self._moves_us and not self._stuck:
            self._move(self._wanted)

    def stick(self, closed: bool | None = None) -> None:
        """Weld the contact: where it is, or at a position."""
        if closed is not None:
            self._move(closed)
        self._stuck = True

    def free(self) -> None:
        """Undo `stick`; the contact goes where the coil has it."""
        self._stuck = False
        self.advance(self._now_us)

    def _move(self, closed: bool) -> None:
        if closed != self.closed:
            self.closed = closed
            for moved in self._watchers:
                moved(closed)
