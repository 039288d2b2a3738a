"""``feedertwin replay``: one federate again, on what it saw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cosim import run_folder
from cosim.cli.arguments import duration_us, span_us
from cosim.cli.console import err, out
from cosim.cli.run import JsonOption, OutOption, RunArgument, SetOption
from cosim.replay.replay import Replayed, replay
from cosim.run import DONE, FAILED, FELL_SHORT
from cosim.scenario.build import load
from cosim.scenario.changes import changes


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay_command)


def replay_command(
    run_name: RunArgument,
    federate: Annotated[str, typer.Option("--federate", help="Which one.")],
    sets: SetOption = None,
    at: Annotated[
        str | None, typer.Option(metavar="5h", help="Begin at the snapshot at or before this time.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="6h", help="Stop there.")] = None,
    out_folder: OutOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Step one federate again on its recorded inputs and compare what it says."""
    folder = run_folder.find(out_folder, run_name)
    earlier = run_folder.read_run(folder)
    loaded = load(Path(earlier["scenario_file"]), [*earlier.get("overrides", []), *(sets or [])])
    changed = changes(earlier["resolved"], loaded.resolved)
    at_us = duration_us(at) if at is not None else None
    until_us = span_us(until) if until is not None else None
    result = replay(folder, loaded, federate, at_us, until_us)
    if as_json:
        print(json.dumps(_data(result)))  # noqa: T201  exactly one JSON object, no styling
    else:
        _show(result, changed)
    code = DONE if result.same else FAILED if result.error is not None else FELL_SHORT
    raise typer.Exit(code)


def _show(result: Replayed, changed: list[str]) -> None:
    for change in changed:
        err.print(f"  {escape(change)}", soft_wrap=True)
    mean_us = 1e6 * result.wall_s / max(result.steps - 1, 1)
    out.print(
        f"{result.federate}: {result.steps:,} steps from {result.from_us / 3.6e9:g} h to "
        f"{result.until_us / 3.6e9:g} h again in {1e3 * result.wall_s:,.0f} ms, "
        f"{mean_us:.0f} us a step; the first one, which loads its code, {1e3 * result.first_s:,.0f} ms",
        soft_wrap=True,
    )
    for port in result.left_out:
        out.print(f"[yellow]not compared[/]: {port} is not on record")
    if result.error is not None:
        known = "as it did then" if result.expected else "as it did not then"
        out.print(f"it fails, {known}: {escape(str(result.error))}", soft_wrap=True)
    if result.first is None:
        out.print("[bold green]the same[/]: every value and message is as recorded")
        return
    first = result.first
    where = f"{result.federate}.{first.port}" + (f".{first.element}" if first.element else "")
    out.print(
        f"[bold red]differs[/] first at t = {first.t_us / 1e6:.6f} s "
        f"({first.t_us / 3.6e9:.4f} h) in {escape(where)}",
        soft_wrap=True,
    )
    for title, value in (("recorded", first.recorded), ("now", first.again)):
        text = "nothing was sent" if value is None else str(value)
        out.print(f"  {title:8}  {escape(text)}", soft_wrap=True)
    for port, count in sorted(result.counts.items(), key=lambda item: -item[1]):
        out.print(f"  {port}: {count:,} differ")


def _data(result: Replayed) -> dict[str, Any]:
    return {
        "federate": result.federate,
        "steps": result.steps,
        "wall_s": result.wall_s,
        "first_s": result.first_s,
        "same": result.same,
        "first": None if result.first is None else vars(result.first),
        "differences": dict(result.counts),
        "left_out": list(result.left_out),
        "error": None if result.error is None else str(result.error),
    }
