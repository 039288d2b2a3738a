"""Picture of checked settings: power over frequency with every band, and the rate of change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulators.inverters.check import CheckFile
from simulators.inverters.grid_codes import GridCode, of_rules
from simulators.inverters.standard.rules import OFF, Rules
from simulators.inverters.traps import rocof_over_window

_COLOURS = ("#1f6fb2", "#d1661a", "#2f8f4e", "#a23b72", "#6f6f6f", "#b8a000")
_FULL, _EMPTY, _DROOP = "#f6d8c8", "#cfdff0", "#e3e3e3"


def draw(file: CheckFile, rules: Mapping[str, Rules], path: Path) -> None:
    """Write the picture; the ending of the name says whether as PNG or SVG.

    Parameters
    ----------
    file : CheckFile
        The settings.
    rules : mapping
        Each inverter's rules.
    path : Path
        Where to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    codes = {name: of_rules(one) for name, one in rules.items()}
    panels = 1 if file.anchor is None else 2
    figure = Figure(figsize=(7.5, 3.2 * panels), layout="constrained")
    axes = np.atleast_1d(figure.subplots(panels))
    _power(axes[0], file, codes)
    if panels == 2:
        _rate(axes[1], file, codes)
    # Without a date and with a fixed salt the same settings give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "feedertwin"}):
        svg = path.suffix == ".svg"
        figure.savefig(path, dpi=150, metadata={"Date": None} if svg else {"Software": None})


def _power(axes: Any, file: CheckFile, codes: Mapping[str, GridCode]) -> None:
    f0 = file.f_nominal_hz
    reach = max((min(*c.over_hz, 5.0) for c in codes.values()), default=2.0) + 0.3
    depth = max((min(*c.under_hz, 5.0) for c in codes.values()), default=2.0) + 0.3
    if file.anchor is not None:
        swing = file.anchor.droop_pu * f0
        shift = file.anchor.shift
        _band(axes, f0, f0 + shift.max_hz, _FULL, "shift: battery full")
        _band(axes, f0 - shift.min_hz, f0, _EMPTY, "shift: battery empty")
        _band(axes, f0 - swing, f0 + swing, _DROOP, "the anchor's droop")
    for (name, code), colour in zip(codes.items(), _cycle(len(codes)), strict=True):
        over, under = min(code.over_hz), min(code.under_hz)
        dev = np.linspace(-min(under, depth), min(over, reach), 800)
        power = 1.0 - code.slope_pu_per_hz * np.maximum(dev - code.start_hz, 0.0)
        axes.plot(f0 + dev, np.maximum(power, 0.0), color=colour, linewidth=1.6, label=name)
        for trip in (over, -under):
            if abs(trip) < OFF:
                axes.axvline(f0 + trip, color=colour, linewidth=1.0, linestyle=":")
    for name, relay in file.relays.items():
        axes.axvline(f0 - relay.under_hz, color="#333333", linewidth=1.0, linestyle="--")
        axes.text(f0 - relay.under_hz, 0.03, f" {name}", rotation=90, fontsize=7, va="bottom")
    axes.set_xlim(f0 - depth, f0 + reach)
    axes.set_ylim(0.0, 1.08)
    axes.set_xlabel("frequency [Hz]; dotted: trips, dashed: relays", fontsize=9)
    axes.set_ylabel("power over power at the crossing [pu]", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    axes.tick_params(labelsize=8)


def _band(axes: Any, low: float, high: float, colour: str, label: str) -> None:
    if high > low:
        axes.axvspan(low, high, color=colour, linewidth=0, label=label, zorder=0)


def _rate(axes: Any, file: CheckFile, codes: Mapping[str, GridCode]) -> None:
    anchor = file.anchor
    assert anchor is not None
    window_s = np.geomspace(1e-3, 1.0, 200)
    seen = [rocof_over_window(anchor, file.step_pu, w, file.f_nominal_hz) for w in window_s]
    axes.semilogx(1e3 * window_s, seen, color=_COLOURS[0], linewidth=1.6, label="of the anchor")
    for name, code in codes.items():
        if code.rocof_trip_hz_per_s < OFF:
            axes.axhline(code.rocof_trip_hz_per_s, color=_COLOURS[1], linewidth=1.0, linestyle=":")
            axes.text(1.0, code.rocof_trip_hz_per_s, f" {name} trips", fontsize=7, va="bottom")
    axes.axvline(1e3 * file.rocof_window_s, color="#333333", linewidth=0.8, linestyle="--")
    axes.set_xlabel("measuring window [ms]; dashed: the one set", fontsize=9)
    axes.set_ylabel(f"rate of change after\na step of {file.step_pu:g} pu [Hz/s]", fontsize=9)
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=7, frameon=False)
    axes.tick_params(labelsize=8)


def _cycle(count: int) -> list[str]:
    return [_COLOURS[k % len(_COLOURS)] for k in range(count)]
