"""LoRa channel: what becomes of each packet on the air."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.errors import ScenarioError
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.duty_cycle import HOUR_US, sub_band
from gridmodel.wire.lora import BANDWIDTHS_KHZ, SNR_FLOOR_DB, Modem
from simulators.radio.channel import Lora, LoraConfig, RadiosConfig
from simulators.radio.path_loss import PATH_LOSS, range_m
from tests.simulators.bench import S, context, kpi, parcel, same_bytes
from tests.simulators.radio.air import Air, in_a_row

A, B, RECEIVER = b"A" * 20, b"B" * 20, 2
SF7_20_BYTES_US = 56_576
SYMBOL_US = 1024

#: Two senders at the same distance from a receiver between them.
TRIANGLE = {"a": 0.0, "b": 200.0, "receiver": 100.0}


# instants


@given(
    sf=st.integers(5, 12), bandwidth=st.sampled_from(BANDWIDTHS_KHZ), coding=st.integers(5, 8),
    preamble=st.integers(6, 16), size=st.integers(0, 255), start=st.integers(0, 10**9),
)  # fmt: skip
def test_a_packet_is_delivered_at_its_start_plus_its_airtime_to_the_microsecond(
    sf, bandwidth, coding, preamble, size, start
):
    modem = Modem(
        spreading_factor=sf, bandwidth_khz=bandwidth, coding_rate=coding,
        preamble_symbols=preamble, frequency_mhz=866.5,
    )  # fmt: skip
    air = Air({"a": 0.0, "b": 10.0}, {"nodes": RadiosConfig(listen=modem)}, report_s=3600.0)
    airtime = modem.airtime_us(size)
    air.send(start, 0, bytes(size), modem).until(start + airtime - 1)
    assert not air.heard
    air.until(start + airtime)
    assert [(h.t_us, h.node, h.frame) for h in air.heard] == [(start + airtime, 1, bytes(size))]


def test_packets_that_end_at_one_instant_are_all_delivered_then():
    modem = Modem(spreading_factor=8, frequency_mhz=868.3)
    fleets = {"sevens": RadiosConfig(), "eights": RadiosConfig(listen=modem)}
    air = Air({"a": 0.0, "b": 50.0}, fleets, report_s=3600.0)
    end = 10 * S
    air.send(end - Modem().airtime_us(20), 0, A, fleet="sevens")
    air.send(end - modem.airtime_us(20), 0, B, modem, fleet="eights").until(end)
    assert {(h.t_us, h.fleet, h.frame) for h in air.heard} == {
        (end, "sevens", A), (end, "eights", B)
    }  # fmt: skip


# levels


def test_a_reception_tells_its_level_and_its_distance_from_the_noise():
    air = Air({"a": 0.0, "b": 1000.0}, noise_figure_db=6.0)
    air.send(0, 0, A, tx_power_dbm=14.0).until(S)
    (heard,) = air.heard
    assert heard.rssi_dbm == pytest.approx(14.0 - 128.95, abs=1e-6)
    assert heard.snr_db == pytest.approx(14.0 - 128.95 - (-174.0 + 50.97 + 6.0), abs=0.01)


def test_two_radios_in_one_house_are_three_metres_apart():
    fleets = {"nodes": RadiosConfig(), "coordinator": RadiosConfig(at=("a",))}
    air = Air({"a": 0.0, "b": 500.0}, fleets).send(0, 0, A).until(S)
    (same,) = (h.rssi_dbm for h in air.heard if h.fleet == "coordinator")
    assert same == pytest.approx(14.0 - PATH_LOSS["oulu"](3.0, 868.1))


@pytest.mark.parametrize("sf", SNR_FLOOR_DB)
@pytest.mark.parametrize("bandwidth", BANDWIDTHS_KHZ)
def test_a_packet_is_demodulated_down_to_the_floor_of_its_spreading_factor(sf, bandwidth):
    modem = Modem(
        spreading_factor=sf, bandwidth_khz=bandwidth, frequency_mhz=866.5, preamble_symbols=12
    )
    reach = range_m(PATH_LOSS["flora_suburban"], 14.0 - modem.sensitivity_dbm(6.0), 866.5)
    air = Air(
        {"sender": 0.0, "within": 0.999 * reach, "beyond": -1.001 * reach},
        {"nodes": RadiosConfig(listen=modem)}, path_loss="flora_suburban", report_s=3600.0,
    )  # fmt: skip
    air.send(0, 0, A, modem).until(10 * S)
    assert air.frames == [(1, A)]
    assert air.reasons == [(0, "weak")]
    assert air.heard[0].snr_db == pytest.approx(SNR_FLOOR_DB[sf], abs=0.02)


@pytest.mark.parametrize(
    ("listen", "hears"),
    [
        # what the receiver is tuned to, for a packet of SF7/125 kHz at 868.1 MHz
        (Modem(), True),
        (Modem(tx_power_dbm=2.0, coding_rate=8), True),  # how it sends itself does not matter
        (Modem(spreading_factor=8), False),
        (Modem(bandwidth_khz=250.0, frequency_mhz=868.3), False),
        (Modem(frequency_mhz=868.3), False),  # the next channel
    ],
)
def test_only_a_radio_tuned_to_a_packet_hears_it(listen, hears):
    fleets = {
        "sender": RadiosConfig(at=("a",), listen=Modem(frequency_mhz=869.525)),
        "nodes": RadiosConfig(at=("b",), listen=listen),
    }
    air = Air({"a": 0.0, "b": 10.0}, fleets).send(0, 0, A, fleet="sender").until(S)
    assert bool(air.heard) == hears
    assert not air.lost  # who does not listen loses nothing


# collisions


def collide(
    difference_db: float, late_us: int = 0, capture_db: float = 6.0, **changed: object
) -> Air:
    """Return the air after two packets, the first one stronger by a difference."""
    fleets = {
        "nodes": RadiosConfig(at=("a", "b"), listen=Modem(frequency_mhz=869.525)),
        "receiver": RadiosConfig(at=("receiver",)),
    }
    air = Air(TRIANGLE, fleets, capture_db=capture_db)
    air.send(0, 0, A, tx_power_dbm=2.0 + difference_db / 2)
    return air.send(late_us, 1, B, tx_power_dbm=2.0 - difference_db / 2, **changed).until(10 * S)


@pytest.mark.parametrize(
    ("difference_db", "survives"),
    [
        # of the first packet over the second, at the receiver
        (12.0, A),
        (6.01, A),
        (5.99, None),  # too near: both are lost
        (0.0, None),
        (-5.99, None),
        (-6.01, B),
    ],
)
@pytest.mark.parametrize("late_us", [0, 20_000])  # the capture threshold knows no first come
def test_the_stronger_of_two_colliding_packets_survives_by_6_db(difference_db, late_us, survives):
    air = collide(difference_db, late_us)
    lost = {0, 1} - ({0} if survives == A else {1} if survives == B else set())
    assert air.frames == ([(0, survives)] if survives else [])
    assert sorted(air.reasons) == [(sender, "collided") for sender in sorted(lost)]


@given(difference=st.floats(-12.0, 12.0), capture=st.floats(0.5, 10.0))
def test_at_most_one_of_two_colliding_packets_survives_and_it_is_the_stronger(difference, capture):
    air = collide(difference, capture_db=capture)
    assert len(air.heard) <= 1
    assert len(air.heard) + len(air.lost) == 2
    if abs(abs(difference) - capture) > 1e-6:
        assert bool(air.heard) == (abs(difference) > capture)
    if air.heard:
        assert air.heard[0].frame == (A if difference > 0 else B)


@pytest.mark.parametrize(
    ("second_starts_us", "collides"),
    [
        # a first packet of 56.576 ms that starts at 0
        (SF7_20_BYTES_US - 1, False),  # only the second's first preamble symbols are hit
        (SF7_20_BYTES_US - 3 * SYMBOL_US, False),  # all three that it can spare
        (SF7_20_BYTES_US - 3 * SYMBOL_US - 1, True),  # one microsecond of the fourth
        (SF7_20_BYTES_US, False),  # they only touch
    ],
)
def test_a_packet_needs_its_last_five_preamble_symbols_unharmed(second_starts_us, collides):
    air = collide(0.0, second_starts_us)
    heard = {h.frame for h in air.heard}
    assert (B in heard) == (not collides)
    # the first one, whose end is hit, is lost unless they only touch
    assert (A in heard) == (second_starts_us == SF7_20_BYTES_US)


@pytest.mark.parametrize(
    "changed",
    [
        {"spreading_factor": 8},  # nearly orthogonal
        {"frequency_mhz": 868.3},  # another channel
        {"frequency_mhz": 868.2, "bandwidth_khz": 250.0},
    ],
)
def test_packets_of_another_channel_or_spreading_factor_do_no_harm(changed):
    assert collide(0.0, **changed).frames == [(0, A)]


def test_a_collision_is_decided_at_each_receiver():
    # Each receiver stands beside one of the senders: both packets are heard, once each.
    fleets = {
        "nodes": RadiosConfig(at=("a", "b"), listen=Modem(frequency_mhz=869.525)),
        "receivers": RadiosConfig(at=("by_a", "by_b")),
    }
    air = Air({"a": 0.0, "by_a": 20.0, "by_b": 980.0, "b": 1000.0}, fleets)
    air.send(0, 0, A).send(0, 1, B).until(S)
    assert sorted(air.frames) == [(0, A), (1, B)]
    assert sorted(air.reasons) == [(0, "collided"), (1, "collided")]


def test_a_packet_in_a_row_of_overlaps_is_still_known_when_it_ends():
    # A long packet meets a short one that has long ended when the long one is judged.
    fleets = {
        "nodes": RadiosConfig(at=("a", "b"), listen=Modem(frequency_mhz=869.525)),
        "receiver": RadiosConfig(at=("receiver",)),
    }
    air = Air(TRIANGLE, fleets)
    air.send(0, 0, bytes(255)).send(20_000, 1, bytes(1))
    air.send(300_000, 1, bytes(2)).until(S)  # keeps the channel at work in between
    assert not air.heard
    assert Counter(air.reasons) == {(0, "collided"): 1, (1, "collided"): 2}


# half duplex


@pytest.mark.parametrize(
    ("own_us", "deaf"),
    [
        # when the receiver itself begins to send 56.576 ms; the other packet begins at 1 s
        (S, True),
        (S - SF7_20_BYTES_US + 1, True),  # its own ends one microsecond after the other began
        (S - SF7_20_BYTES_US, False),
        (S + SF7_20_BYTES_US - 1, True),
        (S + SF7_20_BYTES_US, False),
    ],
)
@pytest.mark.parametrize("own_mhz", [868.1, 869.525])  # on whatever channel it sends
def test_a_radio_hears_nothing_while_it_sends(own_us, deaf, own_mhz):
    fleets = {
        "sender": RadiosConfig(at=("a",), listen=Modem(frequency_mhz=866.5)),
        "nodes": RadiosConfig(at=("b",)),
    }
    air = Air({"a": 0.0, "b": 50.0}, fleets)
    air.send(S, 0, A, fleet="sender").send(own_us, 0, B, frequency_mhz=own_mhz).until(3 * S)
    assert [frame for _, frame in air.frames if frame == A] == ([] if deaf else [A])
    assert [why for sender, why in air.reasons] == (["deaf"] if deaf else [])


# conservation


@dataclass(frozen=True)
class Sent:
    """A packet as a test sends it."""

    node: int
    frame: bytes
    start_us: int
    end_us: int
    modem: Modem


modems = st.sampled_from([
    Modem(),
    Modem(tx_power_dbm=2.0),
    Modem(spreading_factor=8),
    Modem(frequency_mhz=868.3),
])  # fmt: skip


@st.composite
def traffic(draw: st.DrawFn) -> list[Sent]:
    """Return packets of five nodes, none of which sends two at once."""
    packets, now, free = [], 0, [0] * 5
    for index in range(draw(st.integers(1, 25))):
        now += draw(st.integers(0, 60_000))
        node, modem = draw(st.integers(0, 4)), draw(modems)
        frame = bytes([index]) * draw(st.integers(1, 60))
        if now >= free[node]:
            free[node] = now + modem.airtime_us(len(frame))
            packets.append(Sent(node, frame, now, free[node], modem))
    return packets


places = st.lists(st.floats(0.0, 6000.0), min_size=5, max_size=5)


def judged(air: Air, packet: Sent, others: list[Sent], node: int) -> set[str]:
    """Return what may have become of a packet at a node, by the rules alone."""
    names = air.network.consumer_names

    def level_dbm(sent: Sent) -> float:
        d_m = max(air.network.distance_m(names[sent.node], names[node]), 3.0)
        return sent.modem.tx_power_dbm - PATH_LOSS["oulu"](d_m, 868.1)

    reasons = set()
    if level_dbm(packet) < packet.modem.sensitivity_dbm(6.0):
        reasons.add("weak")
    needed_us = packet.start_us + 3 * packet.modem.symbol_us
    for other in others:
        if other is packet or other.start_us >= packet.end_us or other.end_us <= packet.start_us:
            continue
        if other.node == node:
            reasons.add("deaf")
        elif (
            other.end_us > needed_us
            and other.modem.spreading_factor == packet.modem.spreading_factor
            and other.modem.frequency_mhz == packet.modem.frequency_mhz
            and level_dbm(packet) - level_dbm(other) < 6.0
        ):
            reasons.add("collided")
    return reasons


@given(packets=traffic(), at_m=places)
def test_each_packet_is_heard_or_lost_for_a_reason_at_every_radio_that_listens(packets, at_m):
    air = Air({f"n{k}": at for k, at in enumerate(at_m)})
    for packet in packets:
        air.send(packet.start_us, packet.node, packet.frame, packet.modem)
    air.until(60 * S)
    heard = {(h.frame, h.node) for h in air.heard}
    assert len(heard) == len(air.heard)  # nobody hears a packet twice
    expected_lost = Counter()
    for packet in packets:
        listens = packet.modem.spreading_factor == 7 and packet.modem.frequency_mhz == 868.1
        for node in set(range(5)) - {packet.node} if listens else ():
            reasons = judged(air, packet, packets, node)
            assert ((packet.frame, node) in heard) == (not reasons)
            expected_lost[packet.end_us, packet.node] += bool(reasons)
    assert Counter((lost.t_us, lost.node) for lost in air.lost) == +expected_lost
    # and the figures tell the same
    receptions = max(len(air.heard) + len(air.lost), 1)
    assert kpi(air.lora, "sent_count") == len(packets)
    assert kpi(air.lora, "delivery_pu") == pytest.approx(len(air.heard) / receptions)
    by_reason = Counter(lost.why for lost in air.lost)
    for why in ("weak", "collided", "deaf"):
        assert kpi(air.lora, f"{why}_pu") == pytest.approx(by_reason[why] / receptions)
    assert sum(delivered for _, _, delivered, _ in air.figures) == len(air.heard)
    assert sum(lost for _, _, _, lost in air.figures) == len(air.lost)


@given(packets=traffic(), at_m=places)
def test_a_loss_is_put_down_to_a_reason_there_was(packets, at_m):
    air = Air({f"n{k}": at for k, at in enumerate(at_m)})
    for packet in packets:
        air.send(packet.start_us, packet.node, packet.frame, packet.modem)
    air.until(60 * S)
    for packet in packets:
        found = Counter(
            lost.why for lost in air.lost if (lost.t_us, lost.node) == (packet.end_us, packet.node)
        )
        possible = [judged(air, packet, packets, node) for node in range(5) if node != packet.node]
        for why, count in found.items():
            assert count <= sum(why in reasons for reasons in possible)


# duty cycle


def worst_hour_us(sent: list[tuple[int, int]]) -> int:
    """Return the most airtime in any hour: it begins or ends where a packet does."""
    edges = [edge for start, airtime in sent for edge in (start, start + airtime)]
    begins = {edge for e in edges for edge in (e, e - HOUR_US)}
    return max(
        sum(
            max(min(start + airtime, begin + HOUR_US) - max(start, begin), 0)
            for start, airtime in sent
        )
        for begin in begins
    )


@settings(max_examples=30)
@given(
    gaps=st.lists(
        st.tuples(st.one_of(st.floats(0.0, 60.0), st.floats(0.0, 2000.0)), st.integers(1, 255)),
        min_size=5, max_size=40,
    ),
    frequency_mhz=st.sampled_from([868.1, 864.0]),
)  # fmt: skip
def test_no_radio_exceeds_its_duty_cycle_in_any_hour(gaps, frequency_mhz):
    modem = Modem(spreading_factor=12, frequency_mhz=frequency_mhz)
    duty_pu = sub_band(frequency_mhz, 125.0).duty_pu
    air = Air({"a": 0.0, "b": 50.0}, {"nodes": RadiosConfig(listen=modem)}, report_s=3600.0)
    now, wanted = 0, []
    for index, (gap_s, size) in enumerate(gaps):
        now += round(gap_s * S)
        frame = index.to_bytes(2, "big") + bytes(size)[2:]
        wanted.append((now, frame))
        air.send(now, 0, frame, modem)
        now += modem.airtime_us(len(frame))
    air.until(now + HOUR_US)
    heard = {h.frame: h.t_us for h in air.heard}
    sent = [(t, modem.airtime_us(len(f))) for t, f in wanted if f in heard]
    assert kpi(air.lora, "sent_count") == len(sent)
    assert kpi(air.lora, "refused_count") == len(wanted) - len(sent)
    if sent:
        worst = worst_hour_us(sent)
        assert worst <= duty_pu * HOUR_US
        assert kpi(air.lora, "duty_max_pu") == pytest.approx(worst / (duty_pu * HOUR_US))
    # what was refused would have broken the law
    for k, (t, frame) in enumerate(wanted):
        if frame not in heard:
            before = [(s, a) for s, a in sent if s < t]
            more = [*before, (t, modem.airtime_us(len(wanted[k][1])))]
            assert worst_hour_us(more) > duty_pu * HOUR_US


def test_each_radio_and_each_sub_band_has_a_budget_of_its_own():
    slow = Modem(spreading_factor=12)
    loud = slow.model_copy(update={"frequency_mhz": 869.525})
    air = Air({"a": 0.0, "b": 50.0}, {"nodes": RadiosConfig(listen=slow)})
    airtime = slow.airtime_us(255)
    count = 36 * S // airtime + 1  # one more than fits 1 % of an hour
    for k in range(count):
        air.send(2 * k * airtime, 0, bytes(255), slow)
    end = 2 * count * airtime
    air.send(end, 1, bytes(255), slow).send(end + 2 * airtime, 0, bytes(255), loud).until(2 * end)
    assert kpi(air.lora, "refused_count") == 1
    assert kpi(air.lora, "sent_count") == count + 1


# figures


def test_the_share_of_time_on_air_is_told_each_window():
    air = Air(TRIANGLE, report_s=10.0)
    air.send(12 * S, 0, A).send(14 * S, 1, B).until(40 * S)
    told = {t: round(share * 10 * S) for t, share, _, _ in air.figures}
    assert told == {0: 0, 10 * S: 0, 20 * S: 2 * SF7_20_BYTES_US, 30 * S: 0, 40 * S: 0}


def test_packets_at_one_time_use_the_air_once():
    # "part of the last window some packet was in the air"
    air = Air(TRIANGLE, report_s=10.0)
    air.send(2 * S, 0, A).send(2 * S, 1, B).until(10 * S)
    (share,) = (share for t, share, _, _ in air.figures if t == 10 * S)
    assert share * 10 * S == pytest.approx(SF7_20_BYTES_US)


def test_a_packet_counts_in_each_window_as_long_as_it_is_in_the_air_there():
    slow = Modem(spreading_factor=12)
    airtime = slow.airtime_us(255)
    air = Air(TRIANGLE, report_s=10.0).send(5 * S, 0, bytes(255), slow).until(30 * S)
    told = {t: round(share * 10 * S) for t, share, _, _ in air.figures}
    assert told == {0: 0, 10 * S: 5 * S, 20 * S: airtime - 5 * S, 30 * S: 0}


def test_the_range_is_a_key_figure():
    air = Air({"a": 0.0, "b": 10.0}, path_loss="flora_suburban")
    expected = range_m(PATH_LOSS["flora_suburban"], 14.0 - Modem().sensitivity_dbm(), 868.1)
    assert kpi(air.lora, "range_m") == pytest.approx(expected)


# shadowing and randomness

ROW = {f"n{k}": 30.0 * k for k in range(30)}


def levels(air: Air) -> np.ndarray:
    """Return each link's level over what the preset says, shape (n, n). [dB]"""
    for node in range(30):
        air.send(node * S, node, bytes([node]))
    air.until(60 * S)
    extra = np.full((30, 30), np.nan)
    for h in air.heard:
        d_m = 30.0 * abs(h.node - h.frame[0])
        extra[h.frame[0], h.node] = h.rssi_dbm - 14.0 + PATH_LOSS["oulu"](d_m, 868.1)
    return extra


