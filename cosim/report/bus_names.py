"""Names of buses in a network's picture, put where they cover nothing; O(N)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
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
    strokes: Iterable[NDArray[np.float64]] = (),
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
    strokes : iterable of ndarray, shape (k, 2)
        Lines a name covers only if there is no other room.

    Returns
    -------
    int
        How many were written.
    """
    points = _points(axes, xy)
    r = 0.45 * gap_pt
    room = _room(axes)
    clear, any_room = _Taken(4.0 * text_pt, room), _Taken(4.0 * text_pt, room)
    for x, y in points.tolist():
        for taken in (clear, any_room):
            taken.add((x - r, y - r, x + r, y + r))
    for stroke in strokes:
        for x, y in _dots(_points(axes, stroke), 0.6 * text_pt):
            clear.add((x - 0.5, y - 0.5, x + 0.5, y + 0.5))
    written = 0
    for k, name in names:
        size = len(name), text_pt
        side = _side(clear, points[k], size, 0.75 * gap_pt, any_room)
        side = side or _side(any_room, points[k], size, 0.75 * gap_pt, clear)
        if side is not None:
            _write(axes, xy[k], name, side, text_pt)
            written += 1
    return written


def _points(axes: Any, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places in the picture. [pt]"""
    points: NDArray[np.float64] = axes.transData.transform(xy) / (axes.figure.dpi / 72.0)
    return points


def _dots(stroke: NDArray[np.float64], every: float) -> Iterator[tuple[float, float]]:
    """Yield places along a stroke. [pt]"""
    for a, b in pairwise(stroke):
        count = max(int(np.hypot(*(b - a)) / every), 1)
        for k in range(count + 1):
            x, y = (a + (b - a) * (k / count)).tolist()
            yield x, y


def put_notes(
    axes: Any, xy: NDArray[np.float64], notes: Sequence[tuple[int, str]], text_pt: float
) -> None:
    """Write a few notes over whatever is there, each at the end of a line to its point."""
    points = _points(axes, xy)
    taken = _Taken(4.0 * text_pt, _room(axes))
    for k, note in notes:
        for gap_pt in (14.0, 26.0, 40.0, 60.0):
            side = _side(taken, points[k], (len(note), text_pt), gap_pt)
            if side is not None:
                _write(axes, xy[k], note, side, text_pt, line=True)
                break


def _room(axes: Any) -> Box:
    """Return the box of the axes. [pt]"""
    per_pt = axes.figure.dpi / 72.0
    box = axes.get_window_extent()
    return box.x0 / per_pt, box.y0 / per_pt, box.x1 / per_pt, box.y1 / per_pt


Side = tuple[float, float, str, str]


def _side(
    taken: _Taken,
    point: NDArray[np.float64],
    text: tuple[int, float],
    gap_pt: float,
    also: _Taken | None = None,
) -> Side | None:
    """Take the first free place beside a point, in another book too; return where it is."""
    letters, text_pt = text
    x, y = point.tolist()
    for dx, dy, across, along in _SIDES:
        off = dx * gap_pt, dy * gap_pt
        size = (letters * _LETTER + 0.8) * text_pt, _LINE * text_pt
        box = _box(x + off[0], y + off[1], *size, across, along)
        if taken.free(box):
            taken.add(box)
            if also is not None:
                also.add(box)
            return *off, across, along
    return None


def _write(
    axes: Any, xy: NDArray[np.float64], text: str, side: Side, text_pt: float, line: bool = False
) -> None:
    dx, dy, across, along = side
    from matplotlib.patheffects import withStroke

    shape: dict[str, Any] = {"path_effects": [withStroke(linewidth=1.5, foreground="white")]}
    if line:
        shape["arrowprops"] = {"arrowstyle": "-", "color": "#222222", "lw": 0.8, "shrinkB": 2.0}
        shape["bbox"] = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": "#bbbbbb", "lw": 0.6}
    note = axes.annotate(text, xy, (dx, dy), textcoords="offset points", fontsize=text_pt,
                         ha=across, va=along, color="#222222", zorder=6, **shape)  # fmt: skip
    note.set_in_layout(False)


def _box(x: float, y: float, width: float, height: float, across: str, along: str) -> Box:
    left = {"left": x, "right": x - width, "center": x - width / 2}[across]
    low = {"bottom": y, "top": y - height, "center": y - height / 2}[along]
    return left, low, left + width, low + height


class _Taken:
    """Boxes by the cells of a grid they touch."""

    def __init__(self, cell: float, room: Box) -> None:
        self._cell, self._room = cell, room
        self._boxes: dict[tuple[int, int], list[Box]] = defaultdict(list)

    def _cells(self, box: Box) -> Iterator[tuple[int, int]]:
        x0, y0, x1, y1 = (int(edge // self._cell) for edge in box)
        return ((i, j) for i in range(x0, x1 + 1) for j in range(y0, y1 + 1))

    def add(self, box: Box) -> None:
        """Take a box."""
        for cell in self._cells(box):
            self._boxes[cell].append(box)

    def free(self, box: Box) -> bool:
        """Return whether a box is in the room and covers nothing taken."""
        x0, y0, x1, y1 = box
        left, low, right, high = self._room
        if x0 < left or y0 < low or x1 > right or y1 > high:
            return False
        return not any(
            x0 < b[2] and b[0] < x1 and y0 < b[3] and b[1] < y1
            for cell in self._cells(box)
            for b in self._boxes.get(cell, ())
        )
