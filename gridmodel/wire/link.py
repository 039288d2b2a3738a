"""Link of a provisioned member to its cell: keys from a file, counters that survive.

What goes to one peer is sealed with the key of that pair, what goes to everyone with the
cell's. A member that has just booted knows none of its peers' counters, so it could be
told old frames anew; it hears a peer only after both have met by `Join` frames, each of
which echoes the counter of the other's. No key goes on air, and no random number is
drawn: counters never repeat, so an echo of one cannot be old.

::

    house                        coordinator
      join(counter a, echo 0)  ->
                               <-  join(counter b, echo a)   the house knows b is fresh
      join(counter c, echo b)  ->                            the coordinator knows c is
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gridmodel.errors import FrameError
from gridmodel.wire.failure_limit import FailureLimit
from gridmodel.wire.frames import COORDINATOR, EVERYONE, SIGNED, FrameKind
from gridmodel.wire.keys import KeyRing
from gridmodel.wire.seal import Counter, Opened, Opener, Sealer, peek, peek_kind
from gridmodel.wire.signature import Signer, Verifier

_MOST_CALLS = 8
#: Frames of a peer that are refused in a row before this end asks itself whether it lost count.
_DOUBT_COUNT = 3


@dataclass(slots=True)
class _Peer:
    """What is known of one peer."""

    own: Opener  # of frames to this member alone
    cell: Opener  # of frames to everyone
    met: bool = False
    #: Counters of the joins sent to it last, and whether each was an answer.
    calls: dict[int, bool] = field(default_factory=dict)
    #: Counter of our newest call, 0 once it was answered, and the greatest counter taken
    #: under the cell's key since.
    asked: int = 0
    since: int = 0

    def call(self, counter: int, answer: bool) -> None:
        """Remember a join sent to it, so that its echo is known."""
        self.calls[counter] = answer
        if not answer:
            self.asked, self.since = counter, 0
        if len(self.calls) > _MOST_CALLS:
            del self.calls[min(self.calls)]

    def meet(self, counter: int, echo: int) -> None:
        """Take its counter as proven.

        Under the pair's key a counter that was proven before is never set back. The window of
        the cell's key is, if this answers our newest call: a thief may have moved it on. What
        was taken before that call is older than the answer, and ``since`` is what was taken
        after it, so nothing that was taken is new again.
        """
        proven = self.own.highest if self.met else counter
        if not self.met or counter > self.own.highest:
            self.own.synchronise(counter)
        if echo == self.asked:
            self.asked = 0
            self.cell.synchronise(counter)
            # Signed commands go by what is proven alone: a thief may have chosen ``since``.
            self.cell.highest = max(counter, proven, self.since)
        elif not self.met or counter > self.cell.highest:
            self.cell.synchronise(counter)
        self.met = True


@dataclass(slots=True)
class Link:
    """Seals what a member says and opens what it hears, by provisioned keys.

    Parameters
    ----------
    ring : KeyRing
        Its keys.
    counters : Counter
        Numbers of its frames, such as a `CounterStore`.
    program : int
        Version of its program, told when it joins, 0..255.
    parts_mask : int
        What it has, told when it joins: 1 relays, 2 inverter, 4 battery.
    """

    ring: KeyRing
    counters: Counter
    program: int = 0
    parts_mask: int = 0
    refused_count: int = field(default=0, init=False)
    _sealers: dict[int, Sealer] = field(init=False)
    _peers: dict[int, _Peer] = field(init=False)

    def __post_init__(self) -> None:
        ring = self.ring
        signer = None if ring.private_key is None else Signer(ring.private_key)
        self._sealers = {
            peer: Sealer(ring.address, key, epoch=ring.epoch, source=self.counters, signer=signer)
            for peer, key in ring.keys.items()
        }
        self._peers = {peer: self._peer(peer) for peer in ring.keys if peer != EVERYONE}

    def _peer(self, address: int) -> _Peer:
        ring, limit = self.ring, FailureLimit()
        verifier = Verifier(ring.public_key) if address == COORDINATOR else None
        return _Peer(
            Opener(address, ring.keys[address], epoch=ring.epoch, verifier=verifier, limit=limit),
            Opener(address, ring.keys[EVERYONE], epoch=ring.epoch, verifier=verifier, limit=limit),
        )

    @property
    def counter(self) -> int:
        """Counter of the newest frame sealed."""
        return max(sealer.counter for sealer in self._sealers.values())

    def knows(self, peer: int) -> bool:
        """Return whether a key is shared with a peer."""
        return peer in self._peers

    def met(self, peer: int) -> bool:
        """Return whether a peer has joined, so that its frames are taken."""
        return peer in self._peers and self._peers[peer].met

    def doubts(self, peer: int) -> bool:
        """Return whether frames of a peer that was met are refused in a row.

        Either they are forged, or this end has lost the peer's count or was led astray under
        the cell's key. A `join` to it puts that right.
        """
        if not self.met(peer):
            return False
        found = self._peers[peer]
        return max(found.own.strange_count, found.cell.strange_count) >= _DOUBT_COUNT

    def seal(self, kind: FrameKind, destination: int, values: Mapping[str, float]) -> bytes:
        """Return a sealed frame to a peer or to everyone.

        Raises
        ------
        FrameError
            If no key is shared with the destination, or as `Sealer.seal` says.
        """
        return self._sealer(destination).seal(kind, destination, values)

    def join(self, peer: int) -> bytes:
        """Return a frame that asks a peer to join; for after a boot, and while it `doubts`."""
        return self._join(peer, echo=0)

    def open(self, now_us: int, frame: bytes) -> tuple[Opened, bytes | None]:
        """Return what a frame says, and the frame to answer with, if any.

        Raises
        ------
        FrameError
            If it is not for this member, of a stranger, of a peer not met, or as
            `Opener.open` says.
        """
        try:
            return self._opened(now_us, frame)
        except FrameError:
            self.refused_count += 1
            raise

    def snapshot(self) -> Any:
        """Return what was heard; keys and the counters' store are not state."""
        heard = {
            address: (
                _heard(peer.own), _heard(peer.cell), peer.own.limit, peer.met, peer.calls,
                peer.asked, peer.since,
            )
            for address, peer in self._peers.items()
        }  # fmt: skip
        return copy.deepcopy((heard, self.refused_count))

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        heard, self.refused_count = copy.deepcopy(state)
        for address, (own, cell, limit, *rest) in heard.items():
            peer = self._peers[address]
            peer.met, peer.calls, peer.asked, peer.since = rest
            for opener, counts in ((peer.own, own), (peer.cell, cell)):
                opener.highest, opener.seen, opener.signed_count, opener.strange_count = counts
                opener.limit = limit

    def _opened(self, now_us: int, frame: bytes) -> tuple[Opened, bytes | None]:
        source, destination = peek(frame)
        peer = self._peers.get(source)
        if peer is None:
            raise FrameError(f"node {source} is unknown here")
        if destination not in (self.ring.address, EVERYONE):
            raise FrameError(f"frame is for node {destination}, not for {self.ring.address}")
        if peek_kind(frame) == FrameKind.JOIN:
            return self._joined(now_us, frame, peer)
        if not peer.met:
            raise FrameError(f"node {source} has not joined since this node booted")
        if destination == EVERYONE:
            opened = peer.cell.open(frame, now_us, near=peer.own.highest)
            if opened.kind not in SIGNED:
                peer.since = max(peer.since, opened.counter)
            return opened, None
        # Frames to everyone count on what this key does not hear.
        opened = peer.own.open(frame, now_us, near=peer.cell.highest)
        # Only the peer itself has this key, so no older command of its is new any more.
        for opener in (peer.own, peer.cell):
            opener.signed_count = max(opener.signed_count, peer.own.highest)
        return opened, None

    def _joined(self, now_us: int, frame: bytes, peer: _Peer) -> tuple[Opened, bytes | None]:
        """Meet a peer, or answer it so that it can be met."""
        if frame[2] == EVERYONE:
            raise FrameError("a JOIN is for one peer; the cell's key proves nobody")
        opened = peer.own.open(frame, now_us)
        echo = int(opened.values["echo_count"])
        if echo in peer.calls:
            peer.meet(opened.counter, echo)
            if peer.calls[echo]:
                return opened, None  # it has echoed an answer of ours: both know
        elif not peer.met and peer.own.limit is not None:
            peer.own.limit.failed()  # it may be old; such must not have us answer for ever
        return opened, self._join(opened.source, echo=opened.counter)

    def _join(self, peer: int, echo: int) -> bytes:
        values = {"echo_count": echo, "program": self.program, "parts_mask": self.parts_mask}
        sealer = self._sealer(peer)
        frame = sealer.seal(FrameKind.JOIN, peer, values)
        if peer in self._peers:
            self._peers[peer].call(sealer.counter, answer=echo != 0)
        return frame

    def _sealer(self, destination: int) -> Sealer:
        sealer = self._sealers.get(destination)
        if sealer is None:
            raise FrameError(f"no key is shared with node {destination}")
        return sealer


def _heard(opener: Opener) -> tuple[int, int, int, int]:
    return opener.highest, opener.seen, opener.signed_count, opener.strange_count
