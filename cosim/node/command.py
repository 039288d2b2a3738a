"""``feedertwin node``: one node in a process of its own. Also ``python -m cosim.node``.

This module is light on purpose: a Pi Zero loads neither a solver nor the run's machinery.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cosim.node.config import NodeConfig, read_config
from gridmodel.errors import FeedertwinError, InputError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, invoke_without_command=True)
DONE, MISSING, BAD_INPUT = 0, 1, 2


@app.callback()
def node_command(
    config: Annotated[Path, typer.Option("--config", help="The node's YAML file.")],
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Say what is found on each bus, and end.")
    ] = False,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Change a setting.")
    ] = None,
) -> None:
    """Run one node on the bodies its file names, until it is told to end."""
    try:
        checked = read_config(config, tuple(sets or ()))
        code = _test(checked) if self_test else _run(checked)
    except InputError as error:
        typer.echo(str(error), err=True)
        code = BAD_INPUT
    except (FeedertwinError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        code = MISSING
    raise typer.Exit(code)


def _test(config: NodeConfig) -> int:
    from cosim.node.self_test import self_test

    missing = 0
    for found in self_test(config):
        mark = "ok     " if found.good else "MISSING"
        missing += not found.good
        typer.echo(f"{mark} {found.port:18} {found.body:10} {found.text}")
    typer.echo(f"{config.node}: {'all there' if not missing else f'{missing} missing'}")
    return MISSING if missing else DONE


def _run(config: NodeConfig) -> int:
    from cosim.lines.address import address
    from cosim.node.assembly import assemble
    from cosim.node.process import NodeProcess
    from cosim.node.told import Told

    world = address(config.world) if config.world is not None else None
    with Told() as told:
        while True:
            process = NodeProcess(assemble(config), world, _say, told)
            _say(f"{config.node}: {config.controller} runs, {config.world or 'on its own'}")
            _say(f"{config.node}: {process.run()}")
            if not process.again:
                return DONE


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def main() -> None:
    """Run the command by itself."""
    app(prog_name="feedertwin node")
