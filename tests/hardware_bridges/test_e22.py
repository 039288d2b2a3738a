"""E22 modules: registers and packets as the maker's manual has them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hardware_bridges.radio import e22
from tests.hardware_bridges.measured_e22 import config


@pytest.mark.parametrize(
    ("changes", "registers"),
    [
        # address, network, speeds, option, channel, mode, key
        ({"packet_bytes": 240, "power_dbm": 22}, "ff ff 00 62 00 12 c3 00 00"),
        ({"address": 0x0102, "network": 7, "key": 0x0304}, "01 02 07 62 c3 12 c3 03 04"),
        ({"frequency_mhz": 850.125}, "ff ff 00 62 c3 00 c3 00 00"),
        ({"frequency_mhz": 930.125}, "ff ff 00 62 c3 50 c3 00 00"),
        ({"baud": 115200, "air_speed_kbps": 62.5}, "ff ff 00 e7 c3 12 c3 00 00"),
        ({"baud": 1200, "air_speed_kbps": 0.3}, "ff ff 00 00 c3 12 c3 00 00"),
        ({"packet_bytes": 33, "power_dbm": 17}, "ff ff 00 62 81 12 c3 00 00"),
        ({"packet_bytes": 65, "power_dbm": 13}, "ff ff 00 62 42 12 c3 00 00"),
        ({"listen_first": True}, "ff ff 00 62 c3 12 d3 00 00"),
    ],
)
def test_settings_become_the_registers_of_the_manual(changes, registers):
    assert e22.E22Registers.of(config(**changes)).encode().hex(" ") == registers


@given(data=st.binary(min_size=9, max_size=9))
def test_any_nine_registers_can_be_read(data):
    found = e22.E22Registers.decode(data)
    again = e22.E22Registers.decode(found.encode())
    assert again == found


@given(frame=st.binary(min_size=1, max_size=31))
def test_a_packet_has_one_length_and_gives_its_frame_back(frame):
    packet = e22.pack(frame, 32)
    assert len(packet) == 32
    assert e22.unpack(packet) == frame


@pytest.mark.parametrize("size", [0, 32])
def test_a_frame_that_does_not_fit_is_an_error_that_says_what_does(size):
    with pytest.raises(ValueError, match=r"hold 1 to 31\. Raise packet_bytes"):
        e22.pack(bytes(size), 32)


frames = st.lists(st.binary(min_size=1, max_size=15), max_size=6)


@given(frames=frames, cuts=st.lists(st.integers(0, 120), max_size=6))
def test_packets_are_found_however_the_bytes_come(frames, cuts):
    stream = e22.PacketStream(16)
    line = b"".join(e22.pack(frame, 16) + b"\xa0" for frame in frames)
    edges = sorted({0, len(line), *(cut for cut in cuts if cut < len(line))})
    found = [got for a, b in itertools.pairwise(edges) for got in stream.feed(line[a:b])]
    assert found == [(frame, 0xA0) for frame in frames]
    assert stream.lost_count == 0


@given(noise=st.binary(max_size=60), frame=st.binary(min_size=1, max_size=15))
def test_after_noise_and_a_still_line_the_next_packet_is_found(noise, frame):
    stream = e22.PacketStream(16)
    stream.feed(noise)
    stream.forget()
    assert stream.feed(e22.pack(frame, 16) + b"\xa0") == [(frame, 0xA0)]


@given(lost=st.integers(1, 16))
def test_after_lost_bytes_the_next_packet_is_found_at_once(lost):
    stream = e22.PacketStream(16)
    line = e22.pack(b"\x80" * 15, 16) + b"\xa0"  # 0x80 is no length
    found = stream.feed(line[lost:] + 2 * line)
    assert found == 2 * [(b"\x80" * 15, 0xA0)]
    assert stream.lost_count == 17 - lost


@pytest.mark.parametrize(("code", "halved", "dbm"), [(0xA6, False, -90.0), (0xB4, True, -90.0)])
def test_the_strength_byte_means_what_the_firmware_means(code, halved, dbm):
    assert e22.rssi_dbm(code, halved) == dbm


@pytest.mark.parametrize("frequency_mhz", [868.0, 868.1, 849.125, 931.125])
def test_a_frequency_between_channels_is_refused_with_the_nearest(frequency_mhz):
    with pytest.raises(ValidationError, match=r"the nearest is (868|850|930)\.125 MHz"):
        config(frequency_mhz=frequency_mhz)
