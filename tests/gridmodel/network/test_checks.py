"""Checks: what does not fit together is refused, all at once, by the names of elements."""

from __future__ import annotations

from typing import Any

import pytest

from gridmodel.errors import Fault, NetworkError
from gridmodel.network.checks import check, nodes_of, warnings
from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance, Switch
from gridmodel.network.controls import (
    ShuntCompensatorControl,
    TapChangerControl,
)
from gridmodel.network.equipment import (
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    LinearShuntCompensator,
    PowerElectronicsConnection,
)
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import (
    PowerTransformer,
    PowerTransformerEnd,
    RatioTapChanger,
)

EYE = ((0.3, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 0.3))


def line(name: str, a: str, b: str, phases: str = "ABC", kind: str = "cable") -> ACLineSegment:
    return ACLineSegment(
        name=name, bus_from=a, bus_to=b, phases=phases, length_km=0.1, impedance=kind,
        origin=f"net.json:{name}",
    )  # fmt: skip


def load(name: str = "house", bus: str = "c", nodes: str = "ABC0") -> EnergyConsumer:
    return EnergyConsumer(name=name, bus=bus, nodes=nodes, v_rated_v=400.0, p_rated_kw=5.0)


def transformer(tap_pu: float = 1.0, changer: bool = True) -> PowerTransformer:
    low = PowerTransformerEnd(
        bus="b", nodes="ABC0", v_rated_v=400.0, s_kva=100.0, tap_pu=tap_pu,
        tap_changer=RatioTapChanger() if changer else None,
    )  # fmt: skip
    high = PowerTransformerEnd(
        bus="a", nodes="ABC", connection="delta", v_rated_v=10000.0, s_kva=100.0
    )
    return PowerTransformer(name="station", ends=(high, low), x_percent=(4.0,))


def relay(**fields: Any) -> TapChangerControl:
    return TapChangerControl(
        **{"name": "relay", "transformer": "station", "v_set_v": 120.0, "band_v": 2.0,
           "pt_ratio": 2.0, **fields}
    )  # fmt: skip


def switching(**fields: Any) -> ShuntCompensatorControl:
    return ShuntCompensatorControl(
        **{"name": "timer", "capacitor": "bank", "mode": "voltage", "on": 115.0, "off": 125.0,
           **fields}
    )  # fmt: skip


def network(**groups: Any) -> Network:
    """Return a sound network: a - station - b - cable - c, with a house at c."""
    sound: dict[str, Any] = {
        "name": "village",
        "buses": tuple(
            Bus(name=n, v_nominal_v=v) for n, v in (("a", 1e4), ("b", 400.0), ("c", 400.0))
        ),
        "energy_sources": (EnergySource(name="grid", bus="a", v_nominal_v=1e4),),
        "impedances": (PerLengthPhaseImpedance(name="cable", r_ohm_per_km=EYE, x_ohm_per_km=EYE),),
        "lines": (line("street", "b", "c"),),
        "transformers": (transformer(),),
        "consumers": (load(),),
        "capacitors": (LinearShuntCompensator(name="bank", bus="c", v_rated_v=400.0, q_kvar=5.0),),
    }
    return Network(**(sound | groups))


def faults(made: Network, where: str = "net.json") -> tuple[Fault, ...]:
    with pytest.raises(NetworkError) as caught:
        check(made, where)
    return caught.value.faults


def test_a_sound_network_passes() -> None:
    check(network())
    check(network(tap_controls=(relay(),), capacitor_controls=(switching(element="street"),)))
    assert list(warnings(network())) == []


