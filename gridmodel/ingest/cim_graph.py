"""Graph: the objects of a CIM file (RDF/XML, IEC 61970-552) with the line each comes from.

What is asked of an object is remembered, so that the rest can be reported. Parsed by the
standard library's expat, which knows the line of every element of a file of any length
(see docs/decisions/0014).
"""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.notices import Notice

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#: Says who an object is, not what it is.
_IDENTITY = frozenset({"IdentifiedObject.mRID", "IdentifiedObject.name"})


class Value(NamedTuple):
    """A property of an object: plain text, or what it refers to."""

    text: str
    where: str


@dataclass(slots=True, eq=False)
class CimObject:
    """An object of the file.

    Parameters
    ----------
    key : str
        Its identifier, without the decorations of its dialect.
    kind : str
        Its class: ``ACLineSegment``.
    where : str
        ``file:line`` at which it begins.
    values : dict
        Its properties by name, ``Conductor.length``.
    """

    key: str
    kind: str
    where: str
    values: dict[str, list[Value]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its name, or its identifier if it has none."""
        found = self.values.get("IdentifiedObject.name")
        return found[0].text if found and found[0].text else self.key

    @property
    def called(self) -> str:
        """Class and name, for texts."""
        return f"{self.kind} '{self.name}'"


def _key(text: str) -> str:
    """Return an identifier as it is compared: ``#_1``, ``_1`` and ``urn:uuid:1`` are one."""
    return text.rpartition("#")[2].removeprefix("urn:uuid:").removeprefix("_")


@dataclass(slots=True)
class Graph:
    """All objects of a file, and what was found wrong or not understood on the way.

    Parameters
    ----------
    path : Path
        Where they come from.
    """

    path: Path
    objects: dict[str, CimObject] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    _by_kind: dict[str, list[CimObject]] = field(default_factory=lambda: defaultdict(list))
    _to: dict[tuple[str, str], list[CimObject]] | None = None
    _said: Counter[tuple[str, str]] = field(default_factory=Counter)
    _first: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, item: CimObject, about: bool) -> CimObject:
        """Take in an object; what is said about one that is there (`about`) is added to it."""
        known = self.objects.get(item.key)
        if known is None:
            self.objects[item.key] = item
            self._by_kind[item.kind].append(item)
            return item
        if known.kind == "Description" != item.kind:
            self._by_kind[item.kind].append(known)
            known.kind = item.kind
        elif not about:
            problem = f"the identifier '{item.key}' is at {known.where} already."
            self.fault(item, "rdf:ID", problem, "Give each object its own.")
        return known

    def of(self, *kinds: str) -> Iterator[CimObject]:
        """Yield the objects of some classes, in the order of the file."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    def fault(self, item: CimObject, key: str, problem: str, advice: str = "") -> None:
        """Remember a fault of an object."""
        name = f"{item.called}: {key}" if key else item.called
        self.faults.append(Fault(item.where, name, problem, advice))

    def note(self, item: CimObject, what: str, text: str) -> None:
        """Remember something a person should know; said once for all objects alike."""
        self._said[what, text] += 1
        self._first.setdefault((what, text), item.where)

    def ask(self, item: CimObject) -> None:
        """Count an object as read though nothing is asked of it."""
        item.asked.add("")

    def text(self, item: CimObject, *keys: str) -> str | None:
        """Return the text of the first of some properties that an object has."""
        for key in keys:
            item.asked.add(key)
        for key in keys:
            if key in item.values:
                return item.values[key][0].text
        return None

    def choice(self, item: CimObject, *keys: str) -> str:
        """Return a value out of an enumeration: ``AN`` of ``...OrderedPhaseCodeKind.AN``."""
        return (self.text(item, *keys) or "").rpartition("#")[2].rpartition(".")[2]

    def flag(self, item: CimObject, *keys: str) -> bool | None:
        """Return a yes or no; None if it is not said."""
        text = self.text(item, *keys)
        if text is None:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            self._bad(item, keys, text, "true or false")
        return text.lower() in ("true", "1")

    def number(self, item: CimObject, *keys: str) -> float | None:
        """Return a number; None if it is not said."""
        text = self.text(item, *keys)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            self._bad(item, keys, text, "a finite number")
            return None
        return value

    def needed(self, item: CimObject, *keys: str) -> float:
        """Return a number that must be there; NaN, with a fault, if it is not."""
        value = self.number(item, *keys)
        if value is None:
            if not any(key in item.values for key in keys):
                self.fault(item, keys[0], "is missing.", "Give a number.")
            return float("nan")
        return value

    def _bad(self, item: CimObject, keys: tuple[str, ...], text: str, allowed: str) -> None:
        key = next(key for key in keys if key in item.values)
        where = item.values[key][0].where
        self.faults.append(
            Fault(where, f"{item.called}: {key}", f"'{text}' was given.", f"Allowed is {allowed}.")
        )

    def ref(self, item: CimObject, *keys: str) -> CimObject | None:
        """Return the object another refers to; a reference to nothing is a fault."""
        found = self.refs(item, *keys)
        return found[0] if found else None

    def refs(self, item: CimObject, *keys: str) -> list[CimObject]:
        """Return the objects another refers to by some properties."""
        found = []
        for key in keys:
            item.asked.add(key)
            for value in item.values.get(key, ()):
                target = self.objects.get(_key(value.text))
                if target is None:
                    problem = f"refers to '{value.text}', which is not in the file."
                    name = f"{item.called}: {key}"
                    self.faults.append(Fault(value.where, name, problem, "Add it, or mend it."))
                elif target not in found:
                    self.ask(target)
                    found.append(target)
        return found

    def back(self, item: CimObject, *keys: str) -> list[CimObject]:
        """Return the objects that refer to one by some properties."""
        if self._to is None:
            self._to = defaultdict(list)
            for other in self.objects.values():
                for key, values in other.values.items():
                    for value in values:
                        target = _key(value.text)
                        if target in self.objects and other not in self._to[key, target][-1:]:
                            self._to[key, target].append(other)
        found = [other for key in keys for other in self._to.get((key, item.key), ())]
        for other in found:
            other.asked.update(keys)
        return found

    def report(self) -> tuple[Notice, ...]:
        """Return everything worth telling, and what of the file was not read, kind by kind."""
        said = [
            Notice(self._first[what, text], what, text + (f" ({count} times)" if count > 1 else ""))
            for (what, text), count in self._said.items()
        ]
        unread: Counter[str] = Counter()
        first: dict[str, str] = {}
        for item in self.objects.values():
            if not item.asked:
                unread[item.kind] += 1
                first.setdefault(item.kind, item.where)
                continue
            for key in item.values.keys() - item.asked - _IDENTITY:
                unread[f"{item.kind}: {key}"] += 1
                first.setdefault(f"{item.kind}: {key}", item.values[key][0].where)
        past = [
            Notice(
                first[what], what, f"is not read ({count} times)" if count > 1 else "is not read"
            )
            for what, count in sorted(unread.items())
        ]
        return (*self.notices, *said, *past)


def read_graph(path: Path) -> Graph:
    """Return the objects of a CIM file, of a zip file or of a folder of them.

    CGMES spreads a network over several files; what they say of one object is put together.

    Raises
    ------
    NetworkError
        If a file cannot be read or is not RDF/XML, with its line.
    """
    graph = Graph(path)
    try:
        files = list(_files(path))
    except (OSError, zipfile.BadZipFile) as error:
        graph.faults.append(Fault(str(path), "", f"cannot be read: {error}."))
        files = []
    for label, data in files:
        try:
            _Parser(graph, label).parse(data)
        except expat.ExpatError as error:
            text = expat.errors.messages[error.code]
            fault = Fault(f"{label}:{error.lineno}", "", f"is not XML: {text}.", "Mend the line.")
            graph.faults.append(fault)
    if not graph.objects and not graph.faults:
        problem = "holds no CIM objects."
        graph.faults.append(Fault(str(path), "", problem, "Give RDF/XML of IEC 61970-552."))
    if graph.faults:
        raise NetworkError(f"CIM file {path.name} cannot be used", graph.faults)
    return graph


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix.lower() == ".xml":
                yield str(file), file.read_bytes()
    elif path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.lower().endswith(".xml"):
                    yield f"{path}/{name}", archive.read(name)
    else:
        yield str(path), path.read_bytes()


class _Parser:
    """Fills a graph from one file."""

    def __init__(self, graph: Graph, label: str) -> None:
        self._graph, self._label = graph, label
        self._depth = 0
        self._item: CimObject | None = None
        self._key = ""
        self._text: list[str] = []
        self._ref = ""
        self._expat = expat.ParserCreate(namespace_separator=" ")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text.append

    def parse(self, data: bytes) -> None:
        self._expat.Parse(data, True)

    def _where(self) -> str:
        return f"{self._label}:{self._expat.CurrentLineNumber}"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        space, _, name = tag.rpartition(" ")
        if self._depth == 1 and tag != f"{_RDF} RDF":
            problem = f"the outermost element is <{name}>."
            self._graph.faults.append(Fault(self._where(), "", problem, "Allowed is rdf:RDF."))
        elif self._depth == 2:
            self._graph.namespaces.add(space)
            identifier = attributes.get(f"{_RDF} ID") or attributes.get(f"{_RDF} about") or ""
            about = f"{_RDF} ID" not in attributes
            item = CimObject(_key(identifier) or f"at {self._where()}", name, self._where())
            self._item = self._graph.add(item, about)
        elif self._depth == 3:
            self._key = name
            self._ref = attributes.get(f"{_RDF} resource", "")
            self._text.clear()
        elif self._depth == 4 and self._item is not None:
            text = "holds an object inside a property, which is not read"
            self._graph.note(self._item, f"{self._item.kind}: {self._key}", text)

    def _end(self, tag: str) -> None:
        if self._depth == 3 and self._item is not None:
            text = self._ref or "".join(self._text).strip()
            self._item.values.setdefault(self._key, []).append(Value(text, self._where()))
        self._depth -= 1
