"""Report: one self-contained HTML page for a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from cosim import run_folder
from cosim.hil.answers import answers_of, pace_of
from cosim.report.other_parts import other_parts
from cosim.report.plots import SHORT_US, Mark, inline, picture, png
from cosim.report.series import BINS
from cosim.report.timeline import timeline
from cosim.scenario.schema import PanelConfig, ReportConfig
from gridmodel.counted import counted
from gridmodel.settings import parse

REPORT = "report.html"
GRAPH = "graph.svg"


@dataclass(frozen=True)
class Row:
    """A key figure as the table shows it."""

    name: str
    value: str
    unit: str
    expected: str
    about: str
    short: bool


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a run, finished, failed or interrupted; return its path."""
    from jinja2 import Environment

    run = run_folder.read_run(folder)
    config = parse(ReportConfig, run["resolved"].get("report", {}))
    until_us = max(int(run["t_us"]), 1)
    entries, cut = timeline(folder, config.timeline)
    marks = [Mark(entry.t_h, f"{entry.who} {entry.what}") for entry in entries if entry.given]
    first, rest = rows(run)
    template = Environment(autoescape=True, trim_blocks=True).from_string(
        files("cosim.report").joinpath("template.html").read_text(encoding="utf-8")
    )
    graph, failure = folder / GRAPH, folder / run_folder.FAILURE_FILE
    page = template.render(
        run=run,
        folder=folder.name,
        verdict={0: "good", None: "open", 130: "open"}.get(run["exit"], "bad"),
        late=lateness_text(run["lateness"]) if run.get("lateness") else "",
        first=first,
        rest=rest,
        failure=json.loads(failure.read_text()) if failure.exists() else None,
        picture=inline(_picture(folder, config.panels, until_us, marks)) if config.panels else "",
        other=other_parts(folder, run["resolved"], config.panels, until_us, marks),
        nodes=answers_of(folder),
        pace=pace_of(folder),
        short_run=until_us < SHORT_US,
        bin_s=f"{until_us / BINS / 1e6:.3g}",
        entries=entries,
        cut=cut,
        graph=graph.read_text(encoding="utf-8") if graph.exists() else "",
        resolved=json.dumps(run["resolved"], indent=1),
    )
    path = folder / REPORT
    path.write_text(page, encoding="utf-8")
    return path


def _picture(
    folder: Path, panels: tuple[PanelConfig, ...], until_us: int, marks: list[Mark]
) -> bytes:
    return png(picture(folder, panels, until_us, marks))


def rows(run: dict[str, Any]) -> tuple[list[Row], list[Row]]:
    """Return the key figures of the first table, and all others."""
    resolved = run["resolved"]
    chosen = list(resolved.get("report", {}).get("kpis") or [])
    expected = resolved.get("expect", {})
    chosen += [name for name in expected if name not in chosen]
    short = {item["name"] for item in run["shortfalls"]}
    kpis = run["kpis"]
    first = [_row(name, kpis[name], expected, short) for name in chosen if name in kpis]
    rest = [_row(name, kpi, expected, short) for name, kpi in kpis.items() if name not in chosen]
    return (first, rest) if first else (rest, [])


def _row(name: str, kpi: dict[str, Any], expected: dict[str, Any], short: set[str]) -> Row:
    bound = expected.get(name, {})
    texts = [
        f"{sign} {bound[key]:g}"
        for key, sign in (("min", "\u2265"), ("max", "\u2264"))
        if bound.get(key) is not None
    ]
    return Row(
        name, figure(kpi["value"]), kpi["unit"], ", ".join(texts), kpi["about"], name in short
    )


def lateness_text(late: Mapping[str, Any]) -> str:
    """Return how well a run kept in step with the wall clock, in a line."""
    text = (
        f"real time x {late['factor']:g}: instants began {late['late_median_ms']:g} ms late "
        f"(median), {late['late_p99_ms']:g} ms (99 %), {late['late_max_ms']:g} ms at most; "
        f"{counted(late['overruns'], 'overrun')}"
    )
    blame = ", ".join(f"{name} {count}" for name, count in late["overruns_by_federate"].items())
    return f"{text} ({blame})" if blame else text


def figure(value: float | None) -> str:
    """Return a figure with four digits that mean something."""
    if value is None or not isfinite(value):
        return "no number"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value)}"
    if 0 < abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
