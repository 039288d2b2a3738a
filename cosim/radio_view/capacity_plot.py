"""Delivery over the number of nodes in a cell, a line for each mix of spreading factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cosim.radio_view.cell_mixes import Mix
from cosim.radio_view.picture import INK, plain
from cosim.report.plots import COLOURS

_DASHES = ("-", (0, (6, 2)), (0, (4, 3)), (0, (2, 3)))


def capacity_plot(
    found: Sequence[Mix],
    target_pu: float,
    title: str,
) -> Any:
    """Return a figure of delivery over nodes.

    Parameters
    ----------
    found : sequence of Mix
        What the cell bears.
    target_pu : float
        Delivery that was asked for. [pu]
    title : str
        What the cell is like.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    for k, one in enumerate(found):
        nodes, delivery = np.array(one.curve, dtype=float).reshape(-1, 2).T
        sign = "" if one.capacity.limited else "at least "
        most = f"{sign}{one.capacity.nodes:,} nodes" if one.capacity.nodes else "not even one node"
        # Later lines have gaps, so that one below them is seen.
        axes.semilogx(nodes, delivery, color=COLOURS[k % len(COLOURS)], linewidth=1.6, marker="o",
                      markersize=3, linestyle=_DASHES[k % len(_DASHES)],
                      label=f"{one.name}: {most}")  # fmt: skip
    axes.axhline(target_pu, color="#888888", linewidth=0.8, linestyle="--")
    axes.annotate(f"wanted: {target_pu:g}", (0.995, target_pu), fontsize=8, color="#555555",
                  xycoords=("axes fraction", "data"), ha="right", va="bottom")  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylim(0.0, 1.05)
    axes.set_xlabel("nodes in the cell", fontsize=9)
    axes.set_ylabel("delivered [pu]", fontsize=9)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    return figure
