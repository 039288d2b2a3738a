"""Check: a file of inverter settings, and everything that is wrong with it.

The file names rule sets, with changes, and may add the anchor and under-frequency relays::

    f_nominal_hz: 50
    inverters:
      roof: {rules: vde_ar_n_4105_2018, adjust: {frequency_droop: {over_droop_pu: 0.02}}}
    anchor: {house: anchor, s_kva: 60}
    relays:
      heating: {under_hz: 1.2}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from pydantic import Field, ValidationError

from gridmodel.errors import Fault
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import Settings, faults_of, near, parse
from simulators.inverters.grid_codes import GridCode, of_rules
from simulators.inverters.grid_forming import AnchorConfig
from simulators.inverters.standard.rule_sets import adjusted, names, rule_set
from simulators.inverters.standard.rules import OFF, Rules
from simulators.inverters.traps import STEP_PU, Trap, collisions, curtailment, rate_of_change

Positive = Annotated[float, Gt(0.0)]


class CheckedInverter(Settings):
    """One kind of grid-following inverter."""

    rules: str = Field(description="name of its rule set")
    adjust: Mapping[str, Any] = Field({}, description="values that differ from the set's")


class Relay(Settings):
    """An under-frequency relay."""

    under_hz: Positive = Field(description="distance under nominal at which it opens")
    delay_s: Annotated[float, Ge(0.0)] = Field(0.2, description="time it must last")


class CheckFile(Settings):
    """Settings to look at together."""

    f_nominal_hz: Positive = Field(50.0, description="nominal frequency")
    inverters: Mapping[str, CheckedInverter] = Field(description="grid-following, by name")
    anchor: AnchorConfig | None = Field(None, description="the grid-forming inverter, if any")
    relays: Mapping[str, Relay] = Field({}, description="under-frequency relays, by name")
    rocof_window_s: Annotated[float, Gt(0.0), Le(0.5)] = Field(
        0.02, description="time over which inverters measure rate of change of frequency"
    )
    step_pu: Annotated[float, Gt(0.0), Le(1.0)] = Field(
        STEP_PU, description="load step to look at, part of the anchor's rating"
    )


def read_check(
    data: Any, where: Callable[[KeyPath], str]
) -> tuple[CheckFile | None, dict[str, Rules], list[Fault]]:
    """Return a file's settings, each inverter's rules, and every fault.

    Parameters
    ----------
    data : object
        The file as plain data.
    where : callable
        Gives the place of a value, ``file:line``.
    """
    try:
        file = parse(CheckFile, data)
    except ValidationError as error:
        return None, {}, faults_of(error, CheckFile, where)
    rules: dict[str, Rules] = {}
    faults: list[Fault] = []
    for name, inverter in file.inverters.items():
        path: KeyPath = ("inverters", name)
        key = ".".join(map(str, path))
        if inverter.rules not in names():
            faults.append(
                Fault(where((*path, "rules")), f"{key}.rules", f"'{inverter.rules}' is no rule set.",
                      near(inverter.rules, names()))
            )  # fmt: skip
            continue
        try:
            rules[name] = adjusted(rule_set(inverter.rules).rules, inverter.adjust)
        except ValidationError as error:
            faults += faults_of(error, Rules, where, (*path, "adjust"))
    return file, rules, faults


def traps_of(file: CheckFile, rules: Mapping[str, Rules]) -> list[Trap]:
    """Return everything that is wrong with settings that can be read."""
    codes = {name: of_rules(one) for name, one in rules.items()}
    f0 = file.f_nominal_hz
    shift_max_hz = OFF if file.anchor is None else file.anchor.shift.max_hz
    found = curtailment(codes, shift_max_hz, f0)
    if file.anchor is not None:
        window_s = file.rocof_window_s
        found += rate_of_change(file.anchor, codes, window_s, f0, file.step_pu)
        relays = {name: relay.under_hz for name, relay in file.relays.items()}
        found += collisions(file.anchor, codes, relays, f0)
    for name, one in rules.items():
        found += _within(name, one, codes[name], f0)
    return found


def _within(name: str, rules: Rules, code: GridCode, f0: float) -> list[Trap]:
    """Find what collides within one inverter's own settings."""
    found = []
    trip, enter = rules.trip, rules.enter_service
    bands = (
        ("frequency", f0 + enter.high_hz, f0 + min(trip.over_hz), "Hz", "high_hz"),
        ("frequency", -f0 + enter.low_hz, -f0 + min(trip.under_hz), "Hz", "low_hz"),
        ("voltage", enter.v_high_pu, min(trip.over_v_pu), "pu", "v_high_pu"),
        ("voltage", -enter.v_low_pu, -max(trip.under_v_pu), "pu", "v_low_pu"),
    )
    for what, enters, trips, unit, key in bands:
        if enters > trips:
            text = (
                f"{name} enters service at a {what} of {abs(enters):g} {unit}, where it trips "
                f"({abs(trips):g} {unit}): it would come and go. Move enter_service.{key} within."
            )
            found.append(
                Trap("collision", name, f"{abs(enters):g} {unit}", f"{abs(trips):g} {unit}", text)
            )
    least = rules.volt_watt.p_pu[1]
    if rules.volt_watt.enabled and least > 0.0:
        text = (
            f"volt-watt of {name} ends at {least:.0%} at {rules.volt_watt.v_pu[1]:g} pu: voltage "
            "cannot throttle it further."
        )
        found.append(Trap("curtailment", name, f"{least:.0%}", "0%", text))
    if rules.volt_watt.enabled and rules.volt_watt.v_pu[1] > min(trip.over_v_pu):
        text = (
            f"volt-watt of {name} ends at {rules.volt_watt.v_pu[1]:g} pu, beyond its trip at "
            f"{min(trip.over_v_pu):g} pu: it trips before it has throttled all it can."
        )
        found.append(
            Trap("collision", name, f"{rules.volt_watt.v_pu[1]:g} pu",
                 f"{min(trip.over_v_pu):g} pu", text)
        )  # fmt: skip
    return found
