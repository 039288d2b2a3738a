"""``feedertwin helics-federate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cosim.cli.console import complain
from cosim.helics_federate import HelicsFederate
from cosim.run import FAILED
from gridmodel.errors import FederateError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("helics-federate")(helics_federate_command)


def helics_federate_command(
    config: Annotated[Path, typer.Argument(help="HELICS configuration with a block 'feedertwin'.")],
) -> None:
    """Run one of our models as a federate of somebody else's HELICS federation."""
    federate = HelicsFederate(config)
    try:
        federate.run()
    except FederateError as error:
        complain(error)
        raise typer.Exit(FAILED) from error
