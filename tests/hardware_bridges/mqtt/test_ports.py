"""Ports behind a broker: meter, relay, inverter and radio, with a device at the other end."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

pytest.importorskip("paho.mqtt")

from gridmodel.control import Terminal
from gridmodel.ports import InverterState, Measurement, ReceivedFrame
from gridmodel.wire.lora import Modem
from hardware_bridges.inverter.simulated import SimulatedInverter
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.meter.simulated import SimulatedMeter
from hardware_bridges.mqtt.device import Hardware, MqttDevice
from hardware_bridges.mqtt.inverter import MqttInverter
from hardware_bridges.mqtt.meter import MqttMeter
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.radio import MqttRadio
from hardware_bridges.mqtt.relay import MqttRelay
from hardware_bridges.mqtt.session import MqttSession
from hardware_bridges.radio.simulated import SimulatedRadio
from hardware_bridges.relay.simulated import SimulatedRelay
from tests.hardware_bridges.mqtt.broker import until

READING = Measurement(7, 231.4, 4.25, -0.98, 49.987)
S_US = 1_000_000


class Welded:
    """A relay whose driver fails."""

    closed = True

    def open(self):
        raise OSError("no such line: GPIO17")

    close = open


class Logged:
    """A relay that remembers how it was moved."""

    def __init__(self):
        self.moves = []

    def open(self):
        self.moves.append(False)

    def close(self):
        self.moves.append(True)

    @property
    def closed(self):
        return not self.moves or self.moves[-1]


def settings(broker, **more) -> MqttConfig:
    return MqttConfig(port=broker.port, **{"connect_s": 20.0, "timeout_s": 10.0, **more})


@contextmanager
def both_ends(broker, safe=None, **more):
    """A controller's session, a device with simulated hardware, and that hardware."""
    terminal = Terminal(
        "house_3",
        readings={"supply": READING},
        relays={"heater": True},
        inverter=InverterState(1.5, 0.5, 4.0, 13.5),
    )
    hardware = Hardware(
        meters={"supply": SimulatedMeter(terminal, "supply")},
        relays={
            "heater": SimulatedRelay(terminal, "heater"),
            "welded": Welded(),
            "logged": Logged(),
        },
        inverter=SimulatedInverter(terminal),
        radio=SimulatedRadio(terminal, Modem()),
        safe=safe or {},
    )
    device = MqttDevice(settings(broker, **more), "house_3", hardware, lambda: 42).start()
    session = MqttSession(settings(broker, **more), "house_3", "controller").start()
    try:
        assert until(lambda: session.peer_online and device.session.peer_online)
        yield session, device, terminal
    finally:
        session.close()
        device.close()


def fresh(body, device):
    """Have the device tell its states until the body has one."""
    assert until(lambda: device.publish() or not body.port.stale)
    return body


def test_a_reading_bears_the_instant_it_arrived_by_the_node_s_clock(broker):
    with both_ends(broker) as (session, device, _):
        meter = fresh(MqttMeter(session, "supply"), device)
        before = time.monotonic()
        read = meter.read(1_000 * S_US)
        assert read[1:] == READING[1:]
        oldest_us = 1_000 * S_US - (time.monotonic() - before + meter.port.age_s) * 1e6
        assert oldest_us - 1 <= read.t_us <= 1_000 * S_US


def test_with_the_simulation_s_clock_a_reading_is_passed_on_bit_for_bit(broker):
    with both_ends(broker, same_clock=True) as (session, device, terminal):
        odd = Measurement(123_456_789, 230.0 + 1e-13, 1.0 / 3.0, -1e-9, 50.0)
        terminal.readings["supply"] = odd
        assert fresh(MqttMeter(session, "supply"), device).read(0) == odd


def test_a_reading_that_grows_old_is_flagged_and_then_an_error(broker):
    with both_ends(broker, stale_s=0.05, lost_s=1.0, timeout_s=0.05) as (session, device, _):
        meter = fresh(MqttMeter(session, "supply"), device)
        assert meter.read(S_US)[1:] == READING[1:]
        assert until(lambda: meter.stale)

        def is_lost():
            try:
                meter.read(S_US)
            except LinkError as error:
                return "supply/state: no state for" in str(error) and "silent" in str(error)
            return False

        assert until(is_lost)


def test_before_its_first_word_a_meter_has_no_reading(broker):
    with (
        both_ends(broker, timeout_s=0.05) as (session, _, _),
        pytest.raises(LinkError, match="no state yet: the device is silent"),
    ):
        MqttMeter(session, "supply").read(0)


def test_a_reading_of_a_device_that_is_gone_is_flagged_at_once(broker):
    with both_ends(broker, stale_s=3600.0, lost_s=3600.0) as (session, device, _):
        meter = fresh(MqttMeter(session, "supply"), device)
        device.close()
        assert until(lambda: meter.stale)
        assert meter.read(S_US)[1:] == READING[1:]  # still told, but flagged


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[1,2]",
        b'{"t_us":1,"v_v":NaN,"i_a":0,"p_kw":0,"f_hz":50}',
        b'{"t_us":1,"v_v":true,"i_a":0,"p_kw":0,"f_hz":50}',
        b'{"t_us":1,"v_v":"230","i_a":0,"p_kw":0,"f_hz":50}',
        b'{"t_us":1,"v_v":230}',
        b'{"t_us":1,"v_v":' + b"9" * 400 + b',"i_a":0,"p_kw":0,"f_hz":50}',
        b"[" * 4000,
        b"\xff\xfe" * 9000,
    ],
)
def test_a_payload_that_is_no_reading_is_refused_and_named(broker, payload):
    with both_ends(broker) as (session, device, _):
        meter = fresh(MqttMeter(session, "supply"), device)
        device.session.publish(session.topics.state("meter", "supply"), payload)
        assert until(lambda: "meter/supply/state" in session.fault)
        assert meter.read(0)[1:] == READING[1:]


