"""Command line: ``feedertwin``.

Other packages add commands by the entry-point group ``feedertwin.commands``; each is a
Typer application that is mounted under its entry point's name.
"""

from __future__ import annotations

import sys

import typer

from cosim import registry
from gridmodel.errors import InputError, MissingExtraError, PluginError, RecordError, RunError


def application() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(
        help="Co-simulation and digital twins of distribution feeders and microgrids.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    from cosim.cli import (
        compare,
        explain,
        fork,
        graph,
        helics_federate,
        hil,
        imports,
        keys,
        mosaik_sim,
        partition,
        replay,
        run,
        runs,
        validate,
    )

    for module in (
        run,
        validate,
        explain,
        graph,
        replay,
        runs,
        fork,
        partition,
        compare,
        hil,
        imports,
        keys,
        helics_federate,
        mosaik_sim,
    ):
        module.add_to(app)
    for name in registry.names(registry.COMMANDS):
        app.add_typer(registry.load(registry.COMMANDS, name), name=name)
    return app


def main() -> None:
    """Run the command line; every error it knows becomes a text and an exit code."""
    if sys.argv[1:2] == ["node"]:  # a Pi loads only what a node needs
        from cosim.node.command import app

        app(sys.argv[2:], prog_name="feedertwin node")
    from cosim.cli.console import complain
    from cosim.run import BAD_INPUT, FAILED

    try:
        application()()
    except InputError as error:
        complain(error)
        sys.exit(BAD_INPUT)
    except (PluginError, RunError, MissingExtraError) as error:
        complain(error)
        sys.exit(BAD_INPUT)
    except RecordError as error:
        complain(error)
        sys.exit(FAILED)
