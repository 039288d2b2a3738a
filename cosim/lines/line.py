"""Lines: ways on which whole messages go between a node and the world around it.

An address is ``unix:PATH``, ``tcp:HOST:PORT``, ``udp:HOST:PORT``, ``serial:DEVICE``,
``serial:DEVICE@BAUD`` or ``mqtt:HOST:PORT``. On a stream the simulation listens and the node
comes to it; over UDP the node listens; a serial line and a broker have no listener.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from typing import Protocol

from cosim.lines.address import Address
from cosim.lines.datagram_line import DatagramLine
from cosim.lines.stream_line import StreamLine
from gridmodel.errors import BorderError

#: Wait between two tries to reach a simulation or a broker. [s]
_RETRY_S = 0.05
#: Time between two lines of log of a node that waits for its simulation. [s]
TELL_S = 60.0


class Line(Protocol):
    """A way for whole messages, there and back."""

    def send(self, data: bytes) -> None:
        """Send one message; raise `BorderError` if the other end is gone, or takes nothing."""

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time; raise `BorderError`."""

    def close(self) -> None:
        """End the line."""


def to_world(
    at: Address,
    node: str,
    wait_s: float = math.inf,
    ended: Callable[[], bool] = lambda: False,
    say: Callable[[str], object] = lambda text: None,
) -> Line:
    """Return a node's line to its simulation.

    Parameters
    ----------
    at : Address
        Where the simulation, or a broker, is; over UDP and on a serial line, where the node
        itself is.
    node : str
        The node's name.
    wait_s : float
        How long a stream or a broker is tried. [s]
    ended : callable
        Tells whether to look no more.
    say : callable
        Takes a line of text for the log, each minute.

    Raises
    ------
    BorderError
        If it cannot be reached in time, or not at all.
    """
    if at.kind == "udp":
        return DatagramLine(_bound(at))
    if at.kind == "serial":
        return _serial(at)
    begin_s = time.monotonic()
    told_s = begin_s
    while True:
        try:
            return _mqtt(at, node, node_side=True) if at.kind == "mqtt" else _connected(at)
        except BorderError as error:
            now_s = time.monotonic()
            if ended() or now_s - begin_s > wait_s:
                raise
            if now_s - told_s >= TELL_S:
                told_s = now_s
                say(f"{node}: waits since {now_s - begin_s:.0f} s: {error}")
            time.sleep(_RETRY_S)


def _connected(at: Address) -> StreamLine:
    family = socket.AF_UNIX if at.kind == "unix" else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(1.0)
    try:
        connection.connect(at.host if at.kind == "unix" else (at.host, at.port))
    except OSError as error:
        connection.close()
        raise BorderError(
            f"no simulation listens at {at} ({error.strerror or error}). Start 'feedertwin hil'."
        ) from error
    return StreamLine(connection)


def to_node(at: Address, node: str) -> Line:
    """Return a simulation's line to a node that is reached without a listener of ours.

    Raises
    ------
    BorderError
        If it leads nowhere.
    """
    if at.kind == "udp":
        try:
            host = socket.gethostbyname(at.host)
        except OSError as error:
            raise BorderError(f"{at} is nowhere to be found ({error.strerror})") from error
        return DatagramLine(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (host, at.port))
    return _serial(at) if at.kind == "serial" else _mqtt(at, node, node_side=False)


def _bound(at: Address) -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        own.bind((at.host, at.port))
    except OSError as error:
        own.close()
        raise BorderError(f"{at} cannot be listened at ({error.strerror})") from error
    return own


def _serial(at: Address) -> Line:
    from cosim.lines.serial_line import SerialLine  # its library is loaded only where it is used

    return SerialLine(at)


def _mqtt(at: Address, node: str, node_side: bool) -> Line:
    from cosim.lines.mqtt_line import MqttLine

    return MqttLine(at.host, at.port, node, node_side)
