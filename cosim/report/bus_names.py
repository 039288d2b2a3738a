"""Names of buses in a network's picture, put where they cover nothing; O(N)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
#: Where a name may stand: direction from the bus, and how the text is aligned.
_SIDES = (
    (1, 1, "left", "bottom"), (1, -1, "left", "top"), (-1, 1, "right", "bottom"),
    (-1, -1, "right", "top"), (0, 1.3, "center", "bottom"), (0, -1.3, "center", "top"),
    (1.4, 0, "left", "center"), (-1.4, 0, "right", "center"),
)  # fmt: skip
#: Width of a letter and height of a line, in sizes of the text.
_LETTER, _LINE = 0.58, 1.15


def put_names(
    axes: Any,
    xy: NDArray[np.float64],
    names: Sequence[tuple[int, str]],
    text_pt: float,
    gap_pt: float,
) -> int:
    """Write names beside their points; one that finds no room is left out.

    Parameters
    ----------
    axes : Axes
        Of a figure that has been laid out.
    xy : ndarray, shape (n, 2)
        All points, which no name covers.
    names : sequence of (int, str)
        Points and their names, the most important first.
    text_pt, gap_pt : float
        Size of the text, and the way from a point to its name. [pt]

    Returns
    -------
    int
        How many were written.
    """
    per_pt = axes.figure.dpi / 72.0
    points = axes.transData.transform(xy) / per_pt
    taken = _Taken(4.0 * text_pt)
    for x, y in points.tolist():
        r = 0.45 * gap_pt
        taken.add((x - r, y - r, x + r, y + r))
    written = 0
    for k, name in names:
        x, y = points[k].tolist()
        for dx, dy, across, along in _SIDES:
            at = x + dx * gap_pt * 0.75, y + dy * gap_pt * 0.75
            box = _box(*at, len(name) * _LETTER * text_pt, _LINE * text_pt, across, along)
            if taken.free(box):
                taken.add(box)
                note = axes.annotate(name, xy[k], (at[0] - x, at[1] - y), textcoords="offset points",
                              fontsize=text_pt, ha=across, va=along, color="#222222",
                              zorder=6)  # fmt: skip
                note.set_in_layout(False)
                written += 1
                break
    return written


def _box(x: float, y: float, width: float, height: float, across: str, along: str) -> Box:
    left = {"left": x, "right": x - width, "center": x - width / 2}[across]
    low = {"bottom": y, "top": y - height, "center": y - height / 2}[along]
    return left, low, left + width, low + height


class _Taken:
    """Boxes by the cells of a grid they touch."""

    def __init__(self, cell: float) -> None:
        self._cell = cell
        self._boxes: dict[tuple[int, int], list[Box]] = defaultdict(list)

    def _cells(self, box: Box) -> Iterator[tuple[int, int]]:
        x0, y0, x1, y1 = (int(edge // self._cell) for edge in box)
        return ((i, j) for i in range(x0, x1 + 1) for j in range(y0, y1 + 1))

    def add(self, box: Box) -> None:
        """Take a box."""
        for cell in self._cells(box):
            self._boxes[cell].append(box)

    def free(self, box: Box) -> bool:
        """Return whether a box covers nothing taken."""
        x0, y0, x1, y1 = box
        return not any(
            x0 < b[2] and b[0] < x1 and y0 < b[3] and b[1] < y1
            for cell in self._cells(box)
            for b in self._boxes.get(cell, ())
        )
