"""Fuse: ends a process whose interpreter is held for ever by compiled code.

A step that loops in compiled code and keeps Python's lock (a numba kernel, a regular
expression) lets no other Python thread run, so nothing written in Python can end it. These are
timers of the kernel's (`timer_create`, POSIX) that call C's ``perror`` and ``_exit``; before,
one that interrupts the thread lets `faulthandler` write down in which line of which file it
stands. Linux only, and only for what computes: who sleeps with the lock in the hand is not
noticed.
"""

from __future__ import annotations

import ctypes
import faulthandler
import signal
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

_SIGEV_THREAD = 2
_SIGEV_THREAD_ID = 4
#: Between what is said and the end. [s]
_SAY_S = 0.2


class _SigEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("room", ctypes.c_char * 32),
    )


class _Times(ctypes.Structure):
    _fields_ = (
        ("every_s", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("after_s", ctypes.c_long),
        ("after_ns", ctypes.c_long),
    )


class Fuse:
    """While it is entered, ends the process unless `renew` is called now and then.

    It counts the processor time of the thread that enters it, so a process that is stopped,
    or that waits, does not come nearer to its end.

    Parameters
    ----------
    after_s : float
        Processor time without `renew`. [s]
    code : int
        Exit code.
    text : str
        What is said then.
    trace : Path
        File for where it stood; it is gone if the fuse never came off.
    """

    def __init__(self, after_s: float, code: int, text: str, trace: Path) -> None:
        self._after_s, self._code = after_s, code
        self._text, self._trace = ctypes.create_string_buffer(text.encode()), trace
        self._timers: list[tuple[float, ctypes.c_void_p]] = []
        self._libc: Any = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if sys.platform != "linux" or sys.byteorder != "little":
            return self
        libc = self._libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "timer_create"):  # glibc before 2.34 has it elsewhere
            self._file = self._trace.open("wb")
            # In the thread itself: to read its stack from beside while it runs would be a crash.
            faulthandler.register(signal.SIGVTALRM, self._file, all_threads=False)
            thread = threading.get_native_id()
            self._lay(self._after_s, _SigEvent(0, signal.SIGVTALRM, _SIGEV_THREAD_ID, thread))
            self._lay(self._after_s, _calls(libc.perror, ctypes.addressof(self._text)))
            self._lay(self._after_s + _SAY_S, _calls(libc._exit, self._code))
            self.renew()
        return self

    def _lay(self, after_s: float, event: _SigEvent) -> None:
        """Make a timer."""
        clock = time.pthread_getcpuclockid(threading.get_ident())
        timer = ctypes.c_void_p()
        if self._libc.timer_create(clock, ctypes.byref(event), ctypes.byref(timer)) == 0:
            self._timers.append((after_s, timer))

    def renew(self) -> None:
        """Begin to count anew."""
        for after_s, timer in self._timers:
            whole = int(after_s)
            times = _Times(0, 0, whole, int((after_s - whole) * 1e9))
            self._libc.timer_settime(timer, 0, ctypes.byref(times), None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, timer in self._timers:
            self._libc.timer_delete(timer)
        self._timers.clear()
        if self._file is not None:
            faulthandler.unregister(signal.SIGVTALRM)
            self._file.close()
            self._trace.unlink(missing_ok=True)
            self._file = None


def _calls(function: Any, argument: int) -> _SigEvent:
    """Return the event that calls a function of C's."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    return _SigEvent(argument, 0, _SIGEV_THREAD, address)
