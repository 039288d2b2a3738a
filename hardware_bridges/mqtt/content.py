"""Content: a port's state or command as JSON or protobuf, told apart by MQTT's content type.

Whoever reads takes either; which one is written, the settings say. Protobuf is loaded at
the first message that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal, get_args

from hardware_bridges.link_error import DeviceError
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.mqtt_config import Encoding
from hardware_bridges.mqtt.payload import checked, refuse_long, wanted
from hardware_bridges.mqtt.payload import decode as from_json
from hardware_bridges.mqtt.payload import encode as to_json

ContentType = Literal["application/json", "application/x-protobuf"]
_TYPE_OF: dict[Encoding, ContentType] = {
    "json": "application/json",
    "protobuf": "application/x-protobuf",
}
_ENCODING_OF: dict[str, Encoding] = {name: encoding for encoding, name in _TYPE_OF.items()}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a state or a command consists of.

    Parameters
    ----------
    message : str
        Its message in ``gridmodel/wire/frames.proto``.
    fields : mapping
        Type of each field: ``float``, ``int`` or ``bool``.
    """

    message: str
    fields: Mapping[str, type]


METER_STATE = Shape(
    "MeterState", {"t_us": int, "v_v": float, "i_a": float, "p_kw": float, "f_hz": float}
)
RELAY_STATE = Shape("RelayState", {"closed": bool, "t_us": int})
RELAY_COMMAND = Shape("RelayCommand", {"closed": bool})
INVERTER_STATE = Shape(
    "InverterState",
    {"p_kw": float, "soc_pu": float, "p_max_kw": float, "e_kwh": float, "t_us": int},
)
INVERTER_COMMAND = Shape("InverterCommand", {"p_kw": float})


def content_type(encoding: Encoding) -> ContentType:
    """Return the content type that a message in an encoding bears."""
    return _TYPE_OF[encoding]


def encoding_of(message: Message) -> Encoding:
    """Return the encoding of a message; JSON if it does not say.

    Raises
    ------
    DeviceError
        If it is one that nobody understands here.
    """
    name = message.content_type.partition(";")[0].strip().lower()
    if not name:
        return "json"
    if name not in _ENCODING_OF:
        raise DeviceError(
            message.topic,
            f"content type '{message.content_type[:80]}' is not understood.",
            f"Send {' or '.join(get_args(ContentType))}.",
        )
    return _ENCODING_OF[name]


def encode(topic: str, shape: Shape, fields: Mapping[str, Any], encoding: Encoding) -> bytes:
    """Return a state or a command as bytes; its numbers keep every bit.

    Raises
    ------
    DeviceError
        If a number is not finite, or a whole one has more than 64 bits.
    """
    plain = {name: kind(fields[name]) for name, kind in shape.fields.items()}  # numpy's too
    values = checked(topic, plain, shape.fields)
    if encoding == "json":
        return to_json(values)
    data: bytes = _message(shape.message)(**values).SerializeToString()
    return data


def decode(message: Message, shape: Shape) -> dict[str, Any]:
    """Return the fields of a state or a command, in either encoding.

    Raises
    ------
    DeviceError
        If the content type is unknown, the payload too long or none of that encoding, or a
        field is missing, of another kind, not finite or too great.
    """
    topic, payload = message.topic, message.payload
    if encoding_of(message) == "json":
        return from_json(topic, payload, shape.fields)
    refuse_long(topic, payload)
    decode_error = import_module("google.protobuf.message").DecodeError
    try:
        found = _message(shape.message).FromString(payload)
    except (decode_error, ValueError, RecursionError):
        raise DeviceError(
            topic, f"{payload[:60]!r} is no {shape.message} of protobuf.", wanted(shape.fields)
        ) from None
    present = {name: getattr(found, name) for name in shape.fields if found.HasField(name)}
    return checked(topic, present, shape.fields)


@cache
def _message(name: str) -> Any:
    return getattr(import_module("gridmodel.wire.frames_pb2"), name)
