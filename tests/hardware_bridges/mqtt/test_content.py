"""States and commands in JSON and protobuf: the same values, the same checks, and no crash."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from math import inf, isfinite, nan
from typing import Any

import pytest

pytest.importorskip("paho.mqtt")

from google.protobuf import json_format
from hypothesis import example, given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.errors import BridgeError
from gridmodel.ports import InverterState, Measurement
from gridmodel.wire import frames_pb2 as wire
from gridmodel.wire.lora import Modem
from hardware_bridges.inverter.simulated import SimulatedInverter
from hardware_bridges.link_error import DeviceError
from hardware_bridges.meter.simulated import SimulatedMeter
from hardware_bridges.mqtt.content import (
    INVERTER_COMMAND,
    INVERTER_STATE,
    METER_STATE,
    RELAY_COMMAND,
    RELAY_STATE,
    Shape,
    content_type,
    decode,
    encode,
)
from hardware_bridges.mqtt.device import Hardware, MqttDevice
from hardware_bridges.mqtt.inverter import MqttInverter
from hardware_bridges.mqtt.message import Message, message_of
from hardware_bridges.mqtt.meter import MqttMeter
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.payload import LONGEST_BYTES
from hardware_bridges.mqtt.radio import MqttRadio
from hardware_bridges.mqtt.relay import MqttRelay
from hardware_bridges.mqtt.session import MqttSession
from hardware_bridges.radio.simulated import SimulatedRadio
from hardware_bridges.relay.simulated import SimulatedRelay

SHAPES = [METER_STATE, RELAY_STATE, RELAY_COMMAND, INVERTER_STATE, INVERTER_COMMAND]
ENCODINGS = ["json", "protobuf"]
#: Type of a field by its type in protobuf's descriptors.
KINDS = {1: float, 3: int, 8: bool}
READING = {"t_us": 7, "v_v": 231.4, "i_a": 4.25, "p_kw": -0.98, "f_hz": 49.987}
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)

shapes = st.sampled_from(SHAPES)
encodings = st.sampled_from(ENCODINGS)


def message(payload: bytes, encoding: str = "", topic: str = "a/topic") -> Message:
    kind = content_type(encoding) if encoding in ENCODINGS else encoding
    return Message(topic, payload, content_type=kind)


def values(draw, shape: Shape) -> dict[str, Any]:
    of = {float: st.floats(allow_nan=False, allow_infinity=False), int: INT64, bool: st.booleans()}
    return {name: draw(of[kind]) for name, kind in shape.fields.items()}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.message)
def test_a_shape_is_its_message_in_the_schema(shape):
    fields = wire.DESCRIPTOR.message_types_by_name[shape.message].fields
    assert {field.name: KINDS[field.type] for field in fields} == shape.fields
    assert all(field.has_presence for field in fields)


@given(data=st.data(), shape=shapes, encoding=encodings)
def test_every_value_is_given_back_bit_for_bit(data, shape, encoding):
    told = values(data.draw, shape)
    found = decode(message(encode("t", shape, told, encoding), encoding), shape)
    assert repr(found) == repr(told)  # tells -0.0 from 0.0


def test_any_protobuf_reader_finds_the_names_of_the_json_in_it():
    found = wire.MeterState.FromString(encode("t", METER_STATE, READING, "protobuf"))
    told = json_format.MessageToDict(found, preserving_proto_field_name=True)
    assert {**told, "t_us": int(told["t_us"])} == READING
    assert json.loads(encode("t", METER_STATE, READING, "json")) == READING


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("", b'{"closed":true}'),
        ("application/json", b'{"closed":true}'),
        ("Application/JSON; charset=utf-8", b'{"closed":true,"more":[]}'),
        ("application/x-protobuf", b"\x08\x01"),
        ("application/x-protobuf; proto=feedertwin.wire.RelayCommand", b"\x08\x01\x78\x01"),
    ],
)
def test_the_content_type_says_how_it_is_read_and_json_is_meant_without_one(kind, payload):
    assert decode(message(payload, kind), RELAY_COMMAND) == {"closed": True}


@pytest.mark.parametrize("kind", ["text/plain", "application/cbor", "x json", "\x00" * 200])
def test_another_content_type_is_refused_with_those_that_are_understood(kind):
    with pytest.raises(DeviceError) as caught:
        decode(message(b'{"closed":true}', kind), RELAY_COMMAND)
    told = str(caught.value)
    assert told.startswith("a/topic: content type '")
    assert "Send application/json or application/x-protobuf." in told


def without(field: str) -> bytes:
    found = wire.MeterState.FromString(encode("t", METER_STATE, READING, "protobuf"))
    found.ClearField(field)
    return found.SerializeToString()


def with_value(field: str, value: float) -> bytes:
    found = wire.MeterState.FromString(encode("t", METER_STATE, READING, "protobuf"))
    setattr(found, field, value)
    return found.SerializeToString()


def in_json(**changed: Any) -> bytes:
    told = READING | changed
    return json.dumps({key: value for key, value in told.items() if value != "none"}).encode()


@pytest.mark.parametrize(
    ("encoding", "payload", "text"),
    [
        ("json", in_json(v_v="none"), "v_v is missing"),
        ("json", in_json(p_kw=nan), "p_kw: 'nan' is not finite"),
        ("json", in_json(p_kw=-inf), "p_kw: '-inf' is not finite"),
        ("json", in_json(f_hz="50"), "f_hz: '50' is no float"),
        ("json", in_json(t_us=1.5), "t_us: '1.5' is no int"),
        ("json", in_json(t_us=2**63), "t_us: '9223372036854775808' is too great"),
        ("json", in_json(i_a=True), "i_a: 'True' is no float"),
        ("json", b" " * LONGEST_BYTES + b"{}", "4098 bytes; 4096 are the most"),
        ("json", b"[1]", "is no JSON object"),
        ("json", b"\x08\x01", "is no JSON"),
        ("protobuf", without("v_v"), "v_v is missing"),
        ("protobuf", with_value("p_kw", nan), "p_kw: 'nan' is not finite"),
        ("protobuf", with_value("i_a", -inf), "i_a: '-inf' is not finite"),
        ("protobuf", b"\x12\x03abc", "t_us is missing"),  # a text where a number should be
        ("protobuf", bytes(LONGEST_BYTES + 1), "4097 bytes; 4096 are the most"),
        ("protobuf", b"\x08", "is no MeterState of protobuf"),
        ("protobuf", in_json(), "is no MeterState of protobuf"),
        ("protobuf", b"", "t_us is missing"),
    ],
)
def test_what_is_not_whole_is_refused_with_topic_and_field(encoding, payload, text):
    with pytest.raises(DeviceError) as caught:
        decode(message(payload, encoding), METER_STATE)
    assert str(caught.value).startswith("a/topic: ")
    assert text in str(caught.value)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"p_kw": nan}, "p_kw: 'nan' is not finite"),
        ({"f_hz": inf}, "f_hz: 'inf' is not finite"),
        ({"t_us": 2**64}, "t_us: '18446744073709551616' is too great"),
    ],
)
def test_what_would_be_refused_is_not_sent(encoding, changed, text):
    with pytest.raises(DeviceError, match=rf"a/topic: .*{text}"):
        encode("a/topic", METER_STATE, READING | changed, encoding)


def test_who_speaks_json_loads_no_protobuf():
    code = (
        "import sys\n"
        "from hardware_bridges.mqtt.content import *\n"
        "told = encode('t', RELAY_COMMAND, {'closed': True}, 'json')\n"
        "assert decode(Message('t', told), RELAY_COMMAND) == {'closed': True}\n"
        "print(*(name for name in sys.modules if name.startswith('google.protobuf')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


# No input crashes a port: rubbish, spoiled messages and odd properties, without a broker


class Deaf(MqttSession):
    """A session whose broker takes everything and says nothing."""

    def start(self) -> MqttSession:
        return self

    def publish(self, topic: str, payload: bytes, **properties: Any) -> None:
        self.told = (topic, payload, properties)


class AnyMessage:
    """What paho gives."""

    def __init__(self, topic: str, payload: bytes, notes: Mapping[str, str], kind: str) -> None:
        self.topic, self.payload, self.retain, self.properties = topic, payload, False, self
        self.UserProperty = [("schema", "1"), *notes.items()]
        self.ContentType = kind


spoiled = st.builds(
    lambda shape, told, encoding, flips: flipped(
        encode("t", shape, {**dict.fromkeys(shape.fields, 1), **told}, encoding), flips
    ),
    shapes,
    st.fixed_dictionaries({"t_us": INT64, "p_kw": st.floats(-99.0, 99.0)}),
    encodings,
    st.lists(st.integers(0, 2**16), max_size=4),
)
rubbish = st.one_of(st.binary(max_size=300), spoiled, st.just(b"[" * 4000), st.just(b"\x0b" * 4000))
kinds = st.one_of(st.sampled_from(["", "application/json", "application/x-protobuf"]), st.text())
notes = st.dictionaries(
    st.sampled_from(["t_us", "rssi_dbm", "snr_db", "schema", "error"]),
    st.one_of(st.text(), st.sampled_from(["1", "-101.5", "nan", "inf", "9" * 400])),
)


def flipped(data: bytes, flips: list[int]) -> bytes:
    found = bytearray(data)
    for flip in flips:
        found[flip // 8 % len(found)] ^= 1 << flip % 8
    return bytes(found)


@given(payload=rubbish, kind=kinds, notes=notes)
@example(payload=b'{"closed":1e999}', kind="", notes={})
@example(payload=b"frame", kind="", notes={"rssi_dbm": "nan", "snr_db": "0", "t_us": "1"})
def test_no_message_does_more_to_a_controller_s_port_than_be_refused(payload, kind, notes):
    session = Deaf(MqttConfig(same_clock=True, timeout_s=1e-3), "house_3", "controller")
    meter, relay, inverter = (
        MqttMeter(session, "supply"), MqttRelay(session, "heater"), MqttInverter(session),
    )  # fmt: skip
    radio = MqttRadio(session, Modem())
    for topic, handler in session._handlers.items():
        raw = AnyMessage(topic, payload, notes, kind)
        with suppress(BridgeError):  # nothing else may come out
            handler(message_of(raw))
    with suppress(BridgeError):
        assert all(isfinite(value) for value in meter.read(0))
    with suppress(BridgeError):
        assert isinstance(relay.closed, bool)
    with suppress(BridgeError):
        assert all(isfinite(value) for value in inverter.read())
    while (frame := radio.receive()) is not None:
        assert frame.data == payload
        assert isfinite(frame.rssi_dbm)
        assert isfinite(frame.snr_db)


@given(payload=rubbish, kind=kinds, notes=notes, answered=st.booleans())
def test_no_message_does_more_to_a_device_than_be_refused_and_answered(
    payload, kind, notes, answered
):
    terminal = Terminal(
        "house_3",
        readings={"supply": Measurement(7, 231.4, 4.25, -0.98, 49.987)},
        relays={"heater": True},
        inverter=InverterState(1.5, 0.5, 4.0, 13.5),
    )
    device = MqttDevice(
        MqttConfig(),
        "house_3",
        Hardware(
            {"supply": SimulatedMeter(terminal, "supply")},
            {"heater": SimulatedRelay(terminal, "heater")},
            SimulatedInverter(terminal),
            SimulatedRadio(terminal, Modem()),
        ),
        lambda: 42,
    )
    handlers = device.session._handlers
    device.session = Deaf(MqttConfig(), "house_3", "device")
    for topic, handler in handlers.items():
        raw = AnyMessage(topic, payload, notes, kind)
        raw.ResponseTopic, raw.CorrelationData = "answer" if answered else "", b"mark"
        device.session.told = None
        try:
            handler(message_of(raw))
        except BridgeError:
            assert not answered or topic.endswith("radio/set")
        else:
            assert device.session.told is not None or topic.endswith("radio/set")
    assert isfinite(terminal.p_set_kw)
    assert isinstance(terminal.relays["heater"], bool)
