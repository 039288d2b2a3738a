"""The seal on a frame: who sent it, that nobody changed it, and that it is new.

AES-128 in CCM mode (RFC 3610) with a 4-byte tag over header and body, one key per
sender, so that a stolen key forges one house only. The 13-byte nonce holds the source,
the whole 32-bit counter and the epoch of the keys; the header carries the counter's low
16 bits and the receiver rebuilds the rest. A receiver accepts each counter once, within
a window of 32.

Overhead is 9 bytes: version and kind 1, source 1, destination 1, counter 2, tag 4.
Signed kinds have 64 more. Plain kinds (signed ones and the join) are sealed without
being encrypted and carry the whole counter, so that one who lost count can read them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gridmodel.errors import FrameError
from gridmodel.wire.failure_limit import FailureLimit
from gridmodel.wire.frames import PLAIN, SIGNED, FrameKind, body_bytes, pack, unpack
from gridmodel.wire.signature import SIGNATURE_BYTES, Signer, Verifier

VERSION = 1
TAG_BYTES = 4
OVERHEAD_BYTES = 9
#: A LoRa packet carries no more.
MOST_BYTES = 255
#: The counter's last value; a nonce has 32 bits for it.
MOST_COUNT = 2**32 - 1
_HEADER = struct.Struct(">BBBH")
_NONCE = struct.Struct(">BIH6x")
_WINDOW = 32


class Counter(Protocol):
    """Where a sender's numbers come from, each of them once."""

    def take(self) -> int:
        """Return the next number, greater than all before."""
        ...


def node_key(seed: int, cell: int, address: int) -> bytes:
    """Return the key of a simulated node, from the scenario's seed.

    Real nodes are given random keys (`gridmodel.wire.keys`); a simulation needs
    reproducible ones.
    """
    return hashlib.sha256(f"feedertwin key {seed} {cell} {address}".encode()).digest()[:16]


def frame_bytes(kind: FrameKind) -> int:
    """Return the length of a frame on the air. [B]"""
    return body_bytes(kind) + OVERHEAD_BYTES + (SIGNATURE_BYTES if kind in SIGNED else 0)


def signing_key(seed: int, cell: int) -> bytes:
    """Return the private key of a simulated coordinator, from the scenario's seed."""
    return hashlib.sha256(f"feedertwin signing key {seed} {cell}".encode()).digest()


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


def peek_kind(frame: bytes) -> FrameKind:
    """Return the kind of a frame, unchecked but for its version and length.

    Raises
    ------
    FrameError
        If it is too short or too long, or of a version or kind that is unknown.
    """
    if len(frame) < OVERHEAD_BYTES:
        raise FrameError(f"{len(frame)} bytes are too few for a frame")
    if len(frame) > MOST_BYTES:
        raise FrameError(f"{len(frame)} bytes are too many for a frame")
    version, number = frame[0] >> 4, frame[0] & 0xF
    if version != VERSION:
        raise FrameError(f"frame version {version} is unknown; this node speaks {VERSION}")
    try:
        kind = FrameKind(number)
    except ValueError as error:
        raise FrameError(f"frame kind {number} is unknown") from error
    if kind in PLAIN and len(frame) != frame_bytes(kind):
        body = len(frame) - frame_bytes(kind) + body_bytes(kind)
        raise FrameError(f"a {kind.name} body has {body_bytes(kind)} bytes, not {body}")
    return kind


