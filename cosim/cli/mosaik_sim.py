"""``feedertwin mosaik-sim``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from cosim import registry
from cosim.cli.console import err
from cosim.run import FAILED


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
    registry.load(registry.FEDERATES, model)  # now, and not when somebody has connected
    from cosim.mosaik_sim import FederateSimulator, run_as_client, run_as_server

    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise typer.BadParameter(f"'{address}' is no HOST:PORT.")
    if listen:
        err.print(f"waiting for mosaik at {address}", soft_wrap=True)
    talk = run_as_server if listen else run_as_client
    try:
        asyncio.run(talk(FederateSimulator(model), host, int(port)))
    except OSError as error:
        what = "cannot listen" if listen else "nobody listens"
        err.print(f"[bold red]error[/]: {what} at {address}: {error.strerror}", soft_wrap=True)
        raise typer.Exit(FAILED) from error
