"""``feedertwin inverter``: rule sets and settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cosim.cli.console import out, print_table
from cosim.cli.inverter_sets import sets_command
from cosim.scenario.document import read
from gridmodel.counted import counted
from gridmodel.errors import Fault, InputError, ScenarioError

app = typer.Typer(help="Inverter settings: what they are, and what they cannot do.")
app.command("sets")(sets_command)
PLOTS = (".png", ".svg")
#: A trap is no fault of the file, but the check has found something.
FOUND = 1


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML file of settings.")],
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="The picture, PNG or SVG; beside FILE if left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what settings cannot do: a table, and a picture of the bands; exit code 1 if anything."""
    # Rule sets are read and kernels are imported on first use.
    from simulators.inverters.check import read_check, traps_of
    from simulators.inverters.picture import draw

    picture = plot or file.with_suffix(".png")
    faults = []
    if picture.suffix not in PLOTS:
        advice = f"Give a name that ends in {' or '.join(PLOTS)}."
        faults.append(Fault("--plot", "", f"'{picture}' is no picture's name.", advice))
    document = read(file)
    checked, rules, found = read_check(document.data, document.where)
    faults += found
    if faults or checked is None:
        raise ScenarioError(f"{file} cannot be checked", faults)
    traps = traps_of(checked, rules)
    try:
        draw(checked, rules, picture)
    except OSError as error:
        fault = Fault(str(picture), "", f"cannot be written: {error.strerror}.")
        raise InputError("the picture cannot be kept", [fault]) from error
    if as_json:
        content = {"traps": [asdict(trap) for trap in traps], "plot": str(picture)}
        print(json.dumps(content))  # noqa: T201  machine-readable, so not through the console
    else:
        rows = [(trap.kind, trap.who, trap.found, trap.limit) for trap in traps]
        if rows:
            print_table("", ("trap", "of", "found", "wanted"), rows)
            for trap in traps:
                out.print(f"\n[bold]{trap.kind}[/], {trap.who}: {trap.text}")
        else:
            text = f"[green]{file} has no traps[/]: {counted(len(rules), 'kind')} of inverters"
            out.print(text, soft_wrap=True)
        out.print(f"\n{picture}", soft_wrap=True)
    raise typer.Exit(FOUND if traps else 0)
