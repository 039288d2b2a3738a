"""MQTT port: what meter, relay and inverter behind a broker share.

The newest state is kept with its age. A state that was retained tells how things were, so
it counts as stale until the device speaks. A command waits for its answer; one that got
none is sent again when the device comes back, unless it has grown too old.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.mqtt.content import Shape, content_type, decode, encode
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.session import MqttSession
from hardware_bridges.mqtt.sessions import borrow, give_back


class MqttPort:
    """One port behind a broker.

    Parameters
    ----------
    session : MqttSession
        The controller's session.
    port, name : str
        Words of its topics, such as ``relay`` and ``heater``.
    state : Shape
        What its state consists of.
    command : Shape or None
        What its commands consist of, if it takes any.
    """

    def __init__(
        self,
        session: MqttSession,
        port: str,
        name: str,
        state: Shape,
        command: Shape | None = None,
    ) -> None:
        self.fault = ""
        self._session = session
        self._config = session.config
        self._shape = state
        self._command = command
        self._content_type = content_type(session.config.payload)
        self._state_topic = session.topics.state(port, name)
        self._set_topic = session.topics.set(port, name)
        self._change = threading.Condition()
        self._state: dict[str, Any] | None = None
        self._came_s = self._heard_s = float("-inf")
        self._pending: tuple[bytes, float] | None = None
        session.on(self._state_topic, self._hear)
        session.on_peer(self._send_again)

    @property
    def age_s(self) -> float:
        """Time since the device last told this state; endless before its first word. [s]"""
        return time.monotonic() - self._heard_s

    @property
    def stale(self) -> bool:
        """Whether the state may no longer be so: old, retained, or its device is gone."""
        return self.age_s > self._config.stale_s or self._session.peer_online is False

    def state(self) -> tuple[dict[str, Any], float]:
        """Return the newest state and when it came, waiting for the first one. [s]

        Raises
        ------
        LinkError
            If there is none, or none younger than ``lost_s``.
        DeviceError
            If another client has taken our role.
        """
        self._session.check()
        with self._change:
            self._change.wait_for(lambda: self._state is not None, self._config.timeout_s)
            old_s = time.monotonic() - self._came_s
            if self._state is not None and old_s <= self._config.lost_s:
                return self._state, self._came_s
        known = "no state yet" if self._state is None else f"no state for {old_s:.0f} s"
        raise LinkError(
            f"{self._session.where}, {self._state_topic}",
            f"{known}: {self._why()}.",
            "Check the device's power and network; its topics are read with mosquitto_sub.",
        )

    def command(self, fields: Mapping[str, Any]) -> None:
        """Send a command and wait for its answer, at most ``timeout_s``.

        Raises
        ------
        DeviceError
            If the device answers that it could not, or a number is not finite.
        """
        assert self._command is not None, "this port takes no commands"
        payload = encode(self._set_topic, self._command, fields, self._config.payload)
        self._pending = payload, time.monotonic()
        try:
            answer = self._session.request(
                self._set_topic,
                payload,
                self._config.timeout_s,
                ContentType=self._content_type,
            )
        except LinkError as error:
            self.fault = str(error)
            return
        except DeviceError:
            self._pending = None
            raise
        if answer is None:
            self.fault = f"{self._set_topic}: no answer within {self._config.timeout_s:g} s."
            return
        self._pending, self.fault = None, ""
        self._hear(answer)

    def _hear(self, message: Message) -> None:
        state = decode(message, self._shape)
        with self._change:
            self._state, self._came_s = state, time.monotonic()
            if not message.retained:
                self._heard_s = self._came_s
            self._change.notify_all()

    def _why(self) -> str:
        if not self._session.connected:
            return f"the broker is away ({self._session.fault or 'no connection'})"
        return (
            "the device is gone" if self._session.peer_online is False else "the device is silent"
        )

    def _send_again(self) -> None:
        pending = self._pending
        if pending is None:
            return
        payload, asked_s = pending
        if time.monotonic() - asked_s <= self._config.valid_s:
            self._session.publish(
                self._set_topic,
                payload,
                MessageExpiryInterval=self._config.valid_s,
                ContentType=self._content_type,
            )
        self._pending = None


class FittedPort:
    """A port that borrows its node's session."""

    Config = MqttConfig

    @staticmethod
    def session(config: MqttConfig, bench: Any) -> MqttSession:
        """Return the session of a node; given back when the node closes."""
        node = bench.terminal.name
        session = borrow(config, node)
        bench.closes.append(lambda: give_back(config, node))
        return session