def test_without_shadowing_a_link_has_the_presets_loss():
    assert np.nanmax(np.abs(levels(Air(ROW)))) < 1e-6


def test_shadowing_is_drawn_once_a_link_the_same_both_ways():
    extra = levels(Air(ROW, shadowing_db=4.0))
    assert np.allclose(extra, extra.T, equal_nan=True)
    drawn = extra[np.triu_indices(30, 1)]
    # 435 links: mean within 4 x 4 / sqrt(435), spread within 4 / sqrt(2 x 435)
    assert np.mean(drawn) == pytest.approx(0.0, abs=0.8)
    assert np.std(drawn) == pytest.approx(4.0, rel=0.14)


def test_the_same_seed_draws_the_same_links_and_another_seed_others():
    first, again, other = (levels(Air(ROW, seed=seed, shadowing_db=4.0)) for seed in (1, 1, 2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


# cells


def test_cells_on_channels_of_their_own_do_not_hear_each_other():
    fleets = {
        "nodes": RadiosConfig(listen=Modem(frequency_mhz=866.5)),
        "coordinator": RadiosConfig(at=("a",), every_cell=True),
    }
    air = Air(
        {"a": 0.0, "b": 10.0, "c": 20.0, "d": 30.0}, fleets,
        cells=CellPlan(size=2, step_mhz=0.2),
    )  # fmt: skip
    air.send(S, 1, A).send(S, 3, B, frequency_mhz=868.3).until(2 * S)
    assert sorted((h.fleet, h.node, h.frame) for h in air.heard) == [
        ("coordinator", 0, A), ("coordinator", 1, B)
    ]  # fmt: skip
    assert not air.lost


# faults and warnings


def test_a_street_out_of_range_is_warned_of_with_the_range():
    fleets = {
        "nodes": RadiosConfig(listen=Modem(frequency_mhz=866.5)),
        "coordinator": RadiosConfig(at=("a",)),
    }
    air = Air({"a": 0.0, "b": 20.0, "c": 90.0, "d": 120.0}, fleets, path_loss="lorasim")
    text = next(text for text in air.lora.warnings() if "reach coordinator" in text)
    reach = range_m(PATH_LOSS["lorasim"], 14.0 - Modem().sensitivity_dbm(), 868.1)
    assert 20.0 < reach < 90.0
    assert text.startswith("2 of 4 radios cannot reach coordinator")
    assert f"range of {reach:.0f} m at SF7/125 kHz and 14 dBm" in text
    assert Air({"a": 0.0, "b": 20.0, "c": 90.0}, fleets).lora.warnings() == ()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"path_loss": "olu"}, "'olu' is no path-loss preset. Did you mean 'oulu'"),
        (
            {"fleets": {"nodes": RadiosConfig(at=("e",))}},
            r"fleets\.nodes\.at: there is no customer 'e'",
        ),
        (
            {"fleets": {"nodes": RadiosConfig(listen=Modem(frequency_mhz=868.65))}},
            r"fleets\.nodes\.listen: .*fits no EU868 sub-band",
        ),
        (
            {"cells": CellPlan(size=1, step_mhz=0.5)},  # the second channel leaves its sub-band
            r"cell 1: .*868\.6 MHz fits no EU868 sub-band",
        ),
    ],
)
def test_a_channel_that_cannot_be_is_refused_with_its_place(settings, match):
    with pytest.raises(ScenarioError, match=match):
        Air({"a": 0.0, "b": 10.0}, **settings)


