"""Federation: built federates, their links, their levels; what an engine runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cosim.clock import levels
from gridmodel.federate import Federate, Messages, Port, Signal


@dataclass(frozen=True, slots=True)
class Link:
    """A connection from an output to an input."""

    source: str
    source_port: str
    target: str
    target_port: str
    delayed: bool = False
    initial: float | int | bool | None = None

    def __str__(self) -> str:
        """Return the link as the scenario writes it."""
        return f"{self.source}.{self.source_port} -> {self.target}.{self.target_port}"


@dataclass(frozen=True)
class Member:
    """A federate in its place.

    ``index`` is its rank by name: the tie-break within a level and among senders.
    """

    name: str
    federate: Federate
    level: int
    index: int
    inputs: Mapping[str, Port] = field(repr=False)
    outputs: Mapping[str, Port] = field(repr=False)


@dataclass(frozen=True)
class Federation:
    """Members by name order, and the links between them."""

    members: tuple[Member, ...]
    links: tuple[Link, ...]

    def __getitem__(self, name: str) -> Member:
        """Return a member by name."""
        return next(member for member in self.members if member.name == name)


def federation(federates: Mapping[str, Federate], links: Iterable[Link]) -> Federation:
    """Return federates as a federation.

    Raises
    ------
    cosim.clock.CycleError
        If undelayed links form a loop.
    """
    links = tuple(links)
    undelayed = [(link.source, link.target) for link in links if not link.delayed]
    level = levels(sorted(federates), undelayed)
    members = tuple(
        Member(
            name,
            federates[name],
            level[name],
            index,
            {port.name: port for port in federates[name].inputs},
            {port.name: port for port in federates[name].outputs},
        )
        for index, name in enumerate(sorted(federates))
    )
    return Federation(members, links)


def signals(ports: Iterable[Port]) -> Sequence[Signal]:
    """Return the signals among ports."""
    return [port for port in ports if isinstance(port, Signal)]


def message_ports(ports: Iterable[Port]) -> Sequence[Messages]:
    """Return the message ports among ports."""
    return [port for port in ports if isinstance(port, Messages)]
