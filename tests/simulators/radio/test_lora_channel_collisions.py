"""LoRa channel: which of two packets survives, and who is deaf while it sends."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.lora import Modem
from simulators.radio.channel import RadiosConfig
from tests.simulators.bench import S
from tests.simulators.radio.air import Air
from tests.simulators.radio.packets import SF7_20_BYTES_US, TRIANGLE, A, B

SYMBOL_US = 1024

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
