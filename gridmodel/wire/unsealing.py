"""Unsealing: opens frames of a record afterwards, by whoever has the keys.

A record may begin anywhere, so the upper half of a sender's counter is looked for once.
Nothing is refused as replayed: a record shows what was on the air.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from gridmodel.errors import FrameError
from gridmodel.wire.frames import COORDINATOR, EVERYONE, PLAIN, FrameKind, unpack
from gridmodel.wire.frames import body_bytes as body_bytes_of
from gridmodel.wire.keys import KeyRing
from gridmodel.wire.seal import Opened, Opener, node_key, peek, peek_kind, signing_key
from gridmodel.wire.signature import Verifier, public_key_of

_HEADER_BYTES = 5
#: Searches for the upper half of a sender's counter before no more are made. One takes
#: up to 65,536 trials; chance would pass a forged frame once in as many such searches.
_SEARCHES = 3


class Peeked(NamedTuple):
    """What a frame tells without keys, unproven.

    Parameters
    ----------
    kind : FrameKind
        What it is for.
    source, destination : int
        Addresses.
    counter_low : int
        Low 16 bits of its counter.
    values : dict
        Of the kinds that are not encrypted.
    """

    kind: FrameKind
    source: int
    destination: int
    counter_low: int
    values: dict[str, float]


def peek_all(frame: bytes) -> Peeked:
    """Return what a sealed frame tells without keys.

    Raises
    ------
    FrameError
        If it is none, or of an unknown version or kind.
    """
    kind = peek_kind(frame)
    source, destination = peek(frame)
    values = {}
    if kind in PLAIN:
        values = unpack(kind, frame[_HEADER_BYTES : _HEADER_BYTES + body_bytes_of(kind)])
    return Peeked(kind, source, destination, int.from_bytes(frame[3:5], "big"), values)


class Unsealer:
    """Opens frames of a cell.

    Parameters
    ----------
    key_of : callable
        Key of a frame by its source and destination; None if it is not known.
    epoch : int
        Of the keys.
    public_key : bytes
        Of the coordinator.
    """

    def __init__(
        self, key_of: Callable[[int, int], bytes | None], epoch: int, public_key: bytes
    ) -> None:
        self._key_of = key_of
        self._epoch = epoch
        self._verifier = Verifier(public_key)
        self._openers: dict[tuple[int, bytes], Opener] = {}
        self._known: dict[int, int] = {}  # a counter of each source, near the next one
        self._failures: dict[int, int] = {}

    @classmethod
    def of_ring(cls, ring: KeyRing) -> Unsealer:
        """Return the one of a provisioned member: it knows what it said and was told."""

        def key_of(source: int, destination: int) -> bytes | None:
            if destination == EVERYONE:
                return ring.keys.get(EVERYONE)
            if ring.address not in (source, destination):
                return None
            return ring.keys.get(destination if source == ring.address else source)

        return cls(key_of, ring.epoch, ring.public_key)

    @classmethod
    def of_seed(cls, seed: int, cell: int) -> Unsealer:
        """Return the one of a simulated cell, whose keys come from the scenario's seed."""
        public_key = public_key_of(signing_key(seed, cell))
        return cls(lambda source, _: node_key(seed, cell, source), 0, public_key)

    def open(self, frame: bytes) -> Opened:
        """Return what a frame says.

        Raises
        ------
        FrameError
            If there is no key for it, or it is forged or broken.
        """
        told = peek_all(frame)
        source = told.source
        key = self._key_of(source, told.destination)
        if key is None:
            raise FrameError(f"there is no key for node {source} to node {told.destination}")
        opener = self._openers.get((source, key))
        if opener is None:
            verifier = self._verifier if source == COORDINATOR else None
            opener = Opener(source, key, epoch=self._epoch, verifier=verifier)
            self._openers[source, key] = opener
        opened = self._tried(opener, told, frame)
        self._known[source] = opened.counter
        return opened

    def _tried(self, opener: Opener, told: Peeked, frame: bytes) -> Opened:
        """Open a frame at the counter that is nearest, or at the first that fits."""
        known, low = self._known.get(told.source), told.counter_low
        if told.kind in PLAIN:
            return _open_at(opener, int(told.values["counter_high"]) << 16 | low, frame)
        if known is not None:
            near = max(low, known + (low - known + 0x8000) % 0x10000 - 0x8000)
            with suppress(FrameError):  # it may have begun anew
                return _open_at(opener, near, frame)
        failures = self._failures.get(told.source, 0)
        if failures < _SEARCHES:
            for high in range(0x10000):
                try:
                    return _open_at(opener, high << 16 | low, frame)
                except FrameError:
                    continue
            self._failures[told.source] = failures + 1
        raise FrameError(f"frame of node {told.source} is forged, broken or of other keys")


def _open_at(opener: Opener, counter: int, frame: bytes) -> Opened:
    """Open a frame as if no other had been heard."""
    opener.highest, opener.seen, opener.signed_count = max(counter - 1, 0), 0, 0
    return opener.open(frame)
