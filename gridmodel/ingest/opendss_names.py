"""Names and numbers as OpenDSS can read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from gridmodel.ingest.notices import Notice
from gridmodel.network.element import NODES

#: What ends a name, starts a comment or has a meaning of its own.
_BAD = re.compile(r"[^A-Za-z0-9_.\-:()+#/&$*<>]|//")
_NUMBER = {"0": "0", **{node: str(k) for k, node in enumerate(NODES, 1)}}


@dataclass
class Names:
    """Gives every element a name that is allowed and single in its class.

    OpenDSS knows no upper case; a space ends a name, a dot that of a bus.
    """

    notices: list[Notice] = field(default_factory=list)
    _given: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _taken: dict[str, set[str]] = field(default_factory=dict)

    def of(self, kind: str, group: str, name: str) -> str:
        """Return the name in a class of OpenDSS of an element of one of our groups."""
        key = (kind, group, name)
        if key not in self._given:
            safe = _BAD.sub("_", name).lstrip("(") or "_"
            if kind == "bus":  # behind a dot its nodes begin
                safe = safe.replace(".", "_")
            taken = self._taken.setdefault(kind, set())
            free, count = safe, 1
            while free.lower() in taken:
                count += 1
                free = f"{safe}_{count}"
            if free.lower() != name.lower():
                text = f"is called '{free}': OpenDSS could not tell '{name}' apart."
                self.notices.append(Notice(group, name, text))
            taken.add(free.lower())
            self._given[key] = free
        return self._given[key]

    def bus(self, name: str) -> str:
        """Return the name of a bus."""
        return self.of("bus", "buses", name)

    def at(self, bus: str, nodes: str) -> str:
        """Return a terminal: bus and the numbers of its nodes, in order."""
        return f"{self.bus(bus)}.{'.'.join(_NUMBER[node] for node in nodes)}"

    def given(self, kind: str, group: str) -> dict[str, str]:
        """Return our names by the lower-case names of a class of OpenDSS."""
        return {
            free.lower(): name
            for (of_kind, of_group, name), free in self._given.items()
            if (of_kind, of_group) == (kind, group)
        }

    def notice(self, group: str, name: str, text: str) -> None:
        """Report what OpenDSS cannot hold."""
        self.notices.append(Notice(group, name, text))


def number(value: float) -> str:
    """Return a number that reads back as it is."""
    return repr(float(value))


def numbers(values: Iterable[float]) -> str:
    """Return an array."""
    return "(" + " ".join(number(value) for value in values) + ")"


def matrix(rows: Iterable[Iterable[float]]) -> str:
    """Return a matrix."""
    return "(" + " | ".join(" ".join(number(v) for v in row) for row in rows) + ")"


def tag(values: Mapping[str, str]) -> str:
    """Return a comment for what OpenDSS has no property for; our reader looks for it."""
    if not values:
        return ""
    return " ! feedertwin " + " ".join(f"{key}={quote(text)}" for key, text in values.items())
