"""Serial line: messages between a node and a simulation over a UART.

A message is ``0xF7 0x1E``, its length, its bytes and a CRC-32. A receiver that comes in the
middle, or hears noise, drops bytes until the next whole message.
"""

from __future__ import annotations

import struct
import time
import zlib

from gridmodel.errors import BorderError
from hardware_bridges.pi_extra import pi_module

#: Symbols a second. [baud]
BAUD = 115_200
_MARK = b"\xf7\x1e"
_LENGTH = struct.Struct("<H")
_CHECK = struct.Struct("<I")
_HEAD = len(_MARK) + _LENGTH.size


class SerialLine:
    """A UART, or a pseudo-terminal that stands for one."""

    def __init__(self, device: str) -> None:
        serial = pi_module("serial", "a serial line")
        try:
            self._port = serial.Serial(device, BAUD, timeout=0.0, exclusive=True)
        except (OSError, ValueError) as error:
            raise BorderError(f"{device} cannot be opened ({error})") from error
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError)
        self._buffer = b""
        self.dropped_bytes = 0

    def send(self, data: bytes) -> None:
        """Send one message."""
        if len(data) > 0xFFFF:
            raise BorderError(f"a message of {len(data)} bytes does not go over a serial line")
        body = _LENGTH.pack(len(data)) + data
        try:
            self._port.write(_MARK + body + _CHECK.pack(zlib.crc32(body)))
        except self._errors as error:
            raise BorderError(f"the line broke ({error})") from error

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time."""
        until_s = None if wait_s is None else time.monotonic() + wait_s
        while (message := self._whole()) is None:
            left_s = 1.0 if until_s is None else until_s - time.monotonic()
            if left_s <= 0.0 and until_s is not None and not self._waiting():
                return None
            try:
                self._port.timeout = max(min(left_s, 1.0), 0.0)
                self._buffer += self._port.read(max(self._port.in_waiting, 1))
            except self._errors as error:
                raise BorderError(f"the line broke ({error})") from error
        return message

    def _waiting(self) -> bool:
        try:
            return bool(self._port.in_waiting)
        except self._errors as error:
            raise BorderError(f"the line broke ({error})") from error

    def _whole(self) -> bytes | None:
        """Return the first whole message of the buffer, dropping what is none."""
        while True:
            start = self._buffer.find(_MARK)
            if start < 0:
                kept = self._buffer[-1:] if self._buffer.endswith(_MARK[:1]) else b""
                self.dropped_bytes += len(self._buffer) - len(kept)
                self._buffer = kept
                return None
            self.dropped_bytes += start
            self._buffer = self._buffer[start:]
            if len(self._buffer) < _HEAD:
                return None
            (length,) = _LENGTH.unpack_from(self._buffer, len(_MARK))
            end = _HEAD + length
            if len(self._buffer) < end + _CHECK.size:
                return None
            (check,) = _CHECK.unpack_from(self._buffer, end)
            if check == zlib.crc32(self._buffer[len(_MARK) : end]):
                message = self._buffer[_HEAD:end]
                self._buffer = self._buffer[end + _CHECK.size :]
                return message
            self.dropped_bytes += 1  # the mark was noise, or the message is broken
            self._buffer = self._buffer[1:]

    def close(self) -> None:
        """End the line."""
        self._port.close()
