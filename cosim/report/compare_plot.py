"""Comparison plot: the outputs in which two runs differ most, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cosim.compare import Comparison, Parting
from cosim.report.plots import COLOURS, png
from cosim.report.series import read

#: Panels of the picture.
MOST_PANELS = 6


def compare_picture(
    first: Path, second: Path, comparison: Comparison, chosen: Sequence[str] = ()
) -> bytes | None:
    """Return the picture as PNG; None if no signal differs.

    Parameters
    ----------
    first, second : Path
        The runs.
    comparison : Comparison
        Where they part.
    chosen : sequence of str
        ``federate.port`` or ``federate.port.element`` to draw; if empty, those that
        differ most for their range, each at the element that differs most.
    """
    from matplotlib.figure import Figure

    names = list(chosen) or [_name(parting) for parting in greatest(comparison)]
    if not names:
        return None
    figure = Figure(figsize=(11, 1.75 * len(names) + 0.6), layout="constrained")
    grid = figure.subplots(len(names), 1, sharex=True, squeeze=False)
    for (axes,), name in zip(grid, names, strict=True):
        _panel(axes, name, (first, second), comparison.until_us)
        for parting in comparison.partings[:1]:
            axes.axvline(parting.t_us / 3.6e9, color="#888888", linewidth=0.8, linestyle=":")
    grid[0][0].legend(fontsize=7, ncol=2, frameon=False, loc="lower right",
                      bbox_to_anchor=(1.0, 0.97))  # fmt: skip
    grid[-1][0].set_xlabel("time from the start of the scenario [h]")
    return png(figure)


def greatest(comparison: Comparison) -> list[Parting]:
    """Return the signals that differ most for their range, one a federate first."""
    signals = [p for p in comparison.partings if p.most]
    signals.sort(key=lambda p: -abs(p.most) / (p.range_size or abs(p.most)))
    first = {p.federate: p for p in reversed(signals)}
    lead = [p for p in signals if first[p.federate] is p]
    return (lead + [p for p in signals if p not in lead])[:MOST_PANELS]


def _name(parting: Parting) -> str:
    name = f"{parting.federate}.{parting.port}"
    return f"{name}.{parting.most_element}" if parting.most_element else name


def _panel(axes: Any, name: str, runs: tuple[Path, Path], until_us: int) -> None:
    axes.set_title(name, loc="left", fontsize=9, fontweight="bold")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, until_us / 3.6e9)
    for number, run in enumerate(runs):
        series = read(run, name, until_us)
        if series is None:
            continue
        axes.set_ylabel(series.unit, fontsize=8)
        value = (series.low.sum(axis=0), series.high.sum(axis=0))
        colour = COLOURS[number]
        axes.fill_between(series.t_h, *value, color=colour, alpha=0.4, linewidth=0)
        axes.plot(series.t_h, np.mean(value, axis=0), color=colour, linewidth=0.9, label=run.name)
