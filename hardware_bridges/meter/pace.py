"""Pace of sampling: when each sample of a window is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from gridmodel.metering import Codes


class Pace(Protocol):
    """Waits for the instants of samples."""

    def start(self) -> None:
        """Begin a window now."""

    def until(self, t_us: float) -> None:
        """Wait until so long after the window's start. [us]"""


class NoPace:
    """Does not wait: the samples are made, not measured."""

    def start(self) -> None:
        """Begin a window."""

    def until(self, t_us: float) -> None:
        """Return at once."""


class WallPace:
    """Waits by the machine's clock: sleeps while it is long, and spins the rest.

    `late_us` is the worst lateness of the present window. [us]
    """

    #: A sleep may last so much longer than it was asked to.
    SPIN_NS = 150_000

    def __init__(self) -> None:
        self._start_ns = 0
        self.late_us = 0.0

    def start(self) -> None:
        """Begin a window now."""
        self._start_ns = time.perf_counter_ns()
        self.late_us = 0.0

    def until(self, t_us: float) -> None:
        """Wait until so long after the window's start. [us]"""
        due_ns = self._start_ns + int(1e3 * t_us)
        ahead_ns = due_ns - time.perf_counter_ns()
        if ahead_ns < 0:
            self.late_us = max(self.late_us, -ahead_ns / 1e3)
            return
        if ahead_ns > self.SPIN_NS:
            time.sleep((ahead_ns - self.SPIN_NS) / 1e9)
        while time.perf_counter_ns() < due_ns:
            pass


def pairs_of(
    read: Callable[[int], int],
    channels: tuple[int, int],
    pairs: int,
    pace: Pace,
    spacing_us: tuple[float, float],
) -> Codes:
    """Return so many pairs of codes, shape (2, pairs).

    Parameters
    ----------
    read : callable
        Takes one sample of a channel.
    channels : tuple of int
        Voltage, then current.
    pairs : int
        How many.
    pace : Pace
        Waits for the instants.
    spacing_us : tuple of float
        From pair to pair, and from voltage to current. [us]
    """
    found: list[int] = []
    voltage, current = channels
    period_us, skew_us = spacing_us
    pace.start()
    for k in range(pairs):
        pace.until(k * period_us)
        found.append(read(voltage))
        pace.until(k * period_us + skew_us)
        found.append(read(current))
    return np.array(found, dtype=np.int64).reshape(pairs, 2).T
