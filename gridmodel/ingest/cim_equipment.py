"""Equipment at one bus of a CIM file: sources, consumers, capacitors, inverters, machines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gridmodel.ingest.cim_graph import CimObject
from gridmodel.ingest.cim_places import Places, in_order
from gridmodel.ingest.cim_shunts import ROOT3, Phase, Shunts
from gridmodel.network.element import Connection
from gridmodel.network.equipment import (
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    RotatingMachine,
)

_CONSUMERS = ("EnergyConsumer", "ConformLoad", "NonConformLoad", "StationSupply")
_MACHINES = ("SynchronousMachine", "AsynchronousMachine")
_UNITS = {"PhotovoltaicUnit": "photovoltaic", "PhotoVoltaicUnit": "photovoltaic"} | {
    "BatteryUnit": "battery",
    "PowerElectronicsWindUnit": "wind",
}


@dataclass(slots=True)
class Equipment:
    """What hangs on a single bus.

    Parameters
    ----------
    places : Places
        The file.
    shunts : Shunts
        Which knows the nodes.
    """

    places: Places
    shunts: Shunts

    def _placed(self, *kinds: str) -> Iterator[tuple[CimObject, str]]:
        """Yield the equipment of some classes that is in service, and its bus."""
        for item in self.places.graph.of(*kinds):
            self.places.graph.ask(item)
            buses = self.places.buses_of(item, 1)
            if buses is not None and self.places.in_service(item):
                self.places.locate(item, buses)
                yield item, buses[0]

    def _children(self, item: CimObject, kind: str, owner: str, p: str, q: str) -> list[Phase]:
        """Return the phases of some equipment, with two quantities of each."""
        graph = self.places.graph
        return [
            Phase(
                graph.choice(child, f"{kind}.phase"),
                graph.number(child, *p.split()),
                graph.number(child, *q.split()),
            )
            for child in graph.back(item, f"{kind}.{owner}")
        ]

    # ------------------------------------------------------------------------- sources

    def sources(self) -> tuple[EnergySource, ...]:
        """Return the sources, CGMES's network injections among them."""
        made = [self._source(item, bus) for item, bus in self._placed("EnergySource")]
        made += [self._grid(item, bus) for item, bus in self._placed("ExternalNetworkInjection")]
        return tuple(source for source in made if source is not None)

    def _source(self, item: CimObject, bus: str) -> EnergySource | None:
        graph, volts = self.places.graph, self.places.dialect.volts
        nominal = graph.number(item, "EnergySource.nominalVoltage")
        v_nominal = nominal * volts if nominal else self.places.v_nominal(bus)
        magnitude = graph.number(item, "EnergySource.voltageMagnitude")
        children = graph.back(item, "EnergySourcePhase.EnergySource")
        phases = in_order("".join(graph.choice(c, "EnergySourcePhase.phase") for c in children))
        angle = graph.number(item, "EnergySource.voltageAngle") or 0.0
        return self.places.make(
            EnergySource,
            item,
            name=self.places.unique("source", item),
            bus=bus,
            nodes=phases or self.places.phases(item) or "ABC",
            v_nominal_v=v_nominal,
            v_pu=1.0 if magnitude is None else magnitude * volts / v_nominal,
            angle_deg=round(math.degrees(angle), 6),
            **{
                f"{ours}_ohm": graph.number(item, f"EnergySource.{theirs}") or least
                for ours, theirs, least in (
                    ("r1", "r", 0.0), ("x1", "x", 1e-6), ("r0", "r0", 0.0), ("x0", "x0", 1e-6)
                )
            },
        )  # fmt: skip

    def _grid(self, item: CimObject, bus: str) -> EnergySource | None:
        graph = self.places.graph
        key = "ExternalNetworkInjection."
        v_nominal = self.places.v_nominal(bus)
        amps = graph.number(item, f"{key}maxInitialSymShCCurrent")
        ratio = graph.number(item, f"{key}maxR1ToX1Ratio") or 0.0
        ratio0 = graph.number(item, f"{key}maxR0ToX0Ratio") or ratio
        zero = graph.number(item, f"{key}maxZ0ToZ1Ratio") or 1.0
        z = v_nominal / ROOT3 / amps if amps else 1e-6
        x1, x0 = z / math.hypot(1.0, ratio), z * zero / math.hypot(1.0, ratio0)
        v_set = self._v_set(item, bus)
        return self.places.make(
            EnergySource,
            item,
            name=self.places.unique("source", item),
            bus=bus,
            v_nominal_v=v_nominal,
            v_pu=1.0 if v_set is None else v_set / v_nominal,
            r1_ohm=x1 * ratio,
            x1_ohm=x1,
            r0_ohm=x0 * ratio0,
            x0_ohm=x0,
        )

    def _v_set(self, item: CimObject, bus: str) -> float | None:
        """Return the voltage some equipment is told to hold. [V]"""
        graph = self.places.graph
        for control in graph.refs(item, "RegulatingCondEq.RegulatingControl"):
            target = graph.number(control, "RegulatingControl.targetValue")
            on = graph.flag(control, "RegulatingControl.enabled")
            own = graph.flag(item, "RegulatingCondEq.controlEnabled")
            voltage = graph.choice(control, "RegulatingControl.mode") == "voltage"
            if voltage and target is not None and on is not False and own is not False:
                return target * self.places.dialect.volts
        return None

    # ------------------------------------------------------------------------- consumers

    def consumers(self) -> tuple[EnergyConsumer, ...]:
        """Return the consumers; one whose phases differ becomes one a phase."""
        graph, kw = self.places.graph, self.places.dialect.watts / 1e3
        made: list[EnergyConsumer | None] = []
        for item, bus in self._placed(*_CONSUMERS):
            children = self._children(
                item, "EnergyConsumerPhase", "EnergyConsumer",
                "EnergyConsumerPhase.p EnergyConsumerPhase.pfixed",
                "EnergyConsumerPhase.q EnergyConsumerPhase.qfixed",
            )  # fmt: skip
            p = graph.number(item, "EnergyConsumer.p", "EnergyConsumer.pfixed")
            q = graph.number(item, "EnergyConsumer.q", "EnergyConsumer.qfixed")
            if p is None and all(phase.p is None for phase in children):
                graph.note(item, item.kind, "does not say its power: 0 is taken")
            connection = self._connection(item, "EnergyConsumer")
            base = self.places.own_v(item) or self.places.v_nominal(bus)
            count = graph.number(item, "EnergyConsumer.customerCount")
            for part in self.shunts.parts(item, bus, connection, children, (p, q)):
                made.append(
                    self.places.make(
                        EnergyConsumer,
                        item,
                        name=self.places.unique("consumer", item, item.name + part.suffix),
                        bus=bus,
                        nodes=part.nodes,
                        connection=part.connection,
                        v_rated_v=self.shunts.rated_v(bus, part, base),
                        p_rated_kw=part.p * kw,
                        q_rated_kvar=part.q * kw,
                        response=self._response(item),
                        profile=self._profile(item),
                        customer_count=1 if count is None else max(int(count), 0),
                    )
                )
        return tuple(consumer for consumer in made if consumer is not None)

    def _connection(self, item: CimObject, kind: str) -> tuple[Connection, bool | None]:
        graph = self.places.graph
        delta = graph.choice(item, f"{kind}.phaseConnection").startswith("D")
        # OpenDSS writes it under the wrong class for deltas.
        grounded = graph.flag(item, f"{kind}.grounded", f"Linear{kind}.grounded")
        return ("delta" if delta else "wye"), grounded

    def _response(self, item: CimObject) -> LoadResponseCharacteristic:
        graph = self.places.graph
        found = graph.ref(item, "EnergyConsumer.LoadResponse")
        if found is None:
            return LoadResponseCharacteristic()
        key = "LoadResponseCharacteristic."
        exponents = [graph.number(found, f"{key}{s}VoltageExponent") for s in "pq"]
        shares = [
            tuple(
                graph.number(found, f"{key}{side}Constant{part}") or 0.0
                for part in ("Impedance", "Current", "Power")
            )
            for side in "pq"
        ]
        if graph.flag(found, f"{key}exponentModel"):
            return LoadResponseCharacteristic(
                p_exponent=exponents[0] or 0.0, q_exponent=exponents[1] or 0.0
            )
        scaled = [
            tuple(value / sum(part) for value in part) if sum(part) else (0.0, 0.0, 1.0)
            for part in shares
        ]
        if any(not -10.0 <= value <= 10.0 for part in scaled for value in part):
            graph.fault(found, "", f"the shares {shares} are given.", "They should add up to 100.")
            return LoadResponseCharacteristic()
        (pz, pi, pp), (qz, qi, qp) = scaled
        return LoadResponseCharacteristic(p_zip_pu=(pz, pi, pp), q_zip_pu=(qz, qi, qp))

    def _profile(self, item: CimObject) -> str:
        graph = self.places.graph
        for profile in graph.back(item, "EnergyConnectionProfile.EnergyConnections"):
            graph.ask(profile)
            keys = [f"EnergyConnectionProfile.dss{kind}" for kind in ("Yearly", "Daily", "Duty")]
            return graph.text(profile, *keys) or ""
        return ""

    # ------------------------------------------------------------------------- capacitors

    def capacitors(self) -> tuple[LinearShuntCompensator, ...]:
        """Return the capacitors; one whose phases differ becomes one a phase."""
        made: list[LinearShuntCompensator | None] = []
        for item, bus in self._placed("LinearShuntCompensator"):
            made += self._capacitor(item, bus)
        return tuple(capacitor for capacitor in made if capacitor is not None)

    def _capacitor(self, item: CimObject, bus: str) -> list[LinearShuntCompensator | None]:
        graph, dialect = self.places.graph, self.places.dialect
        kind = "LinearShuntCompensator."
        phase_kind = "LinearShuntCompensatorPhase."
        children = [
            Phase(
                graph.choice(child, "ShuntCompensatorPhase.phase"),
                graph.number(child, f"{phase_kind}bPerSection"),
                graph.number(child, f"{phase_kind}gPerSection"),
            )
            for child in graph.back(item, "ShuntCompensatorPhase.ShuntCompensator")
        ]
        count, on = self._sections(item)
        b = graph.number(item, f"{kind}bPerSection")
        if b is None and not children:
            graph.fault(item, f"{kind}bPerSection", "is missing.", "Give it in siemens.")
            return []
        g = graph.number(item, f"{kind}gPerSection")
        rated = graph.number(item, "ShuntCompensator.nomU")
        connection = self._connection(item, "ShuntCompensator")
        made = []
        for part in self.shunts.parts(item, bus, connection, children, (b, g)):
            base = self.shunts.base_v(bus, part, rated * dialect.volts if rated else None)
            v_rated = self.shunts.rated_v(bus, part, base)
            several = len(part.nodes) > 2
            coil_v = v_rated / ROOT3 if several and part.connection == "wye" else v_rated
            # b of phases is the sum over them; of the whole it is the positive sequence's,
            # which makes as much of a wye or a delta at the voltage between phases.
            volts = v_rated if several and not children else coil_v
            kva = volts**2 * count / 1e3
            made.append(
                self.places.make(
                    LinearShuntCompensator,
                    item,
                    name=self.places.unique("capacitor", item, item.name + part.suffix),
                    bus=bus,
                    nodes=part.nodes,
                    connection=part.connection,
                    v_rated_v=v_rated,
                    q_kvar=part.p * kva,
                    g_kw=part.q * kva,
                    section_count=count,
                    sections_on=min(on, count),
                )
            )
        return made

    def _sections(self, item: CimObject) -> tuple[int, int]:
        """Return how many sections there are, and how many are on."""
        graph = self.places.graph
        key = "ShuntCompensator."
        whole = graph.number(item, f"{key}maximumSections")
        normal = graph.number(item, f"{key}normalSections")
        states = graph.back(item, "SvShuntCompensatorSections.ShuntCompensator")
        on = graph.number(states[0], "SvShuntCompensatorSections.sections") if states else None
        on = graph.number(item, f"{key}sections") if on is None else on
        on = normal if on is None else on
        for child in graph.back(item, "ShuntCompensatorPhase.ShuntCompensator"):
            phase = graph.number(child, "ShuntCompensatorPhase.maximumSections")
            whole = phase if whole is None else whole
            phase_on = graph.number(
                child, "ShuntCompensatorPhase.sections", "ShuntCompensatorPhase.normalSections"
            )
            on = phase_on if on is None else on
        count = max(int(whole or normal or 1), 1)
        return count, count if on is None else max(round(on), 0)

    # ------------------------------------------------------------- inverters and machines

    def inverters(self) -> tuple[PowerElectronicsConnection, ...]:
        """Return the inverters, each with what is behind it."""
        graph, dialect = self.places.graph, self.places.dialect
        key = "PowerElectronicsConnection."
        made: list[PowerElectronicsConnection | None] = []
        for item, bus in self._placed("PowerElectronicsConnection"):
            kind = "PowerElectronicsConnectionPhase"
            children = self._children(
                item, kind, "PowerElectronicsConnection", f"{kind}.p", f"{kind}.q"
            )
            total = graph.number(item, f"{key}p"), graph.number(item, f"{key}q")
            rated = graph.number(item, f"{key}ratedU")
            fault_pu = graph.number(item, f"{key}maxIFault")
            unit, e_wh = self._unit(item)
            parts = self.shunts.parts(item, bus, ("wye", True), children, total)
            kw = dialect.watts / 1e3
            for part in parts:
                base = self.shunts.base_v(bus, part, rated * dialect.volts if rated else None)
                made.append(
                    self.places.make(
                        PowerElectronicsConnection,
                        item,
                        name=self.places.unique("inverter", item, item.name + part.suffix),
                        bus=bus,
                        nodes=part.nodes,
                        connection=part.connection,
                        v_rated_v=self.shunts.rated_v(bus, part, base),
                        unit=unit,
                        s_kva=graph.needed(item, f"{key}ratedS") * kw / len(parts),
                        p_kw=part.p * kw * dialect.generation,
                        q_kvar=part.q * kw * dialect.generation,
                        e_kwh=e_wh * kw / len(parts),
                        # Below this voltage the current is at its limit (CIMHub).
                        v_min_pu=1.0 / fault_pu if fault_pu and fault_pu > 0.0 else 0.0,
                        profile=self._profile(item),
                    )
                )
        return tuple(inverter for inverter in made if inverter is not None)

    def _unit(self, item: CimObject) -> tuple[str, float]:
        """Return what is behind an inverter, and the energy it holds in the file's unit."""
        graph = self.places.graph
        units = graph.refs(item, "PowerElectronicsConnection.PowerElectronicsUnit")
        units += graph.back(item, "PowerElectronicsUnit.PowerElectronicsConnection")
        for unit in units:
            graph.ask(unit)
        if len(units) > 1:
            graph.note(item, item.kind, "has several units: only the first is kept")
        if not units:
            return "other", 0.0
        energy = graph.number(units[0], "BatteryUnit.ratedE") or 0.0
        return _UNITS.get(units[0].kind, "other"), energy

    def machines(self) -> tuple[RotatingMachine, ...]:
        """Return the rotating machines."""
        graph, dialect = self.places.graph, self.places.dialect
        made: list[RotatingMachine | None] = []
        for item, bus in self._placed(*_MACHINES):
            kind = f"{item.kind}Phase"
            children = self._children(item, kind, item.kind, f"{kind}.p", f"{kind}.q")
            total = graph.number(item, "RotatingMachine.p"), graph.number(item, "RotatingMachine.q")
            rated = graph.number(item, "RotatingMachine.ratedU")
            v_set = self._v_set(item, bus)
            kw = dialect.watts / 1e3
            limits = {
                ours: value * kw
                for ours, theirs in (("q_min_kvar", "minQ"), ("q_max_kvar", "maxQ"))
                if (value := graph.number(item, f"SynchronousMachine.{theirs}")) is not None
            }
            for part in self.shunts.parts(item, bus, ("wye", True), children, total):
                base = self.shunts.base_v(bus, part, rated * dialect.volts if rated else None)
                made.append(
                    self.places.make(
                        RotatingMachine,
                        item,
                        name=self.places.unique("machine", item, item.name + part.suffix),
                        bus=bus,
                        nodes=part.nodes,
                        connection=part.connection,
                        v_rated_v=self.shunts.rated_v(bus, part, base),
                        p_kw=part.p * kw * dialect.generation,
                        q_kvar=part.q * kw * dialect.generation,
                        v_set_pu=None if v_set is None else v_set / base,
                        **limits,
                    )
                )
        return tuple(machine for machine in made if machine is not None)

    def groundings(self) -> tuple[GroundingImpedance, ...]:
        """Return the earthings that stand by themselves."""
        graph = self.places.graph
        made = [
            self.places.make(
                GroundingImpedance,
                item,
                name=self.places.unique("grounding", item),
                bus=bus,
                node=(self.places.phases(item) or "N")[0],
                r_ohm=graph.number(item, "EarthFaultCompensator.r") or 0.0,
                x_ohm=graph.number(item, "GroundingImpedance.x") or 0.0,
            )
            for item, bus in self._placed("GroundingImpedance")
        ]
        return tuple(grounding for grounding in made if grounding is not None)
