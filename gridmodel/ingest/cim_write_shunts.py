"""Equipment at one bus in a CIM file: which phases it is written with."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from gridmodel.ingest.cim_document import Choice, Document, Plain, Ref
from gridmodel.ingest.cim_shunts import PAIR_OF, ROOT3
from gridmodel.network.equipment import (
    AtBus,
    ElectricVehicleCharger,
    EnergyConsumer,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    Rated,
    RotatingMachine,
)

_LEGS = {"A": "s1", "B": "s2"}
_UNITS = {
    "photovoltaic": "PhotovoltaicUnit",
    "battery": "BatteryUnit",
    "wind": "PowerElectronicsWindUnit",
}


class Shape(NamedTuple):
    """How equipment lies between the nodes of its bus, in CIM's words.

    ``phases`` is empty for all three; ``neutral`` tells whether the star point is N.
    """

    delta: bool
    phases: tuple[str, ...]
    neutral: bool

    @property
    def coil_count(self) -> int:
        """Number of phases."""
        return len(self.phases) or 3


def shape(element: AtBus, split: Set[str]) -> Shape | None:
    """Return the shape of some equipment; None if CIM has no words for it."""
    legs = element.bus in split
    pairs = [set(pair) for pair in element.coils]
    for star in "0N":
        if all(star in pair for pair in pairs):
            letters = [next(iter(pair - {star}), "N") for pair in pairs]
            if "N" in letters or len(set(letters)) < len(letters) or "0" in letters:
                return None
            named = tuple(_LEGS.get(x, x) if legs else x for x in sorted(letters))
            whole = named == ("A", "B", "C") and star == "0"
            return Shape(False, () if whole else named, star == "N")
    if any(pair & set("0N") for pair in pairs):
        return None
    if len(pairs) == 3:
        return Shape(True, (), False)
    if len(pairs) > 1:
        return None
    if legs and pairs[0] == {"A", "B"}:
        return Shape(True, ("s1", "s2"), False)
    name = next(name for name, nodes in PAIR_OF.items() if set(nodes) == pairs[0])
    return Shape(True, (name,), False)


def base_v(element: Rated, form: Shape, split: Set[str]) -> float:
    """Return the rated voltage of some equipment as one between three phases. [V]"""
    if not form.delta:
        return element.v_rated_v * ROOT3 if form.coil_count == 1 else float(element.v_rated_v)
    across = len(form.phases) == 2 and element.bus in split
    return element.v_rated_v * ROOT3 / 2.0 if across else float(element.v_rated_v)


class Shunts:
    """Writes the equipment that hangs on a single bus.

    Parameters
    ----------
    document : Document
        Where it goes.
    split : set of str
        Buses of split-phase secondaries.
    """

    def __init__(self, document: Document, split: Set[str]) -> None:
        self._document, self._split = document, split
        self._responses: dict[LoadResponseCharacteristic, Ref] = {}
        #: Capacitors that were written, with the delay of their control.
        self.delay_s: dict[str, float] = {}

    def write(self) -> None:
        """Add everything at one bus."""
        network = self._document.network
        for consumer in network.consumers:
            self._consumer(consumer)
        for charger in network.ev_chargers:
            self._document.note(charger, "ElectricVehicleCharger", "is written as EnergyConsumer")
            plain = {key: getattr(charger, key) for key in ElectricVehicleCharger.model_fields}
            self._consumer(EnergyConsumer(**plain))
        for capacitor in network.capacitors:
            self._capacitor(capacitor)
        for inverter in network.inverters:
            self._inverter(inverter)
        for machine in network.machines:
            self._machine(machine)

    def _shape(self, kind: str, element: Rated) -> Shape | None:
        form = shape(element, self._split)
        if form is None:
            text = f"has no words for its terminals {element.nodes}: left out"
            self._document.note(element, kind, text)
        return form

    def _phases(
        self, kind: str, element: Rated, form: Shape, owner: tuple[str, Ref], p: float, q: float
    ) -> None:
        """Add an object for each phase, with its part of p and q."""
        wired = ("A", "B", "C") if form.neutral and not form.phases else form.phases
        neutral = ("N",) if form.neutral else ()
        # The pair of legs is one coil: half of its power at each.
        for phase in (*wired, *neutral):
            share = 0.0 if phase == "N" else 1.0 / form.coil_count
            self._document.add(
                f"{kind}Phase",
                f"{element.name}_{phase}",
                {
                    f"{kind}Phase.phase": Choice(f"SinglePhaseKind.{phase}"),
                    f"{kind}Phase.p": p * share,
                    f"{kind}Phase.q": q * share,
                    f"{kind}Phase.{owner[0]}": owner[1],
                },
            )

    # -------------------------------------------------------------------------- consumers

    def _consumer(self, element: EnergyConsumer) -> None:
        kind, document = "EnergyConsumer", self._document
        form = self._shape(kind, element)
        if form is None:
            return
        for key, default in (("v_min_pu", 0.0), ("v_max_pu", 2.0)):
            if getattr(element, key) != default:
                document.note(element, f"{kind}: {key}", "has no place in CIM")
        p, q = element.p_rated_kw * 1e3, element.q_rated_kvar * 1e3
        key = document.equipment(
            kind,
            element,
            [element.bus],
            {
                "ConductingEquipment.BaseVoltage": document.base(
                    base_v(element, form, self._split)
                ),
                f"{kind}.LoadResponse": self._response(element.response),
                f"{kind}.p": p,
                f"{kind}.q": q,
                f"{kind}.customerCount": element.customer_count,
                **_connection(kind, form),
            },
        )
        self._phases(kind, element, form, (kind, key), p, q)
        document.profiled(key, element.profile)

    def _response(self, response: LoadResponseCharacteristic) -> Ref:
        if response not in self._responses:
            key = "LoadResponseCharacteristic."
            values: dict[str, Plain] = {}
            exponents = response.p_exponent, response.q_exponent
            by_exponent = any(exponent is not None for exponent in exponents)
            values[f"{key}exponentModel"] = by_exponent
            shares = response.p_zip_pu, response.q_zip_pu
            for side, part, exponent in zip("pq", shares, exponents, strict=True):
                for name, value in zip(("Impedance", "Current", "Power"), part, strict=True):
                    values[f"{key}{side}Constant{name}"] = 100.0 * value
                values[f"{key}{side}VoltageExponent"] = exponent or 0.0
            name = f"response {len(self._responses) + 1}"
            self._responses[response] = self._document.add(
                "LoadResponseCharacteristic", name, values
            )
        return self._responses[response]

    # ------------------------------------------------------------------------- capacitors

    def _capacitor(self, element: LinearShuntCompensator) -> None:
        kind, document = "LinearShuntCompensator", self._document
        form = self._shape(kind, element)
        if form is None:
            return
        whole = not form.phases
        volts = element.v_rated_v if whole else element.coil_v
        per_var = 1e3 / volts**2 / element.section_count
        b, g = element.q_kvar * per_var, element.g_kw * per_var
        sections: dict[str, Plain] = {
            "ShuntCompensator.maximumSections": element.section_count,
            "ShuntCompensator.normalSections": element.sections_on,
            "ShuntCompensator.sections": element.sections_on,
        }
        key = document.equipment(
            kind,
            element,
            [element.bus],
            {
                "ConductingEquipment.BaseVoltage": document.base(
                    document.network.bus[element.bus].v_nominal_v
                ),
                "ShuntCompensator.nomU": base_v(element, form, self._split),
                f"{kind}.bPerSection": b,
                f"{kind}.gPerSection": g,
                "ShuntCompensator.aVRDelay": self.delay_s.get(element.name),
                **_connection("ShuntCompensator", form),
                **sections,
            },
        )
        wired = ("A", "B", "C") if form.neutral and whole else form.phases
        for phase in (*wired, *(("N",) if form.neutral else ())):
            share = 0.0 if phase == "N" else 1.0 if whole else 1.0 / form.coil_count
            document.add(
                f"{kind}Phase",
                f"{element.name}_{phase}",
                {
                    "ShuntCompensatorPhase.phase": Choice(f"SinglePhaseKind.{phase}"),
                    f"{kind}Phase.bPerSection": b * share,
                    f"{kind}Phase.gPerSection": g * share,
                    "ShuntCompensatorPhase.ShuntCompensator": key,
                    **{
                        name.replace("Compensator.", "CompensatorPhase."): value
                        for name, value in sections.items()
                    },
                },
            )

    # ------------------------------------------------------------- inverters and machines

    def _inverter(self, element: PowerElectronicsConnection) -> None:
        kind, document = "PowerElectronicsConnection", self._document
        form = self._shape(kind, element)
        if form is None:
            return
        if form.delta:
            document.note(element, f"{kind}: delta", "has no place in CIM: written as wye")
        if element.control:
            document.note(element, f"{kind}: control", "is not written")
        if element.v_max_pu != 2.0:
            document.note(element, f"{kind}: v_max_pu", "has no place in CIM")
        p, q = element.p_kw * 1e3, element.q_kvar * 1e3
        key = document.equipment(
            kind,
            element,
            [element.bus],
            {
                f"{kind}.PowerElectronicsUnit": self._unit(element),
                f"{kind}.p": p,
                f"{kind}.q": q,
                f"{kind}.ratedS": element.s_kva * 1e3,
                f"{kind}.ratedU": base_v(element, form, self._split),
                f"{kind}.maxIFault": 1.0 / element.v_min_pu if element.v_min_pu else None,
            },
        )
        self._phases(kind, element, form, (kind, key), p, q)
        document.profiled(key, element.profile)

    def _unit(self, element: PowerElectronicsConnection) -> Ref | None:
        if element.unit not in _UNITS:
            return None
        battery = element.unit == "battery"
        most_w = element.s_kva * 1e3
        return self._document.add(
            _UNITS[element.unit],
            element.name,
            {
                "PowerElectronicsUnit.maxP": most_w,
                "PowerElectronicsUnit.minP": -most_w if battery else 0.0,
                "BatteryUnit.ratedE": element.e_kwh * 1e3 if battery else None,
            },
        )

    def _machine(self, element: RotatingMachine) -> None:
        kind, document = "SynchronousMachine", self._document
        form = self._shape(kind, element)
        if form is None:
            return
        if form.delta:
            document.note(element, f"{kind}: delta", "has no place in CIM: written as wye")
        for name, default in (("v_min_pu", 0.0), ("v_max_pu", 2.0)):
            if getattr(element, name) != default:
                document.note(element, f"{kind}: {name}", "has no place in CIM")
        p, q = element.p_kw * 1e3, element.q_kvar * 1e3
        volts = base_v(element, form, self._split)
        hold = None if element.v_set_pu is None else document.ref("RegulatingControl", element.name)
        key = document.equipment(
            kind,
            element,
            [element.bus],
            {
                "RotatingMachine.p": p,
                "RotatingMachine.q": q,
                "RotatingMachine.ratedS": (p**2 + q**2) ** 0.5,
                "RotatingMachine.ratedU": volts,
                f"{kind}.minQ": element.q_min_kvar * 1e3 if element.q_min_kvar > -1e9 else None,
                f"{kind}.maxQ": element.q_max_kvar * 1e3 if element.q_max_kvar < 1e9 else None,
                "RegulatingCondEq.RegulatingControl": hold,
            },
        )
        self._phases(kind, element, form, (kind, key), p, q)
        if element.v_set_pu is not None:
            own = "RegulatingControl."
            document.add(
                "RegulatingControl",
                element.name,
                {
                    f"{own}mode": Choice("RegulatingControlModeKind.voltage"),
                    f"{own}Terminal": document.terminal(kind, element.name, 1),
                    f"{own}targetValue": element.v_set_pu * volts,
                    f"{own}enabled": True,
                },
            )


def _connection(kind: str, form: Shape) -> dict[str, Plain]:
    return {
        f"{kind}.phaseConnection": Choice(f"PhaseShuntConnectionKind.{'D' if form.delta else 'Y'}"),
        f"{kind}.grounded": not form.delta and not form.neutral,
    }
