"""Shunts: to which nodes equipment at one bus of a CIM file is connected, phase by phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gridmodel.ingest.cim_graph import CimObject
from gridmodel.ingest.cim_places import NODE_OF, Places, in_order
from gridmodel.network.element import Connection

ROOT3 = math.sqrt(3.0)
#: Of a delta between two phases, the nodes by the phase that CIM names it by.
PAIR_OF = {"A": "AB", "B": "BC", "C": "CA"}


class Phase(NamedTuple):
    """A phase of some equipment: as the file names it, and two quantities of it."""

    phase: str
    p: float | None
    q: float | None


class Part(NamedTuple):
    """Equipment of one kind and size in all its phases.

    ``suffix`` makes its name, ``p`` and ``q`` are of all its phases.
    """

    suffix: str
    nodes: str
    connection: Connection
    p: float
    q: float


@dataclass(slots=True)
class Shunts:
    """What is needed to connect equipment to the nodes of a bus.

    Parameters
    ----------
    places : Places
        The file.
    neutrals : set of str
        Buses that have a neutral.
    """

    places: Places
    neutrals: set[str] = field(default_factory=set)

    def parts(
        self,
        item: CimObject,
        bus: str,
        connection: tuple[Connection, bool | None],
        phases: Sequence[Phase],
        total: tuple[float | None, float | None],
    ) -> list[Part]:
        """Return some equipment as parts that are the same in each of their phases.

        Parameters
        ----------
        item : CimObject
            The equipment.
        bus : str
            Its bus.
        connection : tuple
            How its phases are connected, and whether its star point is earthed.
        phases : sequence of Phase
            Its phases, if they are named.
        total : tuple
            p and q of the whole, where the phases do not give their own.
        """
        graph = self.places.graph
        live = [phase for phase in phases if phase.phase != "N"]
        bad = [phase.phase for phase in live if phase.phase not in NODE_OF]
        if bad:
            problem = f"the phase '{bad[0]}' is given."
            graph.fault(item, "phase", problem, f"Allowed are {', '.join(NODE_OF)}.")
            return []
        if not live:
            letters = in_order(self.places.phases(item).replace("N", "")) or "ABC"
            live = [Phase(letter, None, None) for letter in letters]
        p = _sum([phase.p for phase in live], total[0])
        q = _sum([phase.q for phase in live], total[1])
        even = _even([phase.p for phase in live]) and _even([phase.q for phase in live])
        kind, grounded = connection
        if kind == "delta":
            return self._delta(item, live, even, p, q)
        letters = in_order("".join(NODE_OF[phase.phase] for phase in live))
        star = self._star(item, bus, grounded, any(phase.phase == "N" for phase in phases))
        if not star and len(letters) == 3 and even:
            graph.note(item, item.kind, "its star point floats: taken as the delta that equals it")
            return [Part("", letters, "delta", p, q)]
        if not star:
            graph.note(item, item.kind, "its star point floats: taken as earthed")
        if even or len(live) == 1:
            return [Part("", letters + (star or "0"), "wye", p, q)]
        graph.note(item, item.kind, "its phases differ: split into one a phase")
        return [
            Part(f"_{ph.phase}", NODE_OF[ph.phase] + (star or "0"), "wye", ph.p or 0.0, ph.q or 0.0)
            for ph in live
        ]

    def _delta(
        self, item: CimObject, live: list[Phase], even: bool, p: float, q: float
    ) -> list[Part]:
        names = {phase.phase for phase in live}
        if names <= {"s1", "s2"}:
            return [Part("", "AB", "delta", p, q)]
        if len(live) == 3 and even:
            return [Part("", "ABC", "delta", p, q)]
        if len(live) == 1:
            return [Part("", PAIR_OF[live[0].phase], "delta", p, q)]
        self.places.graph.note(item, item.kind, "its phases differ: split into one a phase")
        count = len(live)
        return [
            Part(
                f"_{phase.phase}",
                PAIR_OF[NODE_OF[phase.phase]],
                "delta",
                p / count if phase.p is None else phase.p,
                q / count if phase.q is None else phase.q,
            )
            for phase in live
        ]

    def _star(self, item: CimObject, bus: str, grounded: bool | None, wired: bool) -> str:
        """Return the node of a star point; none if it floats."""
        if wired or (grounded is False and bus in self.neutrals):
            return "N"
        return "" if grounded is False else "0"

    def base_v(self, bus: str, part: Part, rated_v: float | None) -> float:
        """Return a rated voltage as one between three phases. [V]

        Files give the voltage of a single-phase piece to earth, between phases, or across
        both legs of a split-phase secondary: whichever is nearest to that of its bus.
        """
        nominal = self.places.v_nominal(bus)
        if not rated_v:
            return nominal
        found = [rated_v]
        if len(part.nodes) == 2:
            found.append(rated_v * ROOT3)
        if bus in self.places.split:
            found.append(rated_v * ROOT3 / 2.0)
        return min(found, key=lambda volts: abs(math.log(volts / nominal)))

    def rated_v(self, bus: str, part: Part, base_v: float) -> float:
        """Return the rated voltage of equipment by our convention. [V]"""
        if part.connection == "wye":
            return base_v / ROOT3 if len(part.nodes) == 2 else base_v
        # The legs of a split phase are 180 degrees apart, not 120.
        across = len(part.nodes) == 2 and bus in self.places.split
        return base_v * 2.0 / ROOT3 if across else base_v


def _sum(values: list[float | None], total: float | None) -> float:
    known = [value for value in values if value is not None]
    return sum(known) if known else total or 0.0


def _even(values: list[float | None]) -> bool:
    known = [value or 0.0 for value in values]
    return max(known) - min(known) <= 1e-6 * max(map(abs, known))
