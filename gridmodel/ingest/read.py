"""Reading any network file: its format is found by content, its suffix where that says nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.formats import BY_SUFFIX, FORMATS, Notices
from gridmodel.ingest.plain_text import plain_text
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.network.network import Network
from gridmodel.settings import near

#: Characters at the beginning of a file that are looked at; headers of comments are long.
_HEAD = 65_536
_YAML = (".yaml", ".yml")
#: Keys that only a neighbourhood has, and those that only a network has.
_STREET = frozenset(Neighbourhood.model_fields) - frozenset(Network.model_fields)
_NETWORK = frozenset(Network.model_fields) - frozenset(Neighbourhood.model_fields)
_OPENDSS = re.compile(r"^\s*(clear(all)?\b|(new|edit)\s+(object\s*=\s*)?\"?circuit\.)", re.I | re.M)
_MATPOWER = re.compile(r"^\s*(function\s+\w+\s*=|mpc\.\w+\s*=)", re.M)
_CIM = re.compile(r"<rdf:RDF|CIM-schema-cim|iec\.ch/TC57", re.I)


def read_any(path: Path, form: str = "") -> tuple[Network, Notices]:
    """Return the network in a file of any readable format, checked whole.

    Parameters
    ----------
    path : Path
        The file: our JSON or YAML, a scenario's neighbourhood, an OpenDSS master, a
        MATPOWER case, pandapower's JSON, CIM RDF/XML (also zipped, or a folder of it); or
        ``simbench:CODE`` for a grid of SimBench.
    form : str
        Name of the format, where it should not be found out.

    Returns
    -------
    network : Network
        The network.
    notices : tuple of Notice
        What the reader left out, assumed or changed, by file and line.

    Raises
    ------
    NetworkError
        With every fault: no such file or format, and what the format's reader finds.
    MissingExtraError
        If its reader is not installed.
    """
    faults = faults_of_file(path, form)
    if faults:
        raise NetworkError(f"network {path.name} cannot be read", faults)
    return FORMATS[form or format_of(path)].read(path)


def faults_of_file(
    path: Path, form: str = "", option: str = "format", examples: Iterable[str] = ()
) -> list[Fault]:
    """Return what keeps a file from being read at all, before anything in it is looked at.

    Parameters
    ----------
    path : Path
        The file.
    form : str
        Name of the format, if one was given.
    option : str
        Where the format was given, for the faults.
    examples : iterable of str
        Names that may be meant besides those of the files beside it.
    """
    faults = []
    if not path.exists() and not _is_simbench(path):
        advice = f"There is no folder '{path.parent}' either."
        if path.parent.is_dir():
            advice = near(path.name, (*_candidates(path), *examples))
        faults.append(Fault(str(path), "", "there is no such file.", advice))
    if form and form not in FORMATS:
        problem = f"there is no format '{form}'."
        faults.append(Fault(option, "", problem, near(form, FORMATS)))
    return faults


def _is_simbench(path: Path) -> bool:
    return str(path).startswith("simbench:")


def _candidates(path: Path) -> list[str]:
    """Return the names beside a missing file that may be networks."""
    endings = {*BY_SUFFIX, ".zip", path.suffix.lower() or ".zip"}
    beside = [one for one in path.parent.iterdir() if not one.name.startswith(".")]
    return [
        one.name
        for one in beside
        if one.suffix.lower() in endings or (one.is_dir() and any(one.glob("*.[xX][mM][lL]")))
    ]


def format_of(path: Path) -> str:
    """Return the name of a file's format.

    Raises
    ------
    NetworkError
        If it is none of ours; says which there are.
    """
    if _is_simbench(path):
        return "pandapower"
    if path.is_dir():
        return _of_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        fault = Fault(str(path), "", f"cannot be read: {error.strerror}.")
        raise NetworkError(f"network {path.name} cannot be read", [fault]) from error
    if head.startswith(b"PK\x03\x04"):
        return "cim"
    whole = plain_text(head)
    if whole is None:
        raise _unknown(path, "is not text, and no zipped CIM.")
    text = whole.lstrip("\ufeff").lstrip()
    if text.startswith(("{", "[")):
        return _of_keys(path, _json(path))
    if text.startswith("<"):
        if _CIM.search(text):
            return "cim"
        raise _unknown(path, "is XML, and no CIM: there is no <rdf:RDF> in it.")
    if path.suffix.lower() in _YAML:
        return _of_keys(path, _yaml(path))
    return _of_text(path, text)


def _of_text(path: Path, text: str) -> str:
    """Return the format of a file by its statements; by its ending where there are none."""
    suffix = path.suffix.lower()
    if suffix == ".m" or (suffix != ".dss" and _MATPOWER.search(text)):
        return "matpower"
    if suffix == ".dss" or _OPENDSS.search(text):
        return "opendss"
    if suffix in BY_SUFFIX:  # empty or broken: its reader says how
        return BY_SUFFIX[suffix].name
    raise _unknown(path, "is in no format that can be read.")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        return {}  # its reader tells the line


def _yaml(path: Path) -> Any:
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8-sig"))
    except (YAMLError, ValueError):
        return {}


def _of_keys(path: Path, data: Any) -> str:
    """Return the format of a document by the keys at its top."""
    if not isinstance(data, Mapping):
        raise _unknown(path, "holds no keys at its top.")
    keys = set(map(str, data))
    if data.get("_class") == "pandapowerNet":
        return "pandapower"
    if "federates" in keys:
        named = data.get("network")
        beside = path.parent / str(named)
        advice = f"Give its network, {beside}." if named else "It names no network."
        raise _unknown(path, "is a scenario, not a network.", advice)
    return "neighbourhood" if len(keys & _STREET) > len(keys & _NETWORK) else "feedertwin"


def _of_folder(path: Path) -> str:
    names = sorted(one.name for one in path.iterdir())
    if any(name.lower().endswith(".xml") for name in names):
        return "cim"
    fitting = [name for name in names if Path(name).suffix.lower() in BY_SUFFIX]
    masters = [name for name in fitting if "master" in name.lower()]
    choice = ", ".join((masters or fitting)[:5])
    advice = f"Name a file in it: {choice}." if choice else "There is no network in it."
    raise _unknown(path, "is a folder.", advice)


def _unknown(path: Path, problem: str, advice: str = "") -> NetworkError:
    known = ", ".join(f"{one.name} ({one.about})" for one in FORMATS.values())
    fault = Fault(str(path), "", problem, advice or f"Readable are {known}.")
    return NetworkError(f"network {path.name} cannot be read", [fault])
