"""Told: whether a node's process was told to end, by a signal."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Told:
    """While it is entered, SIGTERM and SIGINT are noted instead of ending the process.

    A node enters it before it takes its first pin, so that whenever it is told to end its
    relays are brought into their safe position first.
    """

    def __init__(self) -> None:
        #: Why it is to end; empty while it is not.
        self.why = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {s: signal.signal(s, self._tell) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self.why = self.why or f"told to end by {signal.Signals(number).name}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
