"""The seal on a frame: who sent it, that nobody changed it, and that it is new.

AES-128 in CCM mode (RFC 3610) with a 4-byte tag over header and body, one key per
sender, so that a stolen key forges one house only. The 13-byte nonce holds the source
and the whole 32-bit counter; the header carries the counter's low 16 bits and the
receiver rebuilds the rest. A receiver accepts each counter once, within a window of 32.

Overhead is 9 bytes: version and kind 1, source 1, destination 1, counter 2, tag 4.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gridmodel.errors import FrameError
from gridmodel.wire.frames import FrameKind, pack, unpack

VERSION = 1
TAG_BYTES = 4
OVERHEAD_BYTES = 9
#: A LoRa packet carries no more.
MOST_BYTES = 255
#: The counter's last value; a nonce has 32 bits for it.
MOST_COUNT = 2**32 - 1
_HEADER = struct.Struct(">BBBH")
_WINDOW = 32


def node_key(seed: int, cell: int, address: int) -> bytes:
    """Return the key of a simulated node, from the scenario's seed.

    Real nodes are given random keys when they join; a simulation needs reproducible ones.
    """
    return hashlib.sha256(f"feedertwin key {seed} {cell} {address}".encode()).digest()[:16]


def _nonce(source: int, counter: int) -> bytes:
    return struct.pack(">BI8x", source, counter)


@dataclass(frozen=True, slots=True)
class Opened:
    """A frame that passed every check."""

    kind: FrameKind
    source: int
    destination: int
    counter: int
    values: dict[str, float]


def peek(frame: bytes) -> tuple[int, int]:
    """Return source and destination of a frame, unchecked.

    Raises
    ------
    FrameError
        If it is too short to be a frame.
    """
    if len(frame) < OVERHEAD_BYTES:
        raise FrameError(f"{len(frame)} bytes are too few for a frame")
    return frame[1], frame[2]


@dataclass(slots=True)
class Sealer:
    """Seals the frames of one sender; its counter must never repeat for a key."""

    address: int
    key: bytes
    counter: int = 0
    _cipher: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cipher = AESCCM(self.key, tag_length=TAG_BYTES)

    def seal(self, kind: FrameKind, destination: int, values: Mapping[str, float]) -> bytes:
        """Return the sealed frame and count it."""
        self.counter += 1
        header = _HEADER.pack(VERSION << 4 | kind, self.address, destination, self.counter & 0xFFFF)
        nonce = _nonce(self.address, self.counter)
        sealed: bytes = self._cipher.encrypt(nonce, pack(kind, values), header)
        return header + sealed


@dataclass(slots=True)
class Opener:
    """Opens the frames of one sender and refuses what is forged, broken or replayed."""

    source: int
    key: bytes
    highest: int = 0
    seen: int = 0  # bit k: counter highest - k was accepted
    _cipher: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cipher = AESCCM(self.key, tag_length=TAG_BYTES)

    def open(self, frame: bytes) -> Opened:
        """Return what the frame says.

        Raises
        ------
        FrameError
            If it is too short, of an unknown kind, forged, broken or replayed.
        """
        if len(frame) < OVERHEAD_BYTES:
            raise FrameError(f"{len(frame)} bytes are too few for a frame")
        if len(frame) > MOST_BYTES:
            raise FrameError(f"{len(frame)} bytes are too many for a frame")
        first, source, destination, low = _HEADER.unpack_from(frame)
        if source != self.source:
            raise FrameError(f"frame says it is of node {source}, not of {self.source}")
        if first >> 4 != VERSION:
            raise FrameError(f"frame version {first >> 4} is unknown; this node speaks {VERSION}")
        try:
            kind = FrameKind(first & 0xF)
        except ValueError as error:
            raise FrameError(f"frame kind {first & 0xF} is unknown") from error
        counter = self._whole(low)
        if counter > MOST_COUNT:
            raise FrameError(f"node {source} has used up its counter; it needs a new key")
        age = self.highest - counter
        if age >= _WINDOW or (age >= 0 and self.seen >> age & 1):
            raise FrameError(f"frame {counter} of node {source} is replayed")
        try:
            body = self._cipher.decrypt(
                _nonce(source, counter), frame[_HEADER.size :], frame[: _HEADER.size]
            )
        except InvalidTag as error:
            raise FrameError(f"frame of node {source} is forged or broken") from error
        values = unpack(kind, body)
        self._accept(counter)
        return Opened(kind, source, destination, counter, values)

    def _whole(self, low: int) -> int:
        """Return the counter nearest to the highest accepted that ends in ``low``."""
        counter = (self.highest & ~0xFFFF) | low
        if counter + 0x8000 < self.highest:
            counter += 0x10000
        elif counter > self.highest + 0x8000 and counter >= 0x10000:
            counter -= 0x10000
        return counter

    def _accept(self, counter: int) -> None:
        """Note a counter as used."""
        ahead = counter - self.highest
        if ahead > 0:
            self.seen = (self.seen << ahead | 1) & ((1 << _WINDOW) - 1)
            self.highest = counter
        else:
            self.seen |= 1 << -ahead
