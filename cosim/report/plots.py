"""Plots: the panels of a report as one picture with a common time axis."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.report.gaps import NO_VOLTAGE, ZERO, draw_line, draw_stripes, has_gaps, touched
from cosim.report.series import Series, read
from cosim.scenario.schema import PanelConfig

#: Colours that are told apart by people who see few colours (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
STATE_COLOURS = (
    "#dbe9f6",
    "#7fb8da",
    "#f2c14e",
    "#e07b39",
    "#b5d99c",
    "#5b5b5b",
    "#b07aa1",
    "#000000",
)
#: Signals of a panel that were recorded, by name.
Found = Sequence[tuple[str, Series]]
#: More lines than this are drawn thin and without a legend.
LEGEND_MAX = 8
#: A run that is shorter tells its instants in seconds. [us]
SHORT_US = 7_200_000_000


class Mark(NamedTuple):
    """An instant worth a line through all panels."""

    t_h: float
    name: str


def picture(
    run: Path,
    panels: Sequence[PanelConfig],
    until_us: int,
    marks: Sequence[Mark] = (),
    columns: int = 1,
) -> Any:
    """Return a matplotlib figure of the panels, one below the other.

    Parameters
    ----------
    run : Path
        The run folder.
    panels : sequence of PanelConfig
        What to draw.
    until_us : int
        End of the time axis. [us]
    marks : sequence of Mark
        Instants to mark in every panel, and to name in the first.
    columns : int
        Panels beside each other.
    """
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    height = 1.75 * rows + 0.6
    figure = Figure(figsize=(11, height), layout="constrained" if columns == 1 else None)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    if columns > 1:  # small ones need no layout of their own: it takes as long as drawing
        figure.subplots_adjust(0.075, 0.6 / height, 0.99, 1 - 0.25 / height, 0.15, 0.35)
    for k in range(len(panels), rows * columns):  # the last row may not be full
        grid.flat[k].set_axis_off()
        grid.flat[k - columns].tick_params(labelbottom=True)
    for panel, axes in zip(panels, grid.flat, strict=False):
        found = [(n, s) for n in panel.signals if (s := read(run, n, until_us)) is not None]
        _panel(axes, panel, found, until_us)
        for mark in marks:
            axes.axvline(mark.t_h, color="#888888", linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    for mark in marks:
        grid[0][0].annotate(
            mark.name, (mark.t_h, 0.98), xycoords=("data", "axes fraction"), fontsize=7,
            color="#555555", va="top", xytext=(2, 0), textcoords="offset points",
        )  # fmt: skip
    figure.supxlabel(time_axis(grid.flat, until_us), fontsize=10)
    return figure


def say_not_recorded(axes: Any) -> None:
    """Say in place of a signal that there is none."""
    axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color="#888888")


def time_axis(panels: Iterable[Any], until_us: int) -> str:
    """Let axes in hours tell seconds if a run is short; return what to write at them."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    if until_us >= SHORT_US:
        return "time from the start of the scenario [h]"
    for axes in panels:
        ticks_s = MaxNLocator(7).tick_values(*(3600 * t_h for t_h in axes.get_xlim()))
        axes.xaxis.set_major_locator(FixedLocator([s / 3600 for s in ticks_s]))
        axes.xaxis.set_major_formatter(lambda t_h, _: f"{3600 * t_h:.6g}")
    return "time from the start of the scenario [s]"


