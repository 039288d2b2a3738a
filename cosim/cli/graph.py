"""``feedertwin graph``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.tree import Tree

from cosim.cli.arguments import scenario_path
from cosim.cli.console import out
from cosim.cli.run import SetOption
from cosim.report.graph import homes_of, svg, tree
from cosim.scenario.build import load


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("graph")(graph_command)


def graph_command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or a bundled scenario's name.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the picture here, as SVG.")
    ] = None,
    sets: SetOption = None,
) -> None:
    """Show the federation: levels, steps, links, partitions; as a tree, and as a picture with -o."""
    loaded = load(scenario_path(scenario), sets or [])
    root = Tree(f"[bold]{loaded.config.name}[/]")
    deploy = loaded.config.deploy
    homes = homes_of(loaded.federation, deploy.partitions) if deploy is not None else {}
    for title, lines in tree(loaded.federation, homes):
        branch = root.add(title)
        for line in lines:
            branch.add(f"[dim]{line}[/]")
    out.print(root)
    if output is not None:
        output.write_text(svg(loaded.federation, homes), encoding="utf-8")
        out.print(str(output), soft_wrap=True)
