"""Frame journal: what a node's radio sent and heard, on disk, as it was on the air.

Frames are kept sealed, so whoever takes the card reads no more than a receiver hears;
``feedertwin lora frames`` opens them with the keys. Two files take turns: when the newer
one is half the limit long it becomes the older one, and what was that goes. Entries are
gathered and appended at once, so that flash is written rarely; a write that was cut off is
cut away at the next start. A disk that refuses costs entries and stops no node.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridmodel.errors import RecordError
from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.record import Event, FrameRecord, to_journal, whole_bytes

#: Entries are written when so many bytes have gathered, or the oldest has waited so long.
BATCH_BYTES, BATCH_US = 4096, 60_000_000
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT


def older(path: Path) -> Path:
    """Return where the older half of a journal is."""
    return path.with_name(path.name + ".1")


class FrameJournal:
    """The journal of one node; one process at a time may write it.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    most_bytes : int
        Limit of both files together. [B]
    now_us : callable
        The node's clock. [us]

    Raises
    ------
    RecordError
        If the file cannot be written.
    """

    def __init__(self, path: Path, most_bytes: int, now_us: Callable[[], int]) -> None:
        self._path = path
        self._half_bytes = most_bytes // 2
        self._now_us = now_us
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._since_us = 0
        self._told = False
        #: Entries that a disk did not take.
        self.lost_count = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, _OPEN, 0o640)
            self._size = whole_bytes(path.read_bytes())
            os.ftruncate(self._handle, self._size)
        except OSError as error:
            raise RecordError(f"{path}: the frame journal cannot be written: {error}") from error
        wall_ms = time.time_ns() // 1_000_000
        self._add(FrameRecord(now_us(), Event.STARTED, wall_ms=wall_ms))
        self.flush()

    def sent(self, now_us: int, frame: bytes) -> None:
        """Note a frame that the radio took."""
        self._add(FrameRecord(now_us, Event.SENT, frame))

    def heard(self, frame: ReceivedFrame) -> None:
        """Note a frame that the radio gave."""
        self._add(FrameRecord(frame.t_us, Event.HEARD, frame.data, frame.rssi_dbm, frame.snr_db))

    def look(self) -> None:
        """Write what has waited long enough; call it after each step."""
        waited = self._waiting and not 0 <= self._now_us() - self._since_us < BATCH_US
        if waited or self._waiting_bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        data, count = b"".join(self._waiting), len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        try:
            self._append(data)
        except OSError as error:
            self.lost_count += count
            if not self._told:
                sys.stderr.write(f"{self._path}: entries of the frame journal are lost: {error}\n")
            self._told = True
        else:
            self._told = False

    def close(self) -> None:
        """Write what waits, and end."""
        self.flush()
        os.close(self._handle)

    def _add(self, record: FrameRecord) -> None:
        data = to_journal([record])
        if not self._waiting:
            self._since_us = self._now_us()
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= BATCH_BYTES:
            self.flush()

    def _append(self, data: bytes) -> None:
        """Write at once; a part that a full disk took is cut away."""
        if self._size and self._size + len(data) > self._half_bytes:
            new = self._path.with_name(self._path.name + ".new")
            handle = os.open(new, _OPEN | os.O_TRUNC, 0o640)  # before anything is given up
            self._path.replace(older(self._path))
            new.replace(self._path)
            os.close(self._handle)
            self._handle, self._size = handle, 0
        if os.write(self._handle, data) != len(data):
            os.ftruncate(self._handle, self._size)
            raise OSError("the disk is full")
        self._size += len(data)


class JournaledRadio:
    """A radio port around another one; what goes through it is noted."""

    def __init__(self, radio: Any, journal: FrameJournal) -> None:
        self._radio = radio
        self._journal = journal

    @property
    def recovered_count(self) -> int:
        """Times the radio's chip had to be set up anew."""
        return getattr(self._radio, "recovered_count", 0)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame, or say when it may be sent."""
        result: SendResult = self._radio.send(now_us, data)
        if result.accepted:
            self._journal.sent(now_us, data)
        return result

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        frame: ReceivedFrame | None = self._radio.receive()
        if frame is not None:
            self._journal.heard(frame)
        return frame

    def snapshot(self) -> Any:
        """Return the radio's state; what was noted is not taken back."""
        return self._radio.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._radio.restore(state)
