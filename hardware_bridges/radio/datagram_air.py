"""Air by datagrams: frames between an emulated modem and the channel, in two processes.

One datagram is one note: a header of 36 bytes in network order, then the frame. What
comes too fast is dropped, the oldest first, and counted: a node must not grow without
bound because its peer is slow. An instant is believed if it is not earlier than the one before,
and not further than a minute ahead of the node's own clock: no frame lasts longer, and an
emulated chip that took a far instant for the present would neither send nor hear until then.

======  =====  ==========================================================
offset  bytes  meaning
======  =====  ==========================================================
0       2      ``FA``
2       1      version, 1
3       1      kind: 1 sent, 2 heard, 3 heard broken, 4 signal in the channel
4       4      count of notes of this sender, from 0
8       8      instant: begin of sending, end of a frame heard, end of the signal [us]
16      4      time on air [us]
20      8      strength, IEEE 754 double [dBm]
28      8      signal-to-noise ratio, IEEE 754 double [dB]
======  =====  ==========================================================
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from math import isfinite
from pathlib import Path
from typing import NamedTuple, Protocol

_HEADER = struct.Struct("!2sBBIqIdd")
_MAGIC, VERSION = b"FA", 1
_LONGEST = 255
#: Notes kept that nobody has taken; beyond this the oldest is dropped.
QUEUE_LENGTH = 256
#: A note may be so far ahead of the node's clock. [us]
AHEAD_US = 60_000_000

#: Host and port of a UDP socket, or the path of a Unix one.
Address = tuple[str, int] | str


class Kind(IntEnum):
    """What a note tells."""

    SENT = 1
    HEARD = 2
    BROKEN = 3
    CARRIER = 4


class Note(NamedTuple):
    """One thing told about the air. [us], [dBm], [dB]"""

    kind: Kind
    t_us: int
    frame: bytes = b""
    airtime_us: int = 0
    rssi_dbm: float = 0.0
    snr_db: float = 0.0

    def encode(self, count: int) -> bytes:
        """Return the note as a datagram."""
        return (
            _HEADER.pack(
                _MAGIC, VERSION, self.kind, count & 0xFFFFFFFF, self.t_us, self.airtime_us,
                self.rssi_dbm, self.snr_db,
            )
            + self.frame
        )  # fmt: skip


def decode(datagram: bytes) -> tuple[int, Note] | None:
    """Return count and note of a datagram, or None if it is no note of this version."""
    if not _HEADER.size <= len(datagram) <= _HEADER.size + _LONGEST:
        return None
    magic, version, kind, count, t_us, airtime, rssi, snr = _HEADER.unpack_from(datagram)
    if magic != _MAGIC or version != VERSION or kind not in (1, 2, 3, 4):
        return None
    if not (isfinite(rssi) and isfinite(snr)):
        return None
    return count, Note(Kind(kind), t_us, datagram[_HEADER.size :], airtime, rssi, snr)


class Ear(Protocol):
    """What notes about frames heard are given to: an emulated radio."""

    def hear(
        self, frame: bytes, rssi_dbm: float, snr_db: float, t_us: int, crc_ok: bool = True
    ) -> None:
        """Let a frame end at the antenna."""

    def carrier(self, until_us: int) -> None:
        """Let a signal be in the channel until an instant."""


class DatagramLink:
    """One end of an air: a socket that never blocks.

    Parameters
    ----------
    local, remote : Address
        Where it listens, and the only end it talks to: ``(host, port)`` for UDP (port 0
        takes a free one) or a path for a Unix socket.
    """

    def __init__(self, local: Address, remote: Address | None = None) -> None:
        self._path = Path(local) if isinstance(local, str) else None
        family = socket.AF_INET if self._path is None else socket.AF_UNIX
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._socket.bind(local)
        if remote is not None:
            self.connect(remote)
        self._sent_count = 0
        self._awaited: int | None = None
        self._inbox: deque[Note] = deque()
        #: Notes not sent as the peer is slow or gone; datagrams that were no notes; notes
        #: dropped here as nobody took them; notes that never arrived.
        self.unsent_count = self.foreign_count = self.dropped_count = self.missing_count = 0

    @property
    def address(self) -> Address:
        """Where it listens."""
        name: Address = self._socket.getsockname()
        return name

    def connect(self, remote: Address) -> None:
        """Choose the peer; what others send is not received."""
        self._socket.connect(remote)

    def fileno(self) -> int:
        """Return the socket's descriptor, for `select`."""
        return self._socket.fileno()

    def post(self, note: Note) -> bool:
        """Send a note; return whether it went out."""
        try:
            self._socket.send(note.encode(self._sent_count))
        except OSError:  # full, or nobody there: a radio is not told either
            self.unsent_count += 1
            return False
        finally:
            self._sent_count += 1
        return True

    def take(self) -> list[Note]:
        """Return the notes that have arrived, in their order."""
        for _ in range(4 * QUEUE_LENGTH):  # a flood does not hold its reader for ever
            try:
                datagram = self._socket.recv(_HEADER.size + _LONGEST + 1)
            except ConnectionRefusedError:  # an earlier note of ours met nobody
                continue
            except (BlockingIOError, OSError):
                break
            self._keep(datagram)
        notes = list(self._inbox)
        self._inbox.clear()
        return notes

    def close(self) -> None:
        """Close the socket and remove its path."""
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _keep(self, datagram: bytes) -> None:
        found = decode(datagram)
        if found is None:
            self.foreign_count += 1
            return
        count, note = found
        if self._awaited is not None:
            gap = (count - self._awaited) & 0xFFFFFFFF
            self.missing_count += gap if gap < 1 << 31 else 0
        self._awaited = (count + 1) & 0xFFFFFFFF
        if len(self._inbox) >= QUEUE_LENGTH:
            self._inbox.popleft()
            self.dropped_count += 1
        self._inbox.append(note)


class DatagramAir:
    """The air of one emulated modem, at the other end of a link.

    Parameters
    ----------
    link : DatagramLink
        To the channel.
    clock : callable
        The node's time. [us]
    """

    def __init__(self, link: DatagramLink, clock: Callable[[], int]) -> None:
        self.link = link
        self._clock = clock
        self._last_us = 0
        #: Notes whose instant cannot be right.
        self.refused_count = 0

    def send(self, frame: bytes, airtime_us: int) -> None:
        """Tell the channel that a sending begins now."""
        self.link.post(Note(Kind.SENT, self._clock(), frame, airtime_us))

    def deliver(self, ear: Ear) -> int:
        """Give what the channel told to a radio; return how many notes it was.

        Notes with an instant that cannot be right are left out and counted.
        """
        notes = self.link.take()
        for note in notes:
            if not self._timely(note):
                self.refused_count += 1
            elif note.kind is Kind.CARRIER:
                ear.carrier(note.t_us)
            elif note.kind is not Kind.SENT:
                self._last_us = note.t_us
                ear.hear(note.frame, note.rssi_dbm, note.snr_db, note.t_us, note.kind is Kind.HEARD)
        return len(notes)

    def _timely(self, note: Note) -> bool:
        """Return whether a note's instant lies between the last frame's and the near future."""
        return self._last_us <= note.t_us <= self._clock() + AHEAD_US
