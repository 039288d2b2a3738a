"""Crossing: what goes from one partition to another, and its bytes.

Signals go as one self-contained block of stamped values, little-endian, so a receiver
that looks rarely misses nothing: of a signal whose value at the receiver's own instant
may be hidden by the clock's law, the value before it goes along. Messages go as a list.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from struct import Struct
from typing import Any

import numpy as np

from cosim.clock import BEFORE, Slot
from cosim.federation import Federation, Link
from gridmodel.federate import Message, Messages, Signal

_STAMP = Struct("<q")
_CODES = {float: "<f8", int: "<i8", bool: "|b1"}
#: target, port, arrival, sender, sequence, message
Letter = tuple[str, str, int, int, int, Message]


@dataclass(frozen=True)
class _Field:
    """One signal of a block."""

    source: str
    port: str
    signal: Signal
    with_old: bool

    def encode(self, slot: Slot) -> bytes:
        parts = [self._value(slot.new_us, slot.new)]
        if self.with_old:
            parts.append(self._value(slot.old_us, slot.old))
        return b"".join(parts)

    def decode(self, block: bytes, at: int, slot: Slot) -> int:
        """Put what a block says into a slot; return where the next field begins."""
        (stamp,) = _STAMP.unpack_from(block, at)
        end = at + self.length
        if stamp == slot.new_us or stamp == BEFORE:
            return end
        if self.with_old:
            slot.old_us, slot.old = self._read(block, at + self.length // 2)
            slot.new_us, slot.new = self._read(block, at)
        else:
            slot.put(*self._read(block, at))
        return end

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return tuple(length or 0 for length in self.signal.shape or ())

    @cached_property
    def _count(self) -> int:
        return prod(self._shape)

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(_CODES[self.signal.dtype])

    @cached_property
    def length(self) -> int:
        """Bytes in a block."""
        size = self._dtype.itemsize * self._count
        return (_STAMP.size + size) * (2 if self.with_old else 1)

    def _value(self, stamp: int, value: Any) -> bytes:
        if stamp == BEFORE:
            value = np.zeros(self._count)
        return _STAMP.pack(stamp) + np.asarray(value, self._dtype).tobytes()

    def _read(self, block: bytes, at: int) -> tuple[int, Any]:
        (stamp,) = _STAMP.unpack_from(block, at)
        if stamp == BEFORE:
            return stamp, None
        # Read-only, as the bytes are.
        array = np.frombuffer(block, self._dtype, self._count, at + _STAMP.size)
        if self.signal.shape == ():
            return stamp, self.signal.dtype(array[0])
        return stamp, array.reshape(self._shape)


class Crossing:
    """All that goes from one partition to another.

    Parameters
    ----------
    federation : Federation
        The whole.
    links : iterable of Link
        Those from one of the partitions to the other.
    """

    def __init__(self, federation: Federation, links: Iterable[Link]) -> None:
        fields: dict[tuple[str, str], bool] = {}
        self.message_links: dict[tuple[str, str], list[Link]] = {}
        for link in links:
            source, target = federation[link.source], federation[link.target]
            key = (link.source, link.source_port)
            if isinstance(source.outputs[link.source_port], Messages):
                self.message_links.setdefault(key, []).append(link)
            else:
                # A source of a higher level speaks after the receiver has looked.
                seen = link.delayed and source.level <= target.level
                fields[key] = fields.get(key, False) or seen
        self._fields = []
        for (name, port), with_old in sorted(fields.items()):
            signal = federation[name].outputs[port]
            assert isinstance(signal, Signal)
            self._fields.append(_Field(name, port, signal, with_old))

    @cached_property
    def signals(self) -> Sequence[tuple[str, str]]:
        """Source and port of each signal, in the order of the block."""
        return [(field.source, field.port) for field in self._fields]

    def encode(self, slots: Mapping[tuple[str, str], Slot]) -> bytes:
        """Return the block of signals as they stand."""
        return b"".join(field.encode(slots[field.source, field.port]) for field in self._fields)

    def decode(self, block: bytes, slots: Mapping[tuple[str, str], Slot]) -> None:
        """Put a block of signals into the receiver's slots."""
        at = 0
        for field in self._fields:
            at = field.decode(block, at, slots[field.source, field.port])


def pack_letters(letters: Iterable[Letter]) -> bytes:
    """Return messages as bytes."""
    return marshal.dumps(
        [(t, p, a, s, q, m.t_us, m.kind, dict(m.data)) for t, p, a, s, q, m in letters]
    )


def unpack_letters(data: bytes) -> list[Letter]:
    """Return the messages in bytes that `pack_letters` made; both ends are ours."""
    return [
        (target, port, arrival, sender, sequence, Message(t_us, kind, content))
        for target, port, arrival, sender, sequence, t_us, kind, content in marshal.loads(data)
    ]


def crossings(federation: Federation, home: Mapping[str, str]) -> dict[tuple[str, str], Crossing]:
    """Return what crosses, by partition of origin and of destination.

    Parameters
    ----------
    federation : Federation
        The whole.
    home : mapping
        Partition of each federate.
    """
    links: dict[tuple[str, str], list[Link]] = {}
    for link in federation.links:
        way = (home[link.source], home[link.target])
        if way[0] != way[1]:
            links.setdefault(way, []).append(link)
    return {way: Crossing(federation, found) for way, found in sorted(links.items())}
