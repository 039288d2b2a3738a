"""Element: what every piece of network equipment has, and how its conductors are named."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen
from pydantic import Field

from gridmodel.settings import Settings

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]

#: Conductors of a bus, in the order of their rows in every array.
NODES = "ABCN"
#: The earth, where a conductor may end that has no voltage of its own.
GROUND = "0"
#: Conductors of a line, in the order of its matrices: ``ABC``, ``BC``, ``ABCN``.
Phases = Annotated[str, Field(pattern=r"^[ABCN]{1,4}$")]
#: Terminals of equipment, in the order of its connection; ``0`` is the earth: ``ABC0``, ``AB``.
Nodes = Annotated[str, Field(pattern=r"^[ABCN0]{1,4}$")]
Connection = Literal["wye", "delta"]


class Element(Settings):
    """A named piece of equipment."""

    name: Annotated[str, MinLen(1)]
    origin: str = Field("", description="where its data come from, file:line")


def coils(nodes: str, connection: Connection, lead: bool = False) -> tuple[tuple[str, str], ...]:
    """Return the pairs of nodes between which the phases of some equipment lie.

    Parameters
    ----------
    nodes : str
        Its terminals. Of a wye the last one is the star point; ``0`` is the earth.
    connection : {"wye", "delta"}
        How the phases are put together.
    lead : bool
        Close a delta the other way round: A-C, B-A, C-B instead of A-B, B-C, C-A.

    Examples
    --------
    >>> coils("ABC0", "wye")
    (('A', '0'), ('B', '0'), ('C', '0'))
    >>> coils("ABC", "delta")
    (('A', 'B'), ('B', 'C'), ('C', 'A'))
    >>> coils("BC", "delta")
    (('B', 'C'),)
    """
    if connection == "wye":
        return tuple((node, nodes[-1]) for node in nodes[:-1])
    if len(nodes) == 2:
        return ((nodes[0], nodes[1]),)
    step = -1 if lead else 1
    return tuple((node, nodes[(k + step) % len(nodes)]) for k, node in enumerate(nodes))
