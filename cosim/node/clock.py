"""A node's clock: the wall's, or set by each question of a simulation."""

from __future__ import annotations

import time
from collections.abc import Callable


class NodeClock:
    """Microseconds since the simulation's start, or since the node's own.

    Each question sets it, as a time server does, and it shows that instant until the next
    one: emulated hardware lives in the simulation's time. What the wall clock has made of it
    since is `running_us`; a node that must act alone goes by that. It never goes back.

    Parameters
    ----------
    factor : float or None
        Wall-clock seconds a second of this clock takes; None if it stands still until set.
    wall_s : callable
        Monotonic seconds.
    """

    def __init__(
        self, factor: float | None = 1.0, wall_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.factor = factor
        self._wall_s = wall_s
        self._set_us = 0
        self._set_s = wall_s()
        self._held = False

    def start(self, t_us: int, factor: float | None) -> None:
        """Begin anew at an instant, at a pace."""
        self.factor = factor
        self._set_us, self._set_s = t_us, self._wall_s()
        self._held = False

    def set(self, t_us: int) -> None:
        """Take over an instant that is not earlier than its own last one, and show it. [us]"""
        self._set_us, self._set_s = max(t_us, self._set_us), self._wall_s()
        self._held = True

    def now_us(self) -> int:
        """Return the present instant. [us]"""
        return self._set_us if self._held else self.running_us()

    def running_us(self) -> int:
        """Return the instant that the wall clock has come to. [us]"""
        if self.factor is None:
            return self._set_us
        passed_s = (self._wall_s() - self._set_s) / self.factor
        return self._set_us + int(passed_s * 1e6)

    def until_s(self, t_us: int) -> float:
        """Return the wall-clock time until an instant; endless for a clock that stands. [s]"""
        if self.factor is None:
            return float("inf")
        return max((t_us - self.running_us()) * 1e-6 * self.factor, 0.0)
