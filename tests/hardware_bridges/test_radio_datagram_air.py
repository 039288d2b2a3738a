"""Air by datagrams: notes between an emulated radio and a channel in another process."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.lora import Modem
from hardware_bridges.radio.datagram_air import (
    QUEUE_LENGTH,
    DatagramAir,
    DatagramLink,
    Kind,
    Note,
    decode,
)
from hardware_bridges.radio.emulated import EmulatedRadio

S = 1_000_000
figures = st.floats(-200.0, 60.0)
notes = st.builds(
    Note,
    kind=st.sampled_from(Kind),
    t_us=st.integers(0, 2**62),
    frame=st.binary(max_size=255),
    airtime_us=st.integers(0, 2**32 - 1),
    rssi_dbm=figures,
    snr_db=figures,
)


def pair(tmp_path=None):
    """Return two links that talk to each other."""
    if tmp_path is None:
        a, b = DatagramLink(("127.0.0.1", 0)), DatagramLink(("127.0.0.1", 0))
    else:
        a, b = DatagramLink(str(tmp_path / "a")), DatagramLink(str(tmp_path / "b"))
    a.connect(b.address)
    b.connect(a.address)
    return a, b


def wait_for(link, count):
    """Return so many notes; loopback delivers at once, but not by contract."""
    got = []
    deadline = time.monotonic() + 5.0
    while len(got) < count and time.monotonic() < deadline:
        got += link.take()
    return got


@given(note=notes, count=st.integers(0, 2**32 - 1))
def test_a_note_comes_back_as_it_was(note, count):
    assert decode(note.encode(count)) == (count, note)


def test_the_header_is_the_one_of_the_table():
    note = Note(Kind.HEARD, 0x0102, b"\xab", 3, -90.5, 4.25)
    assert note.encode(7).hex(" ") == (
        "46 41 01 02 00 00 00 07 00 00 00 00 00 00 01 02 00 00 00 03 "
        "c0 56 a0 00 00 00 00 00 40 11 00 00 00 00 00 00 ab"
    )


@given(data=st.binary(max_size=400))
def test_no_bytes_crash_the_reader(data):
    decode(data)


@given(note=notes, place=st.integers(0, 3), change=st.integers(1, 255))
def test_another_protocol_version_or_kind_is_no_note(note, place, change):
    data = bytearray(note.encode(1))
    data[place] ^= change
    if place < 3 or data[3] not in (1, 2, 3, 4):
        assert decode(bytes(data)) is None


def test_figures_that_are_none_are_refused():
    data = bytearray(Note(Kind.HEARD, 0).encode(0))
    data[20:28] = struct.pack("!d", float("nan"))
    assert decode(bytes(data)) is None


@pytest.mark.parametrize("unix", [False, True])
def test_notes_arrive_in_order_and_losses_are_counted(unix, tmp_path):
    a, b = pair(tmp_path if unix else None)
    try:
        told = [Note(Kind.SENT, k, bytes([k]), 100) for k in range(20)]
        for note in told[:10]:
            assert a.post(note)
        a._sent_count += 3  # three are lost on the way
        for note in told[10:]:
            assert a.post(note)
        assert wait_for(b, 20) == told
        assert (b.missing_count, b.foreign_count, b.dropped_count) == (3, 0, 0)
    finally:
        a.close()
        b.close()


def test_a_flood_is_bounded_and_keeps_the_newest():
    a, b = pair()
    try:
        for k in range(QUEUE_LENGTH + 50):
            b._keep(Note(Kind.SENT, k).encode(k))
        got = b.take()
        assert [note.t_us for note in got] == list(range(50, QUEUE_LENGTH + 50))
        assert b.dropped_count == 50
    finally:
        a.close()
        b.close()


def test_strangers_are_not_heard_and_junk_of_the_peer_is_counted():
    a, b = pair()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(Note(Kind.HEARD, 1).encode(0), b.address)
        a._socket.send(b"junk")
        a.post(Note(Kind.HEARD, 2))
        assert [note.t_us for note in wait_for(b, 1)] == [2]
        assert b.foreign_count == 1
    finally:
        a.close()
        b.close()


def test_a_peer_that_is_gone_neither_blocks_nor_breaks_a_radio(tmp_path):
    for unix in (False, True):
        a, b = pair(tmp_path if unix else None)
        b.close()
        one = EmulatedRadio(Modem(), DatagramAir(a, lambda: 0), lambda: 0)
        assert one.send(0, b"hello").accepted
        assert one.send(S, b"hello").accepted
        assert a.take() == []
        assert a.unsent_count >= 1
        a.close()


def test_a_unix_path_is_taken_over_and_left_clean(tmp_path):
    path = tmp_path / "air"
    DatagramLink(str(path))._socket.close()  # a process that died
    link = DatagramLink(str(path))
    link.close()
    assert not path.exists()


CHILD = """
import sys, time
from gridmodel.wire.lora import Modem
from hardware_bridges.radio.datagram_air import DatagramAir, DatagramLink
from hardware_bridges.radio.emulated import EmulatedRadio

