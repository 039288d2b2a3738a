"""Mesh: the federate on a street, and the study of many meshes."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import numpy as np
import pytest

from gridmodel.errors import ScenarioError
from gridmodel.wire.lora import Modem
from simulators.radio.mesh import MeshAir, MeshConfig, MeshRadios, study
from tests.simulators.bench import S, kpi, parcel, same_bytes
from tests.simulators.radio.hand_mesh import FAST, SLOT_US
from tests.simulators.radio.packets import A
from tests.simulators.radio.street_air import StreetAir

# the federate

ROW = {f"h{k}": 2500.0 * k for k in range(5)}  # SF9/250 reaches 3.1 km: a neighbour only


def street(**settings):
    base = {"modem": FAST, "fleets": {"nodes": MeshRadios()}, "report_s": 3600.0}
    return StreetAir(MeshAir, ROW, **base | settings)


def test_a_frame_reaches_radios_beyond_its_sender_s_range_once():
    air = street().send(0, 0, A).until(60 * S)
    assert sorted(air.frames) == [("nodes", k, A) for k in (1, 2, 3, 4)]
    assert kpi(air.part, "delivery_pu") == 1.0
    assert kpi(air.part, "hop_mean_count") > 1.0


def test_without_relays_it_reaches_only_who_hears_its_sender():
    air = street(hop_limit=0).send(0, 0, A).until(60 * S)
    assert {node for _, node, _ in air.frames} == {1}


def test_the_first_copy_comes_an_airtime_after_the_wait():
    air = street(hop_limit=0, reliable=False).send(5 * S, 0, A).until(60 * S)
    (first,) = air.heard
    waited = first.t_us - 5 * S - FAST.airtime_us(36)
    assert waited == 1000 or waited % SLOT_US == 0
    assert waited <= 7 * SLOT_US


def test_levels_are_those_of_the_last_hop():
    air = street(hop_limit=1).send(0, 0, A).until(60 * S)
    found = [m.data for _, sent in air.sent for m in sent.get("to_nodes", ())]
    own = FAST.tx_power_dbm - 128.95 - 23.2 * np.log10(2.5)
    assert all(data["rssi_dbm"][0] == pytest.approx(own, abs=0.01) for data in found)
    assert all(data["snr_db"][0] == pytest.approx(own - FAST.noise_dbm()) for data in found)


def test_another_cell_relays_but_is_not_handed_the_frame():
    from gridmodel.wire.cells import CellPlan

    air = street(cells=CellPlan(size=1, step_mhz=0.0), fleets={
        "nodes": MeshRadios(), "boss": MeshRadios(at=("h4",), every_cell=True)})  # fmt: skip
    air.send(0, 0, A).until(60 * S)
    assert air.frames == [("boss", 0, A)]


def test_a_frame_too_long_for_its_header_is_refused():
    air = street().send(0, 0, bytes(240)).until(60 * S)
    assert kpi(air.part, "refused_count") == 1
    assert kpi(air.part, "sent_count") == 0


def test_a_restored_mesh_goes_on_as_the_first_did():
    def ready():
        air = street(report_s=10.0)
        for k in range(40):
            air.send(k * 900_000, k % 5, bytes([k]) * 20)
        return air

    whole = ready().until(80 * S)
    air = ready().until(20 * S)
    state, next_us = parcel(air.part), air.next_us
    air.until(80 * S)  # the first goes on by itself
    other = ready()
    other.part.restore(state)
    other.next_us = next_us
    other._waiting = [item for item in other._waiting if item[0] > 20 * S]
    other.until(80 * S)
    after = [item for item in whole.sent if item[0] > 20 * S]
    assert len(after) > 50
    assert same_bytes(other.sent, after)
    assert same_bytes(air.sent, whole.sent)


def test_what_cannot_be_sent_is_refused_with_all_faults():
    with pytest.raises(ScenarioError) as error:
        street(path_loss="olu", fleets={"nodes": MeshRadios(at=("h9",))})
    assert len(error.value.faults) == 2
    with pytest.raises(ScenarioError, match="fits no EU868 sub-band"):
        street(modem=FAST.model_copy(update={"frequency_mhz": 869.3}))
    with pytest.raises(ScenarioError, match="exceed 255"):
        study(MeshConfig(path_loss="oulu"), np.zeros((2, 2)), 60.0, 60.0, payload_bytes=250)
    us = Modem(region="US915", frequency_mhz=915.0)
    with pytest.raises(ScenarioError, match="dwell"):
        study(MeshConfig(path_loss="oulu", modem=us), np.zeros((2, 2)), 60.0, 60.0)


def test_radios_that_reach_nobody_are_warned_of():
    air = StreetAir(MeshAir, {"a": 0.0, "b": 90_000.0}, fleets={"nodes": MeshRadios()})
    assert "2 of 2 radios reach no other" in air.part.warnings()[0]


def test_every_figure_has_a_unit_and_the_channel_s_names_are_among_them():
    figures = street().send(S, 0, A).until(60 * S).part.kpis()
    names = {figure.name for figure in figures if figure.unit is not None}
    assert len(names) == len(figures)
    usual = ("range_m", "sent_count", "delivery_pu", "collided_pu", "duty_max_pu", "refused_count")
    assert names.issuperset(usual)


def test_its_state_can_be_written_beside_a_run_that_failed():
    state = json.loads(json.dumps(street().send(S, 0, A).until(2 * S).part.state()))
    assert {"waiting"} < state.keys()


def test_a_scenario_can_name_it():
    (found,) = entry_points(group="feedertwin.federates", name="lora_mesh")
    assert found.load() is MeshAir


def test_a_mesh_without_any_radio_is_refused():
    with pytest.raises(ScenarioError, match="no fleet has a radio"):
        street(fleets={"nodes": MeshRadios(at=())})
    with pytest.raises(ScenarioError, match="has no place"):
        study(MeshConfig(path_loss="oulu"), np.zeros((0, 2)), 60.0, 60.0)


# a study


def test_a_study_repeats_with_its_seed_and_only_with_it():
    places = np.random.default_rng(1).uniform(0.0, 5000.0, (12, 2))
    config = MeshConfig(path_loss="oulu", modem=FAST)
    one, again, other = (study(config, places, 120.0, 3600.0, seed=s) for s in (4, 4, 5))
    assert one == again
    assert one != other


def test_a_study_s_faults_are_told_at_once():
    modem = FAST.model_copy(update={"frequency_mhz": 869.3})
    config = MeshConfig(path_loss="olu", modem=modem)
    with pytest.raises(ScenarioError) as error:
        study(config, np.zeros((2, 2)), 60.0, 60.0, payload_bytes=250)
    assert len(error.value.faults) == 3
