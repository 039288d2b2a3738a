"""Watchdog: ends a run whose federate does not come back from its step."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from cosim.compiling import compiling
from cosim.fuse import Fuse

#: Time a stalled step is given to notice that it was interrupted. [s]
GRACE_S = 2.0
#: The watchdog may look so much too late on a busy machine. [s]
_LATE_S = 0.5


class StallError(Exception):
    """Raised inside a step that took too long."""

    def __str__(self) -> str:
        """Say what it is, for the federate's error."""
        return "its step took longer than stall_timeout_s"


class Watchdog:
    """While it is entered, watches that a count goes up.

    A step in Python is interrupted by `StallError`. A step inside compiled code cannot be;
    then ``last_resort`` is called from the watchdog's own thread. If it also keeps Python's
    lock, a `Fuse` ends the process. Time in which the whole process was stopped is none, and
    neither is time in which numba compiles.

    Parameters
    ----------
    timeout_s : float
        Time without progress that is a stall. [s]
    count : callable
        What goes up with each step.
    last_resort : callable
        Ends the process.
    fuse : Fuse
        Ends a process that nothing in Python can end.
    """

    def __init__(
        self,
        timeout_s: float,
        count: Callable[[], int],
        last_resort: Callable[[], None],
        fuse: Fuse,
    ) -> None:
        self._timeout_s = timeout_s
        self._count = count
        self._last_resort = last_resort
        self._fuse = fuse
        self._over = threading.Event()
        self._watched = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        compiling()  # listens from now on
        self._fuse.__enter__()
        self._thread.start()
        return self

    def _watch(self) -> None:
        seen, stood_s = self._count(), 0.0
        pause_s = min(self._timeout_s / 4, 0.5)
        looked_s = time.monotonic()
        while not self._over.wait(pause_s):
            self._fuse.renew()
            count, now_s = self._count(), time.monotonic()
            # A look that comes much too late: all of us were stopped, or the computer slept.
            stood_s += min(now_s - looked_s, pause_s + _LATE_S)
            looked_s = now_s
            if count != seen or compiling():
                seen, stood_s = count, 0.0
            elif stood_s > self._timeout_s:
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
        self._fuse.__exit__(kind, error, trace)


def fuse_of(folder: Path, timeout_s: float, code: int) -> Fuse:
    """Return what ends a run that holds Python's lock, and says where to look.

    Parameters
    ----------
    folder : Path
        The run.
    timeout_s : float
        Time a step may take. [s]
    code : int
        Exit code.
    """
    trace = folder / "stall.txt"
    text = (
        f"a step did not end within {timeout_s:g} s (stall_timeout_s) and kept Python to itself; "
        f"see {trace}. Recover the run: feedertwin recover {folder}"
    )
    return Fuse(timeout_s + GRACE_S, code, text, trace)