#: What is wrong: the change, the key of the fault and what it says.
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a name twice": ({"consumers": (load(), load())}, "consumers", "'house' is there twice"),
    "a bus that is not there": (
        {"consumers": (load(bus="d"),)}, "house.bus", "'d' does not exist"
    ),
    "a line from nowhere": ({"lines": (line("street", "x", "c"),)}, "street.bus_from", "'x'"),
    "a line to nowhere": ({"lines": (line("street", "b", "x"),)}, "street.bus_to", "'x'"),
    "a kind of line that is not there": (
        {"lines": (line("street", "b", "c", kind="cabel"),)}, "street.impedance", "'cabel'"
    ),
    "a source nowhere": (
        {"energy_sources": (EnergySource(name="grid", bus="x", v_nominal_v=1e4),)},
        "grid.bus", "'x'",
    ),
    "an earthing nowhere": (
        {"groundings": (GroundingImpedance(name="earth", bus="x", r_ohm=1.0),)}, "earth.bus", "'x'"
    ),
    "a relay of no transformer": (
        {"tap_controls": (relay(transformer="statoin"),)}, "relay.transformer", "'statoin'"
    ),
    "a relay that measures nowhere": (
        {"tap_controls": (relay(bus="x", node="A"),)}, "relay.bus", "'x'"
    ),
    "a relay of a third end": (
        {"tap_controls": (relay(end=3),)}, "relay.end", "'station' has 2 ends, not 3"
    ),
    "a relay of an end without taps": (
        {"tap_controls": (relay(end=1),)}, "relay.end", "end 1 of 'station' has no tap changer"
    ),
    "a relay on a fourth phase": (
        {"tap_controls": (relay(coil=4),)}, "relay.coil", "phase 4 of 3"
    ),
    "a relay on a conductor that is not there": (
        {"tap_controls": (relay(bus="c", node="N"),)}, "relay.node", "no N at bus 'c'"
    ),
    "a timer of no capacitor": (
        {"capacitor_controls": (switching(capacitor="bnak"),)}, "timer.capacitor", "'bnak'"
    ),
    "a timer that measures nothing": (
        {"capacitor_controls": (switching(element="lane"),)}, "timer.element", "'lane'"
    ),
    "a timer at a third end of a line": (
        {"capacitor_controls": (switching(element="street", terminal=3),)},
        "timer.terminal", "'street' has 2 ends, not 3",
    ),
    "an inverter without its control": (
        {"inverters": (PowerElectronicsConnection(
            name="pv", bus="c", v_rated_v=400.0, s_kva=5.0, control="curve"),)},
        "pv.control", "'curve'",
    ),
    "a kind of line of another size": (
        {"lines": (line("street", "b", "c", phases="AB"),), "consumers": (), "capacitors": ()},
        "street", "has 2 conductors (AB), its kind 'cable' 3",
    ),
    "a load on a phase that does not come": (
        {"consumers": (load(nodes="ABCN"),)}, "house.nodes", "connected to N of bus 'c'"
    ),
    "a tap beyond its range": (
        {"transformers": (transformer(tap_pu=1.2),)}, "station.ends[1]", "stands at 1.2"
    ),
    "no source": ({"energy_sources": ()}, "energy_sources", "there is none"),
    "two sources without impedance at one bus": (
        {"energy_sources": tuple(EnergySource(
            name=name, bus="a", v_nominal_v=1e4, r1_ohm=0.0, x1_ohm=0.0, r0_ohm=0.0, x0_ohm=0.0
        ) for name in ("grid", "other"))},
        "other", "shares bus 'a' with 'grid'",
    ),
    "a loop where there is none": (
        {"radial": True, "lines": (line("street", "b", "c"), line("lane", "c", "b"))},
        "radial", "'lane' closes a loop",
    ),
    "two sources joined where nothing is": (
        {"radial": True, "energy_sources": tuple(
            EnergySource(name=f"grid_{bus}", bus=bus, v_nominal_v=400.0) for bus in "bc")},
        "radial", "'street' closes a loop: b - c",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_told_with_its_element(what: str) -> None:
    changes, key, problem = FAULTS[what]
    (told,) = faults(network(**changes))
    assert told.key == key
    assert problem in told.problem
    assert told.where


def test_all_faults_of_a_kind_are_told_at_once() -> None:
    told = faults(
        network(
            consumers=(load(), load(), load("shed", bus="d")),
            lines=(line("street", "b", "c", kind="cabel"), line("street", "x", "c")),
            capacitor_controls=(switching(capacitor="none", element="none"),),
        )
    )
    assert [fault.key for fault in told] == [
        "lines", "consumers", "street.impedance", "street.bus_from", "shed.bus",
        "timer.capacitor", "timer.element",
    ]  # fmt: skip
    told = faults(
        network(
            transformers=(transformer(tap_pu=0.5),),
            consumers=(load(nodes="ABCN"), load("shed", nodes="AN")),
            tap_controls=(relay(end=1), relay(name="other", end=3)),
            radial=True,
            switches=(Switch(name="tie", bus_from="c", bus_to="b", phases="ABC"),),
        )
    )
    assert {fault.key for fault in told} == {
        "house.nodes", "shed.nodes", "relay.end", "other.end", "station.ends[1]", "radial"
    }  # fmt: skip


def test_a_fault_names_the_place_of_its_element_or_the_file() -> None:
    there, nowhere = faults(
        network(lines=(line("street", "b", "x"),), consumers=(load(bus="y"),)), "net.json"
    )
    assert there.where == "net.json:street"
    assert nowhere.where == "net.json"


def test_a_typo_is_answered_with_what_was_meant() -> None:
    (told,) = faults(network(tap_controls=(relay(transformer="statoin"),)))
    assert "Did you mean 'station'?" in told.advice


def test_many_loops_are_counted() -> None:
    many = tuple(line(f"street_{k}", "b", "c") for k in range(40))
    told = faults(network(lines=many, radial=True))
    assert len(told) == 21
    assert "and 19 more loops" in told[-1].problem


def test_an_open_switch_makes_no_loop_and_brings_its_phases_only_by_name() -> None:
    tie = Switch(name="tie", bus_from="c", bus_to="b", phases="ABC", open=True)
    check(network(switches=(tie,), radial=True))


def test_what_no_source_reaches_is_a_warning() -> None:
    buses = (*network().buses, Bus(name="lost", v_nominal_v=400.0))
    made = network(buses=buses)
    check(made)
    (told,) = warnings(made)
    assert "no source reaches lost" in told


def test_nodes_of_a_bus_are_those_that_lines_and_transformers_bring() -> None:
    turned = line("lane", "c", "d", phases="ABC").model_copy(update={"phases_to": "BCA"})
    made = network(
        buses=(*network().buses, Bus(name="d", v_nominal_v=400.0)),
        lines=(line("street", "b", "c", phases="BA"), turned),
    )
    found = nodes_of(made)
    assert found == {"a": set("ABC"), "b": set("ABC"), "c": set("ABC"), "d": set("ABC")}
