"""Mesh: the firmware's rules one by one, on levels set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.wire.duty_cycle import HOUR_US
from tests.simulators.bench import S
from tests.simulators.radio.hand_mesh import AIRTIME, FAST, SLOT_US, HandMesh, chain

# hops


@pytest.mark.parametrize("hops", [0, 1, 2, 3, 7])
def test_a_message_goes_one_hop_further_than_its_limit(hops):
    bench = chain(10).send(0, 0, hops=hops).until(60 * S)
    assert [receiver for *_, receiver in bench.firsts] == list(range(1, hops + 2))
    assert bench.count("sent") == hops + 1


def test_each_node_takes_a_message_once_however_many_relay_it():
    links = {(a, b): -100.0 - a - 9 * b for a in range(6) for b in range(a)}
    bench = HandMesh(6, links).send(0, 0).until(60 * S)
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
        return HandMesh(3, {(0, 1): dbm + 0.01, (1, 2): -110.0}, seed=seed)

    waited = delays(bench) / SLOT_US
    assert (waited == waited.astype(int)).all(), "whole slots"
    assert 16 <= waited.min() <= 16 + 0.03 * slots + 1
    assert 16 + 0.95 * slots - 2 <= waited.max() <= 16 + slots - 1


def test_a_router_goes_before_every_client():
    dbm = FAST.noise_dbm() + 0.01

    def bench(seed):
        return HandMesh(3, {(0, 1): dbm, (1, 2): -110.0}, seed=seed, routers=(1,))

    waited = delays(bench)
    assert waited.max() <= 11 * SLOT_US  # twice the exponent of 6, less one
    assert waited.min() <= SLOT_US


def test_own_packets_wait_up_to_eight_slots_on_an_idle_channel():
    waits = np.array([
        HandMesh(2, {(0, 1): -100.0}, seed=seed).send(0, 0).until(10 * S).firsts[0][0] - AIRTIME
        for seed in range(200)
    ])  # fmt: skip
    assert waits.max() == 7 * SLOT_US
    assert waits.min() == 1000  # no slot at all is one tick of the clock


def longest_wait(links):
    """Return a node's longest wait while another fills the channel, in slots."""
    found = []
    for seed in range(40):
        bench = HandMesh(3, links, seed=seed)
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
    bench = HandMesh(3, links).send(0, 0).until(60 * S)
    assert (bench.count("relayed"), bench.count("cancelled")) == (1, 1)


def test_a_router_relays_whatever_it_hears():
    links = {(0, 1): -100.0, (0, 2): -100.0, (1, 2): -100.0}
    bench = HandMesh(3, links, routers=(1, 2), seed=3).send(0, 0).until(60 * S)
    assert (bench.count("relayed"), bench.count("cancelled")) == (2, 0)


# reliability


def test_an_origin_that_hears_a_relay_sends_once():
    bench = chain(3).send(0, 0, reliable=True).until(120 * S)
    assert bench.count("acknowledged") == 1
    assert (bench.count("repeated"), bench.count("failed")) == (0, 0)


def test_an_origin_that_nobody_hears_sends_three_times_and_gives_up():
    bench = HandMesh(2, {}).send(0, 0, reliable=True).until(120 * S)
    assert (bench.count("sent"), bench.count("repeated"), bench.count("failed")) == (3, 2, 1)


def test_an_origin_waits_for_twice_the_airtime_and_the_longest_windows():
    bench = HandMesh(2, {}).send(0, 0, reliable=True)
    patience = 2 * AIRTIME + (8 + 16 + 32) * SLOT_US + 4_500_000
    bench.until(patience - 1)
    assert bench.count("repeated") == 0
    bench.until(patience)
    assert bench.count("repeated") == 1


def test_without_a_wish_for_acknowledgement_nothing_is_repeated():
    bench = HandMesh(2, {}).send(0, 0).until(120 * S)
    assert bench.count("sent") == 1


def test_a_last_hop_that_may_not_relay_acknowledges_nothing():
    bench = HandMesh(2, {(0, 1): -100.0}).send(0, 0, hops=0, reliable=True).until(120 * S)
    assert (bench.count("first"), bench.count("sent"), bench.count("failed")) == (1, 3, 1)


# the air


def hidden(near_db, **settings):
    """Let two nodes that do not hear each other reach a third; return who it got."""
    bench = HandMesh(3, {(0, 2): -100.0, (1, 2): -100.0 - near_db}, **settings)
    bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
    return [sender for *_, sender, _ in bench.firsts]


def test_hidden_nodes_collide_and_the_stronger_by_the_threshold_survives():
    assert hidden(0.0) == []
    assert hidden(5.9) == []
    assert hidden(6.0) == [0]
    assert hidden(5.9, capture=5.0) == [0]


def test_an_overlap_does_no_harm_that_ends_before_the_receiver_must_synchronise():
    assert HandMesh(2, {}).ether.free_us == round(11 * FAST.symbol_us)  # of 16 symbols, 5 must stay
    for free_us, got in ((0, []), (S, [0, 1])):
        bench = HandMesh(3, {(0, 2): -100.0, (1, 2): -100.0})
        bench.ether = bench.ether._replace(free_us=free_us)
        bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
        assert [sender for *_, sender, _ in bench.firsts] == got


def test_a_node_that_hears_a_packet_waits_with_its_own():
    bench = HandMesh(3, {(0, 2): -100.0, (1, 2): -100.0, (0, 1): -120.0})
    bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
    assert sorted(sender for *_, sender, receiver in bench.firsts if receiver == 2) == [0, 1]
    assert bench.count("busy") >= 1


def test_a_node_that_always_misses_sends_into_what_it_hears():
    bench = HandMesh(3, {(0, 2): -100.0, (1, 2): -100.0, (0, 1): -120.0}, errors=(1.0, 0.0))
    bench.send(0, 0, hops=0, length=200).send(100_000, 1, hops=0, length=200).until(10 * S)
    assert bench.firsts == []
    assert bench.count("deaf") == 2


def test_a_node_with_false_alarms_waits_though_nobody_sends():
    bench = HandMesh(2, {(0, 1): -100.0}, errors=(0.0, 0.5))
    for k in range(400):
        bench.send(k * 5 * S, 0, hops=0)
    bench.until(3000 * S)
    assert bench.count("sent") == 400
    assert bench.count("busy") == pytest.approx(400, abs=80)  # one more try for each, in the mean


def test_no_sliding_hour_holds_more_than_its_duty():
    duty = 0.001
    bench = HandMesh(2, {(0, 1): -100.0}, duty_pu=duty)
    for k in range(2000):
        bench.send(k * 7 * S, 0, hops=0)
    bench.until(20_000 * S)
    assert bench.count("refused") > 1500
    ends = np.array([t_us for t_us, *_ in bench.firsts])
    assert len(ends) == bench.count("sent") > 80
    worst = max(((ends > end - HOUR_US) & (ends <= end)).sum() for end in ends)
    assert 0.9 * duty * HOUR_US <= worst * AIRTIME <= duty * HOUR_US
