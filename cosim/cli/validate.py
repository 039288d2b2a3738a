"""``feedertwin validate``."""

from __future__ import annotations

from typing import Annotated

import typer

from cosim.cli.arguments import scenario_path
from cosim.cli.console import out, warn
from cosim.cli.run import SetOption
from cosim.scenario.build import load


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate_command)


def validate_command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or a bundled scenario's name.")],
    sets: SetOption = None,
) -> None:
    """Check a scenario without running it: every fault at once, and every warning."""
    path = scenario_path(scenario)
    loaded = load(path, sets or [])
    warn(loaded.warnings)
    members, links = loaded.federation.members, loaded.federation.links
    out.print(
        f"[green]{path} is good[/]: {len(members)} federates, {len(links)} links, "
        f"{max(m.level for m in members) + 1} levels, {loaded.config.duration_h:g} h",
        soft_wrap=True,
    )
