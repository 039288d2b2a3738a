"""A script we write is the network it was written of, for our reader and for OpenDSS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridmodel.ingest.opendss_profile import Profile
from gridmodel.ingest.opendss_reader import read_opendss, read_opendss_profiles
from gridmodel.ingest.opendss_writer import write_opendss
from gridmodel.network.controls import InverterControl, ShuntCompensatorControl
from gridmodel.network.equipment import (
    ElectricVehicleCharger,
    EnergyConsumer,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
)
from gridmodel.network.network import Network
from simulators.power_flow.opendss import solve_opendss
from tests.gridmodel.ingest.opendss_feeders import (
    FEEDERS,
    at_taps_of,
    feeder,
    master,
    original,
    worst_pu,
)

SINK = Path(__file__).parent / "opendss_sink.dss"


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Return where two dumps differ, numbers by more than their last digits."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = sorted({*one, *other})
        return [d for k in keys for d in differences(one.get(k), other.get(k), f"{at}.{k}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [d for k, (a, b) in enumerate(pairs) for d in differences(a, b, f"{at}[{k}]")]
    same = (
        one == pytest.approx(other, rel=1e-11, abs=1e-13)
        if isinstance(one, float) and isinstance(other, float)
        else one == other
    )
    return [] if same else [f"{at}: {one} became {other}"]


def facts(network: Network) -> dict[str, Any]:
    """Return a network without where its parts come from."""
    data = network.model_dump()
    del data["source"]
    for key in Network.GROUPS:
        for element in data[key]:
            del element["origin"]
    return data


def again(network: Network, folder: Path) -> Network:
    """Return a network that was written and read, with not a word lost."""
    assert write_opendss(network, folder / "again.dss") == ()
    read, notices = read_opendss(folder / "again.dss")
    assert notices == ()
    return read


def same(network: Network, folder: Path) -> Network:
    read = again(network, folder)
    assert differences(facts(network), facts(read)) == []
    return read


@pytest.mark.parametrize("name", FEEDERS)
def test_a_feeder_written_and_read_is_the_same_with_the_same_voltages(
    name: str, tmp_path: Path
) -> None:
    network = feeder(name)
    read = same(network, tmp_path)
    before, after = (solve_opendss(one, controls=False) for one in (network, read))
    assert (before.present == after.present).all()
    base = np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5
    assert (np.abs(before.v_v - after.v_v) / base).max() < 1e-8


def test_every_kind_of_element_survives(tmp_path: Path) -> None:
    network, _ = read_opendss(SINK)
    same(network, tmp_path)


def test_opendss_answers_for_every_kind_of_element_as_before() -> None:
    truth = original(SINK)
    network, _ = read_opendss(SINK)
    flow = solve_opendss(network)
    assert flow.converged
    for end, tap_pu in flow.taps_pu.items():
        assert tap_pu == pytest.approx(truth.taps_pu[end], abs=1e-12), end
    others = ("shunt", "shuntd", "ohms", "sc")  # reactors and a series capacitor
    ours, theirs = (
        {name: on for name, on in sections.items() if name not in others}
        for sections in (flow.sections_on, truth.sections_on)
    )
    assert ours == theirs
    assert worst_pu(flow, truth) < 1e-6
    assert flow.losses_kva.real == pytest.approx(truth.losses_kva.real, rel=1e-5)


def thirteen() -> Network:
    return feeder("13")


def test_final_taps_and_open_switches_are_written(tmp_path: Path) -> None:
    network = at_taps_of(thirteen(), original(master("13")))
    network = network.with_(switches={"671692": {"open": True, "kind": "breaker"}})
    assert [one.ends[1].tap_pu for one in network.transformers[1:4]] == [1.05625, 1.0375, 1.05625]
    same(network, tmp_path)


def test_what_opendss_has_no_word_for_stands_in_comments(tmp_path: Path) -> None:
    consumer = thirteen().consumers[0]
    fields = {"bus": consumer.bus, "nodes": consumer.nodes, "v_rated_v": consumer.v_rated_v}
    network = thirteen().with_(
        coordinates="EPSG:4326",
        ev_chargers=(
            ElectricVehicleCharger(name="ev", p_rated_kw=11.0, profile="night", **fields),
        ),
        inverters=(
            PowerElectronicsConnection(name="mill", unit="wind", s_kva=50.0, p_kw=40.0, **fields),
            PowerElectronicsConnection(name="empty", unit="battery", s_kva=5.0, **fields),
            PowerElectronicsConnection(name="pump", unit="other", s_kva=5.0, p_kw=-4.0, **fields),
        ),
    )
    read = same(network, tmp_path)
    assert solve_opendss(read).source_kva.real == pytest.approx(
        solve_opendss(thirteen()).source_kva.real + 11 - 40 + 4, abs=2.0
    )


def test_controls_without_an_element_and_unused_ones(tmp_path: Path) -> None:
    control = ShuntCompensatorControl(name="c", capacitor="cap1", mode="time", on=7.0, off=19.0)
    read = same(thirteen().with_(capacitor_controls=(control,)), tmp_path)
    assert read.capacitor_controls[0].element == ""
    unused = InverterControl(name="i", volt_var=((0.9, 0.4), (1.1, -0.4)))
    network = thirteen().with_(inverter_controls=(unused,))
    (notice,) = write_opendss(network, tmp_path / "x.dss")
    assert str(notice) == "inverter_controls: i: is left out: it controls nothing."


def test_a_bank_with_losses_has_them_beside_it(tmp_path: Path) -> None:
    bank = {
        "bus": "671",
        "v_rated_v": 4160.0,
        "section_count": 2,
        "sections_on": 1,
    }
    with_losses = LinearShuntCompensator(name="c", q_kvar=100.0, g_kw=2.0, **bank)
    reactor = LinearShuntCompensator(name="r", q_kvar=-100.0, g_kw=2.0, **bank)
    network = thirteen().with_(capacitors=(with_losses, reactor))
    notices = write_opendss(network, tmp_path / "x.dss")
    assert [notice.what for notice in notices] == ["c", "r"]
    read = {one.name: one for one in read_opendss(tmp_path / "x.dss")[0].capacitors}
    assert (read["c"].q_kvar, read["c"].sections_on) == (100.0, 1)
    assert read["c_losses"].g_kw == pytest.approx(2.0)
    assert (read["r"].q_kvar, read["r"].g_kw) == pytest.approx((-50.0, 1.0))


@pytest.mark.parametrize(
    "response",
    [
        LoadResponseCharacteristic(p_zip_pu=(0.2, 0.3, 0.5), q_zip_pu=(1.0, 0.0, 0.0)),
        LoadResponseCharacteristic(p_exponent=0.7, q_exponent=3.0),
        LoadResponseCharacteristic(p_zip_pu=(0.0, 1.0, 0.0), q_zip_pu=(0.0, 1.0, 0.0)),
    ],
)
def test_a_load_keeps_how_it_follows_the_voltage(
    response: LoadResponseCharacteristic, tmp_path: Path
) -> None:
    load = EnergyConsumer(
        name="x",
        bus="671",
        v_rated_v=4160.0,
        p_rated_kw=300.0,
        q_rated_kvar=100.0,
        response=response,
        v_min_pu=0.2,
        v_max_pu=1.3,
    )
    same(thirteen().with_(consumers=(load,)), tmp_path)


def test_an_exponent_beside_mixed_shares_is_told(tmp_path: Path) -> None:
    response = LoadResponseCharacteristic(p_exponent=0.7, q_zip_pu=(0.5, 0.5, 0.0))
    load = thirteen().consumers[0].model_copy(update={"response": response})
    (notice,) = write_opendss(thirteen().with_(consumers=(load,)), tmp_path / "x.dss")
    assert "an exponent beside shares" in notice.text


def test_names_opendss_cannot_hold_are_changed_and_told(tmp_path: Path) -> None:
    loads = tuple(
        thirteen().consumers[0].model_copy(update={"name": name})
        for name in ("House 1", "house_1", "HOUSE_1", "a!b")
    )
    notices = write_opendss(thirteen().with_(consumers=loads), tmp_path / "x.dss")
    assert [notice.what for notice in notices] == ["House 1", "house_1", "HOUSE_1", "a!b"]
    read, _ = read_opendss(tmp_path / "x.dss")
    assert [one.name for one in read.consumers] == ["house_1", "house_1_2", "house_1_3", "a_b"]


def test_profiles_are_written_where_their_values_are_known(tmp_path: Path) -> None:
    load = thirteen().consumers[0].model_copy(update={"profile": "day"})
    other = thirteen().consumers[1].model_copy(update={"profile": "unknown"})
    p, q = np.array([0.1, 1 / 3, 1.0]), np.array([0.0, 0.5, 1.0])
    network = thirteen().with_(consumers=(load, other))
    write_opendss(network, tmp_path / "x.dss", {"day": Profile(900.0, p, q)})
    shapes = read_opendss_profiles(tmp_path / "x.dss")
    assert shapes["day"].step_s == 900.0
    assert (shapes["day"].p_pu == p).all()
    assert (shapes["day"].q_pu == q).all()
    assert shapes["unknown"].p_pu.tolist() == [1.0]
    read, _ = read_opendss(tmp_path / "x.dss")
    assert [one.profile for one in read.consumers] == ["day", "unknown"]
