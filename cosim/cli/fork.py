"""``feedertwin fork``: a what-if from the middle of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim import run_folder, snapshots
from cosim.cli.arguments import duration_us
from cosim.cli.console import err
from cosim.cli.run import (
    EngineOption,
    JsonOption,
    OutOption,
    ProfileOption,
    QuietOption,
    RealTimeOption,
    RunArgument,
    SetOption,
    SnapshotOption,
    UntilOption,
    go,
    options_of,
    origin_text,
)
from cosim.scenario.build import load
from cosim.scenario.changes import changes


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fork")(fork_command)


def fork_command(  # noqa: PLR0913  one parameter an option
    run_name: RunArgument,
    at: Annotated[
        str | None, typer.Option(metavar="5h", help="From the snapshot at or before this time.")
    ] = None,
    sets: SetOption = None,
    until: UntilOption = None,
    out_folder: OutOption = Path("runs"),
    snapshot_every: SnapshotOption = None,
    engine: EngineOption = None,
    real_time: RealTimeOption = None,
    profile: ProfileOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a what-if: from a snapshot of a run, with other settings from there on."""
    folder = run_folder.find(out_folder, run_name)
    at_us = duration_us(at) if at is not None else None
    start_us = snapshots.newest_at(folder, at_us)
    earlier = run_folder.read_run(folder)
    overrides = [*earlier.get("overrides", []), *(sets or [])]
    loaded = load(Path(earlier["scenario_file"]), overrides)
    engine = engine if engine is not None else earlier["engine"]
    options = options_of(loaded, out_folder, until, snapshot_every, engine, real_time, profile)
    if not (quiet or as_json):
        origin = origin_text(start_us, at_us)
        _tell(folder.name, origin, changes(earlier["resolved"], loaded.resolved))
    go(loaded, options, quiet or as_json, as_json, overrides, (folder, start_us))


def _tell(name: str, origin: str, changed: list[str]) -> None:
    """Say where the fork begins and in what it differs."""
    err.print(f"fork of {escape(name)} from its snapshot at {origin}", soft_wrap=True)
    for change in changed or ["nothing is changed: this gives the same run"]:
        err.print(f"  {escape(change)}", soft_wrap=True)
