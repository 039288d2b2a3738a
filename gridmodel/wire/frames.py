"""Frames: fixed-length, bit-packed bodies, so that length and airtime tell nothing.

A body is a row of fields, most significant bit first, padded with zeros to whole bytes.
Each field has a scale and an offset: value = offset + scale x code. A value outside the
range is sent as the nearest one inside. Kinds and layouts come from ``frames.proto``;
the byte tables are in ``docs/reference/frames.md``.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridmodel.errors import FrameError
from gridmodel.wire.bits import Bits
from gridmodel.wire.layouts import LAYOUTS, PLAIN, SIGNED, FrameKind

__all__ = [
    "COORDINATOR",
    "EVERYONE",
    "LAYOUTS",
    "PLAIN",
    "SIGNED",
    "Bits",
    "FrameKind",
    "body_bytes",
    "pack",
    "unpack",
]

#: Address of the coordinator of a cell, and of everyone in it.
COORDINATOR = 0
EVERYONE = 255

_WIDTH = {kind: sum(field.bits for field in fields) for kind, fields in LAYOUTS.items()}
_BYTES = {kind: -(-width // 8) for kind, width in _WIDTH.items()}


def body_bytes(kind: FrameKind) -> int:
    """Return the length of a body. [B]"""
    return _BYTES[kind]


def pack(kind: FrameKind, values: Mapping[str, float]) -> bytes:
    """Return the body that carries the values.

    Raises
    ------
    KeyError
        If a field of the kind is missing.
    FrameError
        If a value is not a number.
    """
    code = 0
    for field in LAYOUTS[kind]:
        code = (code << field.bits) | field.encode(values[field.name])
    length = _BYTES[kind]
    return (code << (8 * length - _WIDTH[kind])).to_bytes(length, "big")


def unpack(kind: FrameKind, body: bytes) -> dict[str, float]:
    """Return the values a body carries.

    Raises
    ------
    FrameError
        If the body has not the length of its kind.
    """
    length = _BYTES[kind]
    if len(body) != length:
        raise FrameError(f"a {kind.name} body has {length} bytes, not {len(body)}")
    code = int.from_bytes(body, "big") >> (8 * length - _WIDTH[kind])
    values = {}
    for field in reversed(LAYOUTS[kind]):
        values[field.name] = field.decode(code & ((1 << field.bits) - 1))
        code >>= field.bits
    return values
