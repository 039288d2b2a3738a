"""A network's one-line picture: buses coloured by voltage, lines and transformers by loading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.report.bus_names import put_names, put_notes
from cosim.report.network_layout import Layout, layout
from gridmodel.network.network import Network
from simulators.power_flow.loading import loadings_pu
from simulators.power_flow.phase_voltages import phase_voltages
from simulators.power_flow.result import PowerFlow

Array = NDArray[np.float64]

#: Voltages at the ends of the scale of colours. [pu]
_V_SPAN_PU = 0.92, 1.08
#: Loading at the end of the scale. [pu]
_LOADING_SPAN_PU = 1.2
#: Buses up to which every one bears its name, if there is room.
_ALL_NAMED = 160
_GREY, _INK = "#9a9a9a", "#333333"


@dataclass(frozen=True)
class _Scale:
    """Sizes that fit the number of buses."""

    side_in: float
    bus_pt: float
    line_pt: float
    mark_pt: float
    text_pt: float


def _scale(count: int) -> _Scale:
    if count <= 40:
        return _Scale(8.0, 62.0, 2.6, 110.0, 8.0)
    if count <= 200:
        return _Scale(11.0, 26.0, 2.2, 60.0, 6.0)
    if count <= 1000:
        return _Scale(13.0, 10.0, 1.8, 42.0, 8.0)
    return _Scale(15.0, 6.0, 1.7, 36.0, 8.5)


def draw(flow: PowerFlow, path: Path) -> None:
    """Write the picture; the ending of the name says whether as PNG or SVG.

    Parameters
    ----------
    flow : PowerFlow
        An answer; without a solution the network is drawn in grey.
    path : Path
        Where to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    network, place = flow.network, layout(flow.network)
    scale = _scale(len(network.buses))
    figure = Figure(figsize=_size(place, scale), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    if place.is_map:
        axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.09, 0.06)
    vm_pu = furthest_pu(flow)
    _edges(axes, flow, place, scale)
    _buses(axes, place, vm_pu, scale)
    _marks(axes, network, place, scale)
    _legend(figure, axes, flow)
    figure.draw_without_rendering()  # names need to know where points come to stand
    _names(axes, network, place, vm_pu, scale)
    # Without a date and with a fixed salt the same network gives the same bytes.
    with mpl.rc_context({"svg.hashsalt": "feedertwin"}):
        svg = path.suffix.lower() == ".svg"
        figure.savefig(path, dpi=150, metadata={"Date": None} if svg else {"Software": None})


def furthest_pu(flow: PowerFlow) -> Array:
    """Return of each bus the phase voltage furthest from 1 pu; NaN where there is none. [pu]"""
    if not flow.converged:
        return np.full(len(flow.network.buses), np.nan)
    vm = phase_voltages(flow).vm_pu
    far = np.argmax(np.where(np.isfinite(vm), np.abs(vm - 1.0), -1.0), axis=1)
    furthest: Array = np.take_along_axis(vm, far[:, None], axis=1)[:, 0]
    return furthest


def _size(place: Layout, scale: _Scale) -> tuple[float, float]:
    """Return width and height that suit the places. [in]"""
    width, height = np.maximum(np.ptp(place.xy, axis=0), 1e-9)
    if place.is_map:
        ratio = float(np.clip(height / width, 0.45, 1.1))
    else:
        rows = height + 1.0
        ratio = float(np.clip(rows * 0.28 / scale.side_in, 0.35, 1.1))
    return scale.side_in + 1.6, scale.side_in * ratio + 1.0


def _voltage_colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#2b3fc4", "#2fa4d4", "#4fae5f", "#f2a126", "#c81d25"]
    return LinearSegmentedColormap.from_list("voltage", colours)


def _loading_colours() -> Any:
    """Return grey to black up to the rating, then magenta."""
    from matplotlib.colors import LinearSegmentedColormap

    full = 1.0 / _LOADING_SPAN_PU
    colours = [(0.0, "#c9ced6"), (0.6 * full, "#6b7280"), (full, "#111111")]
    colours += [(full + 1e-6, "#e0218a"), (1.0, "#a80060")]
    return LinearSegmentedColormap.from_list("loading", colours)


@dataclass(frozen=True)
class _Edge:
    """A stretch of the picture."""

    path: Array
    phases: int
    loading_pu: float  # NaN: not known
    kind: str  # line, switch, open, transformer