def test_a_relay_reads_back_what_the_contact_did(broker):
    with both_ends(broker) as (session, device, terminal):
        relay = fresh(MqttRelay(session, "heater"), device)
        assert relay.closed
        relay.open()
        assert (terminal.relays["heater"], relay.closed, relay.port.fault) == (False, False, "")
        relay.close()
        assert (terminal.relays["heater"], relay.closed) == (True, True)


def test_a_driver_s_failure_comes_back_as_an_error(broker):
    with both_ends(broker) as (session, device, _):
        relay = fresh(MqttRelay(session, "welded"), device)
        with pytest.raises(DeviceError, match="the device answers: OSError: no such line: GPIO17"):
            relay.open()
        assert relay.closed


def test_who_comes_later_finds_how_the_relay_was_left_and_knows_that_it_is_old(broker):
    with both_ends(broker) as (session, device, terminal):
        terminal.relays["heater"] = False
        device.publish()
        relay = MqttRelay(session, "heater")
        assert relay.closed is False
        device.close()
    late = MqttSession(settings(broker), "house_3", "controller").start()
    relay = MqttRelay(late, "heater")
    assert relay.closed is False
    assert relay.port.stale
    late.close()


def test_a_command_that_missed_the_broker_is_sent_when_the_device_is_back(broker):
    with both_ends(broker) as (session, device, terminal):
        relay = fresh(MqttRelay(session, "heater"), device)
        broker.kill()
        assert until(lambda: not session.connected)
        relay.open()
        assert "the broker is away" in relay.port.fault
        assert terminal.relays["heater"] is True
        broker.start()
        assert until(lambda: terminal.relays["heater"] is False)
        assert until(lambda: not relay.closed)


def test_a_command_that_grew_too_old_is_dropped(broker):
    with both_ends(broker, valid_s=1) as (session, device, _):
        relay = fresh(MqttRelay(session, "logged"), device)
        broker.kill()
        assert until(lambda: not session.connected)
        relay.open()
        time.sleep(1.1)  # it must grow older than valid_s
        broker.start()
        assert until(lambda: session.connected and device.session.connected)
        assert until(lambda: session.peer_online)
        relay.close()  # answered: what went before it has arrived
        assert relay.port.fault == ""
        assert device.hardware.relays["logged"].moves == [True]


def test_a_state_that_the_broker_kept_counts_as_old_until_the_device_speaks(broker):
    with both_ends(broker) as (session, device, _):
        early = MqttRelay(session, "heater")
        device.publish()  # once, so that nothing is under way after it
        assert until(lambda: not early.port.stale)
        late = MqttRelay(session, "heater")
        assert late.closed is True
        assert late.port.stale
        assert until(lambda: device.publish() or not late.port.stale)


def test_relays_go_to_safety_when_the_controller_is_gone(broker):
    with both_ends(broker, safe={"heater": False}) as (session, device, terminal):
        device.publish()
        assert terminal.relays["heater"] is True
        session.close()
        assert until(lambda: device.publish() or terminal.relays["heater"] is False)
        terminal.relays["heater"] = True  # by hand: it is brought to safety once, not for ever
        device.publish()
        assert terminal.relays["heater"] is True


def test_an_inverter_is_read_and_set(broker):
    with both_ends(broker) as (session, device, terminal):
        inverter = fresh(MqttInverter(session), device)
        assert inverter.read() == (1.5, 0.5, 4.0, 13.5)
        inverter.set_power(-2.25)
        assert terminal.p_set_kw == -2.25
        with pytest.raises(DeviceError, match="inf kW wanted"):
            inverter.set_power(float("inf"))
        assert terminal.p_set_kw == -2.25


def test_frames_go_and_come_whole_with_what_the_receiver_measured(broker):
    with both_ends(broker, same_clock=True) as (session, device, terminal):
        radio = MqttRadio(session, Modem())
        frame = bytes(range(20))
        sent = radio.send(0, frame)
        assert sent.accepted
        assert until(lambda: terminal.sent == [(frame, sent.airtime_us)])
        terminal.received.append(ReceivedFrame(77, frame[::-1], -101.0, -7.25))
        device.publish()
        heard = []
        assert until(lambda: heard.append(radio.receive()) or heard[-1] is not None)
        assert heard[-1] == (77, frame[::-1], -101.0, -7.25)
        assert radio.receive() is None


def test_the_books_of_airtime_are_those_of_a_radio_of_one_s_own(broker):
    with both_ends(broker) as (session, _, _):
        radio, own = MqttRadio(session, Modem()), SimulatedRadio(Terminal("x"), Modem())
        now_us, refused = 0, 0
        for _ in range(1500):
            result = radio.send(now_us, bytes(20))
            assert result == own.send(now_us, bytes(20))
            refused += not result.accepted
            now_us += 1 * S_US
        assert repr(radio.snapshot()[1]) == repr(own.snapshot()[1])
        assert refused > 100


def test_a_frame_for_a_broker_that_is_away_is_neither_sent_nor_booked(broker):
    with both_ends(broker) as (session, _, _):
        radio = MqttRadio(session, Modem())
        broker.kill()
        assert until(lambda: not session.connected)
        result = radio.send(5 * S_US, bytes(20))
        assert (result.accepted, result.retry_us) == (False, 6 * S_US)
        assert radio.snapshot()[1] == MqttRadio(session, Modem()).snapshot()[1]
        assert "the device has not spoken" in radio.status()
