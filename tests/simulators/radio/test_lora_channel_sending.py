"""LoRa channel: when a packet goes, waits or is refused; listen before talk; the exchange."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.wire.duty_cycle import sub_band
from gridmodel.wire.lora import Modem
from gridmodel.wire.regions import HOUR_US
from simulators.radio.channel import RadiosConfig
from simulators.radio.clear_channel import ListenBeforeTalk
from tests.simulators.bench import S, kpi
from tests.simulators.radio.air import Air, Refusal

A, B = b"A" * 20, b"B" * 20
T = Modem().airtime_us(20)
CAD_US, TURN_US = 2560, 126
PAIR = {"a": 0.0, "b": 50.0}
LISTEN = ListenBeforeTalk()

# one at a time


def test_a_radio_that_sends_refuses_another_packet_and_says_when_it_is_free():
    air = Air(PAIR).send(S, 0, A).send(S + 10, 0, B).send(S + T, 0, B).until(2 * S)
    assert air.refused == [Refusal(S + 10, 0, "busy", S + T)]
    assert air.frames == [(1, A), (1, B)]
    assert kpi(air.lora, "refused_count") == 1


def test_a_radio_with_a_queue_sends_one_packet_after_the_other():
    air = Air(PAIR, over_limit="queue")
    for k in range(4):
        air.send(S + k, 0, bytes([k]) * 20)
    air.until(3 * S)
    assert [(h.t_us, h.frame[0]) for h in air.heard] == [(S + (k + 1) * T, k) for k in range(4)]
    assert not air.refused


def test_a_queue_that_is_full_refuses():
    air = Air(PAIR, over_limit="queue", queue_count=2)
    for k in range(4):
        air.send(S + k, 0, bytes([k]) * 20)
    air.until(3 * S)
    assert [(refusal.node, refusal.why) for refusal in air.refused] == [(0, "full")]
    assert len(air.heard) == 3


# limits

SLOW = Modem(spreading_factor=12)
SLOW_20_US = SLOW.airtime_us(20)
FULL = 36 * S // SLOW_20_US  # packets in an hour's 1 %


def hour(over_limit: str) -> Air:
    """Return the air after one packet more than an hour allows, each 2 s."""
    air = Air(PAIR, {"nodes": RadiosConfig(listen=SLOW)}, over_limit=over_limit, report_s=3600.0)
    for k in range(FULL + 1):
        air.send(2 * k * S, 0, bytes([k]) * 20, SLOW)
    return air.until(2 * HOUR_US)


def test_a_packet_over_the_limit_is_refused_with_the_instant_from_which_it_may_go():
    air = hour("refuse")
    assert len(air.heard) == FULL
    (refusal,) = air.refused
    assert (refusal.t_us, refusal.why) == (2 * FULL * S, "limit")
    assert refusal.from_us is not None
    fresh = Air(PAIR, {"nodes": RadiosConfig(listen=SLOW)}, report_s=3600.0)
    for k in range(FULL):
        fresh.send(2 * k * S, 0, bytes([k]) * 20, SLOW)
    fresh.send(refusal.from_us - 1, 0, A, SLOW).send(refusal.from_us, 0, B, SLOW)
    fresh.until(2 * HOUR_US)
    assert [r.t_us for r in fresh.refused] == [refusal.from_us - 1]
    assert fresh.heard[-1].frame == B


def test_a_packet_over_the_limit_waits_in_a_queue_to_the_microsecond():
    (refusal,) = hour("refuse").refused
    air = hour("queue")
    assert not air.refused
    assert refusal.from_us is not None
    assert air.heard[-1].t_us == refusal.from_us + SLOW_20_US
    assert kpi(air.lora, "duty_max_pu") <= 1.0


@pytest.mark.parametrize(
    "modem",
    [
        Modem(tx_power_dbm=20.0),  # over the 14 dBm of its sub-band
        Modem(frequency_mhz=868.65),  # between two sub-bands
        Modem(frequency_mhz=902.3, region="US915", spreading_factor=11),  # over 400 ms
        Modem(frequency_mhz=864.0, spreading_factor=12, coding_rate=8, preamble_symbols=200),
    ],
)
def test_a_packet_that_may_never_go_is_refused_without_an_instant(modem):
    air = Air(PAIR, over_limit="queue").send(S, 0, bytes(200), modem).until(2 * S)
    assert [(refusal.why, refusal.from_us) for refusal in air.refused] == [("forbidden", None)]
    assert kpi(air.lora, "sent_count") == 0


def test_dwell_time_is_counted_by_channel():
    slow = Modem(region="US915", frequency_mhz=902.3, spreading_factor=10)
    airtime = slow.airtime_us(20)  # 371 ms of the 400 in 20 s
    air = Air(PAIR, {"nodes": RadiosConfig(listen=slow)}, report_s=3600.0)
    air.send(0, 0, A, slow).send(S, 0, A, slow).send(S, 0, A, slow, frequency_mhz=902.5)
    air.send(21 * S, 0, B, slow).until(30 * S)
    (refusal,) = air.refused
    # 29 ms are left; the rest of the second packet's airtime must have left the window
    assert refusal == Refusal(S, 0, "limit", 20 * S + (2 * airtime - 400_000) - airtime)
    assert [h.frame for h in air.heard] == [A, B]  # the one on 902.5 MHz has no ear
    assert kpi(air.lora, "sent_count") == 3


# listen before talk


def lbt(**changed: object) -> dict[str, object]:
    return {"listen_before_talk": ListenBeforeTalk(**changed)}


@pytest.mark.parametrize(
    ("sf", "cad_us"),
    [(7, 2560), (9, 10_240), (12, 81_920)],  # facts, 1.7
)
def test_a_packet_on_a_clear_channel_starts_after_the_detection(sf, cad_us):
    modem = Modem(spreading_factor=sf)
    air = Air(PAIR, {"nodes": RadiosConfig(listen=modem)}, **lbt()).send(S, 0, A, modem)
    air.until(10 * S)
    assert air.heard[0].t_us == S + cad_us + TURN_US + modem.airtime_us(20)
    assert kpi(air.lora, "listen_count") == 1


TRIANGLE = {"a": 0.0, "b": 200.0, "receiver": 100.0}
SENDERS = {
    "nodes": RadiosConfig(at=("a", "b"), listen=Modem(frequency_mhz=869.525)),
    "receiver": RadiosConfig(at=("receiver",)),
}


def two(late_us: int, b: Modem | None = None, seed: int = 1, **changed: object) -> Air:
    """Return the air after two nodes wanted to send, the second one later."""
    air = Air(TRIANGLE, SENDERS, seed, **lbt(**changed)).send(S, 0, A)
    return air.send(S + late_us, 1, B, b).until(10 * S)


def test_a_radio_that_hears_another_waits_and_both_packets_are_heard():
    air = two(CAD_US + TURN_US)  # the first is in the air for the whole of the detection
    assert air.frames == [(0, A), (0, B)]
    assert kpi(air.lora, "listen_count") >= 3
    assert air.heard[1].t_us - air.heard[0].t_us >= T + CAD_US + TURN_US


@pytest.mark.parametrize("late_us", [0, 100, CAD_US, CAD_US + TURN_US - 1])
def test_two_that_listen_at_one_time_do_not_hear_each_other(late_us):
    air = two(late_us)
    assert not air.heard
    assert air.reasons == [(0, "collided"), (1, "collided")]


def test_a_detector_that_misses_lets_packets_collide():
    assert two(20_000).frames == [(0, A), (0, B)]
    assert not two(20_000, miss_pu=1.0).heard


def test_misses_come_as_often_as_said():
    collided = sum(not two(20_000, seed=seed, miss_pu=0.3).heard for seed in range(200))
    assert collided / 200 == pytest.approx(0.3, abs=0.1)


def test_a_detector_that_always_alarms_gives_a_packet_up():
    air = Air(PAIR, **lbt(false_alarm_pu=1.0, tries_count=3)).send(S, 0, A).until(10 * S)
    assert [(refusal.node, refusal.why) for refusal in air.refused] == [(0, "occupied")]
    assert not air.heard
    assert kpi(air.lora, "listen_count") == 3


def test_a_false_alarm_costs_a_back_off_of_whole_slots():
    starts = set()
    for seed in range(40):
        air = Air(PAIR, seed=seed, **lbt(false_alarm_pu=0.5)).send(S, 0, A).until(10 * S)
        if kpi(air.lora, "listen_count") == 2:
            late = air.heard[0].t_us - T - S - TURN_US - 2 * CAD_US
            starts.add(late)
    assert starts == {30_000, 60_000}  # one slot or two after the first find


@pytest.mark.parametrize(
    "b",
    [
        Modem(spreading_factor=8),  # the detector looks for its own spreading factor
        Modem(frequency_mhz=868.3),
    ],
)
def test_a_packet_of_another_channel_or_spreading_factor_is_not_found(b):
    air = two(20_000, b)
    assert kpi(air.lora, "listen_count") == 2
    assert air.frames == [(0, A)]  # nobody listens to the other, and it does no harm


def test_a_hidden_node_is_not_found():
    places = {"a": 0.0, "b": 4000.0, "receiver": 2000.0}  # oulu reaches 2.5 km at SF7
    air = Air(places, SENDERS, capture_db=6.0, **lbt())
    air.send(S, 0, A).send(S + 20_000, 1, B).until(10 * S)
    assert not air.heard
    assert kpi(air.lora, "listen_count") == 2


SF12 = Modem(spreading_factor=12)


def mutual(first: Modem, b: Modem, late_us: int, **changed: object) -> Air:
    """Return the air of two that listen to each other; the second sends later."""
    air = Air(PAIR, {"nodes": RadiosConfig(listen=first)}, **lbt(**changed))
    return air.send(S, 0, A, first).send(S + late_us, 1, B, b).until(20 * S)


@pytest.mark.parametrize("b", [SF12, Modem()])
@pytest.mark.parametrize("late_us", [400_000, 1_000_000])
def test_a_radio_that_receives_does_not_look_and_waits(b, late_us):
    # A look for SF7 would not have found the packet of SF12, nor one that misses always.
    air = mutual(SF12, b, late_us, cad_symbols_count=2, miss_pu=1.0)
    assert (1, A) in air.frames
    assert (1, "deaf") not in [(lost.node, lost.why) for lost in air.lost]
    assert air.refused == []
    assert kpi(air.lora, "sent_count") == 2
    assert kpi(air.lora, "listen_count") == 2


def test_a_look_at_the_channel_makes_deaf_for_what_began_unnoticed():
    begin_us = S + CAD_US + TURN_US  # when the first packet is in the air
    air = Air(PAIR, **lbt()).send(S, 0, A)
    air.send(begin_us + 1024, 1, B).until(begin_us + T)  # a symbol after it began
    assert [lost.why for lost in air.lost] == ["deaf"]
    assert kpi(air.lora, "listen_count") == 2
    assert kpi(air.lora, "sent_count") == 1


@pytest.mark.parametrize(
    ("from_us", "to_us", "heard"),
    [(-9000, 0, 1), (-9000, 3072, 1), (-9000, 3073, 0), (9000, 9001, 0), (T - 1, T, 0)],
)  # fmt: skip
def test_a_look_does_harm_between_the_last_symbols_of_the_preamble_and_the_end(
    from_us, to_us, heard
):
    air = Air({"a": 0.0, "b": 50.0, "c": 60.0}).until(0)
    air.lora._looks.append((1, S + from_us, S + to_us))
    air.send(S, 0, A).until(2 * S)
    assert air.frames == [(1, A)] * heard + [(2, A)]
    assert air.lora._looks == []  # nothing is in the air that they could harm


@settings(max_examples=25)
@given(
    wanted=st.lists(
        st.tuples(st.one_of(st.floats(0.0, 5.0), st.floats(0.0, 500.0)), st.integers(0, 2)),
        min_size=2,
        max_size=60,
    ),
    listens=st.booleans(),
    over_limit=st.sampled_from(["queue", "refuse"]),
)
def test_no_radio_overlaps_itself_or_breaks_the_law_however_its_packets_wait(
    wanted, listens, over_limit
):
    more = lbt(false_alarm_pu=0.2, miss_pu=0.2) if listens else {}
    places = {"a": 0.0, "b": 10.0, "c": 20.0, "ear": 10.0}
    fleets = {
        "nodes": RadiosConfig(at=("a", "b", "c"), listen=SLOW),
        "ear": RadiosConfig(at=("ear",), listen=SLOW),
    }
    air = Air(
        places, fleets, capture_db=0.0, over_limit=over_limit, report_s=3600.0, queue_count=99,
        **more,
    )  # fmt: skip
    now = 0
    for k, (pause_s, node) in enumerate(wanted):
        now += round(pause_s * S)
        air.send(now, node, bytes([node, k]) * 60, SLOW)
    air.until(now + 4 * HOUR_US)
    airtime = SLOW.airtime_us(120)
    ends = {(lost.t_us, lost.node) for lost in air.lost}
    ends |= {(heard.t_us, heard.frame[0]) for heard in air.heard}
    for node in range(3):
        starts = sorted(t - airtime for t, sender in ends if sender == node)
        assert all(b - a >= airtime for a, b in pairwise(starts))
        limit = int(sub_band(868.1, 125.0).duty_pu * HOUR_US)
        for last in starts:
            begin = last + airtime - HOUR_US
            within = sum(max(s + airtime - max(s, begin), 0) for s in starts if s <= last)
            assert within <= limit
    assert len(ends) == kpi(air.lora, "sent_count")
    assert kpi(air.lora, "sent_count") + kpi(air.lora, "refused_count") == len(wanted)


# the two-node exchange


@pytest.mark.parametrize("sf", [7, 8, 9])
def test_a_state_of_charge_exchange_takes_less_than_a_second_in_99_of_100_cases(sf):
    # request and reply of 15 bytes: a body of 6 and 9 of overhead; one exchange each 30 s
    modem = Modem(spreading_factor=sf)
    air = Air(PAIR, {"nodes": RadiosConfig(listen=modem)}, drop_pu=0.1, report_s=3600.0)
    airtime, turn_us, patience_us = modem.airtime_us(15), 1000, 1000
    took, count = [], 4000
    for k in range(count):
        begin = now = 30 * k * S
        asked, answered = b"?" + k.to_bytes(14), b"!" + k.to_bytes(14)
        done = False
        while not done and now < begin + 5 * S:
            air.send(now, 0, asked, modem).until(now + airtime)
            if air.heard and air.heard[-1].frame == asked and air.heard[-1].t_us == now + airtime:
                air.send(now + airtime + turn_us, 1, answered, modem)
            now += 2 * airtime + turn_us
            air.until(now)
            done = bool(air.heard) and air.heard[-1].frame == answered
            now += 0 if done else patience_us  # then it asks again
        took.append(now - begin if done else 10**9)
    assert np.quantile(took, 0.99) < S
    assert np.mean(np.array(took) > 2 * airtime + turn_us) == pytest.approx(0.19, abs=0.03)
    assert kpi(air.lora, "refused_count") == 0
    assert 0.2 * (sf == 9) < kpi(air.lora, "duty_max_pu") <= 1.0


def test_a_power_the_chip_cannot_send_with_is_refused_where_its_energy_is_counted():
    strong = Modem(frequency_mhz=869.525, tx_power_dbm=27.0)  # legal there
    air = Air(PAIR, energy={}).send(S, 0, A, strong).until(2 * S)
    assert [(refusal.why, refusal.from_us) for refusal in air.refused] == [("forbidden", None)]
