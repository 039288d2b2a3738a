"""Bounded call: lets a blocking call run in a thread and waits for it only so long.

A socket's time-out bounds one read of the operating system, not one request: a peer that
sends a byte now and then holds its caller as long as it likes. A node's step may not wait
for that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class StillRunning(TimeoutError):  # noqa: N818 (it is a state, not a mistake)
    """The call did not end in time; it goes on in its thread."""


class BoundedCaller:
    """One thread that runs calls in order.

    Parameters
    ----------
    name : str
        Name of the thread, for a debugger.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._last: Future[Any] | None = None
        self._thread: threading.Thread | None = None

    def call(self, job: Callable[[], T], timeout_s: float) -> T:
        """Return what a call returns, or raise what it raises.

        Raises
        ------
        StillRunning
            If it, or the one before it, has not ended after ``timeout_s``. A call that
            had to wait for the one before and never began is dropped.
        """
        deadline_s = time.monotonic() + timeout_s
        if self._last is not None and not wait_for([self._last], timeout_s).done:
            raise StillRunning
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        result: Future[T] = Future()
        self._last = result
        self._jobs.put((job, result))
        if not wait_for([result], max(deadline_s - time.monotonic(), 0.0)).done:
            raise StillRunning
        return result.result()

    def close(self, timeout_s: float) -> None:
        """End the thread after what it is at; wait at most ``timeout_s`` for that. [s]"""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(timeout_s)
            self._thread = None

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, result = item
            try:
                result.set_result(job())
            except BaseException as error:  # handed to the caller, whatever it is
                result.set_exception(error)
