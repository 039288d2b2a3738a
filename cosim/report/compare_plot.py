"""Comparison plot: the outputs in which two runs differ most, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim import run_folder
from cosim.compare import Comparison, Parting
from cosim.recorder.compact import SIGNALS
from cosim.recorder.layout import Column
from cosim.recorder.rows import Rows
from cosim.report.gaps import draw_line, draw_stripes, has_gaps
from cosim.report.plots import COLOURS, draw_band, legend, png, say_not_recorded, time_axis
from cosim.report.series import read
from gridmodel.errors import RunError
from gridmodel.settings import near

Runs = tuple[Path, Path]
#: Panels that are drawn if nobody chooses.
MOST_PANELS = 4
#: A difference below this, in whatever unit, is rounding.
_ROUNDING = 1e-9
#: Units whose elements add up to something; of others the range is drawn.
_ADDITIVE = ("kW", "kvar", "kVA", "kWh", "W", "")
#: A full turn. [deg]
_TURN_DEG = 360.0


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
        ``federate.port`` or ``federate.port.element`` to draw; if empty, those of `greatest`.

    Raises
    ------
    RunError
        If neither run has a chosen signal.
    """
    from matplotlib.figure import Figure

    runs = first, second
    _check(chosen, runs)
    names = list(chosen) or greatest(comparison, runs)
    if not names:
        return None
    figure = Figure(figsize=(11, 1.75 * len(names) + 0.6), layout="constrained")
    grid = figure.subplots(len(names), 1, sharex=True, squeeze=False)
    for (axes,), name in zip(grid, names, strict=True):
        axes.set_xlim(begin_h(comparison), comparison.until_us / 3.6e9)
        draw_both(axes, name, runs, comparison.until_us)
        for parting in comparison.partings[:1]:
            axes.axvline(parting.t_us / 3.6e9, color="#888888", linewidth=0.8, linestyle=":")
        legend(axes, 2)
    grid[-1][0].set_xlabel(time_axis(grid.flat, comparison.until_us))
    return png(figure)


def _check(chosen: Sequence[str], runs: Runs) -> None:
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


def greatest(comparison: Comparison, runs: Runs) -> list[str]:
    """Return the signals that differ most, one a federate first, each at its worst element.

    What counts is the mean difference over time, in units of the signal's range over both
    runs: a spike of one second does not make a panel. Rounding, and what stands still in
    both runs (a rating, say), is taken only if nothing else differs.
    """
    real = [p for p in comparison.partings if abs(p.most) > _ROUNDING]
    signals = real or [p for p in comparison.partings if p.most]
    scores = {_name(p): _score(p, comparison, runs) for p in signals}
    ranked = sorted(signals, key=lambda p: -scores[_name(p)])
    moving = [p for p in ranked if scores[_name(p)] > 0.0] or ranked
    first = {p.federate: p for p in reversed(moving)}
    lead = [p for p in moving if first[p.federate] is p]
    rest = [p for p in moving if first[p.federate] is not p]
    return [_name(p) for p in (lead + rest)[:MOST_PANELS]]


def _score(parting: Parting, comparison: Comparison, runs: Runs) -> float:
    """Return the mean difference of a signal, of its range; 0 of one that stands still."""
    a, b = (read(run, _name(parting), comparison.until_us) for run in runs)
    if a is None or b is None:
        return 0.0
    turns = parting.unit == "deg"
    if turns and _span(a.high - a.low) > _TURN_DEG / 2:  # within a bin: nothing can be seen
        return 0.0
    seen = a.t_h >= begin_h(comparison)
    values = np.array([a.last[0], b.last[0]])
    values = values[:, seen & np.isfinite(values).all(axis=0)]  # from when both were sent
    if has_gaps(parting.unit):
        values = values[:, (values != 0.0).all(axis=0)]
    if not values.size or not (np.ptp(values, axis=1) > 0.0).any():
        return 0.0
    delta = values[1] - values[0]
    if turns:  # 359 is 1 before the full turn
        delta = (delta + _TURN_DEG / 2) % _TURN_DEG - _TURN_DEG / 2
    return float(np.abs(delta).sum() / (np.count_nonzero(seen) * np.ptp(values)))


def _span(values: NDArray[np.float64]) -> float:
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))


def _name(parting: Parting) -> str:
    name = f"{parting.federate}.{parting.port}"
    return f"{name}.{parting.most_element}" if parting.most_element else name


def draw_both(axes: Any, name: str, runs: Runs, until_us: int) -> None:
    """Draw one signal of both runs, of an array the sum, or lowest to highest.

    Zeros are gaps where a panel of the first run's report has them so, and always in Hz.
    """
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    found = {run: series for run in runs if (series := read(run, name, until_us)) is not None}
    axes.set_title(name, loc="left", fontsize=9, fontweight="bold")
    if not found:
        say_not_recorded(axes)
        return
    how, gaps, hide_zero = "", [], _hides_zero(runs[0], name)
    for run, series in found.items():
        colour, zeros = COLOURS[runs.index(run)], has_gaps(series.unit, hide_zero)
        if len(series.names) > 1 and series.unit not in _ADDITIVE:
            how = ": lowest to highest"
            gaps.append(draw_band(axes, series, colour, run.name, hide_zero))
        else:
            how = ": sum" if len(series.names) > 1 else ""
            value = series.low.sum(axis=0), series.high.sum(axis=0)
            gaps.append(draw_line(axes, series.t_h, value, colour, run.name, zeros))
    series = next(iter(found.values()))
    draw_stripes(axes, series.t_h, [np.logical_or.reduce(gaps)], series.unit)
    axes.set_ylabel(series.unit, fontsize=8)
    axes.set_title(name + how, loc="left", fontsize=9, fontweight="bold")


def _hides_zero(run: Path, name: str) -> bool:
    """Return whether the run's own report leaves gaps where this signal is 0."""
    panels = run_folder.read_run(run)["resolved"].get("report", {}).get("panels", ())
    shown = {signal for panel in panels if panel.get("hide_zero") for signal in panel["signals"]}
    return any(f"{name}.".startswith(f"{signal}.") for signal in shown)
