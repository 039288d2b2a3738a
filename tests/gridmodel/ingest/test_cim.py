"""CIM: what is written is read back; what is read is what the file says; faults have lines."""

from __future__ import annotations

import math
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from gridmodel.ingest.cim_reader import read_cim
from gridmodel.ingest.cim_writer import split_phase_buses, write_cim
from gridmodel.ingest.opendss_reader import read_opendss
from gridmodel.network.controls import InverterControl
from gridmodel.network.equipment import ElectricVehicleCharger
from gridmodel.network.network import Network
from simulators.power_flow.opendss import solve_opendss
from tests.gridmodel.ingest.cim.networks import (
    EXAMPLES,
    V,
    end,
    feeder,
    inverter,
    load,
    low,
    radial_networks,
)
from tests.gridmodel.ingest.opendss_feeders import DATA, master

HERE = Path(__file__).parent / "cim"
MILE_KM = 1.609344


# ------------------------------------------------------------------------------ round trips


def plain(network: Network) -> Any:
    """Return a network as plain data, without where it comes from."""
    data = network.model_dump()
    data.pop("source")
    kinds = {kind.name: kind for kind in network.impedances}
    for key in network.GROUPS:
        data[key] = {element["name"]: element for element in data[key]}
        for element in data[key].values():
            element.pop("origin")
    for item in data["lines"].values():  # CIM knows the ampacity of a line, not of a kind
        item["ampacity_a"] = item["ampacity_a"] or kinds[item["impedance"]].ampacity_a
    for item in data["impedances"].values():
        item.pop("ampacity_a")
    return data


def assert_same(one: Any, other: Any, where: str = "network") -> None:
    """Check that plain data are the same, numbers to twelve digits."""
    if isinstance(one, Mapping):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, Sequence) and not isinstance(one, str):
        assert len(one) == len(other), where
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{k}]")
    elif isinstance(one, float) and isinstance(other, int | float):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), (where, one, other)
    else:
        assert one == other, where


def there_and_back(network: Network, folder: Path) -> Network:
    """Return a network that was written and read again."""
    path = folder / "network.xml"
    notices = write_cim(network, path)
    assert notices == ()
    return read_cim(path)[0]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    network = EXAMPLES[name]
    assert_same(plain(network), plain(there_and_back(network, tmp_path)))


@given(radial_networks())
def test_random_radial_networks_are_read_back(network: Network) -> None:
    with tempfile.TemporaryDirectory() as folder:
        back = there_and_back(network, Path(folder))
    assert_same(plain(network), plain(back))


def without_limits(network: Network) -> Network:
    """Return a network without what CIM has no words for."""
    loads = {one.name: {"v_min_pu": 0.0, "v_max_pu": 2.0} for one in network.consumers}
    plain_ones = {one.name: {"antifloat_ppm": 1.0} for one in network.transformers}
    closed = {one.name: {"r_ohm": 1e-4, "x_ohm": 0.0} for one in network.switches}
    return network.with_(consumers=loads, transformers=plain_ones, switches=closed)


@pytest.mark.parametrize("name", ["13", "123", "4 YD", "4 open-Y open-D"])
def test_an_ieee_feeder_has_the_same_power_flow_after_a_round_trip(
    name: str, tmp_path: Path
) -> None:
    network = without_limits(read_opendss(master(name))[0])
    path = tmp_path / "feeder.xml"
    assert write_cim(network, path) == ()
    back, _ = read_cim(path)
    one, other = solve_opendss(network), solve_opendss(back)
    assert one.converged
    assert other.converged
    assert one.taps_pu == pytest.approx(other.taps_pu)
    order = [back.bus_index[bus.name] for bus in network.buses]
    assert (one.present == other.present[order]).all()
    base = np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5
    assert np.abs((one.v_v - other.v_v[order]) / base)[one.present].max() < 1e-7


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.xml", tmp_path / "other.xml"
    write_cim(EXAMPLES["a house"], one)
    write_cim(EXAMPLES["a house"], other)
    assert one.read_bytes() == other.read_bytes()


def test_legs_of_a_split_phase_are_written_as_s1_and_s2(tmp_path: Path) -> None:
    path = tmp_path / "house.xml"
    write_cim(EXAMPLES["a house"], path)
    text = path.read_text()
    assert split_phase_buses(EXAMPLES["a house"]) == {"d", "e"}
    for phrase in ("OrderedPhaseCodeKind.s1N", "OrderedPhaseCodeKind.Ns2", "SinglePhaseKind.s1"):
        assert phrase in text
    assert "OrderedPhaseCodeKind.CN" in text


