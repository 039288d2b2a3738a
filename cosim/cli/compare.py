"""``feedertwin compare``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim import run_folder
from cosim.cli.console import err, out, print_table
from cosim.cli.run import JsonOption, OutOption
from cosim.compare import Comparison, KpiDelta, Parting, compare
from cosim.report.compare_plot import compare_picture, greatest
from cosim.report.report import figure
from cosim.run import DONE, FELL_SHORT
from cosim.scenario.changes import changes

#: Rows of a table.
MOST_ROWS = 12


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare_command)


def compare_command(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A run, or 'last'.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another one.")],
    plots: Annotated[
        list[str] | None,
        typer.Option(
            "--plot",
            metavar="FEDERATE.PORT",
            help="Signal to draw, or FEDERATE.PORT.ELEMENT; may be repeated. If left out, the four "
            "that differ most for their range.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The picture; if left out, in the second run."),
    ] = None,
    out_folder: OutOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Show where and by how much two runs part; exit code 1 if they do."""
    folders = run_folder.find(out_folder, first), run_folder.find(out_folder, second)
    found = compare(*folders)
    if as_json:
        print(json.dumps(asdict(found)))  # noqa: T201  exactly one JSON object, no styling
    else:
        _show(folders, found)
    if plots or output or not (found.same or as_json):
        path = output or folders[1] / f"compared_with_{folders[0].name}.png"
        said = _draw(folders, found, plots or [], path)
        if not as_json:
            out.print(said, soft_wrap=True)
    raise typer.Exit(DONE if found.same else FELL_SHORT)


def _draw(folders: tuple[Path, Path], found: Comparison, plots: list[str], path: Path) -> str:
    """Write the picture; return where it is, and how to choose what it shows."""
    names = plots or greatest(found, folders)
    picture = compare_picture(*folders, found, names)
    if picture is None:
        return "no signal differs: nothing to draw"
    path.write_bytes(picture)
    if plots:
        return str(path)
    drawn = f"drawn, as they differ most: {', '.join(names)}"
    return f"[dim]{escape(drawn)}; choose by --plot FEDERATE.PORT, again and again[/]\n{path}"


def _show(folders: tuple[Path, Path], found: Comparison) -> None:
    runs = [run_folder.read_run(folder) for folder in folders]
    for change in changes(runs[0]["resolved"], runs[1]["resolved"]):
        err.print(f"  {escape(change)}", soft_wrap=True)
    for titles, folder in zip((found.only_first, found.only_second), folders, strict=True):
        if titles:
            out.print(f"[yellow]only in {folder.name}[/]: {', '.join(titles)}", soft_wrap=True)
    hours = f"{found.until_us / 3.6e9:g} h"
    if not found.partings:
        out.print(f"[bold green]the same[/] over {hours}: every value and message")
    else:
        _partings(found, hours)
    if found.kpis:
        columns = ("key figure", "first", "second", "difference", "unit")
        print_table("", columns, [_kpi(kpi) for kpi in found.kpis])
        ends = [run["t_us"] / 3.6e9 for run in runs]
        if ends[0] != ends[1]:
            out.print(f"[yellow]note[/]: key figures over {ends[0]:g} h and {ends[1]:g} h")


def _partings(found: Comparison, hours: str) -> None:
    lead = found.partings[0]
    where = f"{lead.federate}.{lead.port}" + (f".{lead.element}" if lead.element else "")
    out.print(
        f"[bold red]they part[/] at t = {lead.t_us / 1e6:.6f} s ({lead.t_us / 3.6e9:.4f} h) in "
        f"[bold]{lead.federate}[/]: {escape(where)} is {escape(str(lead.first))} in the first, "
        f"{escape(str(lead.second))} in the second",
        soft_wrap=True,
    )
    columns = ("output", "parts at [h]", "differ", "greatest", "unit", "at [h]")
    print_table("", columns, [_row(p) for p in found.partings[:MOST_ROWS]])
    more = len(found.partings) - MOST_ROWS
    out.print(f"[dim]{f'and {more} more outputs; ' if more > 0 else ''}over {hours}[/]")


def _row(p: Parting) -> tuple[str, ...]:
    name = f"{p.federate}.{p.port}" + (" (messages)" if p.element == "message" else "")
    start = (name, f"{p.t_us / 3.6e9:.4f}", f"{p.count:,}")
    return (*start, figure(p.most), p.unit, f"{p.most_t_us / 3.6e9:.4f}") if p.most else start


def _kpi(kpi: KpiDelta) -> tuple[str, ...]:
    texts = ["-" if value is None else figure(value) for value in (kpi.first, kpi.second)]
    known = kpi.first is not None and kpi.second is not None
    delta = figure(kpi.second - kpi.first) if known else ""  # type: ignore[operator]
    return (kpi.name, *texts, delta, kpi.unit)
