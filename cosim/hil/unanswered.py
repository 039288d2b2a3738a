"""Unanswered: questions in real time whose answers have not come, and what they carried.

A question that is lost must not take with it the frames that the node's radio heard, nor that
its power came back. Both go again with the next question, until one is answered; the node
counts, and drops what it has had.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from cosim.lines.messages import Ask
from gridmodel.ports import ReceivedFrame

#: Frames that are kept; of more, the oldest are lost, as in any receiver.
KEPT = 64


class Unanswered:
    """What the node may not have had."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._frames: deque[tuple[int, ReceivedFrame]] = deque()
        self._frame_count = 0
        self._boot_count = 0

    def with_earlier(self, ask: Ask) -> Ask:
        """Return a new question with all that the node may not have had yet."""
        self._open.add(ask.number)
        if ask.kind == "boot":  # what came to a radio without power is lost
            self._boot_count += 1
            self._forget(len(self._frames))
        self._frames.extend((ask.number, frame) for frame in ask.frames)
        self._forget(len(self._frames) - KEPT)
        return replace(
            ask,
            frames=tuple(frame for _, frame in self._frames),
            frame_count=self._frame_count,
            boot_count=self._boot_count,
        )

    def answered(self, number: int) -> bool:
        """Note an answer; return whether it is the first one to an open question.

        A node that answers a question has had all before it.
        """
        if number not in self._open:
            return False
        self._open.remove(number)
        self._forget(sum(asked <= number for asked, _ in self._frames))
        return True

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._frames.popleft()
            self._frame_count += 1
