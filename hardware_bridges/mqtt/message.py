"""Messages of a broker, as paho has them and as the ports see them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from gridmodel.errors import MissingExtraError
from hardware_bridges.mqtt.topics import SCHEMA

try:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError as error:  # pragma: no cover (told to a person, not to a test)
    raise MissingExtraError("mqtt", "a port behind a broker") from error

_Properties: Any = Properties  # paho gives its constructor no types


class Message(NamedTuple):
    """What arrived.

    Parameters
    ----------
    topic : str
        Where.
    payload : bytes
        What.
    retained : bool
        It was there before us: how things were, not how they are.
    answer_topic : str
        Where an answer is awaited; empty if none is.
    mark : bytes
        What an answer must repeat.
    notes : mapping
        User properties.
    content_type : str
        Encoding of the payload, as MQTT 5 names it; empty if it was not told.
    """

    topic: str
    payload: bytes
    retained: bool = False
    answer_topic: str = ""
    mark: bytes = b""
    notes: Mapping[str, str] = MappingProxyType({})
    content_type: str = ""


def message_of(raw: Any) -> Message:
    """Return paho's message as ours."""
    found = raw.properties
    return Message(
        raw.topic,
        bytes(raw.payload),
        bool(raw.retain),
        getattr(found, "ResponseTopic", ""),
        getattr(found, "CorrelationData", b""),
        dict(getattr(found, "UserProperty", [])),
        getattr(found, "ContentType", ""),
    )


def made(packet: int, notes: Mapping[str, str] | None = None, **named: Any) -> Any:
    """Return paho's properties for a packet, the version of our schema among them."""
    properties: Any = _Properties(packet)
    for name, value in named.items():
        setattr(properties, name, value)
    if packet != PacketTypes.CONNECT:
        properties.UserProperty = [("schema", SCHEMA), *(notes or {}).items()]
    return properties
