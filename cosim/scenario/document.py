"""Document: a YAML file with the line of every value, its base file and overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from cosim.scenario import bundled
from gridmodel.errors import Fault, ScenarioError
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import dotted

#: Key that names the file a scenario builds on.
EXTENDS = "extends"


@dataclass
class Document:
    """Plain data of a scenario and where each value was written."""

    path: Path
    data: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)
    folders: dict[KeyPath, Path] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """Return ``file:line`` of a value, or of the nearest block around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, str(self.path))

    def file(self, path: KeyPath, name: str) -> Path:
        """Return a file named by a value, as seen from the file the value is written in."""
        return self.folders.get(path, self.path.parent) / name


def read(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Return a scenario file with its base and its overrides.

    Parameters
    ----------
    path : Path
        The YAML file. A key ``extends`` names a file, or a bundled scenario, that it
        builds on: mappings are merged, everything else is replaced.
    overrides : sequence of str
        ``a.b.c=value`` with the value in YAML.

    Raises
    ------
    ScenarioError
        If the file cannot be read or is not YAML.
    """
    document = _load(path, ())
    faults = [fault for text in overrides if (fault := _override(document, text)) is not None]
    if faults:
        raise ScenarioError("overrides cannot be used", faults)
    return document


def _load(path: Path, above: tuple[Path, ...]) -> Document:
    title = f"{path} cannot be read"
    if path.resolve() in above:
        raise ScenarioError(title, [Fault(str(path), EXTENDS, "the file builds on itself.")])
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        advice = "Give a scenario file, or the name of a bundled scenario."
        raise ScenarioError(title, [Fault(str(path), "", f"{error.strerror}.", advice)]) from error
    yaml = YAML(typ="rt")
    try:
        tree = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        problem = " ".join(str(error.problem or error.context).split())
        raise ScenarioError(title, [Fault(where, "", f"not YAML: {problem}.")]) from error
    except YAMLError as error:
        raise ScenarioError(title, [Fault(str(path), "", f"not YAML: {error}.")]) from error
    if not isinstance(tree, CommentedMap):
        problem = "the file is empty or no mapping."
        raise ScenarioError(title, [Fault(str(path), "", problem, "Start with 'feedertwin: 1'.")])
    document = Document(path, {}, {})
    base = tree.pop(EXTENDS, None)
    if base is not None:
        stated = path.parent / str(base)
        found = stated if stated.exists() else bundled.find(str(base)) or stated
        parent = _load(found, (*above, path.resolve()))
        document.data, document.places = parent.data, parent.places
        document.folders = parent.folders
    _merge(document, document.data, tree, ())
    return document


def _merge(document: Document, into: dict[str, Any], tree: CommentedMap, above: KeyPath) -> None:
    for key, value in tree.items():
        path = (*above, str(key))
        line = tree.lc.data.get(key)
        document.places[path] = f"{document.path}:{line[0] + 1 if line else 1}"
        document.folders[path] = document.path.parent
        old = into.get(str(key))
        if isinstance(value, CommentedMap) and isinstance(old, dict):
            _merge(document, old, value, path)
        else:
            into[str(key)] = _plain(document, value, path)


def _plain(document: Document, value: Any, path: KeyPath) -> Any:
    """Return ruamel's tree as plain data, noting lines."""
    if isinstance(value, CommentedMap):
        into: dict[str, Any] = {}
        _merge(document, into, value, path)
        return into
    if isinstance(value, CommentedSeq):
        items = []
        for index, item in enumerate(value):
            line = value.lc.data.get(index)
            if line:
                document.places[(*path, index)] = f"{document.path}:{line[0] + 1}"
            items.append(_plain(document, item, (*path, index)))
        return items
    if isinstance(value, bool) or value is None:
        return value
    for plain in (int, float, str):  # ruamel's own number and text classes keep their format
        if isinstance(value, plain):
            return plain(value)
    return str(value)


def _override(document: Document, text: str) -> Fault | None:
    """Set one value; return what is wrong with the override, if anything."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        return Fault("--set", text, "is no override.", "Write --set a.b.c=value.")
    parts: list[str | int] = [int(p) if p.isdigit() else p for p in key.strip().split(".")]
    here: Any = document.data
    for depth, part in enumerate(parts[:-1]):
        if isinstance(here, dict) and isinstance(part, str):
            here = here.setdefault(part, {})
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            return Fault("--set", key, f"there is no '{dotted(tuple(parts[: depth + 1]))}'.")
    try:
        plain = YAML(typ="safe", pure=True).load(value)
    except YAMLError:
        return Fault("--set", key, f"'{value}' is not YAML.")
    last = parts[-1]
    if isinstance(here, list) and not (isinstance(last, int) and last < len(here)):
        return Fault("--set", key, f"the list has {len(here)} items, counted from 0.")
    here[last] = plain
    document.places[tuple(parts)] = f"--set {key}"
    document.folders.pop(tuple(parts), None)
    return None