def _paths(network: Network, place: Layout, loading: dict[tuple[str, str], float]) -> list[_Edge]:
    at, xy = network.bus_index, place.xy
    edges: list[_Edge] = []

    def add(one: str, other: str, phases: int, loading_pu: float, kind: str) -> None:
        a, b = sorted((xy[at[one]], xy[at[other]]), key=lambda p: (p[0], -p[1]))
        if not place.is_map and b[0] - a[0] == 1.0:  # on the tree: round two corners
            path = np.array([a, (a[0] + 0.3, a[1]), (a[0] + 0.3, b[1]), b])
        else:
            path = np.array([a, b])
        edges.append(_Edge(path, phases, loading_pu, kind))

    for line in network.lines:
        load = loading.get(("lines", line.name), np.nan)
        add(line.bus_from, line.bus_to, len(line.phases), load, "line")
    for switch in network.switches:
        kind = "open" if switch.open else "switch"
        add(switch.bus_from, switch.bus_to, len(switch.phases), np.nan, kind)
    for series in network.series_compensators:
        add(series.bus_from, series.bus_to, len(series.phases), np.nan, "line")
    for one in network.transformers:
        load = loading.get(("transformers", one.name), np.nan)
        first, *others = dict.fromkeys(end.bus for end in one.ends)
        for other in others:
            add(first, other, one.ends[0].coil_count, load, "transformer")
    return sorted(edges, key=lambda edge: -1.0 if np.isnan(edge.loading_pu) else edge.loading_pu)


def _edges(axes: Any, flow: PowerFlow, place: Layout, scale: _Scale) -> None:
    from matplotlib.collections import LineCollection

    edges = _paths(flow.network, place, loadings_pu(flow) if flow.converged else {})
    colours, span = _loading_colours(), _LOADING_SPAN_PU
    solid = [edge for edge in edges if edge.kind != "open"]
    shades = [
        "#b7c4ba" if np.isnan(edge.loading_pu) else colours(min(edge.loading_pu / span, 1.0))
        for edge in solid
    ]
    widths = [scale.line_pt * (0.45 + 0.2 * min(edge.phases, 3)) for edge in solid]
    axes.add_collection(
        LineCollection([e.path for e in solid], colors=shades, linewidths=widths,
                       capstyle="round", zorder=1)
    )  # fmt: skip
    ties = [edge.path for edge in edges if edge.kind == "open"]
    axes.add_collection(
        LineCollection(ties, colors=_INK, linewidths=scale.line_pt * 0.5,
                       linestyles=(0, (2, 2)), zorder=1)
    )  # fmt: skip
    for kind, marker, face in (("switch", "s", _INK), ("open", "s", "white")):
        _middles(axes, edges, kind, marker, face, scale)
    if len(flow.network.buses) <= 1000 or len(flow.network.transformers) <= 200:
        _middles(axes, edges, "transformer", "o", "white", scale)


def _middles(
    axes: Any, edges: Iterable[_Edge], kind: str, marker: str, face: str, scale: _Scale
) -> None:
    """Put a symbol in the middle of some edges' last stretch."""
    ends = [edge.path[-2:] for edge in edges if edge.kind == kind]
    if not ends:
        return
    x, y = np.mean(ends, axis=1).T
    size = scale.mark_pt * (0.5 if kind == "transformer" else 0.35)
    axes.scatter(x, y, s=size, marker=marker, facecolors=face, edgecolors=_INK,
                 linewidths=0.8, zorder=2)  # fmt: skip
    if kind == "transformer":  # a ring in the ring: two windings
        axes.scatter(x, y, s=size * 0.25, marker="o", facecolors="none", edgecolors=_INK,
                     linewidths=0.7, zorder=2)  # fmt: skip


def _buses(axes: Any, place: Layout, vm_pu: Array, scale: _Scale) -> None:
    """Draw buses; those furthest from 1 pu on top."""
    from matplotlib.colors import Normalize

    known = np.isfinite(vm_pu)
    x, y = place.xy.T
    axes.scatter(x[~known], y[~known], s=scale.bus_pt * 0.8, facecolors="white",
                 edgecolors=_GREY, linewidths=0.6, zorder=3)  # fmt: skip
    rank = np.flatnonzero(known)
    rank = rank[np.argsort(np.abs(vm_pu[rank] - 1.0), kind="stable")]
    edge = "white" if scale.bus_pt > 5.0 else "none"
    axes.scatter(x[rank], y[rank], s=scale.bus_pt, c=vm_pu[rank], cmap=_voltage_colours(),
                 norm=Normalize(*_V_SPAN_PU), edgecolors=edge, linewidths=0.5, zorder=4)  # fmt: skip


