"""What a person names as a network: a file of any format, or a bundled example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cosim.scenario import bundled
from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.formats import FORMATS, Notices
from gridmodel.ingest.read import faults_of_file, read_any
from gridmodel.network.network import Network

NetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="A network file of any readable format, or a bundled example's name (village).",
    ),
]
FromOption = Annotated[
    str,
    typer.Option("--from", metavar="FORMAT", help=f"Its format, if not to be found out: "
                 f"{', '.join(FORMATS)}."),
]  # fmt: skip
NoControlsOption = Annotated[
    bool,
    typer.Option("--no-controls", help="Taps, capacitors and inverters stay as the file has them."),
]


def read_net(text: str, form: str, others: Sequence[Fault] = ()) -> tuple[Network, Notices]:
    """Return the network a person named, and its reader's notices.

    Parameters
    ----------
    text : str
        A path, or the name of a bundled example.
    form : str
        Name of its format; found out if empty.
    others : sequence of Fault
        What is wrong with the rest of the command line; raised together.

    Raises
    ------
    NetworkError
        With every fault.
    """
    path = net_path(text)
    faults = faults_of_file(path, form, "--from", bundled.network_names())
    faults += others
    if faults:
        raise NetworkError(f"nothing can be done with '{text}'", faults)
    return read_any(path, form)


def net_path(text: str) -> Path:
    """Return the file a person named."""
    path = Path(text)
    return path if path.exists() else bundled.find_network(text) or path
