"""Serial line: messages between a node and a simulation over a UART.

A message and its CRC-32 are one packet of SLIP (RFC 1055): it ends with a byte that is
nowhere inside, so a receiver that comes in the middle, or hears noise, is right again at the
next end. What was broken is dropped and counted.
"""

from __future__ import annotations

import struct
import time
import zlib

from cosim.lines.address import BAUD, Address
from cosim.lines.stream_line import SEND_S
from gridmodel.errors import BorderError
from hardware_bridges.pi_extra import pi_module

#: The longest message. [bytes]
LONGEST = 0xFFFF
#: Symbols that a byte takes on the wire: start bit, eight bits, stop bit.
SYMBOLS = 10
_END, _ESC = b"\xc0", b"\xdb"
_ESC_END, _ESC_ESC = b"\xdb\xdc", b"\xdb\xdd"
_CHECK = struct.Struct("<I")


class SerialLine:
    """A UART, or a pseudo-terminal that stands for one.

    Parameters
    ----------
    at : Address
        Device, and symbols a second.

    Raises
    ------
    BorderError
        If it cannot be opened.
    """

    def __init__(self, at: Address) -> None:
        serial = pi_module("serial", "a serial line")
        self.baud = at.port or BAUD
        try:
            self._port = serial.Serial(
                at.host, self.baud, timeout=0.0, write_timeout=SEND_S, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise BorderError(f"{at} cannot be opened ({error})") from error
        self._slow: type[Exception] = serial.SerialTimeoutException
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError)
        self._buffer = b""
        #: What came and was no message. [bytes]
        self.dropped_bytes = 0
        #: Packets whose check failed.
        self.broken_count = 0

    def send(self, data: bytes) -> None:
        """Send one message; raise `BorderError` if the line does not take it."""
        if len(data) > LONGEST:
            raise BorderError(f"a message of {len(data)} bytes does not go over a serial line")
        try:
            self._port.write(packed(data))
        except self._slow as error:
            raise BorderError(f"the line does not take what is sent, {SEND_S:g} s long") from error
        except self._errors as error:
            raise BorderError(f"the line broke ({error})") from error

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time."""
        until_s = None if wait_s is None else time.monotonic() + wait_s
        while (message := self._whole()) is None:
            left_s = 1.0 if until_s is None else until_s - time.monotonic()
            try:
                if left_s <= 0.0 and until_s is not None and not self._port.in_waiting:
                    return None
                self._port.timeout = max(min(left_s, 1.0), 0.0)
                self._buffer += self._port.read(max(self._port.in_waiting, 1))
            except self._errors as error:
                raise BorderError(f"the line broke ({error})") from error
        return message

    def _whole(self) -> bytes | None:
        """Return the first whole message of the buffer, dropping what is none."""
        while True:
            packet, end, rest = self._buffer.partition(_END)
            if not end:
                if len(packet) > 2 * (LONGEST + _CHECK.size):
                    self._drop(packet)
                    self._buffer = b""
                return None
            self._buffer = rest
            message = unpacked(packet)
            if message is not None:
                return message
            if packet:  # two ends with nothing between them are no fault
                self._drop(packet)

    def _drop(self, packet: bytes) -> None:
        self.broken_count += 1
        self.dropped_bytes += len(packet)

    def seconds(self, count: int) -> float:
        """Return how long some bytes are on the wire. [s]"""
        return count * SYMBOLS / self.baud

    def close(self) -> None:
        """End the line."""
        self._port.close()


def packed(data: bytes) -> bytes:
    """Return a message as it goes over the wire; the end in front cuts off noise before it."""
    body = data + _CHECK.pack(zlib.crc32(data))
    return _END + body.replace(_ESC, _ESC_ESC).replace(_END, _ESC_END) + _END


def unpacked(packet: bytes) -> bytes | None:
    """Return the message in what came between two ends, or None if it is broken."""
    body = packet.replace(_ESC_END, _END).replace(_ESC_ESC, _ESC)
    data, check = body[: -_CHECK.size], body[-_CHECK.size :]
    return data if check == _CHECK.pack(zlib.crc32(data)) else None
