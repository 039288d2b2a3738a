"""Frames: fixed-length, bit-packed bodies, so that length and airtime tell nothing.

A body is a row of unsigned fields, most significant bit first, padded with zeros to
whole bytes. Each field has a scale and an offset: value = offset + scale x code. A
value outside the range is sent as the nearest one inside. The byte table is in
``docs/reference/frames.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from gridmodel.errors import FrameError

#: Address of the coordinator of a cell, and of everyone in it.
COORDINATOR = 0
EVERYONE = 255


class FrameKind(IntEnum):
    """What a frame is for."""

    TELEMETRY = 1
    BEACON = 2
    ORDER = 3
    ACKNOWLEDGE = 4


@dataclass(frozen=True, slots=True)
class Bits:
    """One field of a body."""

    name: str
    bits: int
    scale: float = 1.0
    offset: float = 0.0

    def encode(self, value: float) -> int:
        """Return the code nearest to a value, the outermost one beyond its ends."""
        most = (1 << self.bits) - 1
        return round(min(max((value - self.offset) / self.scale, 0), most))

    def decode(self, code: int) -> float:
        """Return the value of a code."""
        return self.offset + self.scale * code


LAYOUTS: Mapping[FrameKind, Sequence[Bits]] = {
    # A node tells the coordinator how its house stands. 7 bytes.
    FrameKind.TELEMETRY: (
        Bits("state", 4),
        Bits("closed_mask", 3),
        Bits("v_v", 12, 0.1),
        Bits("f_hz", 13, 0.001, 45.0),
        Bits("p_kw", 14, 0.01, -81.92),
        Bits("order_count", 10),  # low bits of the counter of the order in force
    ),
    # The coordinator tells everyone that it lives and how the island stands. 3 bytes.
    FrameKind.BEACON: (
        Bits("grid_tied", 1),
        Bits("scarce", 1),
        Bits("soc_pu", 10, 0.001),
        Bits("period_s", 8, 5.0),
    ),
    # The coordinator tells one node which circuits may be connected. 2 bytes.
    FrameKind.ORDER: (
        Bits("allowed_mask", 3),
        Bits("valid_s", 8, 30.0),
        Bits("reason", 3),
    ),
    # A node confirms an order. 3 bytes.
    FrameKind.ACKNOWLEDGE: (
        Bits("order_count", 16),
        Bits("state", 4),
        Bits("closed_mask", 3),
    ),
}


def body_bytes(kind: FrameKind) -> int:
    """Return the length of a body. [B]"""
    return -(-sum(field.bits for field in LAYOUTS[kind]) // 8)


def pack(kind: FrameKind, values: Mapping[str, float]) -> bytes:
    """Return the body that carries the values.

    Raises
    ------
    KeyError
        If a field of the kind is missing.
    """
    code = 0
    width = 0
    for field in LAYOUTS[kind]:
        code = (code << field.bits) | field.encode(values[field.name])
        width += field.bits
    length = -(-width // 8)
    return (code << (8 * length - width)).to_bytes(length, "big")


def unpack(kind: FrameKind, body: bytes) -> dict[str, float]:
    """Return the values a body carries.

    Raises
    ------
    FrameError
        If the body has not the length of its kind.
    """
    length = body_bytes(kind)
    if len(body) != length:
        raise FrameError(f"a {kind.name} body has {length} bytes, not {len(body)}")
    width = sum(field.bits for field in LAYOUTS[kind])
    code = int.from_bytes(body, "big") >> (8 * length - width)
    values = {}
    for field in reversed(LAYOUTS[kind]):
        values[field.name] = field.decode(code & ((1 << field.bits) - 1))
        code >>= field.bits
    return values
