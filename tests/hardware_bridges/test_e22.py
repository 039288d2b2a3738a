"""E22 modules: registers and packets as the maker's manual has them; an emulated HAT on a pty."""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.errors import MissingExtraError
from gridmodel.ports import Radio
from gridmodel.settings import parse
from hardware_bridges.claims import ClaimError, Claims
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.radio import e22
from hardware_bridges.radio.e22_airtimes import known_air
from hardware_bridges.radio.e22_config import E22Config
from hardware_bridges.radio.e22_emulated import EmulatedE22Radio
from hardware_bridges.radio.e22_hat import E22Hat
from hardware_bridges.radio.e22_pi import PiE22Radio
from hardware_bridges.radio.e22_radio import E22Radio

S = 1_000_000
MEASURED = {
    "bandwidth_khz": 125,
    "airtimes": [
        {"payload_bytes": 64, "airtime_ms": 500},
        {"payload_bytes": 32, "airtime_ms": 300},
    ],
}


def config(**changes):
    return parse(E22Config, {"measured": MEASURED, "packet_bytes": 32, **changes})


class World:
    def __init__(self):
        self.t_us = 0
        self.sent = []

    def send(self, frame, airtime_us):
        self.sent.append((self.t_us, frame, airtime_us))

    def radio(self, **changes):
        return EmulatedE22Radio(self, lambda: self.t_us, config(**changes))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def one(world):
    radio = world.radio()
    yield radio
    radio.close()


# Registers and packets


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


# Airtime: measured, or nothing is sent


def test_without_a_measured_airtime_the_body_does_not_start_and_says_why(world):
    with pytest.raises(DeviceError, match=r"nothing was measured.*no duty cycle can be promised"):
        EmulatedE22Radio(world, lambda: 0, E22Config())


def test_an_airtime_of_shorter_packets_does_not_do():
    with pytest.raises(DeviceError, match="measured up to 64 bytes"):
        known_air(config(packet_bytes=65), "E22")


@pytest.mark.parametrize(("size", "airtime_us"), [(16, 300_000), (32, 300_000), (33, 500_000)])
def test_the_airtime_is_that_of_the_next_longer_packet_measured(size, airtime_us):
    assert known_air(config(packet_bytes=size), "E22") == (airtime_us, 125.0)


def test_a_wide_signal_across_a_border_is_refused(world):
    wide = {**MEASURED, "bandwidth_khz": 500}
    with pytest.raises(ValueError, match=r"500 kHz channel at 868\.125 MHz fits no EU868 sub-band"):
        world.radio(measured=wide)


def test_power_over_the_law_is_refused(world):
    with pytest.raises(DeviceError, match=r"17 dBm is over the 14 dBm of 868\.0-868\.6"):
        world.radio(power_dbm=17)


# The body on the emulated HAT


def test_the_hat_is_configured_through_its_port(one):
    assert one.hat.registers.hex(" ") == "ff ff 00 62 c3 12 c3 00 00"
    assert one.hat.awake


def test_a_frame_goes_out_in_a_packet_with_its_measured_airtime(one, world):
    port: Radio = one
    world.t_us = 5 * S
    assert port.send(5 * S, b"hello") == (True, 300_000, 0)
    assert world.sent == [(5 * S, b"hello", 300_000)]


def test_while_busy_and_when_the_hour_is_used_up_it_says_when(one, world):
    assert one.send(0, b"first").accepted
    assert one.send(1, b"second") == (False, 300_000, 300_000)
    for k in range(1, 120):  # 120 x 0.3 s are 1 % of an hour
        assert one.send(k * 300_000, b"more").accepted
    assert one.send(36 * S, b"over") == (False, 300_000, 3600 * S)
    assert len(world.sent) == 120


@settings(max_examples=30)
@given(frame=st.binary(min_size=1, max_size=31))
def test_a_frame_heard_comes_through_the_port_whole(frame):
    world = World()
    one = world.radio()
    try:
        for rssi in (-90.4, -3.0, -200.0):
            world.t_us += 1 * S
            one.hear(frame, rssi, 5.0, world.t_us)
            got = one.receive()
            assert (got.t_us, got.data) == (world.t_us, frame)
            assert got.rssi_dbm == max(round(rssi), -256)
            assert math.isnan(got.snr_db)  # the module does not tell it
        assert one.receive() is None
    finally:
        one.close()


def test_what_it_hears_while_it_sends_is_lost(one):
    one.send(1 * S, b"out")
    assert one.hat._sent == [(0, 300_000)]
    one.hear(b"in", -80.0, 5.0, 100_000)
    assert one.receive() is None
    one.hear(b"in", -80.0, 5.0, 2 * S)
    assert one.receive().data == b"in"