def test_what_the_format_cannot_hold_is_told(tmp_path: Path) -> None:
    charger = ElectricVehicleCharger(name="ev", bus="c", v_rated_v=V, p_rated_kw=50.0)
    curve = InverterControl(name="vv", volt_var=((0.95, 0.4), (1.05, -0.4)))
    network = feeder(
        consumers=(load("brownout", "ABC0", v_min_pu=0.85), load("low", "A0", v_min_pu=0.9)),
        inverters=(inverter("pv", "ABC0", control="vv"),),
        inverter_controls=(curve,),
        ev_chargers=(charger,),
    )
    notices = write_cim(network, tmp_path / "network.xml")
    told = {notice.what: notice for notice in notices}
    assert told["EnergyConsumer: v_min_pu"].where == "brownout"
    assert told["EnergyConsumer: v_min_pu"].text.endswith("(2 times)")
    assert {"ElectricVehicleCharger", "InverterControl"} <= told.keys()
    assert "PowerElectronicsConnection: control" in told
    back, _ = read_cim(tmp_path / "network.xml")
    assert back.group("consumers")["ev"].p_rated_kw == 50.0


def test_a_fixed_tap_becomes_a_changer_of_one_step(tmp_path: Path) -> None:
    network = low(end("c", "ABC0", V, tap_pu=0.975), end("d", "ABC0", 480.0))
    notices = write_cim(network, tmp_path / "network.xml")
    assert [notice.what for notice in notices] == ["PowerTransformer"]
    back, _ = read_cim(tmp_path / "network.xml")
    first = back.transformers[0].ends[0]
    assert first.tap_pu == pytest.approx(0.975)
    assert first.tap_changer is not None


# ---------------------------------------------------------------- GridAPPS-D's split phases


@pytest.fixture(scope="module")
def street() -> Network:
    return read_cim(HERE / "split_phase.xml")[0]


def test_a_centre_tapped_tank_has_legs_to_both_sides_of_the_earth(street: Network) -> None:
    (tank,) = street.transformers
    assert tank.name == "poletop"
    assert [one.nodes for one in tank.ends] == ["C0", "A0", "0B"]
    assert [one.v_rated_v for one in tank.ends] == [7200.0, 120.0, 120.0]
    assert tank.x_percent == pytest.approx((2.04, 2.04, 1.36), abs=1e-5)
    assert [one.r_percent for one in tank.ends] == pytest.approx([0.6, 1.2, 1.2])
    # 75 W of 25 kVA; 0.5 % of current less that
    assert tank.no_load_loss_percent == pytest.approx(0.3)
    assert tank.magnetizing_percent == pytest.approx(0.4)


def test_lines_bear_the_order_of_their_matrices(street: Network) -> None:
    drop, trunk = street.group("lines")["drop"], street.group("lines")["trunk"]
    assert drop.phases == "BA"
    assert drop.length_km == pytest.approx(0.03)
    assert street.impedance["triplex"].r_ohm_per_km == ((1.0, 0.4), (0.4, 1.1))
    assert (trunk.bus_from, trunk.bus_to, trunk.phases) == ("head", "mid", "ABC")
    assert trunk.ampacity_a == 400.0
    own, mutual = (0.5 + 2 * 0.2) / 3, (0.5 - 0.2) / 3
    assert street.impedance["main"].r_ohm_per_km[0] == pytest.approx((own, mutual, mutual))


def test_a_switch_has_the_phases_and_the_state_it_has(street: Network) -> None:
    (cutout,) = street.switches
    assert (cutout.kind, cutout.phases, cutout.open) == ("sectionaliser", "C", False)
    assert cutout.ampacity_a == 100.0


def test_a_load_with_unlike_legs_becomes_two(street: Network) -> None:
    found = street.group("consumers")
    assert set(found) == {"lights_s1", "lights_s2", "oven"}
    one, other, oven = found["lights_s1"], found["lights_s2"], found["oven"]
    assert (one.nodes, one.p_rated_kw, one.v_rated_v) == ("A0", 1.0, pytest.approx(120.0))
    assert (other.nodes, other.q_rated_kvar) == ("B0", 0.5)
    assert one.response.p_zip_pu == (0.5, 0.3, 0.2)
    assert (oven.nodes, oven.connection, oven.profile) == ("AB", "delta", "evening")
    assert oven.v_rated_v == pytest.approx(240.0)


