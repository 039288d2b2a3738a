"""Assembly: a network put together element by element while a file is read."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.notices import Notice
from gridmodel.network.checks import check
from gridmodel.network.element import Element
from gridmodel.network.network import Network
from gridmodel.settings import faults_of


class Assembly:
    """Elements by group, with what could not be read and what could not be.

    Parameters
    ----------
    where : str
        The file.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.notices: list[Notice] = []
        self.faults: list[Fault] = []
        self._elements: dict[str, list[Element]] = {key: [] for key in Network.GROUPS}
        self._names: dict[str, set[str]] = {key: set() for key in Network.GROUPS}
        self._kinds: dict[tuple[Any, ...], str] = {}

    def note(self, what: str, text: str, where: str = "") -> None:
        """Tell that something is left out, assumed or changed."""
        self.notices.append(Notice(where or self.where, what, text))

    def fault(self, key: str, problem: str, advice: str = "", where: str = "") -> None:
        """Tell that something cannot be."""
        self.faults.append(Fault(where or self.where, key, problem, advice))

    def free_name(self, group: str, wanted: str) -> str:
        """Return a name that no element of a group has yet: the wanted one, or with a number."""
        name, number = wanted, 1
        while name in self._names[group]:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def add(self, group: str, name: str, where: str = "", **fields: Any) -> None:
        """Make an element; what is wrong with it becomes a fault."""
        kind = Network.GROUPS[group]
        self._names[group].add(name)
        try:
            element = kind(name=name, origin=where, **fields)
        except ValidationError as error:
            self.faults += faults_of(error, kind, lambda _: where or self.where, (group, name))
            return
        self._elements[group].append(element)

    def kind(self, wanted: str, where: str = "", **fields: Any) -> str:
        """Return the name of a kind of line with these matrices, made at first need."""
        key = tuple(sorted(fields.items()))
        if key not in self._kinds:
            self._kinds[key] = self.free_name("impedances", wanted)
            self.add("impedances", self._kinds[key], where, **fields)
        return self._kinds[key]

    def network(self, **fields: Any) -> Network:
        """Return the whole network.

        Raises
        ------
        NetworkError
            With every fault found on the way, or in the whole.
        """
        if not self.faults:
            groups: dict[str, Any] = {
                key: tuple(elements) for key, elements in self._elements.items()
            }
            try:
                network = Network(**fields, **groups)
            except ValidationError as error:
                self.faults += faults_of(error, Network, lambda _: self.where)
            else:
                check(network, self.where)
                return network
        raise NetworkError(f"{self.where} cannot be used", self.faults)
