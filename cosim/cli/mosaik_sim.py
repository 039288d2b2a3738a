"""``feedertwin mosaik-sim``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("mosaik-sim")(mosaik_sim_command)


def mosaik_sim_command(
    model: Annotated[str, typer.Argument(help="Registered name of the model.")],
    address: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="Where mosaik is: %(addr)s of its 'cmd'.")
    ],
    listen: Annotated[
        bool, typer.Option("--listen", help="Wait there for mosaik's 'connect' instead.")
    ] = False,
) -> None:
    """Run one of our models as a simulator of somebody else's mosaik world."""
    from cosim.mosaik_sim import FederateSimulator, run_as_client, run_as_server

    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise typer.BadParameter(f"'{address}' is no HOST:PORT.")
    talk = run_as_server if listen else run_as_client
    asyncio.run(talk(FederateSimulator(model), host, int(port)))
