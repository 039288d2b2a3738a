"""Simulated radio: it sends one frame at a time, obeys the law, and keeps what it heard."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.ports import Radio, ReceivedFrame
from gridmodel.wire.duty_cycle import HOUR_US, sub_band
from gridmodel.wire.lora import Modem
from hardware_bridges.radio.simulated import SimulatedRadio
from tests.worst_hour import worst_hour_us

S = 1_000_000
SLOW = Modem(spreading_factor=12)  # 1 % of an hour is spent after a few frames


def radio(modem: Modem | None = None) -> tuple[SimulatedRadio, Terminal]:
    """Return a radio and its terminal."""
    terminal = Terminal("house_01")
    return SimulatedRadio(terminal, modem or Modem()), terminal


@given(size=st.integers(0, 255), sf=st.integers(5, 12))
def test_a_frame_is_given_to_the_air_with_its_airtime(size, sf):
    modem = Modem(spreading_factor=sf)
    one, terminal = radio(modem)
    port: Radio = one
    result = port.send(5 * S, bytes(size))
    assert result == (True, modem.airtime_us(size), 0)
    assert terminal.sent == [(bytes(size), modem.airtime_us(size))]


@given(sizes=st.lists(st.integers(0, 50), min_size=2, max_size=10))
def test_while_a_frame_is_in_the_air_the_next_one_waits_to_the_microsecond(sizes):
    one, terminal = radio(Modem(frequency_mhz=869.525))
    now = 0
    for k, size in enumerate(sizes):
        free = now + one.send(now, bytes(size)).airtime_us
        for early in (now, free - 1):
            refused = one.send(early, b"next")
            assert not refused.accepted
            assert refused.retry_us == free
        assert len(terminal.sent) == k + 1
        now = free


wishes = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0.0, 400.0)), st.integers(1, 255)),
    min_size=1, max_size=40,
)  # fmt: skip


@given(
    wishes=wishes,
    channel=st.sampled_from([
        (12, 868.1),  # 1 %
        (10, 864.0),  # 0.1 %
        (12, 869.525),  # 10 %
    ]),
)  # fmt: skip
def test_a_radio_never_exceeds_its_duty_cycle_in_any_hour(wishes, channel):
    sf, frequency_mhz = channel
    modem = Modem(spreading_factor=sf, frequency_mhz=frequency_mhz)
    one, _ = radio(modem)
    now, sent = 0, []
    for pause_s, size in wishes:
        now += round(pause_s * S)
        while not (result := one.send(now, bytes(size))).accepted:  # as a patient sender does
            assert result.retry_us > now
            now = result.retry_us
        sent.append((now, result.airtime_us))
    assert worst_hour_us(sent) <= sub_band(frequency_mhz, 125.0).duty_pu * HOUR_US


@given(wishes=wishes)
def test_when_the_hour_is_used_up_it_names_the_first_instant_it_accepts(wishes):
    one, _ = radio(SLOW)
    now = 0
    for pause_s, size in wishes:
        now += round(pause_s * S)
        result = one.send(now, bytes(size))
        if not result.accepted:
            early = one.send(result.retry_us - 1, bytes(size))
            assert not early.accepted
            assert early.retry_us == result.retry_us
            now = result.retry_us
            assert one.send(now, bytes(size)).accepted
        now += result.airtime_us  # never asked while it is busy


@given(sizes=st.lists(st.integers(1, 255), min_size=2, max_size=12))
def test_a_busy_radio_names_an_instant_it_accepts(sizes):
    # SendResult.retry_us is "the instant from which it may be sent".
    one, _ = radio(SLOW)
    now = 0
    for size in sizes:
        result = one.send(now, bytes(size))
        if not result.accepted:
            now = result.retry_us
            assert one.send(now, bytes(size)).accepted


def test_a_frame_that_no_hour_has_room_for_is_an_error_that_says_so():
    one, _ = radio(Modem(spreading_factor=12, frequency_mhz=864.0))
    with pytest.raises(ValueError, match="never fits a budget of 3600 ms an hour"):
        one.send(0, bytes(100))


def test_a_refused_frame_is_not_in_the_air_and_costs_nothing():
    one, terminal = radio()
    one.send(0, b"first")
    for _ in range(1000):
        assert not one.send(1, b"second").accepted
    assert [frame for frame, _ in terminal.sent] == [b"first"]
    assert one.send(S, b"second").accepted


def test_a_channel_outside_every_sub_band_is_refused():
    with pytest.raises(ValueError, match="fits no EU868 sub-band"):
        radio(Modem(frequency_mhz=915.0))


def test_frames_are_received_in_the_order_of_their_arrival_each_once():
    one, terminal = radio()
    frames = [ReceivedFrame(k, bytes([k]), -90.0, 5.0) for k in range(3)]
    terminal.received.extend(frames)
    assert [one.receive() for _ in range(4)] == [*frames, None]


def test_a_radio_that_sends_keeps_what_it_has_heard():
    one, terminal = radio()
    frame = ReceivedFrame(0, b"heard", -90.0, 5.0)
    terminal.received.append(frame)
    one.send(0, b"sent")
    assert one.receive() == frame


@given(wishes=wishes, cut=st.floats(0.0, 1.0))
def test_a_restored_radio_remembers_the_hour(wishes, cut):
    def go(
        one: SimulatedRadio, now: int, part: list[tuple[float, int]]
    ) -> tuple[int, list[object]]:
        results = []
        for pause_s, size in part:
            now += round(pause_s * S)
            results.append(one.send(now, bytes(size)))
        return now, results

    (one, _), (fresh, _) = radio(SLOW), radio(SLOW)
    half = round(cut * len(wishes))
    now, _ = go(one, 0, wishes[:half])
    saved = one.snapshot()
    filed = pickle.dumps(saved)
    onward = go(one, now, wishes[half:])
    fresh.restore(pickle.loads(filed))
    assert go(fresh, now, wishes[half:]) == onward
    for _ in range(2):  # neither use nor restoring changes what was saved
        again, _ = radio(SLOW)
        again.restore(saved)
        assert go(again, now, wishes[half:]) == onward
