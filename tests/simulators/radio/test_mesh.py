"""Mesh: the firmware's rules one by one, an oracle in SimPy, and the federate."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import numpy as np
import pytest

from benchmarks import mesh_in_simpy
from gridmodel.errors import ScenarioError
from gridmodel.wire.duty_cycle import HOUR_US
from gridmodel.wire.lora import Modem
from simulators.radio.flood import run
from simulators.radio.flood_state import COUNTS, ether, heard, silent
from simulators.radio.mesh import LONG_FAST, MeshAir, MeshConfig, MeshRadios, study
from tests.simulators.bench import S, kpi, parcel, same_bytes
from tests.simulators.radio.street_air import StreetAir

#: Meshtastic's preset of SF9 at 250 kHz: faster than its default, and so is the test.
FAST = LONG_FAST.model_copy(update={"spreading_factor": 9})
SLOT_US = 12_000
A = b"A" * 20
FAR = -300.0


class Bench:
    """A mesh with levels set by hand.

    Parameters
    ----------
    links : mapping
        Level of each pair that hears each other, both ways. [dBm]
    """

    def __init__(
        self, count, links, routers=(), errors=(0.0, 0.0), duty_pu=1.0, seed=1, capture=6.0
    ):
        level = np.full((count, count), FAR)
        for (a, b), dbm in links.items():
            level[a, b] = level[b, a] = dbm
        is_router = np.zeros(count, dtype=bool)
        is_router[list(routers)] = True
        self.ether = ether(level, FAST, 6.0, capture, is_router, errors, duty_pu)
        self.mesh = silent(count)
        self.rng = np.random.default_rng(seed)
        self.out = heard(4096)
        self.number = 0

    def send(self, t_us, node, hops=3, reliable=False, length=36):
        """Hand a packet to a node; events up to then happen before."""
        row = np.array([[t_us, node, self.number, length, hops, reliable]], dtype=np.int64)
        run(self.ether, self.mesh, self.rng, row, t_us, self.out)
        self.number += 1
        return self

    def until(self, t_us):
        none = np.zeros((0, 6), dtype=np.int64)
        self.next_us = run(self.ether, self.mesh, self.rng, none, t_us, self.out)
        return self

    def count(self, name):
        return int(self.mesh.counts[COUNTS.index(name)])

    @property
    def firsts(self):
        """First receptions: instant, message, sender, receiver."""
        size = int(self.out.size[0])
        rows = (self.out.t_us, self.out.number, self.out.sender, self.out.receiver)
        return list(zip(*(row[:size].tolist() for row in rows), strict=True))


def chain(count, dbm=-110.0, **settings):
    """Return nodes in a row each of which hears its neighbours only."""
    return Bench(count, {(k, k + 1): dbm for k in range(count - 1)}, **settings)


AIRTIME = FAST.airtime_us(36)


# hops


@pytest.mark.parametrize("hops", [0, 1, 2, 3, 7])
def test_a_message_goes_one_hop_further_than_its_limit(hops):
    bench = chain(10).send(0, 0, hops=hops).until(60 * S)
    assert [receiver for *_, receiver in bench.firsts] == list(range(1, hops + 2))
    assert bench.count("sent") == hops + 1


def test_each_node_takes_a_message_once_however_many_relay_it():
    links = {(a, b): -100.0 - a - 9 * b for a in range(6) for b in range(a)}
    bench = Bench(6, links).send(0, 0).until(60 * S)
    assert sorted(receiver for *_, receiver in bench.firsts) == [1, 2, 3, 4, 5]


# timers


def delays(bench_of, count=300):
    """Return the time from a first reception to the relay's own, over many meshes."""
    found = []
    for seed in range(count):
        bench = bench_of(seed).send(0, 0).until(60 * S)
        times = {receiver: t_us for t_us, *_, receiver in bench.firsts}
        found.append(times[2] - times[1] - AIRTIME)
    return np.array(found)


@pytest.mark.parametrize(
    ("snr_db", "slots"),
    [
        # whole dB, cut towards zero; then (SNR + 20) 5 / 30 + 3 is the window's exponent
        (-12.4, 16), (-9.5, 16), (-8.5, 32), (0.0, 64), (9.0, 128), (10.0, 256), (40.0, 256),
    ],
)  # fmt: skip
def test_a_relay_waits_behind_the_routers_and_longer_the_better_it_heard(snr_db, slots):
    dbm = FAST.noise_dbm() + snr_db

    def bench(seed):
        return Bench(3, {(0, 1): dbm + 0.01, (1, 2): -110.0}, seed=seed)

    waited = delays(bench) / SLOT_US
    assert (waited == waited.astype(int)).all(), "whole slots"
    assert 16 <= waited.min() <= 16 + 0.03 * slots + 1
    assert 16 + 0.95 * slots - 2 <= waited.max() <= 16 + slots - 1


