"""What the OpenDSS engine holds after a script, as plain data, and how it is taken over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from gridmodel.errors import Fault
from gridmodel.ingest.notices import Notice
from gridmodel.network.element import Element
from gridmodel.settings import faults_of

Record = Mapping[str, Any]
E = TypeVar("E", bound=Element)

#: OpenDSS's numbers of conductors, in our letters; 0 is the earth.
LETTERS = "0ABCN"


@dataclass(frozen=True)
class Dump:
    """The elements of a circuit.

    Parameters
    ----------
    name : str
        The circuit.
    f_hz : float
        Its frequency. [Hz]
    load_mult : float
        Factor on all loads whose status is variable.
    classes : mapping
        Properties of every element, by class and in the order of the script.
    bus_kv : mapping
        Voltage base to earth by bus. [kV]
    bus_xy : mapping
        Coordinates by bus, where there are any.
    opened : frozenset of str
        ``class.name`` of what is open at one end or both.
    yprim : mapping
        Admittance matrices by ``class.name``, of what cannot be known otherwise. [S]
    origins : mapping
        ``file:line`` by ``class.name``.
    tags : mapping
        What our writer noted behind the command, by ``class.name``.
    """

    name: str
    f_hz: float
    load_mult: float
    classes: Mapping[str, tuple[Record, ...]]
    bus_kv: Mapping[str, float]
    bus_xy: Mapping[str, tuple[float, float]]
    opened: frozenset[str]
    yprim: Mapping[str, NDArray[np.complex128]]
    origins: Mapping[str, str]
    tags: Mapping[str, Mapping[str, str]]

    def of(self, kind: str) -> Iterator[Record]:
        """Yield the enabled elements of a class."""
        return (one for one in self.classes.get(kind, ()) if one.get("Enabled", True))

    def tag(self, key: str, name: str) -> str:
        """Return what our writer noted about an element."""
        return self.tags.get(key, {}).get(name, "")


@dataclass
class Intake:
    """Collects elements made of a dump, and all that could not be taken over.

    Parameters
    ----------
    dump : Dump
        What is read.
    """

    dump: Dump
    notices: list[Notice] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _names: dict[str, set[str]] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """Return the origin of ``class.name``."""
        return self.dump.origins.get(key, self.dump.name)

    def notice(self, key: str, text: str) -> None:
        """Report something about ``class.name``."""
        self.notices.append(Notice(self.where(key), key, text))

    def fault(self, key: str, problem: str, advice: str = "") -> None:
        """Report something about ``class.name`` that makes the network unusable."""
        self.faults.append(Fault(self.where(key), key, problem, advice))

    def make(self, model: type[E], key: str, **fields: Any) -> E | None:
        """Return an element named as in ``class.name``; its faults are collected.

        Two classes of OpenDSS may make one kind of ours; the second of a name is renamed.
        """
        name = fields.pop("name", key.partition(".")[2])
        if model.__name__ != "PerLengthPhaseImpedance":
            name = self._free(model.__name__, name, key)
        try:
            return model(name=name, origin=self.dump.origins.get(key, ""), **fields)
        except ValidationError as error:
            self.faults += faults_of(error, model, lambda _: self.where(key), (key,))
            return None

    def _free(self, group: str, name: str, key: str) -> str:
        taken = self._names.setdefault(group, set())
        if name in taken:
            name = f"{name}_{key.partition('.')[0]}"
            self.notice(key, f"is called '{name}': the name is taken by another class.")
        taken.add(name)
        return name

    def terminal(
        self, key: str, spec: str, phases: int, conductors: int | None = None
    ) -> tuple[str, str]:
        """Return bus and node letters of a terminal, in the order of its conductors.

        Nodes that are not given are 1, 2, 3 up to the number of phases, then earth.
        """
        bus, *given = spec.lower().split(".")
        count = phases if conductors is None else conductors
        usual = [*range(1, phases + 1), *[0] * max(count - phases, 0)]
        if strange := [n for n in given if not n.isdecimal()]:
            advice = "A conductor is a number: bus.1.2.3."
            self.fault(key, f"is connected to '{strange[0]}' of bus '{bus}'.", advice)
            given = [n for n in given if n.isdecimal()]
        nodes = [int(n) for n in given[:count]] + usual[len(given) : count]
        if max(nodes) > 4:
            advice = "Conductors are 1 to 4 (A, B, C, N) and 0 (earth)."
            self.fault(key, f"is connected to node {max(nodes)} of bus '{bus}'.", advice)
            nodes = [min(node, 4) for node in nodes]
        return bus, "".join(LETTERS[node] for node in nodes)

    def odd(self, key: str, record: Record, usual: Mapping[str, Any], why: str) -> None:
        """Report properties that differ from the values under which they have no effect."""
        given = [f"{name}={record[name]}" for name in usual if _differs(record, name, usual)]
        if given:
            self.notice(key, f"{', '.join(given)} {why}")


def _differs(record: Record, name: str, usual: Mapping[str, Any]) -> bool:
    value = record.get(name)
    if isinstance(value, str):
        return value.lower() != str(usual[name] or "").lower()
    return value not in (None, [], usual[name])
