"""Lines: ways on which whole messages go between a node and the world around it.

An address is ``unix:PATH``, ``tcp:HOST:PORT``, ``udp:HOST:PORT``, ``serial:DEVICE`` or
``mqtt:HOST:PORT``. On a stream the simulation listens and the node comes to it; over UDP the
node listens; a serial line and a broker have no listener.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from gridmodel.errors import BorderError

#: The longest message that is taken. [bytes]
LONGEST = 1 << 20
_LENGTH = struct.Struct("<I")
#: Wait between two tries to reach a listener. [s]
_RETRY_S = 0.05
KINDS = ("unix", "tcp", "udp", "serial", "mqtt")


class Line(Protocol):
    """A way for whole messages, there and back."""

    def send(self, data: bytes) -> None:
        """Send one message; raise `BorderError` if the other end is gone."""

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time; raise `BorderError`."""

    def close(self) -> None:
        """End the line."""


class Address(NamedTuple):
    """Where a line leads."""

    kind: str
    host: str
    port: int = 0

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.kind}:{self.host}" + (f":{self.port}" if self.port else "")


def address(text: str) -> Address:
    """Return a written address.

    Raises
    ------
    ValueError
        If it is none.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS or not rest:
        raise ValueError(
            f"'{text}' is no address. Write unix:PATH, tcp:HOST:PORT, udp:HOST:PORT, "
            "serial:DEVICE or mqtt:HOST:PORT."
        )
    if kind in ("unix", "serial"):
        return Address(kind, rest)
    host, _, port = rest.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"'{text}' lacks a host or a port: {kind}:127.0.0.1:7000.")
    return Address(kind, host, int(port))


class StreamLine:
    """A connected socket; each message has its length in front."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send one message."""
        try:
            self._socket.settimeout(None)
            self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise BorderError(f"the other end is gone ({error})") from error

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
        """Send one message, if anyone has spoken yet."""
        if self._peer is not None:
            try:
                with contextlib.suppress(ConnectionError):  # nobody listens yet
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


class Listener:
    """Where a simulation waits for the node that comes by a stream."""

    def __init__(self, at: Address) -> None:
        family = socket.AF_UNIX if at.kind == "unix" else socket.AF_INET
        self._path = Path(at.host) if at.kind == "unix" else None
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family == socket.AF_INET:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(at.host if at.kind == "unix" else (at.host, at.port))
            self._socket.listen(1)
        except OSError as error:
            self._socket.close()
            raise BorderError(f"{at} cannot be listened at ({error.strerror})") from error

    def accept(self, wait_s: float) -> StreamLine | None:
        """Return the line to the node that came, or None if none came in time."""
        self._socket.settimeout(wait_s)
        try:
            connection, _ = self._socket.accept()
        except (TimeoutError, BlockingIOError):
            return None
        return StreamLine(connection)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def to_world(at: Address, node: str, wait_s: float = 20.0) -> Line:
    """Return a node's line to its simulation.

    Raises
    ------
    BorderError
        If a stream cannot be reached in time.
    """
    if at.kind == "udp":
        return DatagramLine(_bound(at))
    if at.kind in ("serial", "mqtt"):
        return _other(at, node, node_side=True)
    until_s = time.monotonic() + wait_s
    while True:
        family = socket.AF_UNIX if at.kind == "unix" else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.connect(at.host if at.kind == "unix" else (at.host, at.port))
        except OSError as error:
            connection.close()
            if time.monotonic() > until_s:
                raise BorderError(
                    f"no simulation listens at {at} ({error.strerror}). Start 'feedertwin hil' first."
                ) from error
            time.sleep(_RETRY_S)
            continue
        return StreamLine(connection)


def to_node(at: Address, node: str) -> Line:
    """Return a simulation's line to a node that is reached without a listener of ours."""
    if at.kind == "udp":
        try:
            host = socket.gethostbyname(at.host)
        except OSError as error:
            raise BorderError(f"{at} is nowhere to be found ({error.strerror})") from error
        return DatagramLine(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (host, at.port))
    return _other(at, node, node_side=False)


def _bound(at: Address) -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        own.bind((at.host, at.port))
    except OSError as error:
        own.close()
        raise BorderError(f"{at} cannot be listened at ({error.strerror})") from error
    return own


def _other(at: Address, node: str, node_side: bool) -> Line:
    """Return a line whose library is loaded only where it is used."""
    if at.kind == "serial":
        from cosim.node.serial_line import SerialLine

        return SerialLine(at.host)
    from cosim.node.mqtt_line import MqttLine

    return MqttLine(at.host, at.port, node, node_side)
