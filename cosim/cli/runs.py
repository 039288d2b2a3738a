"""``feedertwin runs``, ``report`` and ``recover``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from cosim import run_folder
from cosim.cli.console import out
from cosim.cli.run import OutOption, RunArgument
from cosim.recover import recover
from cosim.report.report import write_report
from cosim.run import FAILED

_TITLES = ("run", "exit", "t [h]", "wall [s]", "seed", "state")
#: The longest word for a state.
_LEAST_STATE = len("interrupted")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("runs")(runs_command)
    app.command("report")(report_command)
    app.command("recover")(recover_command)


def runs_command(out_folder: OutOption = Path("runs")) -> None:
    """List the runs of a folder, the newest last."""
    found = [(folder, run_folder.read_run(folder)) for folder in run_folder.runs(out_folder)]
    found.sort(key=lambda item: (item[1]["started_utc"], item[0].name))
    rows = [_TITLES, *(_cells(folder, run) for folder, run in found)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_TITLES) - 1)]
    for name, *numbers, state in rows:
        columns = (text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))
        line = "  ".join((name.ljust(widths[0]), *columns, ""))
        # A name is never cut, or it could not be given to another command; a reason may be.
        room = max(out.width - len(line), _LEAST_STATE)
        cut = state if len(state) <= room else state[: room - 3] + "..."
        out.print((line + cut).rstrip(), soft_wrap=True, markup=False)


def _cells(folder: Path, run: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the table says of a run."""
    code, why = run["exit"], f": {run['status']}" if run["exit"] == FAILED else ""
    known = code is not None or run["t_us"] > 0  # one that runs has not told yet
    return (
        folder.name,
        "" if code is None else str(code),
        f"{run['t_us'] / 3.6e9:.4g}" if known else "",
        f"{run['wall_s']:.1f}" if known else "",
        str(run["seed"]),
        run_folder.state(run) + why,
    )


def report_command(run_name: RunArgument, out_folder: OutOption = Path("runs")) -> None:
    """Write the report of a run anew."""
    out.print(str(write_report(run_folder.find(out_folder, run_name))), soft_wrap=True)


def recover_command(run_name: RunArgument, out_folder: OutOption = Path("runs")) -> None:
    """Make whole what a killed run or a full disk left behind; then write its report."""
    folder = run_folder.find(out_folder, run_name)
    found = recover(folder)
    hours = f"up to t = {found.last_us / 3.6e9:g} h"
    out.print(f"{found.rows:,} rows recovered, {hours}" if found.rows else "nothing to recover")
    if found.lost:
        out.print(escape(found.lost), soft_wrap=True)
    out.print(str(write_report(folder)), soft_wrap=True)
