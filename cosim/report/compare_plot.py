"""Comparison plot: the outputs in which two runs differ most, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cosim.compare import Comparison, Parting
from cosim.recorder.compact import SIGNALS
from cosim.recorder.layout import Column
from cosim.recorder.rows import Rows
from cosim.report.plots import COLOURS, png
from cosim.report.series import read
from gridmodel.errors import RunError
from gridmodel.settings import near

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

    Raises
    ------
    RunError
        If neither run has a chosen signal.
    """
    from matplotlib.figure import Figure

    _check(chosen, (first, second))
    names = list(chosen) or [_name(parting) for parting in greatest(comparison)]
    if not names:
        return None
    figure = Figure(figsize=(11, 1.75 * len(names) + 0.6), layout="constrained")
    grid = figure.subplots(len(names), 1, sharex=True, squeeze=False)
    for (axes,), name in zip(grid, names, strict=True):
        _panel(axes, name, (first, second), comparison.until_us)
        axes.set_xlim(begin_h(comparison), comparison.until_us / 3.6e9)
        for parting in comparison.partings[:1]:
            axes.axvline(parting.t_us / 3.6e9, color="#888888", linewidth=0.8, linestyle=":")
    grid[0][0].legend(fontsize=7, ncol=2, frameon=False, loc="lower right",
                      bbox_to_anchor=(1.0, 0.97))  # fmt: skip
    grid[-1][0].set_xlabel("time from the start of the scenario [h]")
    return png(figure)


def _check(chosen: Sequence[str], runs: tuple[Path, Path]) -> None:
    known = {
        f"{path.stem}.{c.name}": c
        for run in runs
        for path in (run / SIGNALS).glob("*.parquet")
        for c in _columns(run, path.stem)
    }
    parts = {f"{name.partition('.')[0]}.{part}" for name, c in known.items() for part in c.parts}
    for name in chosen:
        if name not in known and name not in parts:
            raise RunError(f"no run has a signal '{name}'. {near(name, known)}")


def _columns(run: Path, name: str) -> tuple[Column, ...]:
    rows = Rows(run, name, ())
    rows.close()
    return rows.known


def begin_h(comparison: Comparison) -> float:
    """Return where the picture begins: a little before they part. [h]"""
    end_us = comparison.until_us
    part_us = min((parting.t_us for parting in comparison.partings), default=0)
    return max(part_us - 0.1 * (end_us - part_us), 0.0) / 3.6e9


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
    for number, run in enumerate(runs):
        series = read(run, name, until_us)
        if series is None:
            continue
        axes.set_ylabel(series.unit, fontsize=8)
        value = (series.low.sum(axis=0), series.high.sum(axis=0))
        colour = COLOURS[number]
        axes.fill_between(series.t_h, *value, color=colour, alpha=0.4, linewidth=0)
        axes.plot(series.t_h, np.mean(value, axis=0), color=colour, linewidth=0.9, label=run.name)
