"""Cell link: a node's end of the sealed radio link of its cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from controllers.joined_link import JoinedLink
from gridmodel.errors import FrameError
from gridmodel.federate import NodeSeat
from gridmodel.ports import ReceivedFrame
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.seal import Opened, Opener, Sealer, node_key, peek, signing_key
from gridmodel.wire.signature import Signer, Verifier, public_key_of

#: Counters are kept ahead in steps of this, so flash is written once in so many frames.
RESERVE_COUNT = 256


class CellLink:
    """Seals what a node sends and opens what it hears.

    Parameters
    ----------
    address : int
        The node's own address.
    peers : iterable of int
        Addresses it listens to.
    seed : int
        Seed of the simulated keys.
    cell : int
        Number of the cell.
    """

    def __init__(self, address: int, peers: Iterable[int], seed: int, cell: int = 0) -> None:
        lead = address == COORDINATOR
        signer = Signer(signing_key(seed, cell)) if lead else None
        self._sealer = Sealer(address, node_key(seed, cell, address), signer=signer)
        verifier = None if lead else _verifier(seed, cell)
        self._openers = {
            peer: Opener(peer, node_key(seed, cell, peer), verifier=verifier) for peer in peers
        }
        self.refused_count = 0
        #: Counters up to here may be used; no later start may use them again.
        self.reserved = 0

    @property
    def counter(self) -> int:
        """Counter of the newest frame sealed."""
        return self._sealer.counter

    def boot(self, now_us: int, reserved: int = 0) -> None:
        """Begin behind all counters that may have been used before a loss of power."""
        if reserved:
            self._sealer.counter = self.reserved = reserved

    def seal(self, kind: FrameKind, destination: int, values: Mapping[str, float]) -> bytes:
        """Return a sealed frame; a rising `reserved` has to be kept before it is sent."""
        if self._sealer.counter >= self.reserved:
            self.reserved = self._sealer.counter + RESERVE_COUNT
        return self._sealer.seal(kind, destination, values)

    def open(self, frames: Iterable[ReceivedFrame]) -> list[Opened]:
        """Return the frames for this node that pass every check; count those that do not."""
        opened = []
        for frame in frames:
            try:
                source, _ = peek(frame.data)
                opener = self._openers.get(source)
                if opener is None:
                    raise FrameError(f"node {source} is unknown here")
                found = opener.open(frame.data)
                if found.destination in (self._sealer.address, EVERYONE):
                    opened.append(found)
            except FrameError:
                self.refused_count += 1
        return opened

    def answers(self, now_us: int) -> list[bytes]:
        """Return no frames: simulated ends know each other."""
        return []

    def wake_us(self) -> int:
        """Return 0: it calls nobody."""
        return 0

    def snapshot(self) -> Any:
        """Return counters and replay windows; keys are not state."""
        windows = {p: (o.highest, o.seen, o.signed_count) for p, o in self._openers.items()}
        return self._sealer.counter, windows, self.refused_count, self.reserved

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._sealer.counter, windows, self.refused_count, self.reserved = state
        for peer, counts in windows.items():
            opener = self._openers[peer]
            opener.highest, opener.seen, opener.signed_count = counts


@cache
def _verifier(seed: int, cell: int) -> Verifier:
    return Verifier(public_key_of(signing_key(seed, cell)))


def link_of(seat: NodeSeat, peers: Iterable[int], calls: Iterable[int]) -> CellLink | JoinedLink:
    """Return a node's end: provisioned if its seat has keys, else with keys from the seed."""
    if seat.link is not None:
        return JoinedLink(seat.link, calls)
    return CellLink(seat.address, peers, seat.seed, seat.cell)
