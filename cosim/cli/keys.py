"""``feedertwin keys``: random keys for the nodes of a radio cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cosim.cli.console import out
from cosim.node.provision import provision_cell
from gridmodel.errors import Fault, InputError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("keys")(keys_command)


def keys_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for them.")],
    nodes: Annotated[int, typer.Option("--nodes", help="Nodes of the cell.")],
    cell: Annotated[int, typer.Option("--cell", min=0, help="Number of the cell.")] = 0,
    epoch: Annotated[
        int, typer.Option("--epoch", min=0, max=0xFFFF, help="Raise it when a counter was lost.")
    ] = 0,
    neighbours: Annotated[
        list[str] | None, typer.Option("--neighbours", metavar="A-B", help="They talk directly.")
    ] = None,
) -> None:
    """Make random keys, one folder a node, to be carried there by hand; nothing goes on air."""
    made = provision_cell(folder, nodes, cell, epoch, [_pair(text) for text in neighbours or ()])
    out.print(f"{len(made)} folders with keys and counters in {folder}", soft_wrap=True)
    out.print(
        "[dim]Give each node its own and no copy; name it as `keys:` in the node's file. The "
        "coordinator's holds the key that signs.[/]",
        soft_wrap=True,
    )


def _pair(text: str) -> tuple[int, int]:
    one, dash, other = text.partition("-")
    if not dash or not (one.isdecimal() and other.isdecimal()):
        fault = Fault("--neighbours", "", f"'{text}' is no pair of addresses.", "Write 3-4.")
        raise InputError("keys cannot be made", [fault])
    return int(one), int(other)
