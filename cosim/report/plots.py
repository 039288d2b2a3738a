"""Plots: the panels of a report as one picture with a common time axis."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

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


class Mark(NamedTuple):
    """An instant worth a line through all panels."""

    t_h: float
    name: str


def picture(
    run: Path, panels: Sequence[PanelConfig], until_us: int, marks: Sequence[Mark] = ()
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
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.75 * len(panels) + 0.6), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for panel, (axes,) in zip(panels, grid, strict=True):
        found = [(n, s) for n in panel.signals if (s := read(run, n, until_us)) is not None]
        _panel(axes, panel, found, until_us)
        for mark in marks:
            axes.axvline(mark.t_h, color="#888888", linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    for mark in marks:
        grid[0][0].annotate(
            mark.name, (mark.t_h, 0.98), xycoords=("data", "axes fraction"), fontsize=7,
            color="#555555", va="top", xytext=(2, 0), textcoords="offset points",
        )  # fmt: skip
    grid[-1][0].set_xlabel("time from the start of the scenario [h]")
    return figure


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
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color="#888888")
        return
    axes.set_ylabel(panel.label or found[0][1].unit, fontsize=8)
    {"lines": _lines, "sum": _sums, "band": _bands, "states": _states}[panel.kind](
        axes, panel, found
    )


def _lines(axes: Any, panel: PanelConfig, found: Found) -> None:
    count = sum(len(series.names) for _, series in found)
    number = 0
    for name, series in found:
        for k, part in enumerate(series.names):
            label = _label(name) if len(series.names) == 1 else part
            _line(axes, series.t_h, series.low[k], series.high[k], label, number, panel.hide_zero)
            number += 1
    _legend(axes, count)


def _sums(axes: Any, panel: PanelConfig, found: Found) -> None:
    for number, (name, series) in enumerate(found):
        value = series.last.sum(axis=0)
        if len(series.names) == 1:  # a single element can show its extremes
            low, high = series.low[0], series.high[0]
        else:
            low = high = value
        _line(axes, series.t_h, low, high, _label(name), number, panel.hide_zero)
    _legend(axes, len(found))


def _bands(axes: Any, panel: PanelConfig, found: Found) -> None:
    for number, (name, series) in enumerate(found):
        low, high = series.low.min(axis=0), series.high.max(axis=0)
        if panel.hide_zero:
            low = np.where(series.low > 0, series.low, np.inf).min(axis=0)
            hidden = ~np.isfinite(low) | (high <= 0)
            low, high = np.where(hidden, np.nan, low), np.where(hidden, np.nan, high)
        colour = COLOURS[number % len(COLOURS)]
        axes.fill_between(series.t_h, low, high, color=colour, alpha=0.45, linewidth=0)
        axes.plot(series.t_h, low, color=colour, linewidth=0.6)
        axes.plot(series.t_h, high, color=colour, linewidth=0.6, label=_label(name))
    _legend(axes, len(found))


def _states(axes: Any, panel: PanelConfig, found: Found) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    _, series = found[0]
    rest = range(len(panel.codes), int(series.high.max()) + 1)
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


def _line(
    axes: Any, t_h: Any, low: Any, high: Any, label: str, number: int, hide_zero: bool
) -> None:
    """Draw a line whose thickness is the range of values within a bin."""
    colour = COLOURS[number % len(COLOURS)]
    if hide_zero:
        shown = (low != 0) | (high != 0)
        low, high = np.where(shown & (low != 0), low, high), high
        low, high = np.where(shown, low, np.nan), np.where(shown, high, np.nan)
    axes.fill_between(t_h, low, high, color=colour, alpha=0.5, linewidth=0)
    axes.plot(t_h, (low + high) / 2, color=colour, linewidth=0.9, label=label)


def _legend(axes: Any, count: int) -> None:
    if 1 < count <= LEGEND_MAX:
        axes.legend(fontsize=7, ncol=count, frameon=False, loc="lower right",
                    bbox_to_anchor=(1.0, 0.97), handlelength=1.2, columnspacing=1.0)  # fmt: skip


def _label(signal: str) -> str:
    """Return a signal's name for a legend: ``island.anchor_p_kw`` is the anchor."""
    federate, _, port = signal.partition(".")
    return f"{federate} {port}".replace("_", " ")