@dataclass(slots=True)
class Sealer:
    """Seals the frames of one sender; its counter must never repeat for a key.

    Parameters
    ----------
    address : int
        The sender's address.
    key : bytes
        16 bytes.
    counter : int
        The number of the frame sealed last.
    epoch : int
        Count of times the keys were renewed or the counter was lost, 0..65535.
    source : Counter or None
        Gives the numbers, such as a `CounterStore`; without one they are counted here.
    signer : Signer or None
        Needed for signed kinds.
    """

    address: int
    key: bytes = field(repr=False)
    counter: int = 0
    epoch: int = 0
    source: Counter | None = None
    signer: Signer | None = None
    _cipher: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cipher = AESCCM(self.key, tag_length=TAG_BYTES)

    def seal(self, kind: FrameKind, destination: int, values: Mapping[str, float]) -> bytes:
        """Return the sealed frame and count it.

        Raises
        ------
        FrameError
            If the key's last number is used, or the kind is to be signed and there is
            no signer.
        """
        counter = self._next()
        header = _HEADER.pack(VERSION << 4 | kind, self.address, destination, counter & 0xFFFF)
        nonce = _NONCE.pack(self.address, counter, self.epoch)
        if kind not in PLAIN:
            sealed: bytes = self._cipher.encrypt(nonce, pack(kind, values), header)
            return header + sealed
        said = header + pack(kind, {**values, "counter_high": counter >> 16})
        frame: bytes = said + self._cipher.encrypt(nonce, b"", said)
        return frame + self._signature(kind, said) if kind in SIGNED else frame

    def _next(self) -> int:
        """Count a frame."""
        counter = self.counter + 1 if self.source is None else self.source.take()
        if counter > MOST_COUNT:
            raise FrameError(f"node {self.address} has used up its counter; it needs a new key")
        self.counter = counter
        return counter

    def _signature(self, kind: FrameKind, said: bytes) -> bytes:
        if self.signer is None:
            raise FrameError(f"{kind.name} must be signed, and this sender has no private key")
        return self.signer.sign(self.epoch, said)


