"""Interrupt: Ctrl-C and SIGTERM ask a run to end at the next border of two instants."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """While it is entered, the first signal only sets ``asked``; the second one acts."""

    def __init__(self) -> None:
        self.asked = False
        #: Name of the first signal; empty before there is one.
        self.by = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._note(number)
        self._restore()

    def _note(self, number: int) -> None:
        self.asked, self.by = True, self.by or signal.Signals(number).name

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal end what waits for others, before there is anything to lose.

        Raises
        ------
        KeyboardInterrupt
            If a signal comes meanwhile, or has come before.
        """
        if self.asked:
            raise KeyboardInterrupt
        held = {number: signal.signal(number, self._raise) for number in self._before}
        try:
            yield
        finally:
            for number, handler in held.items():
                signal.signal(number, handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()
