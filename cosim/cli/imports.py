"""``feedertwin import``: scenarios from other platforms' files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cosim.cli.console import out, warn
from cosim.scenario.build import load
from cosim.scenario.oedisi import OedisiMapping, read_diagram, read_mapping, scenario_text


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Read other platforms' wiring into a scenario.", no_args_is_help=True)
    group.callback()(_no_default)
    group.command("oedisi")(oedisi_command)
    app.add_typer(group, name="import")


def _no_default() -> None:
    """Read other platforms' wiring into a scenario."""


def oedisi_command(
    diagram: Annotated[Path, typer.Argument(metavar="system.json", help="A wiring diagram.")],
    models: Annotated[
        Path | None,
        typer.Option("--models", metavar="mapping.yaml", help="What component types are here."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The scenario; beside the diagram if left out."),
    ] = None,
) -> None:
    """Read NREL's OEDISI wiring diagram into a scenario, and check it."""
    mapping = read_mapping(models) if models is not None else OedisiMapping()
    text = scenario_text(read_diagram(diagram), mapping, diagram.name)
    path = output or diagram.with_suffix(".yaml")
    path.write_text(text, encoding="utf-8")
    out.print(str(path), soft_wrap=True)
    comments = [line.strip() for line in text.splitlines()[1:] if line.strip().startswith("#")]
    warn([f"not taken over: {line.removeprefix('# ')}" for line in comments])
    loaded = load(path)
    members, links = loaded.federation.members, loaded.federation.links
    out.print(f"[green]it is good[/]: {len(members)} federates, {len(links)} links")