@dataclass(slots=True)
class Opener:
    """Opens the frames of one sender and refuses what is forged, broken or replayed.

    Parameters
    ----------
    source : int
        The sender's address.
    key : bytes
        16 bytes.
    highest : int
        Greatest counter accepted so far.
    seen : int
        Bit k: counter ``highest - k`` was accepted.
    epoch : int
        As the sender's.
    verifier : Verifier or None
        Needed for signed kinds; without one they are refused.
    limit : FailureLimit or None
        Bounds how often a forger may try; needs ``now_us`` at each frame.
    signed_count : int
        Greatest counter of a signed frame accepted so far. Signed frames must come in
        order, and do not look at the window: whoever stole the key could move that on.
    strange_count : int
        Frames in a row that were too old for the window or failed their check. Several
        may mean that this end has lost count; a frame that came twice is not one of them.
    """

    source: int
    key: bytes = field(repr=False)
    highest: int = 0
    seen: int = 0
    epoch: int = 0
    verifier: Verifier | None = None
    limit: FailureLimit | None = None
    signed_count: int = 0
    strange_count: int = 0
    _cipher: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cipher = AESCCM(self.key, tag_length=TAG_BYTES)

    def open(self, frame: bytes, now_us: int = 0, near: int = 0) -> Opened:
        """Return what the frame says.

        Parameters
        ----------
        frame : bytes
            As received.
        now_us : int
            Instant of reception, for the limit on failures. [us]
        near : int
            A counter of this sender that was heard elsewhere. The frame's counter is looked
            for near it too; this proves nothing, and the window is moved by the tag alone.

        Raises
        ------
        FrameError
            If it is too short, of an unknown version or kind, forged, broken, replayed,
            or one of too many that failed.
        """
        kind = peek_kind(frame)
        _, source, destination, low = _HEADER.unpack_from(frame)
        if source != self.source:
            raise FrameError(f"frame says it is of node {source}, not of {self.source}")
        if kind in SIGNED and self.verifier is None:
            raise FrameError(f"{kind.name} is signed, and no public key is known here")
        if kind in PLAIN:
            counters = [self._plain_counter(kind, frame)]
        else:
            counters = [_whole(self.highest, low)]
            if near > self.highest and (other := _whole(near, low)) not in counters:
                counters.append(other)
        counters = self._new(kind, counters)
        if self.limit is not None and kind not in SIGNED:  # a signature cannot be guessed
            self.limit.check(now_us)
        counter, body = self._checked(kind, frame, counters)
        values = unpack(kind, body)
        if kind in SIGNED:
            self.signed_count = counter
        else:
            self._accept(counter)
        return Opened(kind, source, destination, counter, values)

    def synchronise(self, counter: int) -> None:
        """Take a counter as the newest, as a join has proven it to be, and none before."""
        self.highest, self.seen = counter, (1 << _WINDOW) - 1
        self.signed_count = max(self.signed_count, counter)
        self.strange_count = 0

    def _plain_counter(self, kind: FrameKind, frame: bytes) -> int:
        """Return the whole counter that a plain frame carries."""
        body = frame[_HEADER.size : _HEADER.size + body_bytes(kind)]
        low: int = _HEADER.unpack_from(frame)[3]
        return int(unpack(kind, body)["counter_high"]) << 16 | low

    def _new(self, kind: FrameKind, counters: list[int]) -> list[int]:
        """Return the counters that were not accepted yet and are not too old to tell.

        Raises
        ------
        FrameError
            If none is left.
        """
        if counters[0] > MOST_COUNT:
            raise FrameError(f"node {self.source} has used up its counter; it needs a new key")
        new = [counter for counter in counters if not self._old(kind, counter)]
        if not new:
            if kind not in SIGNED and all(self.highest - c >= _WINDOW for c in counters):
                self.strange_count += 1
            raise FrameError(f"frame {counters[0]} of node {self.source} is replayed")
        return new

    def _old(self, kind: FrameKind, counter: int) -> bool:
        """Return whether a counter was accepted, or is too old to tell."""
        if kind in SIGNED:
            return counter <= self.signed_count
        age = self.highest - counter
        return age >= _WINDOW or (age >= 0 and bool(self.seen >> age & 1))

    def _checked(self, kind: FrameKind, frame: bytes, counters: list[int]) -> tuple[int, bytes]:
        """Return counter and body of a frame by the first counter that its tag agrees to.

        Raises
        ------
        FrameError
            If it agrees to none: each counts as a failure.
        """
        for counter in counters:
            try:
                if kind in PLAIN:
                    return counter, self._plain(kind, frame)
                return counter, self._decrypted(counter, frame)
            except (InvalidTag, FrameError) as error:
                failure = error
        if kind not in SIGNED:
            self.strange_count += 1
            if self.limit is not None:
                for _ in counters:
                    self.limit.failed()
        reason = f": {failure}" if isinstance(failure, FrameError) else ""
        raise FrameError(f"frame of node {self.source} is forged or broken{reason}") from failure

    def _decrypted(self, counter: int, frame: bytes) -> bytes:
        nonce = _NONCE.pack(self.source, counter, self.epoch)
        header, sealed = frame[: _HEADER.size], frame[_HEADER.size :]
        body: bytes = self._cipher.decrypt(nonce, sealed, header)
        return body

    def _plain(self, kind: FrameKind, frame: bytes) -> bytes:
        """Return the body of a plain frame whose tag and signature are right."""
        end = _HEADER.size + body_bytes(kind)
        said, tag = frame[:end], frame[end : end + TAG_BYTES]
        nonce = _NONCE.pack(self.source, self._plain_counter(kind, frame), self.epoch)
        self._cipher.decrypt(nonce, tag, said)
        if self.verifier is not None and kind in SIGNED:
            self.verifier.verify(self.epoch, said, frame[end + TAG_BYTES :])
        return said[_HEADER.size :]

    def _accept(self, counter: int) -> None:
        """Note a counter as used."""
        self.strange_count = 0
        ahead = counter - self.highest
        if ahead > 0:  # a join may lie further ahead than a number should be shifted
            before = self.seen << ahead if ahead < _WINDOW else 0
            self.seen = (before | 1) & ((1 << _WINDOW) - 1)
            self.highest = counter
        else:
            self.seen |= 1 << -ahead


def _whole(known: int, low: int) -> int:
    """Return the counter nearest to a known one that ends in ``low``."""
    counter = (known & ~0xFFFF) | low
    if counter + 0x8000 < known:
        counter += 0x10000
    elif counter > known + 0x8000 and counter >= 0x10000:
        counter -= 0x10000
    return counter
