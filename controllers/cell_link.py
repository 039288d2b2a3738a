"""Cell link: a node's end of the sealed radio link of its cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gridmodel.errors import FrameError
from gridmodel.ports import ReceivedFrame
from gridmodel.wire.frames import EVERYONE, FrameKind
from gridmodel.wire.seal import Opened, Opener, Sealer, node_key, peek

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
        self._sealer = Sealer(address, node_key(seed, cell, address))
        self._openers = {peer: Opener(peer, node_key(seed, cell, peer)) for peer in peers}
        self.refused_count = 0
        #: Counters up to here may be used; no later start may use them again.
        self.reserved = 0

    @property
    def counter(self) -> int:
        """Counter of the newest frame sealed."""
        return self._sealer.counter

    def boot(self, reserved: int) -> None:
        """Begin behind all counters that may have been used before a loss of power."""
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

    def snapshot(self) -> Any:
        """Return counters and replay windows; keys are not state."""
        windows = {peer: (o.highest, o.seen) for peer, o in self._openers.items()}
        return self._sealer.counter, windows, self.refused_count, self.reserved

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._sealer.counter, windows, self.refused_count, self.reserved = state
        for peer, (highest, seen) in windows.items():
            self._openers[peer].highest, self._openers[peer].seen = highest, seen
