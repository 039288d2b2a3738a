"""What a person names as a network: a file of any format, a bundled example, or a scenario."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cosim.cli.console import err
from cosim.scenario import bundled
from cosim.scenario.document import Document
from cosim.scenario.document import read as read_document
from gridmodel.errors import Fault, InputError, NetworkError
from gridmodel.ingest.formats import FORMATS, Notices
from gridmodel.ingest.read import faults_of_file, read_any
from gridmodel.network.network import Network

NetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="A network file of any readable format, a bundled example's name (village), or a "
        "scenario by name or path (street_island), whose network is taken.",
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
_YAML = (".yaml", ".yml")
#: Keys at the top of a file that only a scenario has.
_SCENARIO = re.compile(r"^(feedertwin|extends|federates)\s*:", re.MULTILINE)


def read_net(text: str, form: str, others: Sequence[Fault] = ()) -> tuple[Network, Notices]:
    """Return the network a person named, and its reader's notices.

    Parameters
    ----------
    text : str
        A path, or the name of a bundled example or scenario.
    form : str
        Name of its format; found out if empty.
    others : sequence of Fault
        What is wrong with the rest of the command line; raised together.

    Raises
    ------
    NetworkError
        With every fault.
    """
    faults: list[Fault] = []
    path = Path(text)
    try:
        path = net_path(text)
    except InputError as error:
        faults += error.faults
        faults += [one for one in faults_of_file(path, form, "--from") if one.where == "--from"]
    else:
        known = (*bundled.network_names(), *bundled.names())
        faults += faults_of_file(path, form, "--from", known)
    faults += others
    if faults:
        raise NetworkError(f"nothing can be done with '{text}'", faults)
    if _scenario_file(text) is not None:
        err.print(f"[dim]network of the scenario: {escape(str(path))}[/]", soft_wrap=True)
    return read_any(path, form)


def net_path(text: str) -> Path:
    """Return the file of the network a person named; of a scenario, the one that it names.

    Raises
    ------
    InputError
        If it is a scenario that cannot be read, or one without a network or with several.
    """
    scenario = _scenario_file(text)
    if scenario is not None:
        return _network_of(read_document(scenario))
    path = Path(text)
    return path if path.exists() else bundled.find_network(text) or path


def _scenario_file(text: str) -> Path | None:
    """Return the file of the scenario that a text names, if it names one."""
    path = Path(text)
    if path.is_dir():
        path /= "scenario.yaml"
        return path if path.exists() else None
    if path.exists():
        if path.suffix.lower() not in _YAML:
            return None
        found = _SCENARIO.search(path.read_text(encoding="utf-8", errors="replace"))
        return path if found else None
    return None if bundled.find_network(text) else bundled.find(text)


def _network_of(document: Document) -> Path:
    """Return the one network file that a scenario names, for itself or for its federates."""
    named: dict[Path, tuple[str, ...]] = {}
    for key in (("network",), *(("federates", name, "network") for name in _federates(document))):
        value: Any = document.data
        for part in key:
            value = value.get(part) if isinstance(value, Mapping) else None
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                named.setdefault(document.file(key, one), key)
    if len(named) == 1:
        return next(iter(named))
    if named:
        problem = f"this scenario has {len(named)} networks: {', '.join(map(str, named))}."
        advice = "Give the one that is meant."
    else:
        problem, advice = "this scenario has no network.", "Give a network file."
    where = document.where(next(iter(named.values()), ()))
    raise NetworkError("no network", [Fault(where, "network", problem, advice)])


def _federates(document: Document) -> Sequence[str]:
    federates = document.data.get("federates")
    return tuple(federates) if isinstance(federates, Mapping) else ()
