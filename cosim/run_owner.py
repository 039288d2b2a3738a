"""Run owner: the process that does a run, and whether it still lives."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"


def owner() -> dict[str, Any]:
    """Return this process as another one can find it: its number, and when it was started.

    A number alone may be given to another process later; together with the start, counted in
    the kernel's ticks since the boot, it is not.
    """
    pid = os.getpid()
    return {"pid": pid, "host": platform.node(), "boot": _boot(), "started": _started(pid)}


def lives(given: Mapping[str, Any] | None) -> bool | None:
    """Return whether the process that `owner` told of still lives; None if that is not known."""
    if given is None or given["host"] != platform.node():
        return None
    if given["started"] is None:  # no /proc: its number is all that is known
        try:
            os.kill(given["pid"], 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    return (given["boot"], given["started"]) == (_boot(), _started(given["pid"]))


def _boot() -> str:
    """Return the name of this boot of the machine; empty where there is none."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def _started(pid: int) -> int | None:
    """Return when a process was started, in ticks since the boot; None if it is not there."""
    with contextlib.suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        if fields[0] not in ("Z", "X"):  # one that has ended and was not yet asked for
            return int(fields[19])
    return None
