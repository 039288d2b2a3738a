"""Children: processes that a run starts and that never outlive it."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
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
) -> Child:
    """Start a process in a session of its own; the kernel ends it if we are killed."""
    return subprocess.Popen(
        list(command),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end(children: Sequence[Child], wait_s: float = GRACE_S) -> None:
    """Wait for children, then tell them, then kill them."""
    _wait(children, wait_s)
    for child in children:
        if child.poll() is None:
            child.terminate()
            child.send_signal(signal.SIGCONT)  # one that is stopped hears nothing
    _wait(children, GRACE_S)
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()


def _wait(children: Sequence[Child], wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
