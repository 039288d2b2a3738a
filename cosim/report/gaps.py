"""Gaps: where a signal has no value to draw, and how a picture tells so.

A grid without voltage has no frequency; the record holds 0 there. A line down to 0 Hz would
show a value that never was, so the line ends, and a grey stripe stands in its place: even a
dark minute is seen in two days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
#: The unit in which 0 is always no value: there was no voltage to have a frequency.
FREQUENCY = "Hz"
#: What legends say of gaps: of those of a dead grid, and of others.
NO_VOLTAGE, ZERO = "gap: no voltage", "gap: 0"
#: A stripe is at least so wide, of the width of a panel.
_LEAST_PU = 0.008


def has_gaps(unit: str, hide_zero: bool = False) -> bool:
    """Return whether 0 stands for no value: where a panel says so, and always in Hz."""
    return hide_zero or unit == FREQUENCY


def touched(low: Array, high: Array) -> Mask:
    """Return the bins in which a signal was 0 at some instant.

    Parameters
    ----------
    low, high : ndarray
        Extremes of each bin; 0 is one of them, as what has gaps has one sign.
    """
    return np.asarray((low == 0.0) | (high == 0.0))


def draw_line(
    axes: Any, t_h: Array, extremes: tuple[Array, Array], colour: str, name: str, gaps: bool
) -> Mask:
    """Draw a line whose thickness is the range of values within a bin; return its gaps.

    Parameters
    ----------
    axes : matplotlib axes
        Where to.
    t_h : ndarray, shape (n_bin,)
        Middle of each bin. [h]
    extremes : pair of ndarray, shape (n_bin,)
        Lowest and highest value of each bin.
    colour, name : str
        Of the line.
    gaps : bool
        Whether it ends where it is 0. Of a bin that is a gap for a part of its time, the
        extreme that is known is a dot.
    """
    low, high = extremes
    hidden = touched(low, high) if gaps else np.zeros(len(t_h), bool)
    begin, end = (np.where(hidden, np.nan, value) for value in extremes)
    axes.fill_between(t_h, begin, end, color=colour, alpha=0.5, linewidth=0)
    axes.plot(t_h, (begin + end) / 2, color=colour, linewidth=0.9, label=name)
    known = np.where(high != 0.0, high, low)
    dots = hidden & (known != 0.0)
    axes.plot(t_h[dots], known[dots], ".", color=colour, markersize=2.5)
    return hidden


def draw_stripes(axes: Any, t_h: Array, gaps: Sequence[Mask], unit: str) -> None:
    """Draw a stripe where all lines of a panel have a gap, wide enough to be seen.

    The time axis has its limits already; the first stripe bears a label for the legend.
    """
    begin, end = axes.get_xlim()
    least_h, half_h = _LEAST_PU * (end - begin), (t_h[1] - t_h[0]) / 2
    dark = np.logical_and.reduce(gaps)
    edges = np.flatnonzero(np.diff(dark.astype(int), prepend=0, append=0))
    for number, (first, last) in enumerate(zip(edges[::2], edges[1::2] - 1, strict=True)):
        middle_h = (t_h[first] + t_h[last]) / 2
        wide_h = max((t_h[last] - t_h[first]) / 2 + half_h, least_h / 2)
        text = "" if number else NO_VOLTAGE if unit in (FREQUENCY, "V") else ZERO
        axes.axvspan(
            middle_h - wide_h, middle_h + wide_h,
            color="#5b5b5b", alpha=0.35, linewidth=0, zorder=0, label=text,
        )  # fmt: skip
