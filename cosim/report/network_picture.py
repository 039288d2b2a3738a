"""A network's one-line picture: buses coloured by voltage, lines and transformers by loading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.report.network_layout import Layout, layout
from gridmodel.network.network import Network
from simulators.power_flow.loading import loadings_pu
from simulators.power_flow.result import PowerFlow
from simulators.power_flow.voltage import Voltages, voltages

Array = NDArray[np.float64]

#: Voltages at the ends of the scale of colours. [pu]
_V_SPAN_PU = 0.92, 1.08
#: Loading at the end of the scale. [pu]
_LOADING_SPAN_PU = 1.2
#: Buses up to which every one bears its name; beyond, only so many that say something.
_ALL_NAMED, _SOME_NAMED = 160, 14
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
        return _Scale(13.0, 9.0, 1.6, 42.0, 6.5)
    return _Scale(15.0, 3.5, 1.2, 30.0, 7.5)


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
    axes.margins(0.06)
    found = voltages(flow) if flow.converged else None
    _edges(axes, flow, place, scale)
    _buses(axes, network, place, found, scale)
    _marks(axes, network, place, scale)
    _names(axes, network, place, found, scale)
    _legend(figure, axes, flow, scale)
    # Without a date and with a fixed salt the same network gives the same bytes.
    with mpl.rc_context({"svg.hashsalt": "feedertwin"}):
        svg = path.suffix.lower() == ".svg"
        figure.savefig(path, dpi=150, metadata={"Date": None} if svg else {"Software": None})
