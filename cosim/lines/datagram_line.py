"""Datagram line: over UDP, where a message is one datagram and any may be lost."""

from __future__ import annotations

import contextlib
import socket
import time

from gridmodel.errors import BorderError

#: A datagram may be lost, so a full buffer or an absent listener is no fault.
_LOST = (ConnectionError, BlockingIOError, TimeoutError)


class DatagramLine:
    """UDP: a message is one datagram; who has spoken last is answered.

    Parameters
    ----------
    own : socket
        Bound, or free to be bound on the first send.
    peer : (str, int), optional
        Where to send to; without it, to the sender of the last datagram.
    """

    def __init__(self, own: socket.socket, peer: tuple[str, int] | None = None) -> None:
        self._socket = own
        self._fixed = peer is not None
        self._peer = peer

    def send(self, data: bytes) -> None:
        """Send one message, if anyone has spoken yet; it waits for nothing."""
        if self._peer is not None:
            try:
                with contextlib.suppress(*_LOST):
                    self._socket.settimeout(0.0)
                    self._socket.sendto(data, self._peer)
            except OSError as error:
                size = f"{len(data):,} bytes to {self._peer[0]}:{self._peer[1]}"
                raise BorderError(f"{size} cannot be sent ({error.strerror})") from error

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time."""
        until_s = None if wait_s is None else time.monotonic() + wait_s
        while True:
            left_s = None if until_s is None else max(until_s - time.monotonic(), 0.0)
            self._socket.settimeout(left_s)
            try:
                data, sender = self._socket.recvfrom(65535)
            except (TimeoutError, BlockingIOError):
                return None
            except ConnectionError:  # an earlier datagram found nobody
                continue
            except OSError as error:
                raise BorderError(f"the line broke ({error})") from error
            if sender != self._peer and (self._fixed or not self._opens(data)):
                continue
            self._peer = sender
            return data

    def _opens(self, data: bytes) -> bool:
        """Return whether a stranger may take the line: the first to speak, or a simulation."""
        return self._peer is None or data.startswith(b'["Start"')

    def close(self) -> None:
        """End the line."""
        self._socket.close()
