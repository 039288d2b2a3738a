"""Emulated E22 HAT: what it does with the bytes on its port."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_bridges.radio.e22_hat import E22Hat
from tests.hardware_bridges.world import S, World


@pytest.fixture
def hat(world):
    hat = E22Hat(world, world.now_us, lambda size: 1000 * size)
    yield hat
    hat.close()


def ask(hat, text):
    """Write bytes to the port as a host does and return what comes back."""
    os.set_blocking(hat._slave, False)
    os.write(hat._slave, bytes.fromhex(text))
    before = hat.given_count
    hat.pump(1.0)
    answer, wanted = b"", hat.given_count - before
    while len(answer) < wanted:
        try:
            answer += os.read(hat._slave, 100)
        except BlockingIOError:
            continue
    return answer.hex(" ")


def configure(hat):
    hat.m0.off()
    hat.m1.on()


def test_registers_are_written_and_read_in_configuration_mode(hat):
    configure(hat)
    assert ask(hat, "c2 00 09 00 01 00 62 00 17 43 00 07") == "c1 00 09 00 01 00 62 00 17 43 00 00"
    assert ask(hat, "c1 00 09") == "c1 00 09 00 01 00 62 00 17 43 00 00"  # the key is not told
    assert ask(hat, "c0 05 01 12") == "c1 05 01 12"
    assert ask(hat, "c1 05 02") == "c1 05 02 12 43"


def test_a_write_to_be_kept_survives_a_power_cut_and_the_other_does_not(hat):
    configure(hat)
    ask(hat, "c0 05 01 12")
    ask(hat, "c2 05 01 13")
    hat.power_cycle()
    assert ask(hat, "c1 05 01") == "c1 05 01 12"


@pytest.mark.parametrize("text", ["c3 00 09", "c1 05 05", "c1 00 00", "00 00 00"])
def test_a_wrong_command_is_answered_as_one(hat, text):
    configure(hat)
    assert ask(hat, text) == "ff ff ff"
    assert hat.refused_count == 1


def test_asleep_it_neither_sends_nor_hears(hat, world):
    assert ask(hat, "ff ff 12 61") == ""  # M0 and M1 are high
    hat.hear(b"x", -80.0, 5.0, 1 * S)
    assert not world.sent
    assert hat.missed_count == 1


def test_in_fixed_transmission_address_and_channel_stay_behind(hat, world):
    configure(hat)
    ask(hat, "c2 06 01 43")
    ask(hat, "c2 05 01 12")
    hat.m1.off()
    ask(hat, "ff ff 12 61 62")
    ask(hat, "ff ff 13 61 62")  # another channel: not into this air
    assert world.sent == [(0, b"ab", 2000)]


def test_transparent_transmission_sends_all_it_is_given(hat, world):
    configure(hat)
    ask(hat, "c2 06 01 03")
    hat.m1.off()
    ask(hat, "ff ff 12 61 62")
    assert world.sent == [(0, b"\xff\xff\x12ab", 5000)]


def test_a_second_packet_waits_for_the_first(hat, world):
    configure(hat)
    ask(hat, "c2 06 01 03")
    hat.m1.off()
    ask(hat, "61 " * 100)
    ask(hat, "62 " * 100)
    assert hat._sent == [(0, 100_000), (100_000, 200_000)]


chunks = st.lists(
    st.tuples(st.binary(min_size=1, max_size=80), st.booleans(), st.booleans()), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(chunks=chunks)
def test_no_bytes_from_the_host_crash_the_hat(chunks):
    world = World()
    hat = E22Hat(world, world.now_us, lambda size: 1000 * size)
    try:
        for data, m0, m1 in chunks:
            (hat.m0.on if m0 else hat.m0.off)()
            (hat.m1.on if m1 else hat.m1.off)()
            os.write(hat._slave, data)
            hat.pump(0.2)
            hat.hear(data, -90.0, 0.0, world.t_us)
        hat.registers[:] = bytes(9)
        configure(hat)
        os.set_blocking(hat._slave, False)
        try:
            while os.read(hat._slave, 4096):
                pass
        except BlockingIOError:
            pass
        assert ask(hat, "c1 00 03").endswith("c1 00 03 00 00 00")
    finally:
        hat.close()