def test_inverters_inject_and_know_what_is_behind_them(street: Network) -> None:
    pv, battery = street.group("inverters")["pv"], street.group("inverters")["battery"]
    assert (pv.unit, pv.nodes, pv.p_kw, pv.s_kva) == ("photovoltaic", "AB0", 3.5, 5.0)
    assert pv.v_rated_v == pytest.approx(120.0 * math.sqrt(3.0))
    assert pv.v_min_pu == 0.8
    assert (battery.unit, battery.nodes, battery.p_kw) == ("battery", "B0", -1.0)
    assert battery.v_rated_v == pytest.approx(120.0)
    assert battery.e_kwh == 13.5
    assert street.machines[0].p_kw == 100.0


def test_capacitors_have_sections_and_their_control_two_thresholds(street: Network) -> None:
    (cap,), (control,) = street.capacitors, street.capacitor_controls
    assert cap.q_kvar == pytest.approx(600.0)
    assert (cap.section_count, cap.sections_on) == (2, 1)
    assert (control.mode, control.on, control.off) == ("kvar", 400.0, 100.0)
    assert (control.element, control.terminal, control.node) == ("trunk", 2, "B")
    assert control.delay_s == 30.0


def test_buses_have_voltages_coordinates_and_the_line_they_come_from(street: Network) -> None:
    assert street.name == "elm street"
    assert street.bus["house"].v_nominal_v == pytest.approx(207.846097)
    assert (street.bus["mid"].x, street.bus["mid"].y) == (-97.74, 30.27)
    assert street.bus["head"].x is None
    assert street.coordinates == "EPSG:4326"
    text = (HERE / "split_phase.xml").read_text().splitlines()
    number = int(street.group("lines")["drop"].origin.rpartition(":")[2])
    assert 'rdf:about="urn:uuid:drop"' in text[number - 1]


def test_what_is_read_past_is_told_once_a_kind_with_its_first_line() -> None:
    _, notices = read_cim(HERE / "split_phase.xml")
    told = {notice.what: notice for notice in notices}
    assert len(told) == len(notices)
    assert told["Analog"].text == "is not read (2 times)"
    text = (HERE / "split_phase.xml").read_text().splitlines()
    assert "meter-1" in text[int(told["Analog"].where.rpartition(":")[2]) - 1]
    assert told["SynchronousMachine: RotatingMachine.ratedS"].text == "is not read"
    assert "frequency" in told


def test_a_house_has_240_volts_across_its_legs(street: Network) -> None:
    flow = solve_opendss(street)
    assert flow.converged
    a, b = flow.v_v[street.bus_index["house"], :2]
    assert abs(a - b) == pytest.approx(240.0, rel=0.06)
    assert abs(a + b) < 0.05 * abs(a)


# --------------------------------------------------------------------------------- CGMES


def test_cgmes_profiles_of_a_folder_are_put_together() -> None:
    network, notices = read_cim(HERE / "cgmes")
    assert network.name == "village"
    assert network.f_nominal_hz == 50.0
    assert {bus.name: bus.v_nominal_v for bus in network.buses} == {
        "grid": 20e3, "mv": 20e3, "lv": 400.0
    }  # fmt: skip
    assert [one.name for one in network.consumers] == ["houses"]
    assert network.consumers[0].p_rated_kw == pytest.approx(120.0)
    assert any("left out" in notice.text for notice in notices)


def test_cgmes_counts_what_a_machine_draws_positive() -> None:
    mill = read_cim(HERE / "cgmes")[0].machines[0]
    assert (mill.p_kw, mill.q_kvar) == pytest.approx((30.0, -5.0))
    assert (mill.q_min_kvar, mill.q_max_kvar) == pytest.approx((-10.0, 20.0))


def test_cgmes_gives_lines_and_transformers_in_ohms_of_the_whole() -> None:
    network, _ = read_cim(HERE / "cgmes")
    kind = network.impedance[network.lines[0].impedance]
    assert network.lines[0].length_km == 2.0
    assert kind.r_ohm_per_km[0] == pytest.approx((0.2, 0.0, 0.0))
    assert kind.c_nf_per_km[1][1] == pytest.approx(250.0)
    (station,) = network.transformers
    assert station.x_percent == pytest.approx((6.0,))
    assert [one.r_percent for one in station.ends] == pytest.approx([1.0, 0.0])
    assert (station.no_load_loss_percent, station.magnetizing_percent) == pytest.approx((0.1, 0.2))
    assert station.ends[0].tap_pu == pytest.approx(0.975)
    # Dyn5: clock 1 led to the next terminal but one
    assert [one.nodes for one in station.ends] == ["ABC", "CAB0"]
    assert not station.lead