start = time.monotonic()
clock = lambda: int((time.monotonic() - start) * 1e6)
link = DatagramLink(("127.0.0.1", 0), ("127.0.0.1", int(sys.argv[1])))
air = DatagramAir(link, clock)
radio = EmulatedRadio(Modem(), air, clock)
time.sleep(0.1)
print(link.address[1], clock(), flush=True)
while clock() < 20e6:
    air.deliver(radio)
    frame = radio.receive()
    if frame is not None:
        radio.send(clock(), b"echo " + frame.data)
        sys.stdin.readline()
        break
    time.sleep(0.001)
"""


def test_a_radio_in_a_process_of_its_own_answers_a_frame():
    channel = DatagramLink(("127.0.0.1", 0))
    command = [sys.executable, "-c", CHILD, str(channel.address[1])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            port, now_us = map(int, child.stdout.readline().split())
            channel.connect(("127.0.0.1", port))
            channel.post(Note(Kind.HEARD, now_us, b"hello", 0, -91.3, 6.0))
            (answer,) = wait_for(channel, 1)
            assert answer.kind is Kind.SENT
            assert answer.frame == b"echo hello"
            assert answer.airtime_us == Modem().airtime_us(10)
        finally:
            child.communicate("\n", timeout=20)
            channel.close()


def test_notes_reach_a_radio_as_frames_broken_frames_and_signals():
    a, b = pair()
    try:
        t_us = 10 * S
        one = EmulatedRadio(Modem(), DatagramAir(a, lambda: t_us), lambda: 0)
        b.post(Note(Kind.HEARD, t_us, b"whole", 0, -91.3, 6.0))
        b.post(Note(Kind.BROKEN, t_us, b"not", 0, -91.3, 6.0))
        b.post(Note(Kind.CARRIER, t_us + 50_000))
        b.post(Note(Kind.SENT, t_us, b"nonsense"))
        air = DatagramAir(a, lambda: t_us)
        count = 0
        deadline = time.monotonic() + 5.0
        while count < 4 and time.monotonic() < deadline:
            count += air.deliver(one)
        frame = one.receive()
        assert (frame.t_us, frame.data, frame.rssi_dbm) == (t_us, b"whole", -91.5)
        assert one.receive() is None
        assert one.crc_error_count == 1
        assert one.chip._carrier_until_us == t_us + 50_000
    finally:
        a.close()
        b.close()


def test_an_instant_that_cannot_be_right_is_refused_and_counted():
    a, b = pair()
    try:
        now = [0]
        air = DatagramAir(a, lambda: now[0])
        one = EmulatedRadio(Modem(), air, lambda: now[0])
        now[0] = t_us = 10 * S
        told = [
            Note(Kind.HEARD, 2**62, b"far ahead", 0, -90.0, 5.0),
            Note(Kind.BROKEN, t_us + 60 * S + 1, b"ahead", 0, -90.0, 5.0),
            Note(Kind.CARRIER, 2**62),
            Note(Kind.HEARD, -1, b"before all", 0, -90.0, 5.0),
            Note(Kind.HEARD, t_us, b"in time", 0, -90.0, 5.0),
            Note(Kind.HEARD, t_us - 1, b"earlier than it", 0, -90.0, 5.0),
            Note(Kind.CARRIER, t_us - 1),
            Note(Kind.HEARD, t_us, b"with it", 0, -90.0, 5.0),
        ]
        for note in told:
            a._keep(note.encode(0))  # as if it had arrived
        assert air.deliver(one) == len(told)
        assert air.refused_count == 6
        assert [one.receive().data, one.receive().data] == [b"in time", b"with it"]
        assert one.receive() is None
        assert one.crc_error_count == 0
        assert one.chip.now_us() == t_us
        assert one.send(t_us, b"hello").accepted
    finally:
        a.close()
        b.close()


def test_a_frame_up_to_a_minute_ahead_is_believed():
    a, b = pair()
    try:
        air = DatagramAir(a, lambda: 10 * S)
        one = EmulatedRadio(Modem(), air, lambda: 10 * S)
        a._keep(Note(Kind.HEARD, 70 * S, b"late", 0, -90.0, 5.0).encode(0))
        air.deliver(one)
        assert (one.receive().t_us, air.refused_count) == (70 * S, 0)
    finally:
        a.close()
        b.close()
