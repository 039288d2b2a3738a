"""A controller and a device that write differently understand each other, at a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("paho.mqtt")

from gridmodel.control import Terminal
from gridmodel.ports import InverterState, Measurement
from gridmodel.wire import frames_pb2 as wire
from hardware_bridges.inverter.simulated import SimulatedInverter
from hardware_bridges.meter.simulated import SimulatedMeter
from hardware_bridges.mqtt.device import Hardware, MqttDevice
from hardware_bridges.mqtt.inverter import MqttInverter
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.meter import MqttMeter
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.relay import MqttRelay
from hardware_bridges.mqtt.session import MqttSession
from hardware_bridges.relay.simulated import SimulatedRelay
from tests.hardware_bridges.mqtt.broker import until

READING = Measurement(7, 231.40000000000003, 1.0 / 3.0, -0.98, 49.987)


@contextmanager
def ends(broker, ours: str, theirs: str) -> Iterator[tuple[MqttSession, MqttDevice, Terminal]]:
    """A controller that writes one encoding and a device that writes another."""
    terminal = Terminal(
        "house_3",
        readings={"supply": READING},
        relays={"heater": True},
        inverter=InverterState(1.5, 0.5, 4.0, 13.5),
    )
    hardware = Hardware(
        {"supply": SimulatedMeter(terminal, "supply")},
        {"heater": SimulatedRelay(terminal, "heater")},
        SimulatedInverter(terminal),
    )
    common: dict[str, Any] = {
        "port": broker.port, "connect_s": 20.0, "timeout_s": 10.0, "same_clock": True,
    }  # fmt: skip
    device = MqttDevice(MqttConfig(payload=theirs, **common), "house_3", hardware, lambda: 42)
    session = MqttSession(MqttConfig(payload=ours, **common), "house_3", "controller")
    try:
        device.start()
        session.start()
        assert until(lambda: session.peer_online and device.session.peer_online)
        yield session, device, terminal
    finally:
        session.close()
        device.close()


@pytest.mark.parametrize(("ours", "theirs"), [("json", "protobuf"), ("protobuf", "json")])
def test_ends_that_write_differently_read_and_command_each_other(broker, ours, theirs):
    with ends(broker, ours, theirs) as (session, device, terminal):
        meter, relay = MqttMeter(session, "supply"), MqttRelay(session, "heater")
        inverter = MqttInverter(session)
        assert until(lambda: device.publish() or not meter.port.stale)
        assert meter.read(0) == READING
        relay.open()
        assert (terminal.relays["heater"], relay.closed, relay.port.fault) == (False, False, "")
        inverter.set_power(-1.0 / 3.0)
        assert terminal.p_set_kw == -1.0 / 3.0
        assert inverter.read() == terminal.inverter


@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf", ""])
def test_a_command_is_answered_in_the_encoding_it_came_in(broker, kind):
    with ends(broker, "json", "protobuf") as (session, _, terminal):
        command = b"\x08\x00" if "protobuf" in kind else b'{"closed":false}'
        named = {"ContentType": kind} if kind else {}
        answer = session.request(session.topics.set("relay", "heater"), command, 10.0, **named)
        assert answer is not None
        assert terminal.relays["heater"] is False
        assert answer.content_type == (kind or "application/json")
        if "protobuf" in kind:
            assert wire.RelayState.FromString(answer.payload).closed is False
        else:
            assert json.loads(answer.payload) == {"closed": False, "t_us": 42}


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_what_lies_on_the_broker_bears_its_content_type(broker, encoding):
    seen: list[Message] = []
    with ends(broker, "json", encoding) as (session, device, _):
        session.on(session.topics.state("inverter", "inverter"), seen.append)
        device.publish()
        assert until(lambda: seen)
    if encoding == "json":
        assert json.loads(seen[0].payload)["e_kwh"] == 13.5
    else:
        assert wire.InverterState.FromString(seen[0].payload).e_kwh == 13.5
    assert encoding in seen[0].content_type


def test_a_content_type_nobody_knows_is_named_and_harms_nothing(broker):
    with ends(broker, "protobuf", "protobuf") as (session, device, _):
        meter = MqttMeter(session, "supply")
        assert until(lambda: device.publish() or not meter.port.stale)
        device.session.publish(
            session.topics.state("meter", "supply"), b"<v>230</v>", ContentType="text/xml"
        )
        assert until(lambda: "text/xml" in session.fault)
        assert "Send application/json or application/x-protobuf" in session.fault
        assert meter.read(0) == READING
