"""Delivery by distance: what part of the packets arrived, and why the others did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import erf, sqrt
from typing import Any

import numpy as np

from cosim.radio_view.picture import BLUE, GREEN, INK, known_outcomes, plain
from cosim.radio_view.trace import DELIVERED, Trace
from gridmodel.wire.lora import Modem

#: Most bins of distance.
_MOST_BINS = 12
#: Widths of bins that read well. [m]
_WIDTHS_M = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 20_000)
#: A range that is further than this many times the furthest radio is told, not drawn.
_FAR = 2.0


@dataclass(frozen=True)
class Bin:
    """Receptions over one stretch of distance.

    Parameters
    ----------
    low_m, high_m : float
        The stretch. [m]
    outcomes : Counter
        Receptions by outcome.
    """

    low_m: float
    high_m: float
    outcomes: Counter[str]

    @property
    def count(self) -> int:
        """All receptions."""
        return self.outcomes.total()

    @property
    def delivery_pu(self) -> float:
        """Part that was delivered. [pu]"""
        return self.outcomes[DELIVERED] / max(self.count, 1)


def bins(trace: Trace) -> list[Bin]:
    """Return receptions by distance, in bins of equal width; empty bins are left out."""
    radios = trace.air.radios
    distance: dict[tuple[int, int], float] = {}
    found: Counter[tuple[float, str]] = Counter()
    for packet in trace.packets:
        for one in packet.receptions:
            key = packet.sender, one.receiver
            if key not in distance:
                distance[key] = radios[key[0]].distance_m(radios[key[1]])
            found[distance[key], one.outcome] += 1
    if not found:
        return []
    furthest = max(d for d, _ in found)
    width = next((w for w in _WIDTHS_M if furthest < w * _MOST_BINS), furthest / _MOST_BINS + 1)
    by_bin: dict[int, Counter[str]] = {}
    for (d, outcome), count in sorted(found.items()):
        by_bin.setdefault(int(d // width), Counter())[outcome] += count
    return [Bin(k * width, (k + 1) * width, by_bin[k]) for k in sorted(by_bin)]


def delivery(trace: Trace) -> Any:
    """Return a figure of delivery and of losses over distance."""
    from matplotlib.figure import Figure

    found = bins(trace)
    figure = Figure(figsize=(8.5, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes in (upper, lower):
        plain(axes)
    _delivered(upper, trace, found)
    _lost(lower, found)
    lower.set_xlim(left=0.0)
    lower.set_xlabel("distance between sender and receiver [m]", fontsize=9)
    upper.set_title(
        f"{trace.air.name}: delivery by distance, path loss {trace.air.config.path_loss}",
        loc="left", fontsize=9, color=INK,
    )  # fmt: skip
    return figure


def _delivered(axes: Any, trace: Trace, found: list[Bin]) -> None:
    """Draw bars of delivery, with their counts, and what the path loss alone predicts."""
    middle = [(one.low_m + one.high_m) / 2 for one in found]
    axes.bar(middle, [one.delivery_pu for one in found], color=GREEN, alpha=0.75,
             width=[0.9 * (one.high_m - one.low_m) for one in found])  # fmt: skip
    _prediction(axes, trace, max((one.high_m for one in found), default=100.0))
    for x, one in zip(middle, found, strict=True):
        text = f"{100 * one.delivery_pu:.4g} %\nof {_short(one.count)}"
        axes.annotate(text, (x, one.delivery_pu), fontsize=7, ha="center", va="bottom",
                      xytext=(0, 2), textcoords="offset points", color=INK, zorder=4,
                      bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8,
                            "pad": 0.5})  # fmt: skip
    axes.set_ylim(0.0, 1.16)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    axes.set_ylabel("delivered [pu]", fontsize=9)
    if not found:
        axes.text(0.5, 0.5, "nothing was received or lost", transform=axes.transAxes, ha="center")


def _prediction(axes: Any, trace: Trace, reach: float) -> None:
    """Draw the range, and what arrives without any other packets, where it is in the picture."""
    told, drawn = [], False
    for label, range_m, modem in _ranges(trace):
        beyond = range_m > _FAR * reach
        told.append(f"{range_m:,.0f} m ({label})" + (" \u2192" if beyond else ""))
        if not beyond:
            d_m = np.linspace(max(reach / 400, 1.0), max(reach, 1.15 * range_m), 400)
            name = "" if drawn else "predicted: power and path loss alone"
            axes.plot(d_m, _predicted(trace, modem, d_m), color=BLUE, linewidth=1.2, label=name)
            axes.axvline(range_m, color=BLUE, linewidth=0.9, linestyle="--",
                         label="" if drawn else "predicted range")  # fmt: skip
            drawn = True
    if told:
        axes.set_title("predicted range " + ", ".join(told), loc="right", fontsize=8, color=BLUE)
    if drawn:
        axes.legend(fontsize=8, frameon=True, edgecolor="none", framealpha=0.85, loc="lower left")


def _ranges(trace: Trace) -> list[tuple[str, float, Modem]]:
    """Return the range by what sets it: spreading factor, bandwidth, power."""
    found: dict[str, tuple[str, float, Modem]] = {}
    for modem in dict.fromkeys(packet.modem for packet in trace.packets):
        label = (
            f"SF{modem.spreading_factor}/{modem.bandwidth_khz:g} kHz, {modem.tx_power_dbm:g} dBm"
        )
        found.setdefault(label, (label, trace.air.range_m(modem), modem))
    return list(found.values())


def _predicted(trace: Trace, modem: Modem, d_m: Any) -> Any:
    """Return the part of places at a distance that a packet reaches by its power alone."""
    air, spread_db = trace.air, trace.air.config.shadowing_db
    budget = air.budget_db(modem)
    margin = np.array([budget - air.loss(float(d), modem.frequency_mhz) for d in d_m])
    if not spread_db:
        return (margin >= 0.0).astype(float)
    return np.array([0.5 * (1.0 + erf(m / spread_db / sqrt(2.0))) for m in margin])


def _lost(axes: Any, found: list[Bin]) -> None:
    """Draw what became of the rest, one reason upon the other."""
    reasons = {name for one in found for name in one.outcomes} - {DELIVERED}
    foot = np.zeros(len(found))
    middle = [(one.low_m + one.high_m) / 2 for one in found]
    width = [0.9 * (one.high_m - one.low_m) for one in found]
    for name, colour in known_outcomes(reasons).items():
        share = np.array([100.0 * one.outcomes[name] / one.count for one in found])
        axes.bar(middle, share, bottom=foot, width=width, color=colour, label=name)
        foot += share
    axes.set_ylabel("lost [%]", fontsize=9)
    if reasons:
        axes.set_ylim(0.0, 1.25 * float(foot.max()))
        axes.legend(fontsize=8, frameon=False, ncols=4, loc="upper left")
    else:
        axes.set_ylim(0.0, 1.0)
        axes.text(0.5, 0.5, "nothing was lost", transform=axes.transAxes, ha="center", fontsize=9)


def _short(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1e3:,.3g}k"
