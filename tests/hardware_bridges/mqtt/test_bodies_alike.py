"""Meter, relay and inverter: what the simulated and the MQTT body promise alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

pytest.importorskip("paho.mqtt")

from gridmodel.control import Terminal
from gridmodel.ports import Inverter, InverterState, Measurement, Meter, Relay
from hardware_bridges.inverter.simulated import SimulatedInverter
from hardware_bridges.meter.simulated import SimulatedMeter
from hardware_bridges.mqtt.device import Hardware, MqttDevice
from hardware_bridges.mqtt.inverter import MqttInverter
from hardware_bridges.mqtt.meter import MqttMeter
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.relay import MqttRelay
from hardware_bridges.relay.simulated import SimulatedRelay
from tests.hardware_bridges.mqtt.broker import until


class Fitting:
    """What a body asks of its bench."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.closes: list[Callable[[], None]] = []


@dataclass
class Seat:
    """Bodies on one terminal; `told` lets the world's news arrive."""

    terminal: Terminal
    meter: Meter
    relay: Relay
    inverter: Inverter
    told: Callable[[], None]


def make_terminal() -> Terminal:
    return Terminal(
        "house_3",
        readings={"supply": Measurement(0, 230.0, 0.0, 0.0, 50.0)},
        relays={"heater": True},
        inverter=InverterState(0.0, 0.5, 4.0, 13.5),
    )


def simulated(_) -> Iterator[Seat]:
    terminal = make_terminal()
    ports = (
        SimulatedMeter(terminal, "supply"),
        SimulatedRelay(terminal, "heater"),
        SimulatedInverter(terminal),
    )
    yield Seat(terminal, *ports, lambda: None)


def mqtt_in_protobuf(request) -> Iterator[Seat]:
    yield from mqtt(request, "protobuf")


def mqtt_in_json(request) -> Iterator[Seat]:
    yield from mqtt(request, "json")


def mqtt(request, payload) -> Iterator[Seat]:
    broker = request.getfixturevalue("broker")
    config = MqttConfig(
        port=broker.port, payload=payload, same_clock=True, timeout_s=10.0, connect_s=20.0
    )
    terminal, near = make_terminal(), Fitting(Terminal("house_3"))
    far = Hardware(
        {"supply": SimulatedMeter(terminal, "supply")},
        {"heater": SimulatedRelay(terminal, "heater")},
        SimulatedInverter(terminal),
    )
    device = MqttDevice(config, "house_3", far, lambda: 0).start()
    meter = MqttMeter.fit(config, "supply", near)
    relay = MqttRelay.fit(config, "heater", near)
    inverter = MqttInverter.fit(config, "inverter", near)

    def told() -> None:
        newest = terminal.readings["supply"], terminal.relays["heater"], terminal.inverter
        assert until(
            lambda: device.publish() or (meter.read(0), relay.closed, inverter.read()) == newest
        )

    told()
    yield Seat(terminal, meter, relay, inverter, told)
    for close in reversed(near.closes):
        close()
    device.close()


@pytest.fixture(params=[simulated, mqtt_in_protobuf, mqtt_in_json], ids=lambda body: body.__name__)
def seat(request) -> Iterator[Seat]:
    yield from request.param(request)


@pytest.mark.parametrize(
    "reading",
    [
        Measurement(10**15, 231.40000000000003, 1.0 / 3.0, -0.98, 49.987),
        Measurement(1, 0.0, 0.0, 0.0, 0.0),  # dark
        Measurement(2, 230.0, 5e-324, -1e-300, 50.0),  # the smallest there is
    ],
)
def test_a_reading_is_passed_on_bit_for_bit(seat, reading):
    seat.terminal.readings["supply"] = reading
    seat.told()
    assert seat.meter.read(0) == reading


def test_a_relay_moves_and_reads_back(seat):
    for closed in (False, False, True, True, False):
        (seat.relay.close if closed else seat.relay.open)()
        assert (seat.relay.closed, seat.terminal.relays["heater"]) == (closed, closed)


def test_read_back_is_the_contact_s_not_the_command_s(seat):
    seat.relay.close()
    seat.terminal.relays["heater"] = False  # somebody pulled the fuse
    seat.told()
    assert seat.relay.closed is False


@pytest.mark.parametrize("p_kw", [2.5, -2.5, 0.0, 1.0 / 3.0])
def test_a_set_point_arrives_bit_for_bit(seat, p_kw):
    seat.inverter.set_power(p_kw)
    assert seat.terminal.p_set_kw == p_kw


def test_an_inverter_s_state_is_passed_on_bit_for_bit(seat):
    seat.terminal.inverter = InverterState(-1.0 / 3.0, 0.1 + 0.2, 4.0, 13.5)
    seat.told()
    assert seat.inverter.read() == seat.terminal.inverter
