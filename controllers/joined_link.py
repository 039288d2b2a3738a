"""Joined link: a provisioned node's end of its cell, with the calls that make ends meet.

It has the methods of `controllers.cell_link.CellLink`, and keys of its own instead of keys
that a simulation makes from its seed. After a boot it obeys a peer only once both have met.
A peer whose frames are refused again and again is called once more: this end may have lost
its count. Whoever sends such frames on purpose gets few calls for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gridmodel.errors import FrameError
from gridmodel.ports import ReceivedFrame
from gridmodel.units import microseconds
from gridmodel.wire.failure_limit import FailureLimit
from gridmodel.wire.frames import EVERYONE, FrameKind
from gridmodel.wire.link import Link
from gridmodel.wire.seal import Opened, peek, peek_kind

#: Between two calls to a peer that has not answered. [s]
CALL_S = 10.0
#: Calls to peers in doubt: so many at once, and one more in each so long a time. [s]
DOUBT_CALLS = 4
DOUBT_S = 300.0


class JoinedLink:
    """Seals and opens by provisioned keys.

    Parameters
    ----------
    link : Link
        Keys and counters.
    calls : iterable of int
        Peers that it calls until they have met; others call it.
    """

    #: Its counters have a store of their own.
    reserved = 0

    def __init__(self, link: Link, calls: Iterable[int]) -> None:
        self._link = link
        self._calls = tuple(calls)
        self._answers: list[bytes] = []
        self._call_us = 0
        self._doubts = _doubts()
        self._fresh = link.snapshot()
        self.counter = 0

    @property
    def refused_count(self) -> int:
        """Frames that failed a check."""
        return self._link.refused_count

    def boot(self, now_us: int, reserved: int = 0) -> None:
        """Know nobody any more."""
        refused = self._link.refused_count
        self._link.restore(self._fresh)
        self._link.refused_count = refused
        self._answers.clear()
        self._call_us = now_us
        self._doubts = _doubts()

    def seal(self, kind: FrameKind, destination: int, values: Mapping[str, float]) -> bytes:
        """Return a sealed frame."""
        frame = self._link.seal(kind, destination, values)
        self.counter = self._link.counter
        return frame

    def open(self, frames: Iterable[ReceivedFrame]) -> list[Opened]:
        """Return the frames for this node that pass every check; joins are answered here."""
        opened = []
        for frame in frames:
            with suppress(FrameError):  # the link counts what it refuses
                self._greet(frame)
                found, answer = self._link.open(frame.t_us, frame.data)
                if answer is not None:
                    self._answers.append(answer)
                if found.kind != FrameKind.JOIN:
                    opened.append(found)
            self._doubt(frame)
        return opened

    def _doubt(self, frame: ReceivedFrame) -> None:
        """Call a peer whose frames are refused in a row, if not called of late."""
        with suppress(FrameError):  # too short to be a frame, or too many calls
            source, _ = peek(frame.data)
            if frame.t_us >= self._call_us and self._link.doubts(source):
                self._doubts.check(frame.t_us)
                self._doubts.failed()
                self._call_us = frame.t_us + microseconds(CALL_S)
                self._answers.append(self._link.join(source))

    def _greet(self, frame: ReceivedFrame) -> None:
        """Call a peer that speaks though we have not met: this end was started anew."""
        source, destination = peek(frame.data)
        if destination == EVERYONE or peek_kind(frame.data) == FrameKind.JOIN:
            return
        lonely = self._link.knows(source) and not self._link.met(source)
        if lonely and source not in self._calls and frame.t_us >= self._call_us:
            self._call_us = frame.t_us + microseconds(CALL_S)
            self._answers.append(self._link.join(source))

    def answers(self, now_us: int) -> list[bytes]:
        """Return frames to send now so that ends meet."""
        frames, self._answers = self._answers, []
        lonely = [peer for peer in self._calls if not self._link.met(peer)]
        if lonely and now_us >= self._call_us:
            self._call_us = now_us + microseconds(CALL_S)
            frames += [self._link.join(peer) for peer in lonely]
        return frames

    def wake_us(self) -> int:
        """Return when it wants to call again; 0 if all have met. [us]"""
        return self._call_us if any(not self._link.met(peer) for peer in self._calls) else 0

    def snapshot(self) -> Any:
        """Return what was heard, and what waits."""
        doubts = replace(self._doubts)
        return self._link.snapshot(), tuple(self._answers), self._call_us, self.counter, doubts

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        link, answers, self._call_us, self.counter, doubts = state
        self._link.restore(link)
        self._answers = list(answers)
        self._doubts = replace(doubts)


def _doubts() -> FailureLimit:
    return FailureLimit(DOUBT_CALLS, microseconds(DOUBT_S))
