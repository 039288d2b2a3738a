"""E22 body of the radio port: measured airtime or nothing, on an emulated HAT and on a Pi."""

from __future__ import annotations

import math
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.errors import MissingExtraError
from gridmodel.ports import Radio
from hardware_bridges.claims import ClaimError, Claims
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.radio import e22
from hardware_bridges.radio.e22_airtimes import known_air
from hardware_bridges.radio.e22_config import E22Config
from hardware_bridges.radio.e22_emulated import EmulatedE22Radio
from hardware_bridges.radio.e22_hat import E22Hat
from hardware_bridges.radio.e22_pi import PiE22Radio
from hardware_bridges.radio.e22_radio import E22Radio
from tests.hardware_bridges.measured_e22 import MEASURED, config
from tests.hardware_bridges.world import S, World


@pytest.fixture
def one(world):
    radio = world.e22()
    yield radio
    radio.close()


# airtime: measured, or nothing is sent


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
        world.e22(measured=wide)


def test_power_over_the_law_is_refused(world):
    with pytest.raises(DeviceError, match=r"17 dBm is over the 14 dBm of 868\.0-868\.6"):
        world.e22(power_dbm=17)


# on the emulated HAT


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
    one = world.e22()
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
        world.e22(air_speed_kbps=0.3)


def test_a_port_with_nobody_there_is_an_error_that_says_what_to_check(world, monkeypatch):
    monkeypatch.setattr("hardware_bridges.radio.e22_radio._ANSWER_S", 0.01)
    monkeypatch.setattr(E22Hat, "_give", lambda self, data: None)
    with pytest.raises(LinkError, match=r"no answer to c2 00 09 in 3 tries.*M0 and M1"):
        world.e22()


def test_a_restored_body_remembers_the_hour(world, one):
    one.send(0, b"first")
    other = world.e22()
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


@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=80), max_size=12))
def test_no_bytes_on_the_port_crash_the_driver(chunks):
    world = World()
    one = world.e22()
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


# on a Raspberry Pi


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
