"""SX126x radio: it hears nothing while it sends, and listens before it does."""

from __future__ import annotations

import pytest

from gridmodel.wire.lora import Modem
from hardware_bridges.radio.sx126x_codes import Mode
from hardware_bridges.radio.sx126x_config import Sx126xConfig
from tests.hardware_bridges.world import S, World

# half duplex


def test_a_frame_that_arrives_while_it_sends_is_lost_and_the_next_one_is_not():
    world = World()
    one = world.sx126x()
    result = one.send(0, b"out")
    world.t_us = result.airtime_us // 2
    one.hear(b"in", -80.0, 5.0, world.t_us)
    assert one.receive() is None
    assert one.chip.missed_count == 1
    world.t_us = 1 * S  # nobody looked when the sending ended: it listens since then all the same
    one.hear(b"in", -80.0, 5.0, world.t_us)
    assert one.receive().data == b"in"


def test_a_frame_heard_as_the_sending_begins_is_kept_even_if_told_later():
    # The clock's law may hand it on 1 us after the node has decided to send.
    world = World()
    one = world.sx126x()
    world.t_us = 1 * S
    one.send(world.t_us, b"me")
    world.t_us += 1
    one.hear(b"a longer frame than mine", -80.0, 5.0, world.t_us)
    assert one.receive().data == b"a longer frame than mine"
    assert one.chip.mode is Mode.TX
    world.t_us = 2 * S
    assert one.receive() is None
    assert one.chip.mode is Mode.RX


# listen first


def test_it_listens_first_if_asked_to_and_comes_again_when_the_channel_is_taken():
    world = World()
    one = world.sx126x(config=Sx126xConfig(listen_first=True))
    world.t_us = 1 * S
    one.carrier(world.t_us + 30_000)
    airtime = Modem().airtime_us(5)
    result = one.send(world.t_us, b"hello")
    assert not result.accepted
    assert world.t_us < result.retry_us <= world.t_us + airtime
    assert one.taken_count == 1
    assert one.chip.mode is Mode.RX
    one.hear(b"theirs", -80.0, 5.0, world.t_us + 30_000)  # it went on listening meanwhile
    assert one.receive().data == b"theirs"
    world.t_us += 30_000
    assert one.send(world.t_us, b"hello") == (True, airtime, 0)
    # what was refused cost no airtime: the books have one frame only
    assert one._transmitter.snapshot()[0][0].used_us(world.t_us + airtime) == airtime


def coming_in(size_bytes=16, sf=9):
    """A radio that listens first, in the middle of a frame for it; and the frame's end."""
    world, modem = World(), Modem(spreading_factor=sf)
    one = world.sx126x(modem, Sx126xConfig(listen_first=True))
    world.t_us = 1 * S
    end_us = world.t_us + modem.airtime_us(size_bytes)
    one.carrier(end_us)
    return world, one, end_us


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.99])
def test_a_frame_that_comes_in_is_not_interrupted_by_a_look_at_the_channel(part):
    world, one, end_us = coming_in()
    world.t_us = round(1 * S + part * (end_us - 1 * S))
    refused = one.send(world.t_us, b"mine")
    assert not refused.accepted
    assert refused.retry_us > world.t_us
    assert one.chip.mode is Mode.RX
    assert one.taken_count == 1
    one.hear(b"x" * 16, -100.0, 5.0, end_us)
    world.t_us = end_us
    assert one.receive().data == b"x" * 16
    assert one.send(world.t_us, b"mine").accepted


def test_a_look_at_the_channel_or_standby_in_the_middle_of_a_frame_loses_it():
    for disturb in ("standby", "detect_activity"):
        world, one, end_us = coming_in()
        world.t_us = end_us - 50_000
        with one._lock:
            one._chip.standby()
            if disturb == "detect_activity":
                one._chip.detect_activity()
                one.chip.pause(0.1)
            one._listen()
        missed = one.chip.missed_count
        one.hear(b"x" * 16, -100.0, 5.0, end_us)
        world.t_us = end_us
        assert one.receive() is None
        assert one.chip.missed_count == missed + 1
        one.hear(b"y" * 16, -100.0, 5.0, 3 * S)  # the next one is heard
        assert one.receive().data == b"y" * 16


def test_a_preamble_that_was_noise_holds_a_sending_up_for_a_moment_only():
    world, one, _ = coming_in()
    one.chip._header_us = None  # no header follows
    world.t_us += 20_000
    assert not one.send(world.t_us, b"mine").accepted
    world.t_us += 1 * S
    assert one.send(world.t_us, b"mine").accepted


def test_a_header_whose_frame_never_ends_does_not_hold_a_sending_up_for_ever():
    world, one, _ = coming_in(255)
    world.t_us += 500_000
    assert not one.send(world.t_us, b"mine").accepted
    world.t_us += 1_400_000  # 255 bytes take 1.5 s
    assert one.send(world.t_us, b"mine").accepted


def test_the_next_frame_is_waited_for_as_long_as_the_one_before():
    world, one, end_us = coming_in()
    one.send(world.t_us, b"mine")
    one.hear(b"x" * 16, -100.0, 5.0, end_us)
    world.t_us = 100 * S
    one.carrier(world.t_us + 300_000)
    world.t_us += 100_000
    assert not one.send(world.t_us, b"mine").accepted


def test_a_signal_that_began_unheard_is_found_by_activity_detection():
    world = World()
    one = world.sx126x(config=Sx126xConfig(listen_first=True))
    sent = one.send(0, b"mine")
    one.carrier(sent.airtime_us + 100_000)  # while it sends
    world.t_us = sent.airtime_us + 3_000
    assert not one.send(world.t_us, b"mine").accepted
    assert one.taken_count == 1
    assert one.chip.mode is Mode.RX
    world.t_us += 100_000
    assert one.send(world.t_us, b"mine").accepted


def test_nodes_that_find_the_channel_taken_do_not_all_come_again_at_once():
    retries = set()
    for k in range(40):
        world = World()
        one = world.sx126x(config=Sx126xConfig(listen_first=True))
        one.carrier(50_000)
        retries.add(one.send(0, bytes([k])).retry_us)
    assert len(retries) >= 6
