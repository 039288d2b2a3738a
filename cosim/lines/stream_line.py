"""Stream line: a connected socket on which each message has its length in front."""

from __future__ import annotations

import socket
import struct
import time

from gridmodel.errors import BorderError

#: The longest message that is taken. [bytes]
LONGEST = 1 << 20
#: The other end has so long to take a message; one that is stopped never does. [s]
SEND_S = 3.0
_LENGTH = struct.Struct("<I")


class StreamLine:
    """A line over TCP or a unix socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._broken = ""
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send one message; raise `BorderError` if it is not taken within `SEND_S`.

        After that nothing more is sent, as the other end would take it for the rest.
        """
        if self._broken:
            raise BorderError(self._broken)
        try:
            self._socket.settimeout(SEND_S)
            self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except TimeoutError as error:
            self._broken = f"the other end does not take what is sent to it, {SEND_S:g} s long"
            raise BorderError(self._broken) from error
        except OSError as error:
            self._broken = f"the other end is gone ({error})"
            raise BorderError(self._broken) from error

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time."""
        until_s = None if wait_s is None else time.monotonic() + wait_s
        while (message := self._whole()) is None:
            left_s = None if until_s is None else max(until_s - time.monotonic(), 0.0)
            self._socket.settimeout(left_s)
            try:
                more = self._socket.recv(65536)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                raise BorderError(f"the line broke ({error})") from error
            if not more:
                raise BorderError("the other end is gone")
            self._buffer += more
        return message

    def put_back(self, data: bytes) -> None:
        """Let a message be received again, before all others."""
        self._buffer = _LENGTH.pack(len(data)) + data + self._buffer

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for several at once."""
        return self._socket.fileno()

    def _whole(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > LONGEST:
            raise BorderError(f"a message of {length} bytes was announced; {LONGEST} are allowed")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        message, self._buffer = self._buffer[_LENGTH.size : end], self._buffer[end:]
        return message

    def close(self) -> None:
        """End the line."""
        self._socket.close()
