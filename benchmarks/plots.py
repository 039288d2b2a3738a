"""Plots: the results as pictures for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.mosaik_parts import SETUPS
from cosim.report.plots import COLOURS, png

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (7.0, 3.4)
GREY = "#777777"


def mosaik(result: Mapping[str, Any]) -> Figure:
    """Instants a second over the number of parts, ours and the rival's."""
    figure, axes = _axes("parts that exchange 1,000 values", "instants a second")
    rows = result["rows"]
    parts = [row["parts"] for row in rows]
    names = ("feedertwin", *SETUPS)
    for name, colour, marker in zip(names, COLOURS, "os^v", strict=False):
        rates = [row[name] for row in rows]
        axes.loglog(parts, rates, marker=marker, markersize=4, color=colour, label=name)
    for row in rows:
        axes.annotate(
            f"x {row['ratio']:,.0f}", (row["parts"], row["feedertwin"]), fontsize=8,
            xytext=(0, 6), textcoords="offset points", ha="center",
        )  # fmt: skip
    axes.set_xticks(parts, [f"{count:,}" for count in parts])
    axes.minorticks_off()
    axes.set_ylim(top=5 * max(row["feedertwin"] for row in rows))
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    return figure


def street(result: Mapping[str, Any]) -> Figure:
    """Memory in the course of the longest run."""
    figure, axes = _axes("time since the command began [s]", "resident memory [MB]")
    memory = result["memory"]
    axes.plot(*zip(*memory, strict=True), color=COLOURS[0], linewidth=1.2)
    axes.axhline(500, color=GREY, linewidth=0.8, linestyle="--")
    axes.annotate("asked: below 500 MB", (0, 500), fontsize=8, color=GREY, xytext=(4, 3),
                  textcoords="offset points")  # fmt: skip
    axes.set_xlim(0, memory[-1][0])
    axes.set_ylim(0, 560)
    return figure


def neighbourhood(result: Mapping[str, Any]) -> Figure:
    """Time over houses beside linear growth."""
    figure, axes = _axes("houses", f"processor time for {result['hours']:g} simulated hours [s]")
    rows = result["rows"]
    houses = [row["houses"] for row in rows]
    for key, label, colour, marker in (
        ("command_cpu_s", "whole command", COLOURS[1], "s"),
        ("loop_cpu_s", "loop", COLOURS[0], "o"),
    ):
        taken = [row[key] for row in rows]
        axes.loglog(houses, taken, marker=marker, markersize=4, color=colour, label=label)
    linear = [rows[0]["loop_cpu_s"] * count / houses[0] for count in houses]
    axes.loglog(houses, linear, color=GREY, linewidth=0.8, linestyle="--", label="linear")
    axes.set_xticks(houses, [f"{count:,}" for count in houses])
    axes.minorticks_off()
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure


PLOTS: Mapping[str, Callable[[Mapping[str, Any]], Figure]] = {
    "street": street,
    "mosaik": mosaik,
    "neighbourhood": neighbourhood,
}


def draw(section: str, result: Mapping[str, Any]) -> None:
    """Write a section's picture, if it has one."""
    if section in PLOTS:
        path = IMAGES / f"performance_{section}.png"
        path.write_bytes(png(PLOTS[section](result)))


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes
