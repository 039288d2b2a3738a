"""``feedertwin runs``, ``report`` and ``recover``."""

from __future__ import annotations

from pathlib import Path

import typer

from cosim import run_folder
from cosim.cli.console import out, print_table
from cosim.cli.run import OutOption, RunArgument
from cosim.recorder.compact import compact
from cosim.report.report import write_report


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("runs")(runs_command)
    app.command("report")(report_command)
    app.command("recover")(recover_command)


def runs_command(out_folder: OutOption = Path("runs")) -> None:
    """List the runs of a folder."""
    found = []
    for folder in run_folder.runs(out_folder):
        run = run_folder.read_run(folder)
        exit_code = "" if run["exit"] is None else run["exit"]
        hours = f"{run['t_us'] / 3.6e9:g}"
        found.append(
            (folder.name, exit_code, run["status"], hours, f"{run['wall_s']:.1f}", run["seed"])
        )
    print_table("", ("run", "exit", "status", "t [h]", "wall [s]", "seed"), found)


def report_command(run_name: RunArgument, out_folder: OutOption = Path("runs")) -> None:
    """Write the report of a run anew."""
    out.print(str(write_report(run_folder.find(out_folder, run_name))), soft_wrap=True)


def recover_command(run_name: RunArgument, out_folder: OutOption = Path("runs")) -> None:
    """Make whole what a killed run or a full disk left behind; then write its report."""
    folder = run_folder.find(out_folder, run_name)
    rows = compact(folder)
    last_us = run_folder.mark_recovered(folder)
    out.print(
        f"{rows:,} rows recovered, up to t = {last_us / 3.6e9:g} h"
        if rows
        else "nothing to recover"
    )
    out.print(str(write_report(folder)), soft_wrap=True)
