"""Packets in time: a lane for each radio; what it sent above, what reached it below.

Over a short time each packet is a bar of its true length. Over a long one that would be a
wall of bars: there what went well is a histogram, and each loss a mark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from cosim.radio_view.picture import FATES, INK, known_outcomes, plain
from cosim.radio_view.trace import DELIVERED, SENT, UNHEARD, Trace

#: By outcome, stretches of lanes: begin, end, place of the foot.
_Bars = dict[str, list[tuple[float, float, float]]]
#: Bars are drawn at least this wide, or one packet in a day could not be seen. [pt]
_LEAST_PT = 0.7
#: Length of the detail that is drawn below a whole run, around its worst instant. [us]
_DETAIL_US = 10_000_000
#: Height of the two halves of a lane, and their feet: what was sent above what reached it.
_HALF, _SENT_FOOT, _HEARD_FOOT = 0.38, 0.47, 0.93
#: Bars a lane above which what went well is counted in columns, and how many columns.
_CROWD, _COLUMNS = 250, 240
_GOOD = (SENT, UNHEARD, DELIVERED)


def lanes(trace: Trace, window_us: tuple[int, int] | None = None) -> Any:
    """Return a figure of the packets.

    Parameters
    ----------
    trace : Trace
        What was sent and heard.
    window_us : (int, int), optional
        What to show; the whole run, and below it the seconds with most losses, if left
        out. [us]
    """
    from matplotlib.figure import Figure

    windows = [window_us or (0, max(trace.until_us, 1))]
    if window_us is None and trace.packets:
        windows.append(worst(trace))
    height = 0.17 * max(len(trace.air.radios), 6) + 0.7
    figure = Figure(figsize=(11, height * len(windows) + 0.7), layout="constrained")
    panels = figure.subplots(len(windows), 1, squeeze=False)[:, 0]
    seen: dict[str, str] = {}
    for axes, window in zip(panels, windows, strict=True):
        seen |= _panel(axes, trace, window)
    _legend(figure, seen)
    return figure


def worst(trace: Trace, length_us: int = _DETAIL_US) -> tuple[int, int]:
    """Return the stretch of a run with most losses, or with most packets if none. [us]"""
    lost = [p.end_us for p in trace.packets if any(r.outcome != DELIVERED for r in p.receptions)]
    times = np.array(sorted(lost or [p.start_us for p in trace.packets]), dtype=np.int64)
    counts = np.searchsorted(times, times + length_us) - np.arange(len(times))
    begin = int(times[int(counts.argmax())]) - length_us // 10
    begin = max(min(begin, trace.until_us - length_us), 0) // 1_000_000 * 1_000_000
    return begin, begin + length_us


def _panel(axes: Any, trace: Trace, window_us: tuple[int, int]) -> dict[str, str]:
    """Draw one stretch of time; return what its colours mean."""
    from matplotlib.ticker import MaxNLocator

    low, high = window_us
    scale, unit = _unit(high - low)
    begin = 0 if unit == "h" else low
    bars = _bars(trace, window_us, begin, scale)
    span = (low - begin) / scale, (high - begin) / scale
    plain(axes)
    axes.set_xlim(*span)
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 3, 5, 6, 10]))
    radios = trace.air.radios
    axes.set_ylim(len(radios), 0)  # the first radio on top
    axes.set_yticks(np.arange(len(radios)) + 0.5, [r.name for r in radios], fontsize=6)
    axes.tick_params(axis="y", length=0)
    axes.hlines(np.arange(1, len(radios)), *span, color="#e3e3e3", linewidth=0.5, zorder=0)
    points = axes.figure.get_figwidth() * 72 * 0.85
    least = (span[1] - span[0]) * _LEAST_PT / points
    crowded = sum(map(len, bars.values())) > _CROWD * len(radios)
    colours = _meanings(bars)
    for name, colour in colours.items():
        if crowded and name in _GOOD:
            _draw_counts(axes, bars[name], colour, span)
        else:
            _draw(axes, bars[name], colour, least)
    after = f" after {_clock(begin)}" if begin else " from the start of the scenario"
    axes.set_xlabel(f"time{after} [{unit}]", fontsize=8)
    count = sum(p.end_us >= low and p.start_us < high for p in trace.packets)
    each = (span[1] - span[0]) / _COLUMNS
    height = f"; height: packets per {each:.3g} {unit}, each half lane on its own scale"
    axes.set_title(
        f"{count:,} packets, {_clock(low)} to {_clock(high)}" + (height if crowded else ""),
        loc="left", fontsize=9, color=INK,
    )  # fmt: skip
    return colours


def _unit(length_us: int) -> tuple[float, str]:
    """Return microseconds in a unit that suits a length of time, and its name."""
    for scale, unit in ((3.6e9, "h"), (6e7, "min")):
        if length_us >= 3 * scale:
            return scale, unit
    return (1e6, "s") if length_us >= 2e6 else (1e3, "ms")


def _clock(t_us: int) -> str:
    """Return an instant as hours, minutes and seconds."""
    minutes, rest_us = divmod(t_us, 60_000_000)
    seconds, rest_us = divmod(rest_us, 1_000_000)
    fraction = f".{rest_us:06d}".rstrip("0") if rest_us else ""
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}{fraction}"


def _bars(trace: Trace, window_us: tuple[int, int], from_us: int, scale: float) -> _Bars:
    low, high = window_us
    bars: _Bars = defaultdict(list)
    for packet in trace.packets:
        if packet.end_us < low or packet.start_us >= high:
            continue
        begin, end = (packet.start_us - from_us) / scale, (packet.end_us - from_us) / scale
        bars[packet.fate].append((begin, end, packet.sender + _SENT_FOOT))
        for one in packet.receptions:
            bars[one.outcome].append((begin, end, one.receiver + _HEARD_FOOT))
    return bars


def _meanings(bars: Mapping[str, Any]) -> dict[str, str]:
    """Return the colours in use, in the order of drawing: losses come last, on top."""
    fates = {name: colour for name, colour in FATES.items() if name in bars}
    return fates | known_outcomes(set(bars) - set(FATES))


def _draw(axes: Any, bars: list[tuple[float, float, float]], colour: str, least: float) -> None:
    """Draw each packet as a bar."""
    begin, end, foot = np.array(bars).T
    _boxes(axes, begin, np.maximum(end, begin + least), foot, np.full(len(foot), _HALF), colour)


def _draw_counts(
    axes: Any, bars: list[tuple[float, float, float]], colour: str, span: tuple[float, float]
) -> None:
    """Draw each lane's packets as a histogram, its fullest column as high as the lane."""
    begin, _, foot = np.array(bars).T
    edges = np.linspace(*span, _COLUMNS + 1)
    for one in np.unique(foot):
        counts, _ = np.histogram(begin[foot == one], edges)
        shown = np.flatnonzero(counts)
        height = _HALF * counts[shown] / max(counts.max(), 1)
        _boxes(axes, edges[shown], edges[shown + 1], np.full(len(shown), one), height, colour)


def _boxes(axes: Any, left: Any, right: Any, foot: Any, height: Any, colour: str) -> None:
    """Draw boxes; a lane's foot is below its head, as the axis points down."""
    from matplotlib.collections import PolyCollection

    corners = ((left, foot), (left, foot - height), (right, foot - height), (right, foot))
    boxes = list(np.stack([np.column_stack(corner) for corner in corners], axis=1))
    axes.add_collection(PolyCollection(boxes, facecolors=colour, linewidths=0, rasterized=True))


def _legend(figure: Any, seen: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch

    names = {name: f"{name} (upper half)" if name in FATES else name for name in seen}
    handles = [Patch(color=colour, label=names[name]) for name, colour in seen.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize=8,
                  handlelength=1.0)  # fmt: skip
