"""Children: processes that a run starts and that never outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

#: Time a child is given to end by itself, and after being told to. [s]
GRACE_S = 0.5
_PR_SET_PDEATHSIG = 1

Child = subprocess.Popen[bytes]


def start(
    command: Sequence[str],
    cwd: Path | None = None,
    log: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    orphaned: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a process in a session of its own; if we are killed, the kernel tells it so.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    cwd : Path, optional
        Where it runs.
    log : file, optional
        What it prints.
    env : mapping, optional
        Its environment.
    orphaned : Signals
        What it gets if we are killed. One that has to leave something safe takes SIGTERM.
    """
    return subprocess.Popen(
        list(command),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=partial(_die_with_parent, orphaned) if sys.platform == "linux" else None,
    )


def _die_with_parent(number: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def end(children: Sequence[Child], wait_s: float = GRACE_S) -> None:
    """Wait for children, then tell them and all that they started, then kill these.

    One that is stopped by a signal cannot end by itself and is not waited for.
    """
    _wait(children, wait_s)
    alive = [child for child in children if child.poll() is None]
    for child in alive:
        _tell(child, signal.SIGTERM)
        _tell(child, signal.SIGCONT)  # one that is stopped hears nothing
    deadline = time.monotonic() + GRACE_S
    while any(_runs(child) for child in alive) and time.monotonic() < deadline:
        time.sleep(0.02)
    for child in alive:
        _tell(child, signal.SIGKILL)
        child.wait()


def _tell(child: Child, number: int) -> None:
    """Send a signal to a child's group; not yet waited for, its id is no one else's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _runs(child: Child) -> bool:
    """Return whether a child is still there, without waiting for it."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _wait(children: Sequence[Child], wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if not any(child.poll() is None and not is_stopped(child) for child in children):
            return
        time.sleep(0.02)


def is_stopped(child: Child) -> bool:
    """Return whether a process is stopped by a signal (Linux)."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{child.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] in ("T", "t")
    return False