def test_a_router_goes_before_every_client():
    dbm = FAST.noise_dbm() + 0.01

    def bench(seed):
        return Bench(3, {(0, 1): dbm, (1, 2): -110.0}, seed=seed, routers=(1,))

    waited = delays(bench)
    assert waited.max() <= 11 * SLOT_US  # twice the exponent of 6, less one
    assert waited.min() <= SLOT_US


def test_own_packets_wait_up_to_eight_slots_on_an_idle_channel():
    waits = np.array([
        Bench(2, {(0, 1): -100.0}, seed=seed).send(0, 0).until(10 * S).firsts[0][0] - AIRTIME
        for seed in range(200)
    ])  # fmt: skip
    assert waits.max() == 7 * SLOT_US
    assert waits.min() == 1000  # no slot at all is one tick of the clock


def longest_wait(links):
    """Return a node's longest wait while another fills the channel, in slots."""
    found = []
    for seed in range(40):
        bench = Bench(3, links, seed=seed)
        for k in range(75):  # 75 packets of 0.65 s in 68 s
            bench.send(k * 900_000, 2, hops=0, length=255)
        last = bench.until(70 * S).send(70 * S, 0, hops=0).until(90 * S).firsts[-1]
        assert last[1:3] == (75, 0)
        found.append((last[0] - 70 * S - AIRTIME) / SLOT_US)
    return max(found)


def test_own_packets_wait_longer_if_their_node_heard_a_busy_channel():
    far = {(0, 1): -100.0, (1, 2): -100.0}
    assert longest_wait(far) <= 7
    # 71 % of five of the last six periods of 10 s are 59 % of the minute: exponent 5
    assert 16 < longest_wait({**far, (0, 2): -100.0}) <= 31


# who relays


def test_a_client_that_hears_another_relay_keeps_its_own():
    # 1 and 2 both hear 0 and each other; 1 heard it worse, so it is first almost always
    links = {(0, 1): FAST.noise_dbm() - 12, (0, 2): FAST.noise_dbm() + 11, (1, 2): -100.0}
    bench = Bench(3, links).send(0, 0).until(60 * S)
    assert (bench.count("relayed"), bench.count("cancelled")) == (1, 1)


def test_a_router_relays_whatever_it_hears():
    links = {(0, 1): -100.0, (0, 2): -100.0, (1, 2): -100.0}
    bench = Bench(3, links, routers=(1, 2), seed=3).send(0, 0).until(60 * S)
    assert (bench.count("relayed"), bench.count("cancelled")) == (2, 0)


# reliability


def test_an_origin_that_hears_a_relay_sends_once():
    bench = chain(3).send(0, 0, reliable=True).until(120 * S)
    assert bench.count("acknowledged") == 1
    assert (bench.count("repeated"), bench.count("failed")) == (0, 0)


def test_an_origin_that_nobody_hears_sends_three_times_and_gives_up():
    bench = Bench(2, {}).send(0, 0, reliable=True).until(120 * S)
    assert (bench.count("sent"), bench.count("repeated"), bench.count("failed")) == (3, 2, 1)


def test_an_origin_waits_for_twice_the_airtime_and_the_longest_windows():
    bench = Bench(2, {}).send(0, 0, reliable=True)
    patience = 2 * AIRTIME + (8 + 16 + 32) * SLOT_US + 4_500_000
    bench.until(patience - 1)
    assert bench.count("repeated") == 0
    bench.until(patience)
    assert bench.count("repeated") == 1


def test_without_a_wish_for_acknowledgement_nothing_is_repeated():
    bench = Bench(2, {}).send(0, 0).until(120 * S)
    assert bench.count("sent") == 1


def test_a_last_hop_that_may_not_relay_acknowledges_nothing():
    bench = Bench(2, {(0, 1): -100.0}).send(0, 0, hops=0, reliable=True).until(120 * S)
    assert (bench.count("first"), bench.count("sent"), bench.count("failed")) == (1, 3, 1)


# the air


def hidden(near_db, **settings):
    """Let two nodes that do not hear each other reach a third; return who it got."""
    bench = Bench(3, {(0, 2): -100.0, (1, 2): -100.0 - near_db}, **settings)
    bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
    return [sender for *_, sender, _ in bench.firsts]