#: Equipment that is marked: what, symbol, colour, factor of size.
_MARKS = (
    ("source", "energy_sources", "s", "#111111", 2.2),
    ("capacitor", "capacitors", "D", "#7b5ea7", 1.0),
    ("inverter", "inverters", "^", "#e0a800", 1.3),
    ("machine", "machines", "h", "#00695c", 1.3),
)


def _marks(axes: Any, network: Network, place: Layout, scale: _Scale) -> None:
    """Draw a symbol round the buses that have a source, a capacitor, ..."""
    for word, group, marker, colour, factor in _MARKS:
        rows = sorted({network.bus_index[one.bus] for one in getattr(network, group)})
        if rows:
            x, y = place.xy[rows].T
            size = max(scale.mark_pt, scale.bus_pt * 1.6) * factor
            crowd = 1.0 if len(rows) <= 100 else 0.3
            axes.scatter(x, y, s=size * crowd, marker=marker, facecolors="none", linewidths=1.3,
                         edgecolors=colour, zorder=5, label=word)  # fmt: skip


def _names(axes: Any, network: Network, place: Layout, vm_pu: Array, scale: _Scale) -> None:
    """Name every bus, or in a large network what says most: sources and the extremes."""
    rows = [network.bus_index[one.bus] for one in network.energy_sources]
    if len(network.buses) <= _ALL_NAMED:
        rows += range(len(network.buses))
        names = [(k, network.buses[k].name) for k in dict.fromkeys(rows)]
        strokes = [edge.path for edge in _paths(network, place, {})]
        put_names(axes, place.xy, names, scale.text_pt, scale.bus_pt**0.5 + 3.0, strokes)
        return
    notes = [(k, f"source {network.buses[k].name}") for k in rows]
    if np.isfinite(vm_pu).any():
        for word, k in (
            ("lowest", int(np.nanargmin(vm_pu))),
            ("highest", int(np.nanargmax(vm_pu))),
        ):
            notes.append((k, f"{word} {network.buses[k].name} {vm_pu[k]:.3f} pu"))
    put_notes(axes, place.xy, notes, scale.text_pt)


def _legend(figure: Any, axes: Any, flow: PowerFlow) -> None:
    """Add the scales, what the symbols mean, and the totals."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    handles, words = axes.get_legend_handles_labels()
    symbols = {"transformer": ("o", "white"), "switch": ("s", _INK), "open": ("s", "white")}
    kinds = {"switch": "switch", "open": "open switch", "transformer": "transformer"}
    there = {"transformer": bool(flow.network.transformers)}
    there["open"] = any(one.open for one in flow.network.switches)
    there["switch"] = any(not one.open for one in flow.network.switches)
    for kind, word in kinds.items():
        if there[kind]:
            marker, face = symbols[kind]
            handles.append(Line2D([], [], marker=marker, markerfacecolor=face, color=_INK,
                                  linestyle="none", markersize=5))  # fmt: skip
            words.append(word)
    figure.legend(handles, words, loc="outside lower center", ncols=7, frameon=False, fontsize=8)
    axes.set_title(_title(flow), fontsize=9, loc="left", color=_INK)
    if not flow.converged:
        return
    for colours, span, word in (
        (_voltage_colours(), _V_SPAN_PU, "voltage of the phase furthest from 1 [pu]"),
        (_loading_colours(), (0.0, _LOADING_SPAN_PU), "loading of lines, transformers [pu]"),
    ):
        bar = figure.colorbar(ScalarMappable(Normalize(*span), colours), ax=axes, shrink=0.6,
                              aspect=30, pad=0.01, extend="both" if span[0] else "max")  # fmt: skip
        bar.set_label(word, fontsize=8)
        bar.ax.tick_params(labelsize=7)


def _title(flow: PowerFlow) -> str:
    network = flow.network
    if not flow.converged:
        return f"{network.name}: no solution ({flow.solver})"
    return (
        f"{network.name}: {len(network.buses):,} buses; source {flow.source_kva.real:,.1f} kW, "
        f"losses {flow.losses_kva.real:,.2f} kW ({flow.solver})"
    )
