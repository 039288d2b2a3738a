"""Ending: the last lines of a run, one fact a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape

from cosim.pacer import pace_text
from cosim.report.report import REPORT, lateness_text
from cosim.run import DONE, FELL_SHORT, RunResult
from gridmodel.counted import counted


def ending(result: RunResult, read: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a run ended, with the terminal's markup; the last line is its report.

    Parameters
    ----------
    result : RunResult
        The run.
    read : mapping
        Its ``run.json``.
    """
    late, expect = read["lateness"], read["resolved"].get("expect") or {}
    if late is not None:
        yield lateness_text(late)
    if result.not_judged and expect:
        count = counted(len(expect), "expectation")
        yield f"[bold yellow]not judged[/]: {count}, as {escape(result.not_judged)}"
    style = "green" if result.code == DONE else "red"
    yield f"[bold {style}]{escape(result.reason)}[/]"
    yield _simulated(result, read)
    if late is not None:
        yield f"it was to be {pace_text(late['factor'])}"
    whole_h, judged = read["resolved"]["duration_h"], expect and not result.not_judged
    if judged and result.code in (DONE, FELL_SHORT) and result.t_us < round(3.6e9 * whole_h):
        yield f"expectations were judged on the first {result.t_us / 3.6e9:.4g} h of {whole_h:g} h"
    yield escape(str(result.folder / REPORT))


def _simulated(result: RunResult, read: Mapping[str, Any]) -> str:
    simulated_s = (result.t_us - result.start_us) / 1e6
    text = f"{simulated_s / 3600:.4g} h simulated in {result.wall_s:.1f} s"
    if result.wall_s > 0.0:
        text += f", {simulated_s / result.wall_s:,.0f} x real time"
    origin = read["goes_on_from"]
    if origin is not None:
        name = escape(Path(origin["run"]).name)
        text += f", from the snapshot of {name} at {origin['at_us'] / 3.6e9:g} h"
    return text
