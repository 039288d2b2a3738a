"""Places: terminals, buses, nominal voltages and coordinates of a CIM file."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from gridmodel.errors import Fault
from gridmodel.ingest.cim_dialect import Dialect
from gridmodel.ingest.cim_graph import CimObject, Graph
from gridmodel.network.element import NODES, Element
from gridmodel.network.network import Bus
from gridmodel.settings import Settings, faults_of

E = TypeVar("E", bound=Settings)

#: Classes whose two terminals have the same nominal voltage.
LINES = ("ACLineSegment",)
SWITCHES: Mapping[str, str] = {
    "Breaker": "breaker",
    "Disconnector": "disconnector",
    "Fuse": "fuse",
    "LoadBreakSwitch": "load_break_switch",
    "Recloser": "recloser",
    "Sectionaliser": "sectionaliser",
    "Switch": "switch",
    "Jumper": "switch",
    "Cut": "switch",
}
SERIES = ("SeriesCompensator",)

#: Phases of the file as our nodes: the legs of a split-phase secondary are A and B.
NODE_OF: Mapping[str, str] = {"A": "A", "B": "B", "C": "C", "N": "N", "s1": "A", "s2": "B"}


@dataclass(slots=True)
class Places:
    """Where the equipment of a file is.

    Parameters
    ----------
    graph : Graph
        Its objects.
    dialect : Dialect
        How its numbers are meant.
    """

    graph: Graph
    dialect: Dialect
    _terminals: dict[str, list[CimObject]] = field(default_factory=dict)
    _bus_names: dict[str, str] = field(default_factory=dict)
    _bus_items: dict[str, CimObject] = field(default_factory=dict)
    _volts: dict[str, float] = field(default_factory=dict)
    _at: dict[str, tuple[float, float]] = field(default_factory=dict)
    _names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    #: Buses of split-phase secondaries, by name.
    split: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for terminal in self.graph.of("Terminal"):
            equipment = self.graph.ref(terminal, "Terminal.ConductingEquipment")
            if equipment is not None:
                self._terminals.setdefault(equipment.key, []).append(terminal)
        for terminals in self._terminals.values():
            terminals.sort(key=self._number)
        self._name_buses()

    # ------------------------------------------------------------------ terminals and buses

    def _number(self, terminal: CimObject) -> float:
        keys = ("ACDCTerminal.sequenceNumber", "Terminal.sequenceNumber")
        return self.graph.number(terminal, *keys) or 0.0

    def terminals(self, equipment: CimObject) -> list[CimObject]:
        """Return the terminals of some equipment, in their order."""
        return self._terminals.get(equipment.key, [])

    def _name_buses(self) -> None:
        kinds = ("ConnectivityNode", "TopologicalNode")
        used = dict.fromkeys(kinds, False)
        for terminal in self.graph.of("Terminal"):
            for kind in kinds:
                used[kind] |= f"Terminal.{kind}" in terminal.values
        for item in self.graph.of(kinds[0] if used[kinds[0]] else kinds[1]):
            self.graph.ask(item)
            name = self.unique("bus", item)
            self._bus_names[item.key] = name
            self._bus_items[name] = item

    def bus_of(self, terminal: CimObject) -> str | None:
        """Return the name of the bus a terminal is at; None, with a fault, if it has none."""
        keys = ("Terminal.ConnectivityNode", "Terminal.TopologicalNode")
        for key in keys:
            node = self.graph.ref(terminal, key)
            if node is not None and node.key in self._bus_names:
                return self._bus_names[node.key]
        if not any(key in terminal.values for key in keys):
            problem = "is at no ConnectivityNode."
            self.graph.fault(terminal, "", problem, "Give it a Terminal.ConnectivityNode.")
        return None

    def buses_of(self, equipment: CimObject, count: int) -> list[str] | None:
        """Return the buses of some equipment's terminals; None if it cannot be taken over.

        Too few or too many terminals are a fault.
        """
        terminals = self.terminals(equipment)
        if len(terminals) != count:
            has = f"has {len(terminals)} terminal{'s' if len(terminals) != 1 else ''}, not {count}."
            self.graph.fault(equipment, "", has, "Give it a Terminal at each of its ends.")
            return None
        buses = [self.bus_of(terminal) for terminal in terminals]
        return None if None in buses else [bus for bus in buses if bus is not None]

    def in_service(self, equipment: CimObject) -> bool:
        """Tell whether some equipment is there; if not, that is noted."""
        graph = self.graph
        off = graph.flag(equipment, "Equipment.inService") is False
        for terminal in self.terminals(equipment):
            off |= graph.flag(terminal, "ACDCTerminal.connected", "Terminal.connected") is False
        if off:
            graph.note(equipment, equipment.kind, "is not in service or not connected: left out")
        return not off

    def phases(self, equipment: CimObject) -> str:
        """Return the phases that some equipment or its terminals name as a whole; or none."""
        graph = self.graph
        for item in (equipment, *self.terminals(equipment)):
            keys = ("ConductingEquipment.phases", "Terminal.phases")
            code = graph.choice(item, *keys)
            if code and code != "none":
                return nodes_of_code(code)
        return ""

    # ------------------------------------------------------------------------- voltages

    def base_v(self, item: CimObject, *keys: str) -> float | None:
        """Return the nominal voltage some object refers to. [V]"""
        base = self.graph.ref(item, *keys)
        if base is None:
            return None
        volts = self.graph.number(base, "BaseVoltage.nominalVoltage")
        return None if volts is None else volts * self.dialect.volts

    def own_v(self, equipment: CimObject) -> float | None:
        """Return the base voltage some equipment names itself. [V]"""
        return self.base_v(equipment, "ConductingEquipment.BaseVoltage")

    def v_nominal(self, bus: str) -> float:
        """Return the nominal voltage of a bus between phases; NaN if none is known. [V]"""
        return self._volts.get(bus, float("nan"))

    def find_voltages(self) -> None:
        """Find the nominal voltage of every bus; one that has none is a fault."""
        for claim in (self._of_nodes, self._of_ends, self._of_branches, self._of_the_rest):
            for bus, volts in claim():
                self._volts.setdefault(bus, volts)
        pairs: dict[str, list[str]] = defaultdict(list)
        for one, other in self._pairs():
            pairs[one].append(other)
            pairs[other].append(one)
        _flood(self._volts, pairs)
        split = dict.fromkeys(self.split, 1.0)
        _flood(split, pairs)
        self.split.update(split)

    def _of_nodes(self) -> Iterator[tuple[str, float]]:
        for name, item in self._bus_items.items():
            nodes = [item] if item.kind == "TopologicalNode" else self._topological(item)
            for node in nodes:
                volts = self.base_v(node, "TopologicalNode.BaseVoltage")
                if volts is not None:
                    yield name, volts

    def _topological(self, item: CimObject) -> list[CimObject]:
        return self.graph.refs(item, "ConnectivityNode.TopologicalNode")

    def _of_ends(self) -> Iterator[tuple[str, float]]:
        for end in self.graph.of("TransformerTankEnd", "PowerTransformerEnd"):
            terminal = self.graph.ref(end, "TransformerEnd.Terminal")
            volts = self.base_v(end, "TransformerEnd.BaseVoltage")
            bus = self.bus_of(terminal) if terminal is not None else None
            if bus is None:
                continue
            if volts is not None:
                yield bus, volts
            phases = self.graph.choice(
                end, "TransformerTankEnd.orderedPhases", "TransformerTankEnd.phases"
            )
            if "s" in phases:
                self.split.add(bus)

    def _of_branches(self) -> Iterator[tuple[str, float]]:
        yield from self._claims(*LINES, *SWITCHES, *SERIES, "EnergySource", "BusbarSection")

    def _of_the_rest(self) -> Iterator[tuple[str, float]]:
        for item in self._bus_items.values():
            container = self.graph.refs(item, "ConnectivityNode.ConnectivityNodeContainer")
            for level in container:
                if "VoltageLevel.BaseVoltage" in level.values:
                    volts = self.base_v(level, "VoltageLevel.BaseVoltage")
                    if volts is not None:
                        yield self._bus_names[item.key], volts
        yield from self._claims(
            "EnergyConsumer", "LinearShuntCompensator", "SynchronousMachine",
            "PowerElectronicsConnection", "ExternalNetworkInjection",
        )  # fmt: skip

    def _claims(self, *kinds: str) -> Iterator[tuple[str, float]]:
        for item in self.graph.of(*kinds):
            volts = self.own_v(item)
            if volts is None and "Equipment.EquipmentContainer" in item.values:
                container = self.graph.ref(item, "Equipment.EquipmentContainer")
                if container is not None and "VoltageLevel.BaseVoltage" in container.values:
                    volts = self.base_v(container, "VoltageLevel.BaseVoltage")
            if volts is not None:
                for terminal in self.terminals(item):
                    bus = self.bus_of(terminal)
                    if bus is not None:
                        yield bus, volts

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for item in self.graph.of(*LINES, *SWITCHES, *SERIES):
            names = [self._bus_names.get(key) for key in self._node_keys(item)]
            if len(names) == 2 and names[0] is not None and names[1] is not None:
                yield names[0], names[1]

    def _node_keys(self, item: CimObject) -> Iterator[str]:
        for terminal in self.terminals(item):
            for key in ("Terminal.ConnectivityNode", "Terminal.TopologicalNode"):
                if key in terminal.values:
                    node = self.graph.ref(terminal, key)
                    if node is not None:
                        yield node.key
                    break

    # ------------------------------------------------------------------------ coordinates

    def locate(self, item: CimObject, buses: list[str]) -> None:
        """Take the coordinates of some equipment's terminals as those of their buses."""
        where = self.graph.ref(item, "PowerSystemResource.Location")
        if where is None:
            return
        crs = self.graph.ref(where, "Location.CoordinateSystem")
        local = crs is not None and "OpenDSS" in (
            self.graph.text(crs, "CoordinateSystem.crsUrn") or ""
        )
        points = self.graph.back(where, "PositionPoint.Location")
        points.sort(key=lambda point: self.graph.number(point, "PositionPoint.sequenceNumber") or 0)
        if len(points) > len(buses):
            self.graph.note(where, "Location", "the points between the ends are not kept")
            points = [points[0], *([points[-1]] if len(buses) > 1 else [])]
        numbers = [self.graph.number(point, "PositionPoint.sequenceNumber") for point in points]
        for k, point in enumerate(points):
            number = int(numbers[k] or 0)
            index = number - 1 if 1 <= number <= len(buses) else k
            x = self.graph.number(point, "PositionPoint.xPosition")
            y = self.graph.number(point, "PositionPoint.yPosition")
            # OpenDSS exports 0, 0 for a bus without coordinates.
            if x is not None and y is not None and not (local and x == y == 0.0):
                self._at.setdefault(buses[index], (x, y))

    # --------------------------------------------------------------------------- elements

    def unique(self, group: str, item: CimObject, name: str = "") -> str:
        """Return a name no other element of a group has; a change of name is noted."""
        name = name or item.name
        taken = self._names[group]
        final, number = name, 1
        while final in taken:
            number += 1
            final = f"{name}_{number}"
        if final != name:
            self.graph.note(item, item.kind, "bears a name twice: numbered")
        taken.add(final)
        return final

    def make(self, made: type[E], item: CimObject, /, **fields: Any) -> E | None:
        """Return an element or a part of one; None, with faults, if its values cannot be."""
        # What is not a number has had its fault already.
        if any(isinstance(value, float) and value != value for value in fields.values()):
            self._blame(item)
            return None
        if issubclass(made, Element):
            fields["origin"] = item.where
        try:
            return made(**fields)
        except ValidationError as error:
            name = (item.kind, str(fields.get("name", item.name)))
            self.graph.faults += faults_of(error, made, lambda _: item.where, name)
            return None

    def _blame(self, item: CimObject) -> None:
        if not any(fault.where == item.where for fault in self.graph.faults):
            problem = "a voltage it needs is not known."
            self.graph.fault(item, "", problem, "Give its buses a BaseVoltage.")

    def buses(self) -> tuple[Bus, ...]:
        """Return the buses, in the order of the file."""
        made = []
        for name, item in self._bus_items.items():
            x, y = self._at.get(name, (None, None))
            volts = self.v_nominal(name)
            if volts != volts:
                problem = "no equipment says its nominal voltage."
                self.graph.faults.append(
                    Fault(item.where, item.called, problem, "Give something at it a BaseVoltage.")
                )
                continue
            bus = self.make(Bus, item, name=name, v_nominal_v=volts, x=x, y=y)
            if bus is not None:
                made.append(bus)
        return tuple(made)


def _flood(values: dict[str, float], pairs: Mapping[str, list[str]]) -> None:
    """Carry values over pairs of buses to all that have none."""
    queue = deque(values)
    while queue:
        bus = queue.popleft()
        for other in pairs.get(bus, ()):
            if other not in values:
                values[other] = values[bus]
                queue.append(other)


def nodes_of_code(code: str) -> str:
    """Return the nodes of a PhaseCode, in its order: ``ABN`` of ``s12N``.

    Examples
    --------
    >>> nodes_of_code("s12N"), nodes_of_code("Ns2"), nodes_of_code("BC")
    ('ABN', 'NB', 'BC')
    """
    code = code.replace("s12", "AB").replace("s1", "A").replace("s2", "B")
    return "".join(letter for letter in code if letter in NODES)


def in_order(nodes: str) -> str:
    """Return nodes in the order A, B, C, N, each once."""
    return "".join(node for node in NODES if node in nodes)
