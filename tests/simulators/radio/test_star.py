"""Star: windows, acknowledgements, adaptive data rate, demodulators, duty."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import ScenarioError
from gridmodel.wire.duty_cycle import HOUR_US
from gridmodel.wire.lora import SNR_FLOOR_DB, Modem
from simulators.radio.adr import ASK_AFTER, THEN_EVERY, Rate, adapted, after_silence
from simulators.radio.path_loss import PATH_LOSS
from simulators.radio.star import Star, StarRadios
from tests.simulators.bench import S, kpi, parcel, same_bytes
from tests.simulators.radio.street_air import StreetAir

SF7 = Modem(spreading_factor=7)
#: Source, destination as `gridmodel.wire.seal` has them; 1, 2, ... are customers' addresses.
UP, ALL = b"\x10\x01\x00" + bytes(17), b"\x10\x00\xff" + bytes(17)
HEADER, EMPTY = 13, 13


def down_to(address: int, mark: int = 0) -> bytes:
    """Return a frame for a node by its address."""
    return bytes([0x10, 0, address]) + bytes([mark]) * 17


def star(places=None, nodes=None, boss=("h0",), **settings):
    """Return a star: a gateway at h0, and nodes at all other customers."""
    places = places or {"h0": 0.0, "h1": 500.0}
    at = tuple(name for name in places if name not in boss)
    fleets = {
        "boss": StarRadios(at=tuple(boss)),
        "nodes": StarRadios(at=at, **(nodes or {})),
    }
    base = {"gateways": "boss", "modem": SF7, "report_s": 86_400.0}
    return StreetAir(Star, places, **base | {"fleets": fleets} | settings)


def times(air, fleet):
    return [heard.t_us for heard in air.heard if heard.fleet == fleet]


# up


def test_an_uplink_arrives_an_airtime_later_with_the_header_s_bytes():
    air = star().send(S, 0, UP).until(9 * S)
    assert air.frames == [("boss", 0, UP)]
    assert times(air, "boss") == [S + SF7.airtime_us(20 + HEADER)]


def test_two_gateways_hand_a_frame_on_once_and_by_the_nearer():
    places = {"h0": 0.0, "h1": 400.0, "h2": 1500.0}
    air = star(places, boss=("h0", "h2")).send(S, 0, UP).until(9 * S)
    assert air.frames == [("boss", 0, UP)]


def test_an_uplink_out_of_reach_is_lost_as_weak():
    air = star({"h0": 0.0, "h1": 20_000.0}).send(S, 0, UP).until(9 * S)
    assert air.frames == []
    notes = [note for _, sent in air.sent for note in sent.get("lost", ())]
    assert [(n.data["fleet"], n.data["node"], n.data["why"]) for n in notes] == [
        ("nodes", 0, "weak")
    ]


def test_uplinks_of_one_channel_collide_and_of_different_channels_do_not():
    places = {"h0": 0.0, "h1": 500.0, "h2": -500.0}
    one = star(places, channels_mhz=(868.1,)).send(S, 0, UP).send(S, 1, UP).until(9 * S)
    assert one.frames == []
    assert kpi(one.part, "collided_pu") == 1.0
    many = [
        star(places, seed=seed).send(S, 0, UP).send(S, 1, UP).until(9 * S) for seed in range(30)
    ]
    assert {len(air.frames) for air in many} == {0, 2}


def test_an_overlap_does_no_harm_that_ends_before_the_receiver_must_synchronise():
    # of 8 preamble symbols 3 may be hit
    places = {"h0": 0.0, "h1": 500.0, "h2": -500.0}
    airtime, spare = SF7.airtime_us(20 + HEADER), round(3 * SF7.symbol_us)
    for shift, got in ((airtime - spare, [1]), (airtime - spare - 1, [])):
        air = star(places, channels_mhz=(868.1,)).send(S, 0, UP).send(S + shift, 1, UP).until(9 * S)
        assert times(air, "boss") == [S + shift + airtime for _ in got]


def test_the_ninth_uplink_at_once_finds_no_demodulator():
    channels = tuple(865.1 + 0.2 * k for k in range(10))
    places = {"h0": 0.0} | {f"h{k}": 100.0 + 5 * k for k in range(1, 41)}
    air = star(places, channels_mhz=channels, isolation="none", capture_db=0.0)
    for node in range(40):
        air.send(S, node, UP)
    air.until(9 * S)
    assert len(air.frames) <= 8
    assert kpi(air.part, "no_demodulator_pu") >= 0.5


# down


def test_class_a_gets_its_frame_in_the_first_window_at_the_uplink_s_settings():
    air = star().send(0, 0, down_to(2), "boss").send(10 * S, 0, UP).until(20 * S)
    up_end = 10 * S + SF7.airtime_us(20 + HEADER)
    assert air.frames == [("boss", 0, UP), ("nodes", 0, down_to(2))]
    assert times(air, "nodes") == [up_end + S + SF7.airtime_us(20 + HEADER)]


def test_class_a_hears_nothing_before_it_has_sent():
    air = star().send(0, 0, down_to(2), "boss").until(3600 * S)
    assert air.frames == []


def test_the_second_window_is_taken_when_the_gateway_sends_in_the_first():
    places = {"h0": 0.0, "h1": 500.0, "h2": 600.0}
    rx2 = Modem(spreading_factor=9, frequency_mhz=869.525)
    air = star(places, channels_mhz=(868.1,), rx2=rx2)
    long = down_to(2) + bytes(60)
    air.send(0, 0, long, "boss").send(0, 0, down_to(3, 2), "boss")
    air.send(10 * S, 0, UP).send(10 * S + 80_000, 1, UP).until(20 * S)
    assert {(f, n) for f, n, _ in air.frames} == {("boss", 0), ("nodes", 0), ("nodes", 1)}
    first, second = times(air, "nodes")
    size = 20 + HEADER
    assert first == 11 * S + SF7.airtime_us(size) + SF7.airtime_us(size + 60)
    assert second == 12 * S + 80_000 + SF7.airtime_us(size) + rx2.airtime_us(size)


def test_class_c_hears_at_once_everyone_or_one():
    places = {"h0": 0.0, "h1": 500.0, "h2": 600.0}
    air = star(places, {"device_class": "C"}).send(S, 0, ALL, "boss").until(9 * S)
    assert air.frames == [("nodes", 0, ALL), ("nodes", 1, ALL)]
    rx2 = Modem(spreading_factor=12, frequency_mhz=869.525)
    assert set(times(air, "nodes")) == {S + rx2.airtime_us(20 + HEADER)}
    one = star(places, {"device_class": "C"}).send(S, 0, down_to(3), "boss").until(9 * S)
    assert one.frames == [("nodes", 1, down_to(3))]


def test_a_gateway_is_deaf_while_it_sends():
    air = star(nodes={"device_class": "C"}).send(S, 0, ALL, "boss").send(S + 9000, 0, UP)
    air.until(9 * S)
    assert ("boss", 0, UP) not in air.frames
    assert kpi(air.part, "deaf_pu") == 1.0


def test_a_frame_for_another_address_reaches_nobody():
    air = star(nodes={"device_class": "C"}).send(S, 0, down_to(9), "boss").until(9 * S)
    assert air.frames == []
    assert kpi(air.part, "downlink_count") == 0


# acknowledgements


def test_a_confirmed_uplink_is_acknowledged_and_sent_once():
    air = star(nodes={"confirmed": True}).send(S, 0, UP).until(60 * S)
    assert air.frames == [("boss", 0, UP)]
    assert (kpi(air.part, "acknowledged_count"), kpi(air.part, "sent_count")) == (1, 1)


def test_an_unheard_confirmed_uplink_is_tried_eight_times_ever_slower():
    air = star({"h0": 0.0, "h1": 60_000.0}, {"confirmed": True}).send(S, 0, UP).until(900 * S)
    assert (kpi(air.part, "failed_count"), kpi(air.part, "sent_count")) == (1, 8)
    assert kpi(air.part, "sf_mean_bits") == 10.0  # a step after tries 2, 4 and 6


def test_a_lost_acknowledgement_repeats_the_uplink_but_not_its_delivery():
    # eight nodes at 0.1 %: the gateway's hour of answers is full long before theirs
    low = {"channels_mhz": (863.5,), "rx2": Modem(spreading_factor=7, frequency_mhz=868.9)}
    places = {"h0": 0.0} | {f"h{k}": 100.0 * k for k in range(1, 9)}
    air = star(places, nodes={"confirmed": True, "adr": False}, tries=3, **low)
    for k in range(240):
        air.send(k * 12 * S, k % 8, UP[:-1] + bytes([k]))
    air.until(3600 * S)
    frames = [frame for fleet, _, frame in air.frames if fleet == "boss"]
    assert len(frames) == len(set(frames)), "each frame is handed on once"
    assert kpi(air.part, "missed_count") > 0
    assert kpi(air.part, "sent_count") > len(frames)


def test_repeats_wait_one_to_three_seconds_after_the_windows():
    air = star({"h0": 0.0, "h1": 60_000.0}, {"confirmed": True, "adr": False}).send(S, 0, UP)
    air.until(200 * S)
    lost = [now for now, sent in air.sent if sent.get("lost")]
    window = round(12.25 * Modem(spreading_factor=12).symbol_us)
    pause = np.diff(lost) - 2 * S - window - SF7.airtime_us(20 + HEADER)
    assert len(pause) == 7
    assert (pause >= 1 * S).all()
    assert (pause <= 3 * S).all()
    assert np.ptp(pause) > 0.1 * S


# adaptive data rate


@pytest.mark.parametrize(
    ("rate", "snr_db", "wanted"),
    [
        # nothing to spare, or not enough for a step
        (Rate(12, 14.0), -10.0, Rate(12, 14.0)),
        (Rate(12, 14.0), -7.1, Rate(12, 14.0)),
        # one step is a spreading factor
        (Rate(12, 14.0), -7.0, Rate(11, 14.0)),
        # 17.5 dB over SF12's floor and margin are five steps; then power
        (Rate(12, 14.0), 5.0, Rate(7, 14.0)),
        (Rate(12, 14.0), 8.0, Rate(7, 11.0)),
        (Rate(7, 14.0), 40.0, Rate(7, 2.0)),
        # too little raises power, never the spreading factor
        (Rate(9, 8.0), -8.6, Rate(9, 14.0)),
        (Rate(9, 14.0), -12.0, Rate(9, 14.0)),
    ],
)
def test_the_server_spends_what_is_to_spare_in_steps_of_3_db(rate, snr_db, wanted):
    assert adapted(rate, snr_db, 2.0, 14.0) == wanted


@given(
    sf=st.integers(7, 12), power=st.sampled_from([2.0, 5.0, 8.0, 11.0, 14.0]),
    snr_db=st.floats(-25.0, 60.0),
)  # fmt: skip
def test_what_the_server_asks_for_keeps_the_margin_if_there_was_one(sf, power, snr_db):
    wanted = adapted(Rate(sf, power), snr_db, 2.0, 14.0)
    assert 7 <= wanted.spreading_factor <= sf
    assert 2.0 <= wanted.power_dbm <= 14.0
    then_db = snr_db + wanted.power_dbm - power
    if snr_db - SNR_FLOOR_DB[sf] >= 10.0:
        # a step of a spreading factor costs 2.5 dB and counts as 3
        assert then_db - SNR_FLOOR_DB[wanted.spreading_factor] >= 10.0 - 1e-9


def test_a_device_in_silence_takes_full_power_then_slower_rates():
    first, second = ASK_AFTER + THEN_EVERY, ASK_AFTER + 2 * THEN_EVERY
    assert after_silence(Rate(7, 2.0), first - 1, 14.0) == Rate(7, 2.0)
    assert after_silence(Rate(7, 2.0), first, 14.0) == Rate(7, 14.0)
    assert after_silence(Rate(7, 14.0), second, 14.0) == Rate(8, 14.0)
    assert after_silence(Rate(12, 14.0), second, 14.0) == Rate(12, 14.0)


def many_uplinks(air, count=60, node=0, every_s=300):
    for k in range(count):
        air.send((1 + k * every_s) * S, node, UP)
    return air.until((10 + count * every_s) * S)


def test_a_near_device_is_brought_to_sf7_and_least_power_after_twenty_uplinks():
    slow = star(modem=Modem(spreading_factor=12))
    assert kpi(many_uplinks(slow, 19).part, "sf_mean_bits") == 12.0
    fast = many_uplinks(star(modem=Modem(spreading_factor=12)), 21)
    assert kpi(fast.part, "sf_mean_bits") == 7.0
    assert kpi(fast.part, "downlink_count") == 1


def test_the_rate_a_device_ends_at_is_the_lowest_its_margin_bears():
    for distance in (2000.0, 4000.0):
        air = star({"h0": 0.0, "h1": distance}, modem=Modem(spreading_factor=12))
        many_uplinks(air, 90, every_s=200)
        snr = 14.0 - PATH_LOSS["oulu"](distance, 868.1) - SF7.noise_dbm()
        least = next(sf for sf in range(7, 13) if snr - SNR_FLOOR_DB[sf] >= 10.0 or sf == 12)
        # a step is worth 2.5 dB of floor and counts as 3: it may end one above
        assert least <= kpi(air.part, "sf_mean_bits") <= least + 1


def test_without_adaptive_rate_a_device_keeps_what_it_has():
    air = star(nodes={"adr": False}, modem=Modem(spreading_factor=12))
    assert kpi(many_uplinks(air).part, "sf_mean_bits") == 12.0


# law and queue


def test_no_radio_breaks_its_duty_and_frames_wait_for_it():
    modem = Modem(spreading_factor=12)
    air = star(modem=modem, nodes={"adr": False}, queue=50)
    for k in range(50):
        air.send(k * S, 0, UP)
    air.until(10 * 3600 * S)
    ends = np.array(times(air, "boss"))
    airtime = modem.airtime_us(20 + HEADER)
    assert len(ends) == 50
    hours = [
        np.clip(np.minimum(ends, end) - np.maximum(ends - airtime, end - HOUR_US), 0, None).sum()
        for end in ends
    ]
    assert 0.01 * HOUR_US - airtime < max(hours) <= 0.01 * HOUR_US
    assert kpi(air.part, "duty_max_pu") <= 1.0


def test_a_full_queue_refuses_and_counts():
    air = star(queue=2)
    for _ in range(5):
        air.send(S, 0, UP)
    air.until(30 * S)
    assert kpi(air.part, "refused_count") == 3
    assert len(air.frames) == 2


# the federate


def test_a_restored_star_goes_on_as_the_first_did():
    def ready():
        places = {"h0": 0.0, "h1": 800.0, "h2": -2500.0}
        air = star(places, {"confirmed": True}, modem=Modem(spreading_factor=9), report_s=60.0)
        for k in range(60):
            air.send(k * 7 * S, k % 2, bytes([0x10, 1, 0, k]) + bytes(16))
            air.send(k * 11 * S + 5, 0, ALL, "boss")
        return air

    end = 800 * S
    whole = ready().until(end)
    air = ready().until(200 * S)
    state, next_us = parcel(air.part), air.next_us
    other = ready()
    other.part.restore(state)
    other.next_us = next_us
    other._waiting = [item for item in other._waiting if item[0] > 200 * S]
    other.until(end)
    air.until(end)
    after = [item for item in whole.sent if item[0] > 200 * S]
    assert len(after) > 100
    assert same_bytes(other.sent, after)
    assert same_bytes(air.sent, whole.sent)


def test_what_cannot_be_built_is_refused_with_all_faults():
    with pytest.raises(ScenarioError) as error:
        star(gateways="bos", isolation="croche", channels_mhz=(868.65,))
    text = str(error.value)
    assert "Did you mean 'boss'" in text
    assert "Did you mean 'croce'" in text
    assert "868.65 MHz fits no EU868" in text


def test_devices_that_reach_no_gateway_are_warned_of():
    air = star({"h0": 0.0, "h1": 90_000.0, "h2": 10.0})
    assert "1 of 2 devices reach no gateway" in air.part.warnings()[0]


def test_every_figure_has_a_unit_and_the_channel_s_names_are_among_them():
    figures = star().send(S, 0, UP).until(60 * S).part.kpis()
    names = {figure.name for figure in figures if figure.unit is not None}
    assert len(names) == len(figures)
    usual = ("range_m", "sent_count", "delivery_pu", "collided_pu", "duty_max_pu", "refused_count")
    assert names.issuperset(usual)


def test_its_state_can_be_written_beside_a_run_that_failed():
    state = json.loads(json.dumps(star().send(S, 0, UP).until(2 * S).part.state()))
    assert {"waiting"} < state.keys()


def test_a_scenario_can_name_it():
    (found,) = entry_points(group="feedertwin.federates", name="lora_star")
    assert found.load() is Star


def test_a_star_whose_gateways_have_no_radio_is_refused():
    with pytest.raises(ScenarioError, match="gateways: 'boss' has no radio"):
        star(boss=())


def test_a_frame_too_long_for_a_downlink_is_refused_and_blocks_no_other():
    long = down_to(2) + bytes(255 - 13 - 5 - 20)
    air = star().send(0, 0, long + b"x", "boss").send(0, 0, down_to(2), "boss")
    air.send(10 * S, 0, UP).until(20 * S)
    assert air.frames[1:] == [("nodes", 0, down_to(2))]
    assert kpi(air.part, "refused_count") == 1
    air = star().send(0, 0, long, "boss").send(10 * S, 0, UP).until(20 * S)
    assert air.frames[1:] == [("nodes", 0, long)]
