"""A provisioned cell in memory: its members, and everything that was ever on their air."""

from __future__ import annotations

from itertools import count

import pytest

from gridmodel.errors import FrameError
from gridmodel.wire.frames import COORDINATOR, FrameKind
from gridmodel.wire.keys import provision
from gridmodel.wire.link import Link

ORDER = {"allowed_mask": 3, "valid_s": 600, "reason": 1}
BEACON = {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60}
SHED_ALL = {"valid_s": 600, "delay_s": 2, "reason": 1}


class Numbers:
    """Counters that survive a boot, as a store on disk gives them."""

    def __init__(self, start: int = 0) -> None:
        self._count = count(start + 1)

    def take(self) -> int:
        return next(self._count)


class Cell:
    """A coordinator and houses 1 and 2, with everything that was ever on the air."""

    def __init__(self, starts=(0, 0, 0)) -> None:
        self.rings = provision([1, 2], neighbours=[(1, 2)])
        self.numbers = {a: Numbers(start) for a, start in zip(self.rings, starts, strict=True)}
        self.links = {a: Link(self.rings[a], self.numbers[a]) for a in self.rings}
        self.air: list[bytes] = []

    def boot(self, address: int) -> Link:
        self.links[address] = Link(self.rings[address], self.numbers[address])
        return self.links[address]

    def meet(self, one: int = 1, other: int = COORDINATOR) -> Cell:
        """Let a member call another; both answer until nothing is left to say."""
        frame, ends = self.links[one].join(other), [other, one]
        before = len(self.air)
        while frame is not None:
            self.air.append(frame)
            assert len(self.air) <= before + 4, "they never fall silent"
            _, frame = self.links[ends[0]].open(0, frame)
            ends.reverse()
        return self

    def say(self, source: int, kind: FrameKind, destination: int, values) -> bytes:
        frame = self.links[source].seal(kind, destination, values)
        self.air.append(frame)
        return frame


def assert_refused(link: Link, frame: bytes, match: str) -> None:
    with pytest.raises(FrameError, match=match):
        link.open(0, frame)
