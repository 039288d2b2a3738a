"""Kinds of frames and the bits of their bodies.

Written by scripts/generate_wire.py from frames.proto: do not edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from gridmodel.wire.bits import Bits


class FrameKind(IntEnum):
    """What a frame is for."""

    TELEMETRY = 1
    BEACON = 2
    ORDER = 3
    ACKNOWLEDGE = 4
    HEARTBEAT = 5
    STATE_OF_CHARGE = 6
    DISPATCH = 7
    SHED = 8
    SHED_ALL = 9
    BLACK_START = 10
    JOIN = 11


LAYOUTS: Mapping[FrameKind, tuple[Bits, ...]] = {
    # A node tells the coordinator how its house stands.
    FrameKind.TELEMETRY: (
        Bits("state", 4),
        Bits("closed_mask", 3),
        Bits("v_v", 12, 0.1),
        Bits("f_hz", 13, 0.001, 45.0),
        Bits("p_kw", 14, 0.01, -81.92),
        Bits("order_count", 10),
    ),
    # The coordinator tells everyone that it lives and how the island stands.
    FrameKind.BEACON: (
        Bits("grid_tied", 1),
        Bits("scarce", 1),
        Bits("soc_pu", 10, 0.001),
        Bits("period_s", 8, 5.0),
    ),
    # The coordinator tells one node which circuits may be connected: sheds or restores.
    FrameKind.ORDER: (
        Bits("allowed_mask", 3),
        Bits("valid_s", 8, 30.0),
        Bits("reason", 3),
    ),
    # A node confirms an order.
    FrameKind.ACKNOWLEDGE: (
        Bits("order_count", 16),
        Bits("state", 4),
        Bits("closed_mask", 3),
    ),
    # A node tells that it lives, and nothing else.
    FrameKind.HEARTBEAT: (
        Bits("state", 4),
        Bits("uptime_h", 12),
        Bits("flags_mask", 8),
    ),
    # Whoever has a battery tells what it holds and can give.
    FrameKind.STATE_OF_CHARGE: (
        Bits("soc_pu", 10, 0.001),
        Bits("p_kw", 14, 0.01, signed=True),
        Bits("headroom_kw", 13, 0.01),
        Bits("age_s", 3),
        Bits("flags_mask", 5),
    ),
    # The coordinator sets the power of a device at a node.
    FrameKind.DISPATCH: (
        Bits("device", 4),
        Bits("p_kw", 14, 0.01, signed=True),
        Bits("q_kvar", 14, 0.01, signed=True),
        Bits("valid_s", 8, 10.0),
        Bits("ramp_s", 4, 5.0),
    ),
    # The coordinator sheds in a part of the cell at once; addresses take turns by groups.
    FrameKind.SHED: (
        Bits("level", 3),
        Bits("group_mask", 16),
        Bits("valid_s", 8, 10.0),
        Bits("reason", 5),
    ),
    # The coordinator disconnects every house of its cell.
    FrameKind.SHED_ALL: (
        Bits("counter_high", 16),
        Bits("valid_s", 12, 10.0),
        Bits("delay_s", 7),
        Bits("reason", 5),
    ),
    # The coordinator starts a dead street from one anchor.
    FrameKind.BLACK_START: (
        Bits("counter_high", 16),
        Bits("anchor", 8),
        Bits("delay_s", 8, 5.0),
        Bits("stagger_s", 8, 0.5),
    ),
    # Two ends meet, after a boot or a long silence, and learn each other's counter.
    FrameKind.JOIN: (
        Bits("counter_high", 16),
        Bits("echo_count", 32),
        Bits("program", 8),
        Bits("parts_mask", 8),
    ),
}
#: Kinds that the sender signs.
SIGNED = frozenset({FrameKind.SHED_ALL, FrameKind.BLACK_START})
#: Kinds that are sealed, but not encrypted.
PLAIN = frozenset({FrameKind.SHED_ALL, FrameKind.BLACK_START, FrameKind.JOIN})
