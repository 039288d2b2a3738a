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
    return {
        "pid": pid,
        "host": platform.node(),
        "boot": _boot(),
        "space": _space(),
        "started": _started(pid),
    }


def lives(given: Mapping[str, Any] | None) -> bool | None:
    """Return whether the process that `owner` told of still lives; None if that is not known.

    It is not of another host, and not of a container with numbers of its own.
    """
    if given is None or (given["host"], given["space"]) != (platform.node(), _space()):
        return None
    if given["boot"] != _boot():
        return False
    started = _started(given["pid"])
    if given["started"] is None or started is None:  # its number is all that can be seen
        return _answers(given["pid"])
    return bool(started == given["started"])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _space() -> str:
    """Return the name of the space of process numbers this process is in; empty if unknown."""
    with contextlib.suppress(OSError):
        return str((_PROC / "self/ns/pid").readlink())
    return ""


def _boot() -> str:
    """Return the name of this boot of the machine; empty where there is none."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def _started(pid: int) -> int | None:
    """Return when a process was started, in ticks since the boot; None if that is not seen.

    Of one that has ended and was not yet asked for, it is 0.
    """
    with contextlib.suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return 0 if fields[0] in ("Z", "X") else int(fields[19])
    return None