def png(figure: Any, dpi: int = 110) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def inline(data: bytes) -> str:
    """Return a PNG as the source of an HTML image."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _panel(axes: Any, panel: PanelConfig, found: Found, until_us: int) -> None:
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, until_us / 3.6e9)
    if not found:
        say_not_recorded(axes)
        return
    axes.set_ylabel(panel.label or found[0][1].unit, fontsize=8)
    axes.ticklabel_format(axis="y", useOffset=False)
    {"lines": _lines, "sum": _sums, "band": _bands, "states": _states}[panel.kind](
        axes, panel, found
    )


def _lines(axes: Any, panel: PanelConfig, found: Found) -> None:
    lines = [
        (_label(name) if len(series.names) == 1 else part, series, series.low[k], series.high[k])
        for name, series in found
        for k, part in enumerate(series.names)
    ]
    _draw(axes, panel, lines)


def _sums(axes: Any, panel: PanelConfig, found: Found) -> None:
    lines = []
    for name, series in found:
        value = series.last.sum(axis=0)
        one = len(series.names) == 1  # a single element can show its extremes
        low, high = (series.low[0], series.high[0]) if one else (value, value)
        lines.append((_label(name), series, low, high))
    _draw(axes, panel, lines)


def _draw(axes: Any, panel: PanelConfig, lines: Sequence[tuple[str, Series, Any, Any]]) -> None:
    """Draw lines, and stripes where none of them has a value."""
    gaps = []
    for number, (label, series, low, high) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        zeros = has_gaps(series.unit, panel.hide_zero)
        gaps.append(draw_line(axes, series.t_h, (low, high), colour, label, zeros))
    draw_stripes(axes, lines[0][1].t_h, gaps, lines[0][1].unit)
    legend(axes, len(lines))


def _bands(axes: Any, panel: PanelConfig, found: Found) -> None:
    gaps = [
        draw_band(axes, series, COLOURS[number % len(COLOURS)], _label(name), panel.hide_zero)
        for number, (name, series) in enumerate(found)
    ]
    draw_stripes(axes, found[0][1].t_h, gaps, found[0][1].unit)
    legend(axes, len(found))


def draw_band(
    axes: Any, series: Series, colour: str, label: str, hide_zero: bool = False
) -> NDArray[np.bool_]:
    """Draw the range from the lowest to the highest element; return where all were 0."""
    low, high = series.low.min(axis=0), series.high.max(axis=0)
    gaps: NDArray[np.bool_] = np.zeros(len(low), bool)
    if has_gaps(series.unit, hide_zero):
        low = np.where(series.low > 0, series.low, np.inf).min(axis=0)
        hidden = ~np.isfinite(low) | (high <= 0)
        low, high = np.where(hidden, np.nan, low), np.where(hidden, np.nan, high)
        gaps = np.asarray(touched(series.low, series.high).all(axis=0))  # one that is off is none
    axes.fill_between(series.t_h, low, high, color=colour, alpha=0.45, linewidth=0)
    axes.plot(series.t_h, low, color=colour, linewidth=0.6)
    axes.plot(series.t_h, high, color=colour, linewidth=0.6, label=label)
    return gaps


def _states(axes: Any, panel: PanelConfig, found: Found) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    _, series = found[0]
    rest = range(len(panel.codes), int(np.nanmax(series.high)) + 1)
    codes = (*panel.codes, *(str(k) for k in rest))  # one without a name is told by its number
    colours = STATE_COLOURS[: len(codes)]
    edges = np.append(series.t_h - (series.t_h[1] - series.t_h[0]) / 2, series.t_h[-1])
    axes.pcolormesh(
        edges,
        np.arange(len(series.names) + 1),
        series.last,
        cmap=ListedColormap(colours),
        norm=BoundaryNorm(np.arange(len(codes) + 1) - 0.5, len(codes)),
        rasterized=True,
    )
    axes.set_yticks(np.arange(len(series.names)) + 0.5, series.names, fontsize=6)
    axes.invert_yaxis()  # the first house on top
    axes.set_ylabel(panel.label, fontsize=8)
    handles = [Patch(color=c, label=n) for c, n in zip(colours, codes, strict=False)]
    axes.legend(handles=handles, fontsize=7, ncol=len(codes), frameon=False, loc="lower right",
                bbox_to_anchor=(1.0, 0.97), handlelength=1.0, columnspacing=1.0)  # fmt: skip


def legend(axes: Any, count: int) -> None:
    """Tell so many lines apart if they are several, and not too many; tell what a gap is."""
    told = list(zip(*axes.get_legend_handles_labels(), strict=True))
    if not 1 < count <= LEGEND_MAX:
        told = [(handle, label) for handle, label in told if label in (NO_VOLTAGE, ZERO)]
    if told:
        axes.legend(*zip(*told, strict=True), fontsize=7, ncol=len(told), frameon=False,
                    loc="lower right", bbox_to_anchor=(1.0, 0.97), handlelength=1.2,
                    columnspacing=1.0)  # fmt: skip


def _label(signal: str) -> str:
    """Return a signal's name for a legend: ``island.anchor_p_kw`` is the anchor."""
    federate, _, port = signal.partition(".")
    return f"{federate} {port}".replace("_", " ")
