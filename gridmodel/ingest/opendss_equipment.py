"""What OpenDSS has at a bus: sources, loads, capacitors, generators, inverters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gridmodel.ingest.opendss_conductors import Conductors, series_capacitor
from gridmodel.ingest.opendss_dump import Intake, Record
from gridmodel.network.equipment import (
    ElectricVehicleCharger,
    EnergyConsumer,
    EnergySource,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    RotatingMachine,
)

#: Shares of constant impedance, current and power by OpenDSS's load model, in p and in q.
_SHARES = {
    1: ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
    2: ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    3: ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
    5: ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0)),
    6: ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
    7: ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
}


def read_sources(intake: Intake) -> tuple[EnergySource, ...]:
    """Return the sources."""
    made = (_source(intake, record) for record in intake.dump.of("Vsource"))
    return tuple(one for one in made if one)


def _source(intake: Intake, record: Record) -> EnergySource | None:
    key = f"vsource.{record['Name'].lower()}"
    phases = int(record["Phases"])
    bus, nodes = intake.terminal(key, record["Bus1"], phases)
    if phases == 2:
        intake.fault(key, "has two phases, 180 degrees apart.", "Give two single-phase ones.")
        return None
    if any(node != "0" for node in record["Bus2"].split(".")[1:]):
        intake.notice(key, f"is taken to stand on the earth, not on {record['Bus2']}.")
    if record["Z2"] != record["Z1"]:
        intake.notice(key, "its negative-sequence impedance is taken for the positive one.")
    if record["Frequency"] != intake.dump.f_hz:
        intake.notice(key, f"its {record['Frequency']:g} Hz are taken for the nominal frequency.")
    return intake.make(
        EnergySource,
        key,
        name=intake.dump.tag(key, "name") or record["Name"].lower(),
        bus=bus,
        nodes=nodes,
        # of a single phase OpenDSS means the voltage to earth
        v_nominal_v=float(record["BasekV"]) * 1e3 * (3**0.5 if phases == 1 else 1.0),
        v_pu=float(record["pu"]),
        angle_deg=float(record["Angle"]),
        r1_ohm=float(record["R1"]),
        x1_ohm=float(record["X1"]),
        r0_ohm=float(record["R0"]),
        x0_ohm=float(record["X0"]),
    )


def _at(intake: Intake, key: str, record: Record) -> dict[str, Any]:
    """Return where and how a load, generator or inverter is connected."""
    phases, delta = int(record["Phases"]), record["Conn"].lower() == "delta"
    if delta and phases == 2:
        intake.fault(key, "is an open delta.", "Make it two single-phase ones.")
    bus, nodes = intake.terminal(
        key, record["Bus1"], phases, phases if delta and phases > 2 else phases + 1
    )
    v_rated_v = float(record["kV"]) * 1e3
    connection = "delta" if delta else "wye"
    return {"bus": bus, "nodes": nodes, "connection": connection, "v_rated_v": v_rated_v}


def _generating_at(intake: Intake, key: str, record: Record) -> dict[str, Any]:
    """Return where a generator is connected; between two phases it is a delta, however written."""
    fields = _at(intake, key, record)
    nodes = fields["nodes"]
    if len(nodes) == 2 and set(nodes) <= set("ABC"):
        fields["connection"] = "delta"
    return fields


def _profile(intake: Intake, key: str, record: Record) -> str:
    """Return the name of the yearly, else the daily, else the duty shape."""
    names = [str(record[kind]).lower() for kind in ("Yearly", "Daily", "Duty") if record[kind]]
    if len(set(names)) > 1:
        intake.notice(key, f"has the shapes {', '.join(names)}; the first is taken.")
    return names[0] if names else ""


def read_consumers(
    intake: Intake,
) -> tuple[tuple[EnergyConsumer, ...], tuple[ElectricVehicleCharger, ...]]:
    """Return the loads, and those that our writer noted as charging points."""
    consumers: list[EnergyConsumer] = []
    chargers: list[ElectricVehicleCharger] = []
    for record in intake.dump.of("Load"):
        key = f"load.{record['Name'].lower()}"
        fields = {**_at(intake, key, record), "profile": _profile(intake, key, record)}
        status = record["Status"].lower()
        mult = intake.dump.load_mult if status == "variable" else 1.0
        fields["p_rated_kw"] = float(record["kW"]) * mult
        fields["q_rated_kvar"] = float(record["kvar"]) * mult
        if intake.dump.tag(key, "is") == "ev_charger":
            charger = intake.make(ElectricVehicleCharger, key, **fields)
            chargers += [charger] if charger else []
            continue
        consumer = intake.make(
            EnergyConsumer,
            key,
            **fields,
            **_response(intake, key, record),
            v_min_pu=float(record["VMinpu"]),
            v_max_pu=float(record["VMaxpu"]),
            customer_count=int(record["NumCust"]),
        )
        consumers += [consumer] if consumer else []
    return tuple(consumers), tuple(chargers)


def _response(intake: Intake, key: str, record: Record) -> dict[str, Any]:
    """Return how a load follows the voltage."""
    usual = {"VLowpu": min(0.5, float(record["VMinpu"])), "CVRCurve": None}
    intake.odd(key, record, usual, "is not taken over.")
    if float(record["RNeut"]) >= 0.0 and "4" in record["Bus1"].split(".")[1:]:
        intake.notice(key, "the impedance of its star point is left out.")
    model = int(record["Model"])
    if model == 4:
        response = LoadResponseCharacteristic(
            p_exponent=float(record["CVRWatts"]), q_exponent=float(record["CVRVars"])
        )
        return {"response": response}
    if model == 8:
        return _zip(intake, key, record)
    if model not in _SHARES:
        intake.notice(key, f"model {model} is not known; constant power is taken.")
    if model in (6, 7):
        intake.notice(key, f"model {model}: its q follows the profile here, and does not there.")
    p, q = _SHARES.get(model, _SHARES[1])
    return {"response": LoadResponseCharacteristic(p_zip_pu=p, q_zip_pu=q)}


def _zip(intake: Intake, key: str, record: Record) -> dict[str, Any]:
    """Return the polynomial of model 8."""
    values = [float(v) for v in record["ZIPV"]]
    for name, shares in (("p", values[:3]), ("q", values[3:6])):
        if abs(sum(shares) - 1.0) > 1e-6:
            problem = f"the shares of {name} in ZIPV add up to {sum(shares):g}, not to 1."
            intake.fault(key, problem, "Put the factor into kW and kvar.")
            return {}
    if values[6] > 0.0:
        intake.notice(key, f"goes off below {values[6]:g} pu in OpenDSS; here it does not.")
    p, q = tuple(values[:3]), tuple(values[3:6])
    return {"response": LoadResponseCharacteristic(p_zip_pu=p, q_zip_pu=q)}  # type: ignore[arg-type]


def read_capacitors(intake: Intake, found: Conductors) -> tuple[LinearShuntCompensator, ...]:
    """Return the capacitors at a bus; those between two join the conductors."""
    capacitors: list[LinearShuntCompensator] = []
    for record in intake.dump.of("Capacitor"):
        key = f"capacitor.{record['Name'].lower()}"
        if series_capacitor(intake, key, record, found):
            continue
        for suffix, steps, states in _banks(intake, key, record):
            made = intake.make(
                LinearShuntCompensator,
                key,
                name=record["Name"].lower() + suffix,
                **_capacitor_at(intake, key, record),
                q_kvar=float(sum(steps)),
                section_count=len(steps),
                sections_on=int(sum(states)),
            )
            capacitors += [made] if made else []
    return tuple(capacitors)


def _capacitor_at(intake: Intake, key: str, record: Record) -> dict[str, Any]:
    """Return where and how a capacitor is connected; the star point is its second terminal."""
    fields = _at(intake, key, record)
    if fields["connection"] == "wye":
        phases = int(record["Phases"])
        bus, nodes = intake.terminal(key, record["Bus1"], phases)
        _, star = intake.terminal(key, record["Bus2"] or f"{bus}{'.0' * phases}", phases)
        fields["nodes"] = nodes + star[0]
        if len(set(star)) > 1:
            intake.fault(
                key, f"its second terminal is at nodes {star}.", "One star point is known."
            )
    zeros = {"R": [0.0] * len(record["R"]), "XL": [0.0] * len(record["XL"])}
    intake.odd(key, record, zeros, "is not taken over.")
    return fields


def _banks(
    intake: Intake, key: str, record: Record
) -> Iterator[tuple[str, list[float], list[int]]]:
    """Yield the sections of a capacitor; unequal ones as capacitors of their own."""
    pairs = [(float(q), int(on)) for q, on in zip(record["kvar"], record["States"], strict=True)]
    steps = [q for q, _ in pairs if q] or [0.0]  # a step left at 0 kvar does nothing
    states = [on for q, on in pairs if q] or [0]
    if max(steps) - min(steps) <= 1e-9 * abs(max(steps)):
        yield "", steps, states
        return
    intake.notice(key, "its steps differ: each is a capacitor of its own, without control.")
    for k, (step, state) in enumerate(zip(steps, states, strict=True), 1):
        yield f"_{k}", [step], [state]


def read_machines(intake: Intake) -> tuple[RotatingMachine, ...]:
    """Return the generators."""
    machines: list[RotatingMachine] = []
    for record in intake.dump.of("Generator"):
        key = f"generator.{record['Name'].lower()}"
        model = int(record["Model"])
        if model not in (1, 3):
            intake.notice(key, f"model {model} is not known; constant power is taken.")
        if _profile(intake, key, record):
            intake.notice(key, "its shape is left out: a machine has no profile.")
        holds = model == 3
        made = intake.make(
            RotatingMachine,
            key,
            **_generating_at(intake, key, record),
            p_kw=float(record["kW"]),
            q_kvar=float(record["kvar"]),
            v_set_pu=float(record["Vpu"]) if holds else None,
            q_min_kvar=float(record["Minkvar"]) if holds else -1e9,
            q_max_kvar=float(record["Maxkvar"]) if holds else 1e9,
            v_min_pu=float(record["VMinpu"]),
            v_max_pu=float(record["VMaxpu"]),
        )
        machines += [made] if made else []
    return tuple(machines)


def read_inverters(
    intake: Intake, controlled: dict[str, str]
) -> tuple[PowerElectronicsConnection, ...]:
    """Return PV systems and storages, with the names of their controls."""
    inverters: list[PowerElectronicsConnection] = []
    for kind in ("PVSystem", "Storage"):
        for record in intake.dump.of(kind):
            key = f"{kind.lower()}.{record['Name'].lower()}"
            p, q = _pv_power(intake, record) if kind == "PVSystem" else _storage_power(record)
            if int(record["Model"]) != 1:
                intake.notice(key, f"model {record['Model']} is taken for constant power.")
            made = intake.make(
                PowerElectronicsConnection,
                key,
                **_generating_at(intake, key, record),
                unit=intake.dump.tag(key, "unit")
                or ("photovoltaic" if kind == "PVSystem" else "battery"),
                s_kva=float(record["kVA"]),
                p_kw=p,
                q_kvar=q,
                e_kwh=float(intake.dump.tag(key, "e_kwh") or record.get("kWhRated", 0.0)),
                v_min_pu=float(record["VMinpu"]),
                v_max_pu=float(record["VMaxpu"]),
                profile=_profile(intake, key, record),
                control=controlled.get(key, ""),
            )
            inverters += [made] if made else []
    return tuple(inverters)


def _storage_power(record: Record) -> tuple[float, float]:
    return float(record["kW"]), float(record["kvar"])


def _pv_power(intake: Intake, record: Record) -> tuple[float, float]:
    """Return what a PV system gives at the irradiance and temperature it is written with."""
    curves = {str(one["Name"]).lower(): one for one in intake.dump.of("XYcurve")}

    def curve(name: object, x: float) -> float:
        if not name:
            return 1.0
        one = curves[str(name).lower()]
        return float(np.interp(x, one["XArray"], one["YArray"]))

    rating, peak = float(record["kVA"]), float(record["Pmpp"])
    dc = peak * float(record["Irradiance"]) * curve(record["PTCurve"], float(record["Temperature"]))
    p = dc * curve(record["EffCurve"], dc / rating)
    if dc < float(record["pctCutIn"]) / 100.0 * rating:
        p = 0.0
    p = min(p, peak * float(record["pctPmpp"]) / 100.0, rating)
    factor = float(record["PF"])
    q = float(record["kvar"])
    if abs(factor) < 1.0:
        q = p * (1.0 / factor**2 - 1.0) ** 0.5 * np.sign(factor)
    room = (rating**2 - p**2) ** 0.5
    return p, float(np.clip(q, -room, room)) if abs(q) > room + 1e-9 else float(q)
