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
from cosim.scenario.override import override
from gridmodel.errors import Fault, ScenarioError
from gridmodel.settings import Path as KeyPath

#: Key that names the file a scenario builds on.
EXTENDS = "extends"
_LINKS = "links"


@dataclass(frozen=True)
class Dropped:
    """Links of a base file that the file that builds on it replaced.

    Parameters
    ----------
    place : str
        ``file:line`` of the links that stand now.
    base : Path
        File of the links that stood before.
    count : int
        How many stood before.
    links : tuple of str
        Those of them that are no more, as ``source.port -> target.port``.
    """

    place: str
    base: Path
    count: int
    links: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as a warning."""
        return (
            f"{self.place}: 'links' replaces the {self.count} links of {self.base}, as lists are "
            f"replaced and not merged; {len(self.links)} of them are not here, such as "
            f"{self.links[0]}"
        )


@dataclass
class Document:
    """Plain data of a scenario and where each value was written.

    Parameters
    ----------
    path : Path
        The file.
    data : dict
        Its values, those of its base and of overrides included.
    places : dict
        ``file:line``, or the override, by path.
    folders : dict
        From where a relative file name is sought, by path.
    overridden : dict
        The override of each value that one has set.
    dropped : list of Dropped
        Links of a base that are no more.
    """

    path: Path
    data: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)
    folders: dict[KeyPath, Path] = field(default_factory=dict)
    overridden: dict[KeyPath, str] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)

    def where(self, path: KeyPath) -> str:
        """Return ``file:line`` of a value, or of the nearest block around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, str(self.path))

    def where_value(self, path: KeyPath) -> str:
        """Return the place of a value; of a block, also the overrides that have a part in it."""
        place = self.where(path)
        if not path or path not in self.places:
            return place
        within = [o for key, o in self.overridden.items() if _within(key, path) and key != path]
        return ", with ".join(dict.fromkeys([place, *within]))

    def forget(self, path: KeyPath) -> None:
        """Forget where a value, and all that lies in it, was written: it is replaced."""
        tables: tuple[dict[KeyPath, Any], ...] = (self.places, self.folders, self.overridden)
        for table in tables:
            for key in [key for key in table if _within(key, path)]:
                del table[key]

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
        If the file cannot be read or is not YAML, or an override cannot be used.
    """
    document, faults = read_all(path, overrides)
    if faults:
        raise ScenarioError("overrides cannot be used", faults)
    return document


def read_all(path: Path, overrides: Sequence[str] = ()) -> tuple[Document, list[Fault]]:
    """Return a scenario file as `read` does, and what is wrong with its overrides."""
    document = _load(path, ())
    faults = [fault for text in overrides if (fault := override(document, text)) is not None]
    return document, faults


def _within(key: KeyPath, path: KeyPath) -> bool:
    return key[: len(path)] == path


def _load(path: Path, above: tuple[Path, ...]) -> Document:
    title = f"{path} cannot be read"
    if path.resolve() in above:
        raise ScenarioError(title, [Fault(str(path), EXTENDS, "the file builds on itself.")])
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        advice = "Give a scenario file, or the name of a bundled scenario."
        raise ScenarioError(title, [Fault(str(path), "", f"{error.strerror}.", advice)]) from error
    except UnicodeDecodeError as error:
        problem = f"is not text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}."
        advice = "Save it as UTF-8."
        raise ScenarioError(title, [Fault(str(path), "", problem, advice)]) from error
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
        document.folders, document.dropped = parent.folders, parent.dropped
    _merge(document, document.data, tree, ())
    return document


def _merge(document: Document, into: dict[str, Any], tree: CommentedMap, above: KeyPath) -> None:
    for key, value in tree.items():
        path = (*above, str(key))
        line = tree.lc.data.get(key)
        place = f"{document.path}:{line[0] + 1 if line else 1}"
        old = into.get(str(key))
        if isinstance(value, CommentedMap) and isinstance(old, dict):
            document.places[path], document.folders[path] = place, document.path.parent
            _merge(document, old, value, path)
            continue
        base = document.places.get(path, "").rpartition(":")[0]
        if old is not None:
            document.forget(path)
        document.places[path], document.folders[path] = place, document.path.parent
        into[str(key)] = _plain(document, value, path)
        if path == (_LINKS,) and isinstance(old, list):
            _note_dropped(document, place, Path(base), old, into[_LINKS])


def _note_dropped(document: Document, place: str, base: Path, before: Any, after: Any) -> None:
    """Note links of the base that its builder replaced, and that are no more."""
    here = [link_text(item) for item in after] if isinstance(after, list) else []
    gone = tuple(text for item in before if (text := link_text(item)) and text not in here)
    if gone:
        document.dropped.append(Dropped(place, base, len(before), gone))


def link_text(item: Any) -> str:
    """Return a link of either form as ``source.port -> target.port``; empty if it is none."""
    text = item.get("link") if isinstance(item, dict) else item
    return " -> ".join(end.strip() for end in text.split("->")) if isinstance(text, str) else ""


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
