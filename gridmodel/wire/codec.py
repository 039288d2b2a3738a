"""Protobuf encoding of opened frames, for files and programs.

The same schema as on the air and the same values: what a field cannot say over LoRa it
does not say here either, so a frame means the same wherever it is read. A message is
whole or refused; fields a newer program added are passed over. Protobuf is loaded when
the first frame is encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from gridmodel.errors import FrameError
from gridmodel.wire.frames import EVERYONE, LAYOUTS, FrameKind
from gridmodel.wire.seal import MOST_COUNT, VERSION, Opened

#: Longest message that is read. [B]
MOST_MESSAGE_BYTES = 1024
_MOST = {"source": EVERYONE - 1, "destination": EVERYONE, "counter": MOST_COUNT}


@cache
def messages() -> Any:
    """Return the generated module, loaded at its first use."""
    return import_module("gridmodel.wire.frames_pb2")


def to_message(frame: Opened) -> bytes:
    """Return a frame as the protobuf message `Frame` of ``frames.proto``.

    Raises
    ------
    KeyError
        If a field of the kind is missing.
    FrameError
        If a value is not a number.
    """
    message = messages().Frame()
    fill(message, frame)
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def fill(message: Any, frame: Opened) -> None:
    """Write a frame into a protobuf object `Frame`; raises as `to_message`."""
    message.version = VERSION
    for name in _MOST:
        setattr(message, name, getattr(frame, name))
    body = getattr(message, frame.kind.name.lower())
    for field in LAYOUTS[frame.kind]:
        value = field.decode(field.encode(frame.values[field.name]))
        whole = isinstance(getattr(body, field.name), int)
        setattr(body, field.name, int(value) if whole else value)


def from_message(data: bytes) -> Opened:
    """Return the frame a protobuf message carries.

    Raises
    ------
    FrameError
        If it is no such message, of an unknown version or kind, or not whole.
    """
    return frame_of(parsed("Frame", data))


def frame_of(message: Any) -> Opened:
    """Return the frame that a protobuf object `Frame` carries; raises as `from_message`."""
    if message.version != VERSION:
        raise FrameError(f"message version {message.version} is unknown; {VERSION} is spoken here")
    numbers = {name: _number(message, name, most) for name, most in _MOST.items()}
    name = message.WhichOneof("body")
    if name is None:
        raise FrameError("a message of an unknown kind, or of none")
    kind, body = FrameKind[name.upper()], getattr(message, name)
    values = {}
    for field in reversed(LAYOUTS[kind]):
        if not body.HasField(field.name):
            raise FrameError(f"a {kind.name} message lacks {field.name}")
        values[field.name] = field.decode(field.encode(getattr(body, field.name)))
    return Opened(kind, values=values, **numbers)


def to_file(frames: Iterable[Opened]) -> bytes:
    """Return frames for a file: each message after its length, as protobuf has it."""
    return delimited(to_message(frame) for frame in frames)


def from_file(data: bytes) -> Iterator[Opened]:
    """Yield the frames of a file.

    Raises
    ------
    FrameError
        At the first that is cut off or cannot be read.
    """
    for message, _ in pieces(data):
        yield from_message(message)


def delimited(found: Iterable[bytes]) -> bytes:
    """Return messages for a file: each after its length, as protobuf has it."""
    return b"".join(_length(len(message)) + message for message in found)


def pieces(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the messages of a file, each with the place at which it ends.

    Raises
    ------
    FrameError
        At the first that is cut off or too long.
    """
    at = 0
    while at < len(data):
        length = shift = 0
        while True:
            if at == len(data) or shift > 21:
                raise FrameError(f"a message is cut off at byte {at}")
            byte, at = data[at], at + 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if at + length > len(data) or length > MOST_MESSAGE_BYTES:
            raise FrameError(f"a message is cut off at byte {at}, or too long")
        yield data[at : at + length], at + length
        at += length


def parsed(name: str, data: bytes) -> Any:
    """Return the protobuf object of a message.

    Raises
    ------
    FrameError
        If it is too long, or no such message.
    """
    if len(data) > MOST_MESSAGE_BYTES:
        raise FrameError(f"{len(data)} bytes are too many for a message")
    decode_error = import_module("google.protobuf.message").DecodeError
    try:
        return getattr(messages(), name).FromString(data)
    except (decode_error, ValueError, RecursionError) as error:
        raise FrameError(f"{len(data)} bytes are no message of a frame: {error}") from error


def _length(number: int) -> bytes:
    """Return a length as a protobuf varint."""
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + _length(number >> 7)


def _number(message: Any, name: str, most: int) -> int:
    value: int = getattr(message, name)
    if not message.HasField(name) or value > most:
        raise FrameError(f"a message says {name} {value}; a whole number 0 to {most} is needed")
    return value
