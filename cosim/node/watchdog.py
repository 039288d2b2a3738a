"""Watchdog: tells systemd that a node's loop turns, so that one that hangs is ended.

`sd_notify(3)`: a datagram ``WATCHDOG=1`` to the socket that the environment names, within
the time it names. Without systemd, or without ``WatchdogSec=``, nothing is told.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

#: It is told this often within the time in which it must be.
_TIMES = 4


class Watchdog:
    """Systemd's watchdog of this process.

    Parameters
    ----------
    environment : mapping
        Of the process.
    now_s : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now_s = now_s
        self._due_s = now_s()
        self._path = environment.get("NOTIFY_SOCKET", "")
        most_us, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        mine = whose in ("", str(os.getpid()))
        self._every_s = int(most_us) * 1e-6 / _TIMES if most_us.isdigit() and mine else 0.0

    def alive(self) -> None:
        """Tell that the loop turns, if it is time to."""
        now_s = self._now_s()
        if not self._path or not self._every_s or now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        name = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with (
            suppress(OSError),  # what is not told is noticed by who listens
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way,
        ):
            way.sendto(b"WATCHDOG=1", name)
