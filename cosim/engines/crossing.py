"""Crossing: what goes from one partition to another, and its bytes.

Signals go as one self-contained block of stamped values, little-endian, so a receiver
that looks rarely misses nothing: of a signal whose value at the receiver's own instant
may be hidden by the clock's law, the value before it goes along. Messages go as a list.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Mapping, Sequence
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


class _Field:
    """One signal of a block, with all that its bytes need worked out beforehand."""

    __slots__ = (
        "_before", "_count", "_dtype", "_half", "_kind", "_shape",
        "length", "port", "source", "with_old",
    )  # fmt: skip

    def __init__(self, source: str, port: str, signal: Signal, with_old: bool) -> None:
        self.source, self.port, self.with_old = source, port, with_old
        shape = tuple(length or 0 for length in signal.shape or ())
        self._kind = signal.dtype if signal.shape == () else None
        self._shape = shape if len(shape) > 1 else None
        self._dtype: np.dtype[Any] = np.dtype(_CODES[signal.dtype])
        self._count = prod(shape)
        size = self._dtype.itemsize * self._count
        self._before = bytes(size)
        self._half = _STAMP.size + size
        #: Bytes in a block.
        self.length = self._half * (2 if with_old else 1)

    def encode(self, slot: Slot, parts: list[bytes]) -> None:
        """Add what a slot holds to the parts of a block."""
        parts += _STAMP.pack(slot.new_us), self._bytes(slot.new_us, slot.new)
        if self.with_old:
            parts += _STAMP.pack(slot.old_us), self._bytes(slot.old_us, slot.old)

    def decode(self, block: bytes, at: int, slot: Slot) -> None:
        """Put what a block says, from a position on, into a slot."""
        (stamp,) = _STAMP.unpack_from(block, at)
        if stamp == slot.new_us or stamp == BEFORE:
            return
        if self.with_old:
            before = at + self._half
            (slot.old_us,) = _STAMP.unpack_from(block, before)
            slot.old = None if slot.old_us == BEFORE else self._value(block, before)
            slot.new_us, slot.new = stamp, self._value(block, at)
        else:
            slot.put(stamp, self._value(block, at))

    def _bytes(self, stamp: int, value: Any) -> bytes:
        return self._before if stamp == BEFORE else np.asarray(value, self._dtype).tobytes()

    def _value(self, block: bytes, at: int) -> Any:
        # Read-only, as the bytes are.
        array = np.frombuffer(block, self._dtype, self._count, at + _STAMP.size)
        if self._kind is not None:
            return self._kind(array[0])
        return array if self._shape is None else array.reshape(self._shape)


class Block:
    """The signals of a crossing at one of its ends.

    Parameters
    ----------
    fields : sequence of _Field
        What crosses, in the order of the bytes.
    slots : mapping
        Where this end keeps what was sent, by source and port.
    """

    def __init__(self, fields: Sequence[_Field], slots: Mapping[tuple[str, str], Slot]) -> None:
        self._slots = [slots[field.source, field.port] for field in fields]
        self._fields: list[tuple[_Field, int, Slot]] = []
        at = 0
        for field, slot in zip(fields, self._slots, strict=True):
            self._fields.append((field, at, slot))
            at += field.length

    def sent_at(self, t_us: int) -> bool:
        """Return whether any of the signals was sent at an instant."""
        return any(slot.new_us == t_us for slot in self._slots)

    def encode(self) -> bytes:
        """Return the signals as they stand."""
        parts: list[bytes] = []
        for field, _, slot in self._fields:
            field.encode(slot, parts)
        return b"".join(parts)

    def decode(self, block: bytes) -> None:
        """Put what the other end encoded into this end's slots."""
        for field, at, slot in self._fields:
            field.decode(block, at, slot)


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

    def block(self, slots: Mapping[tuple[str, str], Slot]) -> Block:
        """Return the signals at one end, whose slots are given by source and port."""
        return Block(self._fields, slots)


def pack_letters(letters: Iterable[Letter]) -> bytes:
    """Return messages as bytes."""
    return marshal.dumps(
        [(t, p, a, s, q, m.t_us, m.kind, dict(m.data)) for t, p, a, s, q, m in letters]
    )


def unpack_letters(data: bytes) -> list[Letter]:
    """Return the messages in bytes that `pack_letters` made; both ends are ours."""
    if not data:
        return []
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
