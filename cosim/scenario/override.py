"""Override: one value of a scenario, changed from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gridmodel.counted import counted
from gridmodel.errors import Fault
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import dotted

if TYPE_CHECKING:
    from cosim.scenario.document import Document

#: A longer override is cut where it is named.
_MOST_TEXT = 80


def override(document: Document, text: str) -> Fault | None:
    """Set one value; return what is wrong with the override, if anything.

    Parameters
    ----------
    document : Document
        Is changed, unless the override is at fault.
    text : str
        ``a.b.c=value`` with the value in YAML; a list's items are counted from 0.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        return Fault("--set", text, "is no override.", "Write --set a.b.c=value.")
    place = f"--set {text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + '...'}"
    try:
        plain = YAML(typ="safe", pure=True).load(value)
    except YAMLError:
        return Fault(place, "", f"'{value}' is not YAML.")
    plain = _with_text_keys(plain)
    path: KeyPath = ()
    here: Any = document.data
    parts = key.split(".")
    for depth, part in enumerate(parts):
        step = int(part) if isinstance(here, list) and part.isdecimal() else part
        problem = _no_way(here, path, step)
        if problem:
            return Fault(place, "", problem)
        path = (*path, step)
        rest = parts[depth + 1 :]
        if not rest or (isinstance(here, dict) and here.get(step) is None):
            _put(document, here, path, rest, plain, place)
            return None
        here = here[step]
    raise AssertionError("unreachable")


def _with_text_keys(value: Any) -> Any:
    """Return plain data whose blocks have names, as those of a file."""
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _no_way(here: Any, above: KeyPath, step: str | int) -> str:
    """Return why a block has no such value and can have none; empty if it can."""
    if isinstance(here, dict):
        return ""
    name = dotted((*above, step))
    if isinstance(here, list):
        if isinstance(step, int) and step < len(here):
            return ""
        count = counted(len(here), "item")
        return f"there is no '{name}': '{dotted(above)}' has {count}, counted from 0."
    return f"there is no '{name}': '{dotted(above)}' is {here!r} and has no keys."


def _put(
    document: Document, here: Any, path: KeyPath, rest: list[str], value: Any, place: str
) -> None:
    """Set a value, within new blocks if it lies in some, and note where it comes from."""
    document.forget(path)
    document.places[path] = place
    for name in reversed(rest):
        value = {name: value}
    for count in range(len(rest)):
        document.places[(*path, *rest[: count + 1])] = place
    document.overridden[(*path, *rest)] = place
    here[path[-1]] = value