# continuation


@pytest.mark.parametrize("at_us", [30_000, S + 10_000, 2 * S, 61 * S])  # mid-packet and between
def test_a_restored_snapshot_continues_with_the_same_bytes(at_us):
    def busy() -> Air:
        air = Air(ROW, shadowing_db=4.0)
        for k in range(100):
            air.send(k * 700_000, k % 7, bytes([k]) * 30).send(k * 700_000 + 9000, 8, bytes([k]))
        return air

    one, fresh = busy().until(at_us), Air(ROW, shadowing_db=4.0)
    fresh.lora.restore(parcel(one.lora))
    fresh._waiting, fresh._next_us = one._waiting.copy(), one._next_us
    known = len(one.heard), len(one.lost), len(one.figures)
    one.until(80 * S)
    fresh.until(80 * S)
    assert same_bytes(fresh.heard, one.heard[known[0] :])
    assert same_bytes(fresh.lost, one.lost[known[1] :])
    assert same_bytes(fresh.figures, one.figures[known[2] :])
    assert fresh.lora.kpis() == one.lora.kpis()


@pytest.mark.parametrize("fleets", [{}, {"nodes": RadiosConfig(at=())}])
def test_an_air_without_any_radio_is_refused(fleets):
    config = LoraConfig(path_loss="oulu", fleets=fleets)
    with pytest.raises(ScenarioError, match=r"fleets: no fleet has a radio"):
        Lora.build(config, context(in_a_row({"a": 0.0})))


def test_a_fleet_without_a_radio_is_no_fault():
    fleets = {"nodes": RadiosConfig(), "later": RadiosConfig(at=())}
    air = Air({"a": 0.0, "b": 9.0}, fleets).send(S, 0).until(2 * S)
    assert air.lora.warnings() == ()
    assert len(air.frames) == 1


def test_all_faults_of_an_air_are_told_at_once():
    fleets = {
        "nodes": RadiosConfig(at=("e",)),
        "boss": RadiosConfig(at=("f",), listen=Modem(frequency_mhz=868.65)),
    }
    with pytest.raises(ScenarioError) as error:
        Air({"a": 0.0}, fleets, path_loss="olu", isolation="croche")
    assert len(error.value.faults) == 5


def test_figures_come_in_steps_of_a_millisecond_or_more():
    with pytest.raises(ValidationError, match="report_s"):
        Air({"a": 0.0}, report_s=1e-7)