def test_a_network_injection_is_a_source_with_its_short_circuit_power() -> None:
    (grid,) = read_cim(HERE / "cgmes")[0].energy_sources
    assert grid.v_pu == pytest.approx(1.02)
    z = 20e3 / math.sqrt(3.0) / 10e3
    assert math.hypot(grid.r1_ohm, grid.x1_ohm) == pytest.approx(z)
    assert grid.r1_ohm / grid.x1_ohm == pytest.approx(0.1)


def test_a_clock_of_five_turns_the_low_side_by_150_degrees() -> None:
    network, _ = read_cim(HERE / "cgmes")
    bare = network.with_(consumers=(), machines=())
    flow = solve_opendss(bare)
    mv, lv = (flow.v_v[bare.bus_index[name], 0] for name in ("mv", "lv"))
    assert np.degrees(np.angle(mv / lv)) == pytest.approx(150.0, abs=0.5)


def test_a_zip_file_is_read_like_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "village.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("eq.xml", "ssh.xml"):
            archive.write(HERE / "cgmes" / name, name)
    assert_same(plain(read_cim(path)[0]), plain(read_cim(HERE / "cgmes")[0]))


# --------------------------------------------------------------- the older export of OpenDSS


def _older() -> Path:
    path = DATA / "cim-gridlabd" / "ieee13_cim.xml"
    if not path.is_file():
        pytest.skip("the CIM file of ../shared/data is not on this machine")
    return path


def test_the_older_export_of_ieee_13_reads() -> None:
    network, notices = read_cim(_older())
    assert (len(network.buses), len(network.consumers)) == (16, 15)
    assert sum(one.p_rated_kw for one in network.consumers) == pytest.approx(3466.0)
    regulator = network.group("transformers")["reg1"]
    assert regulator.ends[1].tap_pu == 1.0625  # this dialect gives the ratio itself
    control = network.group("tap_controls")["reg1"]
    assert (control.pt_ratio, control.ct_rated_a, control.r_v, control.x_v) == (20, 700, 3, 9)
    told = [notice for notice in notices if "earthed star points" in notice.text]
    assert told


def test_the_older_export_of_ieee_13_has_nearly_the_published_power_flow() -> None:
    network, _ = read_cim(_older())
    flow = solve_opendss(network)
    assert flow.converged
    assert flow.source_kva.real == pytest.approx(3567.05, rel=0.005)
    assert flow.losses_kva.real == pytest.approx(112.392, rel=0.03)
    truth = solve_opendss(read_opendss(master("13"))[0])
    order = [network.bus_index[bus.name] for bus in truth.network.buses]
    worst = np.abs(flow.vm_pu[order] - truth.vm_pu)[truth.present].max()
    assert worst < 0.03


def test_the_differences_of_the_older_export_are_its_own_data() -> None:
    """With the lines of the master the file's loads, banks and capacitors are the master's."""
    network, _ = read_cim(_older())
    original, _ = read_opendss(master("13"))
    fields = ("phases", "phases_to", "length_km", "impedance")
    lines = {
        one.name: {key: getattr(original.group("lines")[one.name], key) for key in fields}
        for one in network.lines
    }
    mended = network.with_(lines=lines, impedances=original.impedances)
    truth = solve_opendss(original)
    taps = {
        one.name: {"ends": (one.ends[0], one.ends[1].model_copy(update={"tap_pu": tap}))}
        for one in mended.transformers
        if (tap := truth.taps_pu.get(f"{one.name}.2")) is not None
    }
    v_pu = original.energy_sources[0].v_pu
    mended = mended.with_(transformers=taps, energy_sources={"source": {"v_pu": v_pu}})
    flow = solve_opendss(mended)
    assert flow.taps_pu == pytest.approx(truth.taps_pu)
    order = [mended.bus_index[bus.name] for bus in original.buses]
    assert np.abs(flow.vm_pu[order] - truth.vm_pu)[truth.present].max() < 1e-3
