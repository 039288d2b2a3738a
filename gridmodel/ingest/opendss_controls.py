"""Controls of OpenDSS's capacitors and inverters."""

from __future__ import annotations

from typing import Any, Literal

from gridmodel.ingest.opendss_dump import Intake, Record
from gridmodel.network.controls import (
    Curve,
    InverterControl,
    Node,
    ShuntCompensatorControl,
)

_MODES: dict[str, str] = {
    "voltage": "voltage",
    "current": "current",
    "kvar": "kvar",
    "pf": "power_factor",
    "time": "time",
}
#: Modes that look at power: of all phases, or of one taken for all.
_POWER = ("kvar", "power_factor")


def read_capacitor_controls(
    intake: Intake, capacitors: set[str], branches: dict[str, tuple[str, ...]]
) -> tuple[ShuntCompensatorControl, ...]:
    """Return the capacitor controls.

    Parameters
    ----------
    intake : Intake
        What is read, and what is reported.
    capacitors : set of str
        Names of the capacitors there are.
    branches : mapping
        Nodes at each terminal of every line, switch and transformer, by name.
    """
    made = (
        _capacitor_control(intake, record, capacitors, branches)
        for record in intake.dump.of("CapControl")
    )
    return tuple(one for one in made if one)


def _capacitor_control(
    intake: Intake, record: Record, capacitors: set[str], branches: dict[str, tuple[str, ...]]
) -> ShuntCompensatorControl | None:
    key = f"capcontrol.{record['Name'].lower()}"
    kind = record["Type"].lower()
    mode = _MODES.get("pf" if kind.startswith("p") else kind)
    kind_of, _, element = str(record["Element"] or "").lower().partition(".")
    capacitor = str(record["Capacitor"]).lower()
    lacking = (
        f"type '{record['Type']}' is not known"
        if mode is None
        else f"there is no capacitor '{capacitor}'"
        if capacitor not in capacitors
        else f"it watches {record['Element']}, which is no line or transformer"
        if mode != "time" and (kind_of not in ("line", "transformer") or element not in branches)
        else ""
    )
    if lacking:
        intake.notice(key, f"is left out: {lacking}.")
        return None
    if record["VBus"]:
        intake.notice(key, f"looks at bus {record['VBus']}; here at its element's terminal.")
    terminal = int(record["Terminal"])
    own = intake.dump.tag(key, "element") == "none"  # our writer had to name one
    return intake.make(
        ShuntCompensatorControl,
        key,
        capacitor=capacitor,
        mode=mode,
        element=element if element in branches and not own else "",
        terminal=terminal,
        node=_node(intake, key, record, mode or "", branches.get(element, ())),
        on=float(record["OnSetting"]),
        off=float(record["OffSetting"]),
        pt_ratio=float(record["PTRatio"]),
        ct_ratio=float(record["CTRatio"]),
        delay_s=float(record["Delay"]),
        delay_off_s=float(record["DelayOff"]),
        dead_time_s=float(record["DeadTime"]),
        v_override=bool(record["VoltOverride"]),
        v_min_v=float(record["VMin"]),
        v_max_v=float(record["VMax"]),
    )


def _node(
    intake: Intake, key: str, record: Record, mode: str, terminals: tuple[str, ...]
) -> Node | None:
    """Return the phase a control measures; none is all for power, the first for the rest."""
    given = str(record["PTPhase" if mode == "voltage" else "CTPhase"]).lower()
    if not given.isdecimal():
        if not (mode in _POWER and given.startswith("a")):
            intake.notice(key, f"measures the {given} of its phases; the first is taken.")
        return None
    terminal = int(record["Terminal"])
    phases = terminals[terminal - 1].replace("0", "") if terminal <= len(terminals) else ""
    at = int(given)
    if mode == "time" or at > len(phases) or (at == 1 and mode not in _POWER):
        return None
    return phases[at - 1]


def read_inverter_controls(
    intake: Intake,
) -> tuple[tuple[InverterControl, ...], dict[str, str]]:
    """Return the inverter controls, and which ``class.name`` has which."""
    controls: list[InverterControl] = []
    controlled: dict[str, str] = {}
    for record in intake.dump.of("InvControl"):
        _inverter_control(intake, record, controls, controlled)
    return tuple(controls), controlled


def _inverter_control(
    intake: Intake,
    record: Record,
    controls: list[InverterControl],
    controlled: dict[str, str],
) -> None:
    name = record["Name"].lower()
    key = f"invcontrol.{name}"
    modes = {str(record["Mode"]).lower(), str(record["CombiMode"]).lower()}
    var = bool(modes & {"voltvar", "vv_vw"})
    watt = bool(modes & {"voltwatt", "vv_vw"})
    if not var and not watt:
        intake.notice(key, f"is left out: mode '{record['Mode']}' is not known.")
        return
    usual = {
        "Voltage_CurveX_Ref": "rated",
        "Hysteresis_Offset": 0.0,
        "RateOfChangeMode": "Inactive",
    }
    intake.odd(key, record, usual, "is not taken over.")
    if record["MonBus"]:
        intake.notice(key, "looks at other buses; here at its own terminals.")
    units = _units(intake, record)
    groups: dict[tuple[float, bool], list[str]] = {}
    for unit, (scale, p_first) in units.items():
        groups.setdefault((scale if watt else 1.0, p_first), []).append(unit)
    for count, ((scale, p_first), members) in enumerate(groups.items(), 1):
        fields: dict[str, Any] = {"name": name if count == 1 else f"{name}_{count}"}
        if var:
            fields["volt_var"] = _curve(intake, record["VVC_Curve1"], 1.0)
            fields["q_of_available"] = record["RefReactivePower"].lower().startswith("varav")
        if watt:
            fields["volt_watt"] = _curve(intake, record["VoltWatt_Curve"], scale)
        priority: Literal["p", "q"] = "p" if p_first else "q"
        made = intake.make(InverterControl, key, priority=priority, **fields)
        if made:
            controls.append(made)
            controlled.update(dict.fromkeys(members, made.name))


def _units(intake: Intake, record: Record) -> dict[str, tuple[float, bool]]:
    """Return what a control controls: scale of its watts to the rating, and p first or not."""
    units: dict[str, tuple[float, bool]] = {}
    wanted = {str(one).lower() for one in record["DERList"] or ()}
    axis = str(record["VoltWattYAxis"]).lower()
    for kind in ("PVSystem", "Storage"):
        for one in intake.dump.of(kind):
            key = f"{kind.lower()}.{one['Name'].lower()}"
            if wanted and key not in wanted:
                continue
            peak = float(one.get("Pmpp", one.get("kWRated", 0.0)))
            if axis in ("pmpppu", "pavailablepu"):
                scale = peak / float(one["kVA"])
            elif axis == "pctpmpppu":
                scale = peak * float(one.get("pctPmpp", 100.0)) / 100.0 / float(one["kVA"])
            else:
                scale = 1.0
            units[key] = (scale, bool(one["WattPriority"]))
    return units


def _curve(intake: Intake, name: object, scale: float) -> Curve:
    for one in intake.dump.of("XYcurve"):
        if one["Name"].lower() == str(name).lower():
            pairs = zip(one["XArray"], one["YArray"], strict=True)
            return tuple((float(x), float(y) * scale) for x, y in pairs)
    return ()
