"""Counter store: a file that keeps a sender's frame counter ahead of what it has used.

A nonce must never repeat under a key, whatever happens to the power. So the file says
how far the counter may have got, in steps of 256, and a number is used only after a
greater one is on disk. A node that boots goes on from there: it loses at most 255
numbers of 2^32, and writes its flash once in 256 frames.

There are two copies, written one after the other, each anew and then renamed into
place, with file and folder synchronised. A copy that is torn, corrupt or missing is
outweighed by the other. A node without both does not know what it has used and must not
send: it is given a new epoch or a new key.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gridmodel.errors import FrameError, RecordError

#: Numbers that one write sets aside.
STEP = 256
_RECORD = struct.Struct(">4sII")  # magic, numbers that may be used, checksum of both
_MAGIC = b"FTC1"


class Disk(Protocol):
    """What is asked of a file system."""

    def read(self, path: Path) -> bytes:
        """Return the content of a file."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file anew and wait until its content is safe."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another's name, and take that name from the other."""

    def synchronise(self, folder: Path) -> None:
        """Wait until the names in a folder are safe."""


class RealDisk:
    """The file system of this machine."""

    def read(self, path: Path) -> bytes:
        """Return the content of a file."""
        return path.read_bytes()

    def write(self, path: Path, data: bytes) -> None:
        """Write a file anew and wait until its content is safe."""
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another's name, and take that name from the other."""
        old.replace(new)

    def synchronise(self, folder: Path) -> None:
        """Wait until the names in a folder are safe."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(slots=True)
class CounterStore:
    """Gives each number once, over any number of power cuts.

    One process at a time may use a path; a lock beside the file sees to it (where the system
    has `flock`).

    Parameters
    ----------
    path : Path
        The file; its copy lies beside it with ``.copy`` at the end.
    disk : Disk
        The file system.

    Raises
    ------
    FrameError
        If neither copy can be read, or another process has it open. `create` makes them for a
        fresh key.
    """

    path: Path
    disk: Disk = field(default_factory=RealDisk)
    _last: int = field(init=False)  # given last
    _ahead: int = field(init=False)  # numbers up to here may be given
    _lock: int = field(init=False, default=-1)  # handle

    def __post_init__(self) -> None:
        if isinstance(self.disk, RealDisk):
            self._lock = _locked(self.path)
        found = [_number(self.disk, copy) for copy in self._copies]
        known = [number for number in found if number is not None]
        if not known:
            raise FrameError(
                f"{self.path}: neither this counter nor its copy can be read, so the numbers "
                "used are unknown; give the node new keys or a new epoch, and a new counter"
            )
        self._last = self._ahead = max(known)

    def __del__(self) -> None:
        if getattr(self, "_lock", -1) >= 0:
            os.close(self._lock)

    @classmethod
    def create(cls, path: Path, disk: Disk | None = None) -> CounterStore:
        """Make the counter of a key that has never been used.

        Raises
        ------
        RecordError
            If there is one already: to begin again would repeat its numbers.
        """
        disk = disk or RealDisk()
        for copy in _copies_of(path):
            if _exists(disk, copy):
                raise RecordError(
                    f"{copy}: there is a counter already; one that begins anew would repeat "
                    "numbers. Remove it together with the keys it was used with."
                )
        _write(disk, path, 0)
        return cls(path, disk)

    @property
    def _copies(self) -> Sequence[Path]:
        return _copies_of(self.path)

    def take(self) -> int:
        """Return the next number.

        Raises
        ------
        RecordError
            If the disk refuses; the number is not used and may be asked for again.
        """
        if self._last == self._ahead:
            _write(self.disk, self.path, self._ahead + STEP)
            self._ahead += STEP
        self._last += 1
        return self._last


def _locked(path: Path) -> int:
    """Return the handle of a lock that is this process's alone, -1 where there are no locks."""
    try:
        import fcntl
    except ImportError:  # no POSIX system
        return -1
    try:
        handle = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        return -1  # there is no such folder: what follows says so
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise FrameError(
            f"{path}: another process uses this counter, and both would give the same numbers; "
            "end it, or give this node keys of its own"
        ) from error
    return handle


def _copies_of(path: Path) -> Sequence[Path]:
    return path, path.with_name(path.name + ".copy")


def _record(number: int) -> bytes:
    number = min(number, 2**32 - 1)
    body = _RECORD.pack(_MAGIC, number, 0)[:8]
    return body + zlib.crc32(body).to_bytes(4, "big")


def _exists(disk: Disk, path: Path) -> bool:
    """Return whether there is a file, readable or not: only its absence is a fresh start."""
    try:
        disk.read(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _number(disk: Disk, path: Path) -> int | None:
    """Return what a copy says, or None if it says nothing that can be trusted."""
    with suppress(OSError):
        data = disk.read(path)
        if len(data) == _RECORD.size and data[:4] == _MAGIC:
            number = int.from_bytes(data[4:8], "big")
            return number if data == _record(number) else None
    return None


def _write(disk: Disk, path: Path, number: int) -> None:
    """Write both copies, each whole or not at all."""
    try:
        for copy in _copies_of(path):
            fresh = copy.with_name(copy.name + ".new")
            disk.write(fresh, _record(number))
            disk.rename(fresh, copy)
            disk.synchronise(copy.parent)
    except OSError as error:
        raise RecordError(f"{path}: the counter cannot be written: {error}") from error
