"""A file that survives a power cut in the middle of a write.

Two copies are written one after the other, each anew and then renamed into place: a power cut
leaves the one before or the new one, and a copy that goes bad later is outweighed by the other.
A copy that is torn or corrupt is told by its checksum.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

from gridmodel.errors import RecordError
from gridmodel.wire.counter_store import Disk, RealDisk

_HEAD = struct.Struct(">4sII")  # magic, number of the write, checksum of number and data
_MAGIC = b"FTK1"


class FileStorage:
    """What a node keeps, in two files of a folder.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. One process at a time may use it.
    disk : Disk or None
        The file system; this machine's if left out.

    Raises
    ------
    RecordError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._disk = disk or RealDisk()
        self._slots = (folder / "kept.0", folder / "kept.1")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"{folder}: the node's state has no place: {error}") from error
        found = [self._read(slot) for slot in self._slots]
        number, self._data = max(found, key=lambda slot: slot[0])
        self._number = number

    def load(self) -> bytes | None:
        """Return what was saved last and whole, or None."""
        return self._data

    def save(self, data: bytes) -> None:
        """Save, and return once it would survive.

        Raises
        ------
        RecordError
            If the disk refuses; what was saved before is still there.
        """
        number = self._number + 1
        content = _HEAD.pack(_MAGIC, number, _sum(number, data)) + data
        try:
            for slot in self._slots:
                fresh = slot.with_name(slot.name + ".new")
                self._disk.write(fresh, content)
                self._disk.rename(fresh, slot)
                self._disk.synchronise(slot.parent)
        except OSError as error:
            where = self._slots[0].parent
            raise RecordError(f"{where}: the node's state cannot be written: {error}") from error
        self._number, self._data = number, data

    def _read(self, slot: Path) -> tuple[int, bytes | None]:
        """Return number and content of a slot; 0 and None if it is not whole."""
        with suppress(OSError):
            raw = self._disk.read(slot)
            if len(raw) >= _HEAD.size:
                magic, number, checksum = _HEAD.unpack_from(raw)
                data = raw[_HEAD.size :]
                if magic == _MAGIC and checksum == _sum(number, data):
                    return number, data
        return 0, None


def _sum(number: int, data: bytes) -> int:
    return zlib.crc32(number.to_bytes(4, "big") + data)
