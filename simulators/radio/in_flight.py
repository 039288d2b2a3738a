"""In flight: packets on the air as arrays, until none of those still flying met them."""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Flights(NamedTuple):
    """Packets in the order of their start, one row each.

    From ``guarded_us`` on an overlap does harm. ``sf`` is the row in a matrix of
    isolation, ``number`` counts all packets ever sent.
    """

    start_us: Index
    end_us: Index
    guarded_us: Index
    sender: Index
    number: Index
    sf: Index
    frequency_mhz: Array
    bandwidth_khz: Array
    power_dbm: Array


class InFlight:
    """The packets on the air, and those that met one of them."""

    def __init__(self) -> None:
        self._rows = _empty(16)
        self._count = 0
        self._number = 0
        self._open: list[tuple[int, int]] = []  # (end, number), a heap
        self._load: dict[int, Any] = {}  # what was sent, by number, until it ends

    @property
    def rows(self) -> Flights:
        """The packets, as views of the arrays."""
        return Flights._make(column[: self._count] for column in self._rows)

    @property
    def next_us(self) -> int | None:
        """When the next packet ends. [us]"""
        return self._open[0][0] if self._open else None

    def add(self, load: Any, values: tuple[float, ...]) -> None:
        """Let a packet start.

        Parameters
        ----------
        load
            What `ended` gives back.
        values : tuple
            Columns of `Flights` without ``number``, in order.
        """
        if self._count == len(self._rows.start_us):
            larger = _empty(2 * self._count)
            for old, new in zip(self._rows, larger, strict=True):
                new[: self._count] = old
            self._rows = larger
        row = (*values[:4], self._number, *values[4:])
        for column, value in zip(self._rows, row, strict=True):
            column[self._count] = value
        heapq.heappush(self._open, (int(values[1]), self._number))
        self._load[self._number] = load
        self._count += 1
        self._number += 1

    def ended(self, t_us: int) -> list[tuple[int, Any]]:
        """Return row and load of the packets that end by an instant, in order of start."""
        numbers = []
        while self._open and self._open[0][0] <= t_us:
            numbers.append(heapq.heappop(self._open)[1])
        of = self._rows.number[: self._count]
        return [(int(of.searchsorted(n)), self._load.pop(n)) for n in sorted(numbers)]

    def forget(self) -> None:
        """Drop packets that overlap none that is still in the air."""
        if not self._open:
            self._count = 0
            return
        flying = np.isin(self._rows.number[: self._count], [n for _, n in self._open])
        open_from = self._rows.start_us[: self._count][flying].min()
        keep = flying | (self._rows.end_us[: self._count] > open_from)
        left = int(keep.sum())
        for column in self._rows:
            column[:left] = column[: self._count][keep]
        self._count = left


def _empty(size: int) -> Flights:
    whole = [np.zeros(size, dtype=np.int64) for _ in range(6)]
    return Flights._make([*whole, *(np.zeros(size) for _ in range(3))])
