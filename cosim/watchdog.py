"""Watchdog: ends a run whose federate does not come back from its step."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Time a stalled step is given to notice that it was interrupted. [s]
GRACE_S = 2.0


class StallError(Exception):
    """Raised inside a step that took too long."""

    def __str__(self) -> str:
        """Say what it is, for the federate's error."""
        return "its step took longer than stall_timeout_s"


class Watchdog:
    """While it is entered, watches that a count goes up.

    A step in Python is interrupted by `StallError`. A step inside compiled code cannot be;
    then ``last_resort`` is called from the watchdog's own thread.

    Parameters
    ----------
    timeout_s : float
        Time without progress that is a stall. [s]
    count : callable
        What goes up with each step.
    last_resort : callable
        Ends the process.
    """

    def __init__(
        self, timeout_s: float, count: Callable[[], int], last_resort: Callable[[], None]
    ) -> None:
        self._timeout_s = timeout_s
        self._count = count
        self._last_resort = last_resort
        self._over = threading.Event()
        self._watched = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _watch(self) -> None:
        seen, since_s = self._count(), time.monotonic()
        pause_s = min(self._timeout_s / 4, 0.5)
        while not self._over.wait(pause_s):
            count = self._count()
            if count != seen:
                seen, since_s = count, time.monotonic()
            elif time.monotonic() - since_s > self._timeout_s:
                self._interrupt()
                return

    def _interrupt(self) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._watched), ctypes.py_object(StallError)
        )
        if not self._over.wait(GRACE_S):
            self._last_resort()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
