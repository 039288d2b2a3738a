"""Frame records: entries of a node's frame journal, as protobuf.

A record holds a frame as it was on the air, sealed, or opened by who has the keys. A
journal is a row of records, each after its length.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import Any, NamedTuple

from gridmodel.errors import FrameError
from gridmodel.wire.codec import delimited, fill, frame_of, messages, parsed, pieces
from gridmodel.wire.seal import MOST_BYTES, Opened


class Event(IntEnum):
    """What happened."""

    SENT = 1
    HEARD = 2
    STARTED = 3


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One entry.

    Parameters
    ----------
    t_us : int
        Instant, by the node's clock. [us]
    event : Event
        Frame sent, frame heard, or the node's program started.
    frame : bytes or Opened or None
        The frame, sealed or opened; None at a start.
    rssi_dbm, snr_db : float or None
        Strength and signal to noise of a frame heard. [dBm], [dB]
    wall_ms : int or None
        Time since 1970, of a start. [ms]
    """

    t_us: int
    event: Event
    frame: bytes | Opened | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None
    wall_ms: int | None = None


class Journal(NamedTuple):
    """What a journal holds.

    Parameters
    ----------
    records : list of FrameRecord
        In their order.
    broken_count : int
        Entries that cannot be read.
    cut_bytes : int
        Length of a tail that is no whole entry. [B]
    """

    records: list[FrameRecord]
    broken_count: int
    cut_bytes: int


def to_record(record: FrameRecord) -> bytes:
    """Return an entry as the protobuf message `FrameRecord`."""
    message = messages().FrameRecord(t_us=record.t_us, event=int(record.event))
    for name in ("rssi_dbm", "snr_db", "wall_ms"):
        if (value := getattr(record, name)) is not None:
            setattr(message, name, value)
    if isinstance(record.frame, Opened):
        fill(message.frame, record.frame)
    elif record.frame is not None:
        message.sealed = record.frame
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def from_record(data: bytes) -> FrameRecord:
    """Return the entry that a protobuf message carries.

    Raises
    ------
    FrameError
        If it is no such message, or not whole.
    """
    message = parsed("FrameRecord", data)
    if not message.HasField("t_us") or message.event not in list(Event):
        raise FrameError("a record without an instant, or of an unknown event")
    event = Event(message.event)
    frame = _frame(message)
    if (frame is None) != (event == Event.STARTED):
        raise FrameError(f"a record of a frame {event.name.lower()} without a frame")
    told = {
        name: getattr(message, name)
        for name in ("rssi_dbm", "snr_db", "wall_ms")
        if message.HasField(name)
    }
    if not all(isfinite(value) for value in told.values()):
        raise FrameError("a record whose signal report is not finite")
    return FrameRecord(message.t_us, event, frame, **told)


def to_journal(records: Iterable[FrameRecord]) -> bytes:
    """Return entries for a file."""
    return delimited(map(to_record, records))


def from_journal(data: bytes) -> Journal:
    """Return what a file holds; what cannot be read is counted and passed over."""
    whole = whole_bytes(data)
    found = Journal([], 0, len(data) - whole)
    broken = 0
    for message, _ in pieces(data[:whole]):
        try:
            found.records.append(from_record(message))
        except FrameError:
            broken += 1
    return found._replace(broken_count=broken)


def whole_bytes(data: bytes) -> int:
    """Return where the last whole entry of a file ends. [B]

    What comes after was cut off in mid-write. A power cut may also leave zeros, which
    would be entries of no length: there are none.
    """
    end = 0
    with suppress(FrameError):
        for message, at in pieces(data):
            if not message:
                break
            end = at
    return end


def _frame(message: Any) -> bytes | Opened | None:
    content = message.WhichOneof("content")
    if content == "frame":
        return frame_of(message.frame)
    if content is None:
        return None
    sealed: bytes = message.sealed
    if not 0 < len(sealed) <= MOST_BYTES:
        raise FrameError(f"{len(sealed)} bytes are no sealed frame")
    return sealed
