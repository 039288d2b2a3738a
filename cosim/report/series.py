"""Series: recorded signals, reduced to what a plot can show.

A signal is read a row group at a time, so memory does not grow with the length of a run.
Each bin of time keeps its lowest, highest and last value: a spike of one second stays
visible in two days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cosim.recorder.compact import SIGNALS, group_rows
from cosim.recorder.layout import TIME

Array = NDArray[np.float64]
BINS = 1200


@dataclass(frozen=True)
class Series:
    """Elements of a signal over time.

    Parameters
    ----------
    names : tuple of str
        Names of the elements.
    unit : str
        Unit of the values.
    t_h : ndarray, shape (n_bin,)
        Middle of each bin. [h]
    low, high, last : ndarray, shape (n_element, n_bin)
        Extremes within each bin and the value at its end.
    """

    names: tuple[str, ...]
    unit: str
    t_h: Array
    low: Array
    high: Array
    last: Array


def read(run: Path, signal: str, until_us: int) -> Series | None:
    """Return a recorded signal, or None if the run has none of it.

    Parameters
    ----------
    run : Path
        The run folder.
    signal : str
        ``federate.port`` or ``federate.port.label``.
    until_us : int
        End of the time axis. [us]
    """
    federate, _, port = signal.partition(".")
    path = run / SIGNALS / f"{federate}.parquet"
    if not path.exists():
        return None
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        names = [n for n in schema.names if n == port or n.startswith(f"{port}.")]
        if not names:
            return None
        unit = (schema.field(names[0]).metadata or {}).get(b"unit", b"").decode()
        bins = _Bins(len(names), until_us)
        for batch in file.iter_batches(group_rows(schema), columns=[TIME, *names]):
            values = [batch.column(n).to_numpy(zero_copy_only=False) for n in names]
            bins.add(batch.column(TIME).to_numpy(), np.array(values, dtype=np.float64))
    if not np.isfinite(bins.last).any():  # the run ended before it had a value
        return None
    short = tuple(name.removeprefix(f"{port}.") for name in names)
    return bins.series(short, unit)


class _Bins:
    """Collects extremes; a bin without a value takes the last one before it."""

    def __init__(self, count: int, until_us: int) -> None:
        self._until_us = until_us
        self._width_us = max(until_us // BINS, 1)
        self.low = np.full((count, BINS), np.inf)
        self.high = np.full((count, BINS), -np.inf)
        self.last = np.full((count, BINS), np.nan)

    def add(self, t_us: NDArray[np.int64], values: Array) -> None:
        count = int(np.searchsorted(t_us, self._until_us, side="right"))
        if count < len(t_us):  # what comes after the end is not of this picture
            t_us, values = t_us[:count], values[:, :count]
        if not count:
            return
        rows = np.minimum(t_us // self._width_us, BINS - 1)
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        bins = rows[starts]
        ends = np.append(starts[1:], len(rows)) - 1
        low = np.minimum.reduceat(values, starts, axis=1)
        high = np.maximum.reduceat(values, starts, axis=1)
        self.low[:, bins] = np.minimum(self.low[:, bins], low)
        self.high[:, bins] = np.maximum(self.high[:, bins], high)
        self.last[:, bins] = values[:, ends]

    def series(self, names: tuple[str, ...], unit: str) -> Series:
        known = np.isfinite(self.last[0])
        source = np.maximum.accumulate(np.where(known, np.arange(BINS), 0))
        last = self.last[:, source]
        low = np.where(known, self.low, last)
        high = np.where(known, self.high, last)
        t_h = np.arange(0.5, BINS, dtype=np.float64) * (self._width_us / 3.6e9)
        return Series(names, unit, t_h, low, high, last)


def total(series: Sequence[Series]) -> Series:
    """Return several series as one with all their elements."""
    first = series[0]
    return Series(
        tuple(name for s in series for name in s.names),
        first.unit,
        first.t_h,
        np.concatenate([s.low for s in series]),
        np.concatenate([s.high for s in series]),
        np.concatenate([s.last for s in series]),
    )