def test_a_busy_module_says_so_by_its_pin(world):
    class Aux:
        value = 0

    hat = E22Hat(world, lambda: 0, lambda size: 300_000)
    serial = pytest.importorskip("serial")
    try:
        with serial.Serial(hat.port, 9600, timeout=0) as port:
            radio = E22Radio(
                port, hat.m0, hat.m1, config(), lambda: 0, Aux(), lambda _: hat.pump(0.001)
            )
            assert radio.send(0, b"x") == (False, 300_000, 2_000)
    finally:
        hat.close()


def test_a_module_that_keeps_other_settings_is_refused(world, monkeypatch):
    def store(self, first, values, kept):
        self.registers[first : first + len(values)] = values
        self.registers[3] |= 2  # as modules without the slow air speeds do

    monkeypatch.setattr(E22Hat, "_store", store)
    with pytest.raises(DeviceError, match="Some air speeds and powers exist only in some modules"):
        world.radio(air_speed_kbps=0.3)


def test_a_port_with_nobody_there_is_an_error_that_says_what_to_check(world, monkeypatch):
    monkeypatch.setattr("hardware_bridges.radio.e22_radio._ANSWER_S", 0.01)
    monkeypatch.setattr(E22Hat, "_give", lambda self, data: None)
    with pytest.raises(LinkError, match=r"no answer to c2 00 09 in 3 tries.*M0 and M1"):
        world.radio()


def test_a_restored_body_remembers_the_hour(world, one):
    one.send(0, b"first")
    other = world.radio()
    try:
        other.restore(one.snapshot())
        assert other.send(1, b"second") == one.send(1, b"second")
    finally:
        other.close()


def test_pins_claimed_twice_are_an_error_that_names_both_owners(world):
    claims = Claims()
    claims.take("GPIO22", "relay 'heater'")
    with pytest.raises(ClaimError, match="'relay 'heater'' has it"):
        EmulatedE22Radio(world, lambda: 0, config(), claims)


# The HAT by its bytes


@pytest.fixture
def hat(world):
    hat = E22Hat(world, lambda: world.t_us, lambda size: 1000 * size)
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
    hat = E22Hat(world, lambda: world.t_us, lambda size: 1000 * size)
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


@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=80), max_size=12))
def test_no_bytes_on_the_port_crash_the_driver(chunks):
    world = World()
    one = world.radio()
    try:
        for data in chunks:
            one.hat._give(data)
            while (frame := one.receive()) is not None:
                assert 1 <= len(frame.data) <= 31
        one._stream.forget()
        world.t_us = 1 * S
        one.hear(b"still here", -80.0, 5.0, world.t_us)
        assert one.receive().data == b"still here"
    finally:
        one.close()


def test_the_hat_can_serve_from_a_thread(world):
    hat = E22Hat(world, lambda: 0, lambda size: 300_000)
    stopped = threading.Event()
    thread = threading.Thread(target=hat.run, args=(stopped,))
    thread.start()
    try:
        from gpiozero.pins.mock import MockFactory

        factory = MockFactory()
        for pin, strap in ((22, hat.m0), (27, hat.m1)):
            _follow(factory.pin(pin), strap)
        radio = PiE22Radio(lambda: 0, config(port=hat.port), pin_factory=factory)
        assert radio.send(0, b"out").accepted
        while not world.sent:
            stopped.wait(0.001)
        assert e22.unpack(world.sent[0][1]) == b"out"
        hat.hear(e22.pack(b"in", 32), -80.0, 5.0, 1 * S)
        while (frame := radio.receive()) is None:
            stopped.wait(0.001)
        assert (frame.data, frame.rssi_dbm) == (b"in", -80.0)
        radio.close()
    finally:
        stopped.set()
        thread.join(10.0)
        hat.close()


def _follow(pin, strap):
    """Let a strap follow a mock pin."""
    before = pin._set_state

    def both(value):
        before(value)
        (strap.on if value else strap.off)()

    pin._set_state = both


def test_off_a_pi_the_pi_body_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingExtraError, match=r'pip install "feedertwin\[pi\]"'):
        PiE22Radio(lambda: 0, config())


def test_a_port_that_does_not_exist_is_an_error_that_says_what_to_enable():
    from gpiozero.pins.mock import MockFactory

    claims = Claims()
    with pytest.raises(LinkError, match="Enable the serial port"):
        PiE22Radio(lambda: 0, config(port="/dev/none"), claims, pin_factory=MockFactory())
    assert claims.owners() == {}
