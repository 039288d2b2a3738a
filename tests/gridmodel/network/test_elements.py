"""Elements: what coils they have, and what values cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.network.conductors import (
    ACLineSegment,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)
from gridmodel.network.controls import (
    InverterControl,
    ShuntCompensatorControl,
    TapChangerControl,
)
from gridmodel.network.element import coils
from gridmodel.network.equipment import (
    ElectricVehicleCharger,
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    RotatingMachine,
)
from gridmodel.network.network import Bus
from gridmodel.network.transformer import (
    PowerTransformer,
    PowerTransformerEnd,
    RatioTapChanger,
)


@pytest.mark.parametrize(
    ("nodes", "connection", "lead", "pairs"),
    [
        ("ABC0", "wye", False, "A0 B0 C0"),
        ("ABCN", "wye", False, "AN BN CN"),
        ("A0", "wye", False, "A0"),
        ("0B", "wye", False, "0B"),  # the other half of a split-phase service
        ("CA", "wye", False, "CA"),  # one phase between two others
        ("ABC", "delta", False, "AB BC CA"),
        ("ABC", "delta", True, "AC BA CB"),
        ("BCA", "delta", False, "BC CA AB"),
        ("BC", "delta", False, "BC"),
        ("BC", "delta", True, "BC"),
    ],
)
def test_coils_lie_between_the_nodes_of_a_connection(
    nodes: str, connection: Any, lead: bool, pairs: str
) -> None:
    assert coils(nodes, connection, lead) == tuple(tuple(pair) for pair in pairs.split())


@given(st.permutations("ABC"), st.booleans())
def test_a_closed_delta_goes_round_once_and_leaves_nothing_over(
    order: list[str], lead: bool
) -> None:
    pairs = coils("".join(order), "delta", lead)
    assert sorted(a for a, _ in pairs) == sorted(b for _, b in pairs) == ["A", "B", "C"]
    assert {frozenset(pair) for pair in pairs} == {frozenset(p) for p in ("AB", "BC", "CA")}


def end(**fields: Any) -> PowerTransformerEnd:
    return PowerTransformerEnd(
        **{"bus": "b", "nodes": "ABC0", "v_rated_v": 416.0, "s_kva": 50.0, **fields}
    )


def unit(*ends: PowerTransformerEnd, **fields: Any) -> PowerTransformer:
    x = (4.0,) if len(ends) == 2 else (4.0, 4.0, 3.0)
    return PowerTransformer(**{"name": "t", "ends": ends, "x_percent": x, **fields})


@pytest.mark.parametrize(
    ("fields", "volts"),
    [
        ({"nodes": "ABC0"}, 416.0 / 3**0.5),
        ({"nodes": "AB0"}, 416.0 / 3**0.5),
        ({"nodes": "A0"}, 416.0),
        ({"nodes": "AB"}, 416.0),
        ({"nodes": "ABC", "connection": "delta"}, 416.0),
    ],
)
def test_rated_voltage_is_a_coils_own_for_one_phase_and_between_phases_for_more(
    fields: dict[str, Any], volts: float
) -> None:
    assert end(**fields).coil_v == pytest.approx(volts, rel=1e-15)
    load = EnergyConsumer(name="l", bus="b", v_rated_v=416.0, p_rated_kw=1.0, **fields)
    assert load.coil_v == pytest.approx(volts, rel=1e-15)


HIGH = end(bus="h", nodes="ABC", connection="delta", v_rated_v=12470.0)
LOW_DELTA = end(bus="l", nodes="ABC", connection="delta")
HIGH_WYE = end(bus="h", v_rated_v=12470.0)


@pytest.mark.parametrize(
    ("ends", "lead", "delta_end", "turned"),
    [
        # Dyn1: the delta is on the high side and goes round the other way.
        ((HIGH, end()), False, 0, True),
        ((HIGH, end()), True, 0, False),
        # YNd1: the delta is on the low side.
        ((HIGH_WYE, LOW_DELTA), False, 1, False),
        ((HIGH_WYE, LOW_DELTA), True, 1, True),
        # The same transformers fed from their low side are the same transformers.
        ((end(), HIGH), False, 1, True),
        ((LOW_DELTA, HIGH_WYE), False, 0, False),
        # Alike on both sides nothing turns.
        ((HIGH, LOW_DELTA), False, 0, False),
    ],
)
def test_a_delta_turns_so_that_the_lower_voltage_lags(
    ends: tuple[PowerTransformerEnd, ...], lead: bool, delta_end: int, turned: bool
) -> None:
    made = unit(*ends, lead=lead)
    assert made.end_coils(delta_end) == coils("ABC", "delta", turned)


def test_an_element_has_a_name() -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        Bus(name="", v_nominal_v=400.0)


def test_a_step_is_a_share_of_the_range() -> None:
    assert RatioTapChanger().step_pu == pytest.approx(0.00625)
    changer = RatioTapChanger(tap_min_pu=0.95, tap_max_pu=1.05, step_count=4)
    assert changer.step_pu == pytest.approx(0.025)


def line(**fields: Any) -> ACLineSegment:
    return ACLineSegment(
        **{"name": "l", "bus_from": "a", "bus_to": "b", "phases": "ABC", "length_km": 1.0,
           "impedance": "k", **fields}
    )  # fmt: skip


def kind(**fields: Any) -> PerLengthPhaseImpedance:
    plain = ((0.3, 0.1), (0.1, 0.3))
    return PerLengthPhaseImpedance(
        **{"name": "k", "r_ohm_per_km": plain, "x_ohm_per_km": plain, **fields}
    )


def load(**fields: Any) -> EnergyConsumer:
    return EnergyConsumer(
        **{"name": "l", "bus": "b", "v_rated_v": 400.0, "p_rated_kw": 1.0, **fields}
    )


def bank(**fields: Any) -> LinearShuntCompensator:
    return LinearShuntCompensator(
        **{"name": "c", "bus": "b", "v_rated_v": 400.0, "q_kvar": 3.0, **fields}
    )


IMPOSSIBLE: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "no length": (line, {"length_km": 0.0}, "greater than 0"),
    "negative length": (line, {"length_km": -1.0}, "greater than 0"),
    "endless length": (line, {"length_km": float("inf")}, "finite"),
    "a line to itself": (line, {"bus_to": "a"}, "both ends are at bus 'a'"),
    "a phase twice": (line, {"phases": "AAB"}, "must be 3 different ones"),
    "a phase that is none": (line, {"phases": "ABE"}, "pattern"),
    "the earth as a phase": (line, {"phases": "AB0"}, "pattern"),
    "fewer phases at the end": (line, {"phases_to": "AB"}, "must be 3 different ones"),
    "an unknown key": (line, {"lenght_km": 1.0}, "Extra inputs"),
    "a negative resistance": (
        kind, {"r_ohm_per_km": ((-0.1, 0.0), (0.0, 0.3))}, "cannot be negative"
    ),
    "a negative resistance between phases": (
        kind, {"r_ohm_per_km": ((0.1, 0.5), (0.5, 0.1))}, "negative"
    ),
    "an unsymmetric matrix": (kind, {"x_ohm_per_km": ((0.3, 0.1), (0.2, 0.3))}, "symmetric"),
    "a matrix that is not square": (kind, {"r_ohm_per_km": ((0.3, 0.1), (0.1,))}, "2 x 2"),
    "matrices of two sizes": (kind, {"c_nf_per_km": ((8.0,),)}, "2 x 2"),
    "no number": (
        kind, {"x_ohm_per_km": ((float("nan"), 0.1), (0.1, 0.3))}, "finite"
    ),
    "a switch with negative resistance": (
        Switch, {"name": "s", "bus_from": "a", "bus_to": "b", "phases": "A", "r_ohm": -1.0},
        "greater than or equal",
    ),
    "an unknown kind of switch": (
        Switch, {"name": "s", "bus_from": "a", "bus_to": "b", "phases": "A", "kind": "knife"},
        "breaker",
    ),
    "a reactor with negative resistance": (
        SeriesCompensator,
        {"name": "s", "bus_from": "a", "bus_to": "b", "phases": "A", "r_ohm": -1.0, "x_ohm": 1.0},
        "greater than or equal",
    ),
    "a load without a voltage": (load, {"v_rated_v": 0.0}, "greater than 0"),
    "a load on one node": (load, {"nodes": "A"}, "two or more different"),
    "a load on one node twice": (load, {"nodes": "AA0"}, "two or more different"),
    "shares that do not add up": (
        LoadResponseCharacteristic, {"p_zip_pu": (0.5, 0.2, 0.2)}, "add up to 0.9"
    ),
    "more sections on than there are": (bank, {"sections_on": 2}, "2 of 1 sections"),
    "a negative number of sections": (bank, {"sections_on": -1}, "greater than or equal"),
    "an inverter without a rating": (
        PowerElectronicsConnection,
        {"name": "i", "bus": "b", "v_rated_v": 400.0, "s_kva": 0.0}, "greater than 0",
    ),
    "a charger that feeds in": (
        ElectricVehicleCharger,
        {"name": "e", "bus": "b", "v_rated_v": 400.0, "p_rated_kw": -1.0}, "greater than or equal",
    ),
    "a machine that holds no voltage at all": (
        RotatingMachine,
        {"name": "m", "bus": "b", "v_rated_v": 400.0, "p_kw": 1.0, "v_set_pu": 0.0},
        "greater than 0",
    ),
    "an earthing with negative resistance": (
        GroundingImpedance, {"name": "g", "bus": "b", "r_ohm": -1.0}, "greater than or equal"
    ),
    "a source in the earth": (
        EnergySource, {"name": "s", "bus": "b", "v_nominal_v": 400.0, "nodes": "ABC0"}, "phases"
    ),
    "a source with a phase twice": (
        EnergySource, {"name": "s", "bus": "b", "v_nominal_v": 400.0, "nodes": "AAB"}, "phases"
    ),
    "a winding on one node": (end, {"nodes": "A"}, "two terminals"),
    "a winding on one node twice": (end, {"nodes": "AA"}, "must differ"),
    "an earthed delta": (end, {"nodes": "ABC0", "connection": "delta"}, "delta"),
    "a winding without a rating": (end, {"s_kva": 0.0}, "greater than 0"),
    "a transformer of one winding": (
        PowerTransformer, {"name": "t", "ends": (end(),), "x_percent": ()}, "2 or 3 ends"
    ),
    "a reactance missing": (
        PowerTransformer, {"name": "t", "ends": (end(), end(), end()), "x_percent": (4.0,)},
        "needs 3 values",
    ),
    "a transformer that does not leak": (
        PowerTransformer, {"name": "t", "ends": (end(), end()), "x_percent": (0.0,)}, "cannot be 0"
    ),
    "an open delta without a winding": (
        PowerTransformer,
        {"name": "t", "ends": (end(), end(nodes="AB0")), "x_percent": (4.0,)},
        "different numbers of phases",
    ),
    "a tap changer with no range": (
        RatioTapChanger, {"tap_min_pu": 1.0, "tap_max_pu": 1.0}, "must be below"
    ),
    "a tap changer without steps": (RatioTapChanger, {"step_count": 0}, "greater than or equal"),
    "a band without width": (
        TapChangerControl,
        {"name": "c", "transformer": "t", "v_set_v": 120.0, "band_v": 0.0, "pt_ratio": 20.0},
        "greater than 0",
    ),
    "a capacitor control by nothing": (
        ShuntCompensatorControl,
        {"name": "c", "capacitor": "k", "mode": "moon", "on": 1.0, "off": 2.0}, "voltage",
    ),
    "a curve of one point": (
        InverterControl, {"name": "i", "volt_var": ((1.0, 0.0),)}, "two or more points"
    ),
    "a curve that goes back": (
        InverterControl, {"name": "i", "volt_watt": ((1.1, 0.0), (1.0, 1.0))}, "order of voltage"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_cannot_be_is_refused_with_its_reason(what: str) -> None:
    make, fields, reason = IMPOSSIBLE[what]
    with pytest.raises(ValidationError, match=reason):
        make(**fields)


def test_an_element_cannot_be_changed() -> None:
    one = line()
    with pytest.raises(ValidationError, match="frozen"):
        one.length_km = 2.0
