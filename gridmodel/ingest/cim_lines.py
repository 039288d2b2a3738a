"""Lines, switches and series compensators of a CIM file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gridmodel.ingest.cim_graph import CimObject
from gridmodel.ingest.cim_places import LINES, NODE_OF, SERIES, SWITCHES, Places, in_order
from gridmodel.ingest.cim_wires import impedance_of_wires, spacing_of, wire_infos
from gridmodel.ingest.sequence import phase_matrix
from gridmodel.network.conductors import (
    ACLineSegment,
    Matrix,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)

#: Where a reference to the impedance may stand: CIM15 and later, CIM14.
_IMPEDANCE = (
    "ACLineSegment.PerLengthImpedance",
    "ACLineSegment.PhaseImpedance",
    "ACLineSegment.SequenceImpedance",
)
#: Of a kind of line whose length the file does not say. [m]
_LENGTH_M = 1000.0


@dataclass(slots=True)
class Lines:
    """What leads current between two buses.

    Parameters
    ----------
    places : Places
        The file.
    """

    places: Places
    impedances: dict[str, PerLengthPhaseImpedance] = field(default_factory=dict)
    _kinds: dict[tuple[str, int], str] = field(default_factory=dict)

    # -------------------------------------------------------------------------- lines

    def lines(self) -> tuple[ACLineSegment, ...]:
        """Return the lines; their impedances are in `impedances` afterwards."""
        for item in self.places.graph.of("PerLengthPhaseImpedance"):
            self._matrix_kind(item)
        made = (self._line(item) for item in self.places.graph.of(*LINES))
        return tuple(line for line in made if line is not None)

    def _line(self, item: CimObject) -> ACLineSegment | None:
        places, graph = self.places, self.places.graph
        graph.ask(item)
        buses = places.buses_of(item, 2)
        if buses is None or not places.in_service(item):
            return None
        places.locate(item, buses)
        name = places.unique("line", item)
        length_m = graph.number(item, "Conductor.length")
        kind = graph.ref(item, *_IMPEDANCE)
        metres = 1.0 if kind is not None else places.dialect.metres
        length_km = (length_m or _LENGTH_M / metres) * metres / 1e3
        children = self._children(item)
        own = "".join(NODE_OF.get(phase, "") for phase, _ in children)
        phases = own or places.phases(item) or "ABC"
        impedance: str | None
        if kind is not None:
            impedance = self._kind(kind, phases)
        elif any(key in item.values for key in ("ACLineSegment.r", "ACLineSegment.x")):
            impedance = self._of_totals(item, name, len(phases), length_km)
        else:
            impedance = self._of_wires(item, name, phases, [child for _, child in children])
        if impedance is None:
            return None
        size = len(self.impedances[impedance].r_ohm_per_km)
        if size < len(phases) and phases.endswith("N"):
            if kind is not None:
                text = "its neutral is in the impedance of its phases already"
                graph.note(item, item.kind, text)
            phases = phases[:-1]
        return places.make(
            ACLineSegment,
            item,
            name=name,
            bus_from=buses[0],
            bus_to=buses[1],
            phases=phases,
            length_km=length_km,
            impedance=impedance,
            ampacity_a=self.ampacity(item),
        )

    def _children(self, item: CimObject) -> list[tuple[str, CimObject]]:
        """Return the phases of a line in the order of its matrix."""
        graph = self.places.graph
        children = graph.back(item, "ACLineSegmentPhase.ACLineSegment")
        found = [
            (
                graph.number(child, "ACLineSegmentPhase.sequenceNumber") or 0.0,
                graph.choice(child, "ACLineSegmentPhase.phase"),
                child,
            )
            for child in children
        ]
        found.sort(key=lambda entry: (entry[0], NODE_OF.get(entry[1], "Z")))
        return [(phase, child) for _, phase, child in found]

    # -------------------------------------------------------------------- impedances

    def _kind(self, item: CimObject, phases: str) -> str | None:
        """Return the name of the impedance a line refers to."""
        if item.kind == "PerLengthSequenceImpedance":
            return self._sequence_kind(item, len(phases))
        key = next((key for key in self._kinds if key[0] == item.key), None)
        if key is None and item.kind != "PerLengthPhaseImpedance":
            problem = f"is a {item.kind}, not an impedance per length."
            self.places.graph.fault(item, "", problem, "Allowed are phase and sequence impedances.")
        return None if key is None else self._kinds[key]

    def _matrix_kind(self, item: CimObject) -> None:
        graph = self.places.graph
        graph.ask(item)
        data = graph.back(item, "PhaseImpedanceData.PhaseImpedance")
        count = graph.number(item, "PerLengthPhaseImpedance.conductorCount")
        size = int(count) if count else int((math.isqrt(8 * len(data) + 1) - 1) // 2)
        cells = self._cells(data, size)
        if size == 0 or len(cells) != size * (size + 1) // 2:
            problem = f"has {len(cells)} of the {size * (size + 1) // 2} values of its triangle."
            graph.fault(item, "PhaseImpedanceData", problem, "Give row and column of each.")
            return
        per_km = 1e3
        r, x, b = (
            tuple(
                tuple(cells[max(i, j), min(i, j)][part] * per_km for j in range(size))
                for i in range(size)
            )
            for part in range(3)
        )
        self._add(item, (item.key, size), r, x, b)

    def _cells(
        self, data: list[CimObject], size: int
    ) -> dict[tuple[int, int], tuple[float, float, float]]:
        """Return r, x and b by row and column of the lower triangle, from 0."""
        graph = self.places.graph
        cells = {}
        triangle = [(i, j) for j in range(size) for i in range(j, size)]
        for place, item in enumerate(data):
            row = graph.number(item, "PhaseImpedanceData.row")
            column = graph.number(item, "PhaseImpedanceData.column")
            if row is None or column is None:  # CIM15: numbered down the columns
                number = graph.number(item, "PhaseImpedanceData.sequenceNumber") or place + 1
                if not 1 <= number <= len(triangle):
                    continue
                i, j = triangle[int(number) - 1]
            else:
                i, j = int(max(row, column)) - 1, int(min(row, column)) - 1
            cells[i, j] = (
                graph.needed(item, "PhaseImpedanceData.r"),
                graph.needed(item, "PhaseImpedanceData.x"),
                graph.number(item, "PhaseImpedanceData.b") or 0.0,
            )
        return {key: cell for key, cell in cells.items() if 0 <= key[1] <= key[0] < size}

    def _sequence_kind(self, item: CimObject, size: int) -> str | None:
        if (item.key, size) in self._kinds:
            return self._kinds[item.key, size]
        keys = [f"PerLengthSequenceImpedance.{key}" for key in ("r", "x", "bch")]
        zero = [f"PerLengthSequenceImpedance.{key}" for key in ("r0", "x0", "b0ch")]
        sets = [self._pair(item, one, other, 1e3) for one, other in zip(keys, zero, strict=True)]
        r, x, b = (_balanced(one, other, size) for one, other in sets)
        return self._add(item, (item.key, size), r, x, b)

    def _of_totals(self, item: CimObject, name: str, size: int, length_km: float) -> str | None:
        """Return the impedance of a line that gives the ohms of its whole length."""
        keys = [f"ACLineSegment.{key}" for key in ("r", "x", "bch")]
        zero = [f"ACLineSegment.{key}" for key in ("r0", "x0", "b0ch")]
        per = 1.0 / length_km
        sets = [self._pair(item, one, other, per) for one, other in zip(keys, zero, strict=True)]
        r, x, b = (_balanced(one, other, size) for one, other in sets)
        return self._add(item, (item.key, size), r, x, b, name=name)

    def _pair(self, item: CimObject, one: str, zero: str, factor: float) -> tuple[float, float]:
        """Return the positive- and the zero-sequence value of a quantity."""
        graph = self.places.graph
        first = graph.number(item, one) or 0.0
        second = graph.number(item, zero)
        if second is None and not one.endswith("bch"):
            text = "has no zero sequence: its phases are taken as not coupled"
            graph.note(item, item.kind, text)
        return first * factor, (first if second is None else second) * factor

    def _of_wires(
        self, item: CimObject, name: str, phases: str, children: list[CimObject]
    ) -> str | None:
        graph = self.places.graph
        spacing = spacing_of(graph, item)
        if spacing is None:
            problem = "has neither an impedance nor wires."
            graph.fault(item, "", problem, "Give it an ACLineSegment.PerLengthImpedance.")
            return None
        infos = wire_infos(graph, item, children)
        keep = len(phases.rstrip("N"))
        names = [f"{spacing.name}: {', '.join(info.name if info else '' for info in infos)}"]
        key = (f"{spacing.key} {' '.join(info.key if info else '' for info in infos)}", keep)
        if key not in self._kinds:
            kind = impedance_of_wires(
                self.places, item, self.places.unique("impedance", item, names[0]), keep, infos
            )
            if kind is None:
                return None
            self.impedances[kind.name] = kind
            self._kinds[key] = kind.name
        if "N" in phases:
            text = "its neutral is taken as earthed all along, and eliminated"
            graph.note(item, item.kind, text)
        return self._kinds[key]

    def _add(
        self, item: CimObject, key: tuple[str, int], r: Matrix, x: Matrix, b: Matrix, name: str = ""
    ) -> str | None:
        """Take in an impedance per km and return its name."""
        if not name:
            other = any(known[0] == item.key for known in self._kinds)
            name = f"{item.name}_{key[1]}" if other else item.name
        omega = 2.0 * math.pi * self.places.dialect.f_hz
        c = tuple(tuple(value / omega * 1e9 for value in row) for row in b)
        kind = self.places.make(
            PerLengthPhaseImpedance,
            item,
            name=self.places.unique("impedance", item, name),
            r_ohm_per_km=r,
            x_ohm_per_km=x,
            c_nf_per_km=c if any(any(row) for row in c) else (),
        )
        if kind is None:
            return None
        self.impedances[kind.name] = kind
        self._kinds[key] = kind.name
        return kind.name

    # ------------------------------------------------------------ switches and the rest

    def switches(self) -> tuple[Switch, ...]:
        """Return the switches; one whose phases stand differently becomes one a phase."""
        found: list[Switch] = []
        for item in self.places.graph.of(*SWITCHES):
            found += self._switch(item)
        return tuple(found)

    def _switch(self, item: CimObject) -> list[Switch]:
        places, graph = self.places, self.places.graph
        graph.ask(item)
        buses = places.buses_of(item, 2)
        if buses is None or not places.in_service(item):
            return []
        places.locate(item, buses)
        opened = graph.flag(item, "Switch.open", "Switch.normalOpen") or False
        children = sorted(
            (self._side(child, opened) for child in graph.back(item, "SwitchPhase.Switch")),
            key=lambda entry: in_order("ABCN").find(entry[0]),
        )
        phases = places.phases(item) or "ABC"
        children = children or [(phase, phase, opened) for phase in phases]
        sets: dict[bool, list[tuple[str, str]]] = {}
        for one, other, is_open in children:
            sets.setdefault(is_open, []).append((one, other))
        if len(sets) > 1:
            graph.note(item, item.kind, "is open in some phases only: split into two")
        made = [
            places.make(
                Switch,
                item,
                name=places.unique("switch", item, self._part(item, pairs, len(sets) > 1)),
                bus_from=buses[0],
                bus_to=buses[1],
                phases="".join(one for one, _ in pairs),
                phases_to=_other_end(pairs),
                kind=SWITCHES[item.kind],
                open=is_open,
                ampacity_a=graph.number(item, "Switch.ratedCurrent") or self.ampacity(item),
            )
            for is_open, pairs in sets.items()
        ]
        return [switch for switch in made if switch is not None]

    def _part(self, item: CimObject, pairs: list[tuple[str, str]], parted: bool) -> str:
        return f"{item.name}_{''.join(one for one, _ in pairs)}" if parted else item.name

    def _side(self, child: CimObject, opened: bool) -> tuple[str, str, bool]:
        graph = self.places.graph
        one = NODE_OF.get(graph.choice(child, "SwitchPhase.phaseSide1"), "A")
        other = NODE_OF.get(graph.choice(child, "SwitchPhase.phaseSide2"), one)
        closed = graph.flag(child, "SwitchPhase.closed")
        normal = graph.flag(child, "SwitchPhase.normalOpen")
        return one, other, opened or (normal or False if closed is None else not closed)

    def series(self) -> tuple[SeriesCompensator, ...]:
        """Return the series compensators."""
        places, graph = self.places, self.places.graph
        made: list[SeriesCompensator] = []
        for item in graph.of(*SERIES):
            graph.ask(item)
            buses = places.buses_of(item, 2)
            if buses is None or not places.in_service(item):
                continue
            places.locate(item, buses)
            compensator = places.make(
                SeriesCompensator,
                item,
                name=places.unique("series", item),
                bus_from=buses[0],
                bus_to=buses[1],
                phases=places.phases(item) or "ABC",
                r_ohm=graph.number(item, "SeriesCompensator.r") or 0.0,
                x_ohm=graph.needed(item, "SeriesCompensator.x"),
                ampacity_a=self.ampacity(item),
            )
            made += [compensator] if compensator is not None else []
        return tuple(made)

    def ampacity(self, item: CimObject) -> float:
        """Return the longest-lasting current limit at some equipment; 0 if it has none. [A]"""
        graph = self.places.graph
        sets = graph.back(item, "OperationalLimitSet.Equipment")
        for terminal in self.places.terminals(item):
            sets += graph.refs(terminal, "ACDCTerminal.OperationalLimitSet")
            sets += graph.back(terminal, "OperationalLimitSet.Terminal")
        found: list[tuple[float, float]] = []
        for limits in sets:
            for limit in graph.back(limits, "OperationalLimit.OperationalLimitSet"):
                if limit.kind != "CurrentLimit":
                    continue
                amps = graph.number(limit, "CurrentLimit.value", "CurrentLimit.normalValue")
                kind = graph.ref(limit, "OperationalLimit.OperationalLimitType")
                found.append((-self._lasts_s(kind), amps or 0.0))
        return min(found, default=(0.0, 0.0))[1]

    def _lasts_s(self, kind: CimObject | None) -> float:
        graph = self.places.graph
        if kind is None:
            return 0.0
        if graph.flag(kind, "OperationalLimitType.isInfiniteDuration"):
            return math.inf
        return graph.number(kind, "OperationalLimitType.acceptableDuration") or 0.0


def _balanced(one: float, zero: float, size: int) -> Matrix:
    """Return the phase matrix of a positive- and a zero-sequence value, of up to 3 phases."""
    return tuple(row[:size] for row in phase_matrix(one, zero)[:size])


def _other_end(pairs: list[tuple[str, str]]) -> str | None:
    other = "".join(end for _, end in pairs)
    return None if other == "".join(one for one, _ in pairs) else other
