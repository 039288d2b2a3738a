"""Who hears whom: radios on the map, each pair's line coloured by delivery or by strength."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cosim.radio_view.picture import COLOURS_OF_FLEETS, INK
from cosim.radio_view.trace import DELIVERED, Trace
from cosim.report.bus_names import put_names
from gridmodel.wire.lora import SNR_FLOOR_DB

#: What a line's colour can tell.
BY = ("delivery", "snr")
#: Radios up to which every place bears its name.
_ALL_NAMED = 160
#: Radios nearer to each other than this have no line between them. [m]
_SAME_PLACE_M = 0.5
#: Links up to which each bears an arrow.
_FEW_LINKS = 400
#: How far a bow's middle control point lies beside it, by its length. []
_BEND = 0.12
#: From the least ratio that is demodulated to where a link is good beyond doubt. [dB]
_SNR_SPAN_DB = 40.0


@dataclass
class Pair:
    """What one radio got of what another sent."""

    heard: int = 0
    lost: int = 0
    snr_db: list[float] = field(default_factory=list)

    @property
    def delivery_pu(self) -> float:
        """Part of the packets that were delivered. [pu]"""
        return self.heard / max(self.heard + self.lost, 1)


def pairs(trace: Trace) -> dict[tuple[int, int], Pair]:
    """Return what became of packets by sender and receiver."""
    found: dict[tuple[int, int], Pair] = defaultdict(Pair)
    for packet in trace.packets:
        for one in packet.receptions:
            pair = found[packet.sender, one.receiver]
            if one.outcome == DELIVERED:
                pair.heard += 1
                if one.snr_db is not None:
                    pair.snr_db.append(one.snr_db)
            else:
                pair.lost += 1
    return dict(found)


def hearing_map(trace: Trace, by: str = "delivery") -> Any:
    """Return a figure of the radios and their links.

    A bow with an arrow leads from each sender to each receiver.

    Parameters
    ----------
    trace : Trace
        What was sent and heard.
    by : str
        ``delivery``, or ``snr`` for the median signal-to-noise ratio.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    radios = trace.air.radios
    xy = np.array([radio.place_m for radio in radios], dtype=float).reshape(-1, 2)
    found = pairs(trace)
    values = {
        key: pair.delivery_pu if by == "delivery" else float(np.median(pair.snr_db))
        for key, pair in found.items()
        if by == "delivery" or pair.snr_db
    }
    figure = Figure(figsize=_size(xy), layout="constrained")
    axes = figure.subplots()
    slowest = max((p.modem.spreading_factor for p in trace.packets), default=7)
    colours, norm, label, extend = _scale(by, list(values.values()), SNR_FLOOR_DB[slowest])
    _lines(axes, xy, values, colours, norm)
    _radios(axes, trace, xy)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)
    axes.set_xlabel("east [m]", fontsize=9)
    axes.set_ylabel("north [m]", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    bar = figure.colorbar(
        ScalarMappable(norm, colours), ax=axes, shrink=0.7, aspect=30, pad=0.01, extend=extend
    )
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    axes.set_title(_title(trace, found), fontsize=9, loc="left", color=INK)
    legend = figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    legend.set_title("arrows: from sender to receiver")
    legend.get_title().set_fontsize(8)
    figure.draw_without_rendering()  # names need to know where points come to stand
    _names(axes, trace, xy, found)
    return figure


def _size(xy: Any) -> tuple[float, float]:
    """Return width and height that suit the places. [in]"""
    width, height = np.maximum(np.ptp(xy, axis=0), 1.0)
    return 9.6, 8.0 * float(np.clip(height / width, 0.45, 1.05)) + 1.0


def _scale(by: str, values: list[float], floor_db: float) -> tuple[Any, Any, str, str]:
    """Return colours, their span, what they mean, and which end is open."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = LinearSegmentedColormap.from_list(
        "hearing", ["#7a0403", "#d55e00", "#e6b800", "#4fae5f", "#00634b"]
    )
    if by == "snr":
        label = "median signal-to-noise ratio of what was delivered [dB]"
        return colours, Normalize(floor_db, floor_db + _SNR_SPAN_DB), label, "max"
    worst = min(values, default=0.0)
    # Where nearly all arrives, a scale from 0 would show nothing.
    low = float(np.floor(20 * min(worst, 0.95)) / 20)
    return colours, Normalize(low, 1.0), "part of packets delivered [pu]", "neither"


def _lines(
    axes: Any, xy: Any, values: dict[tuple[int, int], float], colours: Any, norm: Any
) -> None:
    """Draw a bow from each sender to each receiver, the best first, so that the worst are seen.

    A bow bends to the sender's left: the two directions part, and so do links in one line.
    """
    from matplotlib.collections import LineCollection

    order = sorted(values, key=lambda key: -values[key])
    far = [k for k in order if float(np.hypot(*(xy[k[1]] - xy[k[0]]))) > _SAME_PLACE_M]
    shades = [colours(norm(values[key])) for key in far]
    bows = [bow(xy[a], xy[b]) for a, b in far]
    few = len(far) <= _FEW_LINKS
    width = 1.8 if few else 0.7
    axes.add_collection(LineCollection(bows, colors=shades, linewidths=width, zorder=1))
    if few:
        for path, shade in zip(bows, shades, strict=True):
            tip = len(path) * 3 // 5
            axes.annotate("", path[tip], path[tip - 1], zorder=1, arrowprops={
                "arrowstyle": "-|>,head_width=0.22,head_length=0.4", "color": shade,
                "linewidth": 0.0, "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def bow(a: Any, b: Any, points: int = 24) -> Any:
    """Return points of a flat bow from one place to another, shape (points, 2)."""
    along = b - a
    peak = (a + b) / 2 + _BEND * np.array([-along[1], along[0]])
    t = np.linspace(0.0, 1.0, points)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * peak + t**2 * b


def _radios(axes: Any, trace: Trace, xy: Any) -> None:
    """Draw the radios of each fleet; fleets with fewer radios larger, below the others."""
    radios = trace.air.radios
    fleets = sorted(trace.air.first, key=lambda name: sum(r.fleet == name for r in radios))
    for k, fleet in enumerate(fleets):
        rows = [n for n, radio in enumerate(radios) if radio.fleet == fleet]
        size = 40.0 + 130.0 * (len(fleets) - 1 - k)
        axes.scatter(*xy[rows].T, s=size, marker="o", zorder=2 + k, edgecolors="white",
                     facecolors=COLOURS_OF_FLEETS[k % len(COLOURS_OF_FLEETS)], linewidths=0.8,
                     label=f"{fleet} ({len(rows)})")  # fmt: skip


def _names(axes: Any, trace: Trace, xy: Any, found: dict[tuple[int, int], Pair]) -> None:
    """Name each place once, if there is room for all."""
    at: dict[tuple[float, float], tuple[int, str]] = {}
    for k, radio in enumerate(trace.air.radios):
        at.setdefault(radio.place_m, (k, radio.name.split(".")[1]))
    if len(at) <= _ALL_NAMED:
        strokes = [bow(xy[a], xy[b]) for a, b in found if a != b]
        put_names(axes, xy, list(at.values()), 8.0, 11.0, strokes)


def _title(trace: Trace, found: dict[tuple[int, int], Pair]) -> str:
    heard = sum(pair.heard for pair in found.values())
    lost = sum(pair.lost for pair in found.values())
    return (
        f"{trace.air.name}: {len(trace.packets):,} packets, {heard:,} of {heard + lost:,} "
        f"receptions delivered; path loss {trace.air.config.path_loss}"
    )
