"""Forecast: tomorrow is like today, house by house and quarter-hour by quarter-hour.

What the coordinator heard in a slot of the day is its forecast for the same slot of the
next day; a slot it has never heard takes the nearest earlier one it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gridmodel.units import US_PER_S

Array = NDArray[np.float64]
SLOT_S = 900
SLOTS = 86_400 // SLOT_S
SLOT_US = SLOT_S * US_PER_S


def slot_of(now_us: int) -> int:
    """Return the slot of the day an instant lies in."""
    return now_us // SLOT_US % SLOTS


@dataclass
class Persistence:
    """Means of n series by slot of the day, newest day first.

    Parameters
    ----------
    guess : ndarray, shape (n,)
        What to expect before anything was heard.
    """

    guess: Array
    mean: Array = field(init=False)
    known: NDArray[np.bool_] = field(init=False)
    _sum: Array = field(init=False)
    _count: NDArray[np.int64] = field(init=False)
    _slot: int = -1

    def __post_init__(self) -> None:
        n = len(self.guess)
        self.mean = np.zeros((n, SLOTS))
        self.known = np.zeros((n, SLOTS), dtype=np.bool_)
        self._sum = np.zeros(n)
        self._count = np.zeros(n, dtype=np.int64)

    def hear(self, now_us: int, row: int, value: float) -> None:
        """Take one value of a series."""
        self._turn(now_us)
        self._sum[row] += value
        self._count[row] += 1

    def ahead(self, now_us: int, count: int) -> Array:
        """Return the forecast of the next slots, the present one first, shape (n, count)."""
        self._turn(now_us)
        slots = (slot_of(now_us) + np.arange(count)) % SLOTS
        return self._carried()[:, slots]

    def _carried(self) -> Array:
        """Return the means with gaps filled from the left, round the clock."""
        twice = np.tile(self.known, 2)
        last = np.where(twice, np.arange(2 * SLOTS), -1)
        last = np.maximum.accumulate(last, axis=1)[:, SLOTS:]
        filled = np.take_along_axis(self.mean, last % SLOTS, axis=1)
        return np.where(last >= 0, filled, self.guess[:, None])

    def _turn(self, now_us: int) -> None:
        """Close the slot that is over."""
        slot = slot_of(now_us)
        if slot == self._slot:
            return
        heard = self._count > 0
        if self._slot >= 0 and heard.any():
            self.mean[heard, self._slot] = self._sum[heard] / self._count[heard]
            self.known[heard, self._slot] = True
        self._sum[:] = 0.0
        self._count[:] = 0
        self._slot = slot