def test_hidden_nodes_collide_and_the_stronger_by_the_threshold_survives():
    assert hidden(0.0) == []
    assert hidden(5.9) == []
    assert hidden(6.0) == [0]
    assert hidden(5.9, capture=5.0) == [0]


def test_an_overlap_does_no_harm_that_ends_before_the_receiver_must_synchronise():
    assert Bench(2, {}).ether.free_us == round(11 * FAST.symbol_us)  # of 16 symbols, 5 must stay
    for free_us, got in ((0, []), (S, [0, 1])):
        bench = Bench(3, {(0, 2): -100.0, (1, 2): -100.0})
        bench.ether = bench.ether._replace(free_us=free_us)
        bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
        assert [sender for *_, sender, _ in bench.firsts] == got


def test_a_node_that_hears_a_packet_waits_with_its_own():
    bench = Bench(3, {(0, 2): -100.0, (1, 2): -100.0, (0, 1): -120.0})
    bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
    assert sorted(sender for *_, sender, receiver in bench.firsts if receiver == 2) == [0, 1]
    assert bench.count("busy") >= 1


def test_a_node_that_always_misses_sends_into_what_it_hears():
    bench = Bench(3, {(0, 2): -100.0, (1, 2): -100.0, (0, 1): -120.0}, errors=(1.0, 0.0))
    bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
    assert bench.firsts == []
    assert bench.count("deaf") == 2


def test_a_node_with_false_alarms_waits_though_nobody_sends():
    bench = Bench(2, {(0, 1): -100.0}, errors=(0.0, 0.5))
    for k in range(400):
        bench.send(k * 5 * S, 0, hops=0)
    bench.until(3000 * S)
    assert bench.count("sent") == 400
    assert bench.count("busy") == pytest.approx(400, abs=80)  # one more try for each, in the mean


def test_no_sliding_hour_holds_more_than_its_duty():
    duty = 0.001
    bench = Bench(2, {(0, 1): -100.0}, duty_pu=duty)
    for k in range(2000):
        bench.send(k * 7 * S, 0, hops=0)
    bench.until(20_000 * S)
    assert bench.count("refused") > 1500
    ends = np.array([t_us for t_us, *_ in bench.firsts])
    assert len(ends) == bench.count("sent") > 80
    worst = max(((ends > end - HOUR_US) & (ends <= end)).sum() for end in ends)
    assert 0.9 * duty * HOUR_US <= worst * AIRTIME <= duty * HOUR_US


# an oracle


@pytest.mark.parametrize(
    ("side_m", "period_s"),
    [(8000.0, 300.0), (14_000.0, 120.0), (3000.0, 240.0)],  # some hops, sparse, all hear all
)
def test_delivery_and_packets_are_those_of_the_same_rules_in_simpy(side_m, period_s):
    places = np.random.default_rng(1).uniform(0.0, side_m, (30, 2))
    config = MeshConfig(path_loss="oulu", modem=FAST)
    ours = study(config, places, period_s, 24 * 3600.0)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    level = FAST.tx_power_dbm - config.losses_db(distance, FAST.frequency_mhz)
    rules = mesh_in_simpy.Rules(
        level.tolist(), FAST.noise_dbm(), FAST.sensitivity_dbm(), 6.0, AIRTIME,
        round(11 * FAST.symbol_us), SLOT_US, round(2.5 * FAST.symbol_us), 3,
    )  # fmt: skip
    theirs = mesh_in_simpy.Flood(rules, seed=1)
    theirs.run(period_s * 1e6, 6 * 3600 * S)
    assert ours.delivery_pu == pytest.approx(theirs.first / theirs.originated / 29, abs=0.03)
    packets = ours.counts["sent"] / ours.counts["originated"]
    assert packets == pytest.approx(theirs.sent / theirs.originated, rel=0.05)
    assert ours.duty_max_pu < 1.0, "the oracle knows no duty"


def test_a_study_repeats_with_its_seed_and_only_with_it():
    places = np.random.default_rng(1).uniform(0.0, 5000.0, (12, 2))
    config = MeshConfig(path_loss="oulu", modem=FAST)
    one, again, other = (study(config, places, 120.0, 3600.0, seed=s) for s in (4, 4, 5))
    assert one == again
    assert one != other


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


def test_a_study_s_faults_are_told_at_once():
    modem = FAST.model_copy(update={"frequency_mhz": 869.3})
    config = MeshConfig(path_loss="olu", modem=modem)
    with pytest.raises(ScenarioError) as error:
        study(config, np.zeros((2, 2)), 60.0, 60.0, payload_bytes=250)
    assert len(error.value.faults) == 3
