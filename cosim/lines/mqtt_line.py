"""MQTT line: messages between a node and a simulation through a broker.

Topics are ``feedertwin/NODE/to_node`` and ``feedertwin/NODE/to_world``, quality of service 0:
a question whose answer is lost is asked again.
"""

from __future__ import annotations

import queue
import time
from typing import Any

from gridmodel.errors import BorderError, MissingExtraError

_CONNECT_S = 10.0


class MqttLine:
    """A node's two topics at a broker.

    Parameters
    ----------
    host, port
        The broker.
    node : str
        The node's name.
    node_side : bool
        This end is the node's.
    """

    #: Several nodes may come to be at the other end, if they have one name.
    shared = True

    def __init__(self, host: str, port: int, node: str, node_side: bool) -> None:
        try:
            from paho.mqtt import client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MissingExtraError("mqtt", "a node reached through a broker") from error
        ends = ("to_world", "to_node") if node_side else ("to_node", "to_world")
        self._send_topic, self._receive_topic = (f"feedertwin/{node}/{end}" for end in ends)
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._joined: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._client: Any = client.Client(
            CallbackAPIVersion.VERSION2, protocol=client.MQTTv5, transport="tcp"
        )
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        try:
            self._client.connect(host, port, keepalive=10)
        except OSError as error:
            raise BorderError(f"no broker answers at {host}:{port} ({error})") from error
        self._client.loop_start()
        try:
            self._joined.get(timeout=_CONNECT_S)
        except queue.Empty:
            self.close()
            raise BorderError(f"the broker at {host}:{port} did not let us in") from None

    def _connected(self, client: Any, *_: Any) -> None:
        client.subscribe(self._receive_topic)  # anew after each break of the connection

    def _subscribed(self, *_: Any) -> None:
        self._joined.put(True)

    def _message(self, client: Any, data: Any, message: Any) -> None:
        self._waiting.put(bytes(message.payload))

    def send(self, data: bytes) -> None:
        """Send one message; while the broker is away it is lost, and asked for again."""
        if self._client is not None:
            self._client.publish(self._send_topic, data)

    def receive(self, wait_s: float | None) -> bytes | None:
        """Return the next message, or None if none came in time."""
        until_s = None if wait_s is None else time.monotonic() + wait_s
        while True:
            left_s = 1.0 if until_s is None else until_s - time.monotonic()
            try:
                return self._waiting.get(timeout=min(max(left_s, 1e-6), 1.0))
            except queue.Empty:
                if until_s is not None and time.monotonic() >= until_s:
                    return None

    def close(self) -> None:
        """Leave the broker."""
        # Let go at once, paho closes two sockets of its own; in a ring of references they
        # would be left to the garbage collector, which warns in whatever runs then.
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
