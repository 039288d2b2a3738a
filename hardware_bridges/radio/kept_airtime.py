"""Kept airtime: what a radio has sent of late, over an end of its process or of its power.

The law looks at any hour, and a process that starts anew has forgotten the last one. So the
node's storage keeps it, in minutes, with some airtime more that is set aside before it is used,
as a frame counter is: the flash is written once for a thirty-sixth of the budget. Whoever starts
anew counts what was set aside as sent just now. How long ago the rest was is known while the
machine was not booted; after a boot no time has passed since the last write, as far as is known.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from gridmodel.errors import RecordError
from gridmodel.ports import Storage
from gridmodel.wire.duty_cycle import DutyLedger
from hardware_bridges.link_error import LinkError

#: Boot of the machine, and time since [us].
Stamp = tuple[bytes, int]

_HEAD = struct.Struct(">B16sQI")  # version, boot, time of the write, airtime set aside
_ENTRY = struct.Struct(">II")  # age of its end, airtime
_VERSION = 1
_MINUTE_US = 60_000_000
#: Part of a window's budget that one write sets aside.
_PART = 36
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_stamp() -> Stamp:
    """Return the machine's boot, and the time since then, sleep included. [us]

    Where the machine does not tell, no two boots are the same one.
    """
    with suppress(OSError, ValueError, AttributeError):
        boot = bytes.fromhex(_BOOT.read_text().strip().replace("-", ""))
        return boot, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    return b"", 0


class KeptAirtime:
    """The ledger of a duty cycle, kept.

    Parameters
    ----------
    storage : Storage
        Its place.
    stamp : callable
        Gives boot and time since.
    """

    def __init__(self, storage: Storage, stamp: Callable[[], Stamp] = boot_stamp) -> None:
        self._storage = storage
        self._stamp = stamp
        self._aside_us = 0  # may be sent without a write

    def resume(self, now_us: int, ledger: DutyLedger) -> None:
        """Book what was sent before, as if it ended as late as it may have. [us]"""
        data = self._storage.load()
        if data is None:  # a new board
            return
        entries = _read(data, self._stamp())
        if entries is None:  # damaged: all may have been used just now
            entries = [(0, ledger.budget_us)]
        for age_us, airtime_us in entries:
            if age_us < ledger.window_us:
                ledger.book(now_us - age_us - airtime_us, airtime_us)

    def set_aside(self, now_us: int, ledger: DutyLedger, airtime_us: int) -> None:
        """See to it that a sending is in the storage before it begins. [us]

        Raises
        ------
        LinkError
            If the storage cannot be written: then nothing may be sent.
        """
        if airtime_us <= self._aside_us:
            return
        aside_us = max(ledger.budget_us // _PART, airtime_us)
        boot, t_us = self._stamp()
        data = _HEAD.pack(_VERSION, boot, t_us, aside_us)
        for end_us, sent_us in _minutes(ledger):
            age_us = max(now_us - end_us, 0)
            if age_us < ledger.window_us:
                data += _ENTRY.pack(age_us, sent_us)
        try:
            self._storage.save(data + crc32(data).to_bytes(4, "big"))
        except RecordError as error:
            raise LinkError(
                "radio", f"its airtime cannot be kept, so nothing may be sent: {error}",
                "Free the disk, or mount it so that it can be written.",
            ) from error  # fmt: skip
        self._aside_us = aside_us

    def sent(self, airtime_us: int) -> None:
        """Note a sending that was set aside. [us]"""
        self._aside_us = max(self._aside_us - airtime_us, 0)


def _minutes(ledger: DutyLedger) -> list[tuple[int, int]]:
    """Return ends and airtimes of what was sent, all within a minute as one. [us]"""
    found: list[tuple[int, int]] = []
    begin_us = 0
    for start_us, airtime_us in ledger.sent:
        end_us = start_us + airtime_us
        if found and end_us - begin_us <= _MINUTE_US:
            found[-1] = end_us, found[-1][1] + airtime_us
        else:
            begin_us = start_us
            found.append((end_us, airtime_us))
    return found


def _read(data: bytes, stamp: Stamp) -> list[tuple[int, int]] | None:
    """Return ages and airtimes, the oldest first; None if it is damaged or newer. [us]"""
    body = data[:-4]
    if len(body) < _HEAD.size or (len(body) - _HEAD.size) % _ENTRY.size or body[0] != _VERSION:
        return None
    if crc32(body).to_bytes(4, "big") != data[-4:]:
        return None
    _, boot, t_us, aside_us = _HEAD.unpack_from(body)
    now_boot, now_t_us = stamp
    passed_us = max(now_t_us - t_us, 0) if now_boot and boot == now_boot else 0
    entries = [
        (age + passed_us, airtime) for age, airtime in _ENTRY.iter_unpack(body[_HEAD.size :])
    ]
    return [*entries, (0, aside_us)]
