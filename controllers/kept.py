"""Kept: what a node remembers over a loss of power, as a few bytes.

The frame counter, so that no number is ever used twice; and how long a trip and a local shed
still lasted when they began, or a restart would be a way around them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

_LAYOUT = struct.Struct(">BIBHBH")
_VERSION = 1
_MOST_S = 0xFFFF


class Kept(NamedTuple):
    """What is kept.

    Parameters
    ----------
    counter : int
        Frame counters up to here may have been used.
    trip_count, trip_s : int
        Trips not forgotten, and what is left of the newest. [s]
    local_mask, local_s : int
        Circuits that a shed of its own allows, and what is left of it. [s]
    """

    counter: int
    trip_count: int = 0
    trip_s: int = 0
    local_mask: int = 0
    local_s: int = 0

    def to_bytes(self) -> bytes:
        """Return it with a checksum; a time or count beyond its range is cut."""
        data = _LAYOUT.pack(
            _VERSION, self.counter, min(self.trip_count, 0xFF), min(self.trip_s, _MOST_S),
            self.local_mask, min(self.local_s, _MOST_S),
        )  # fmt: skip
        return data + crc32(data).to_bytes(4, "big")

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Kept | None:
        r"""Return what was kept; None if nothing was, or what is there is broken or newer.

        Examples
        --------
        >>> Kept.from_bytes(Kept(512, local_mask=3, local_s=120).to_bytes()).local_s
        120
        >>> Kept.from_bytes(b"\xff" * 15) is None
        True
        """
        if data is None or len(data) != _LAYOUT.size + 4:
            return None
        version, *values = _LAYOUT.unpack_from(data)
        if version != _VERSION or crc32(data[:-4]).to_bytes(4, "big") != data[-4:]:
            return None
        return cls(*values)


def seconds_left(now_us: int, end_us: int) -> int:
    """Return what is left of a time, rounded up. [s]"""
    return max(-(-(end_us - now_us) // 1_000_000), 0)
