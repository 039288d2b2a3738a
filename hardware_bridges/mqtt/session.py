"""MQTT session: one client that holds one role of one node. MQTT 5, over paho.

The broker is told our will, so that the other side learns that we are gone; our name and
whether we are there stand retained under ``status``. A role has one holder: who comes
second is refused with the first one's name. A broker that goes away is awaited.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from gridmodel.errors import BridgeError, MissingExtraError
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.mqtt.message import Message, made, message_of
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.payload import decode, encode
from hardware_bridges.mqtt.topics import SCHEMA, Role, Topics

try:
    from paho.mqtt.client import Client, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.packettypes import PacketTypes
except ImportError as error:  # pragma: no cover (told to a person, not to a test)
    raise MissingExtraError("mqtt", "a port behind a broker") from error

#: Every message arrives at least once; commands are absolute, so that twice does no harm.
QOS = 1
#: How long one who finds a role taken waits for its holder to speak up. [s]
CLAIM_S = 1.0
STATUS = {"online": bool, "owner": str, "since_ms": int}


Handler = Callable[[Message], None]


class MqttSession:
    """A client in a role.

    Parameters
    ----------
    config : MqttConfig
        The broker.
    node : str
        Whose role.
    role : str
        ``controller`` or ``device``.
    """

    def __init__(self, config: MqttConfig, node: str, role: Role) -> None:
        self.config = config
        self.topics = Topics(config.site, config.device or node)
        self.role = role
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.where = f"broker {config.host}:{config.port}, {self.topics.root} as {role}"
        self.fault = ""
        #: Whether the other side is there; None while nobody knows.
        self.peer_online: bool | None = None
        self._peer: Role = "device" if role == "controller" else "controller"
        self._since_ms = 0
        self._holds = False
        self._connected = False
        self._refused = ""
        self._taken_by = ""
        self._seen_before = ""
        self._agreed: set[int | None] = set()
        self._handlers: dict[str, Handler] = {}
        self._peer_calls: list[Callable[[], None]] = []
        self._answers: dict[bytes, tuple[threading.Event, list[Message]]] = {}
        self._change = threading.Condition()
        self._client = self._make_client()

    def on(self, topic: str, handler: Handler) -> None:
        """Have a topic's messages handled, in the client's thread.

        After the start it waits, at most ``timeout_s``, until the broker has agreed.
        """
        self._handlers[topic] = handler
        if self.connected:
            _, number = self._client.subscribe(topic, QOS)
            with self._change:
                self._change.wait_for(lambda: number in self._agreed, self.config.timeout_s)
                self._agreed.clear()

    def on_peer(self, call: Callable[[], None]) -> None:
        """Have something called when the other side has come, also after a loss."""
        self._peer_calls.append(call)

    def start(self) -> MqttSession:
        """Connect and take the role.

        Raises
        ------
        LinkError
            If the broker does not answer within ``connect_s``.
        DeviceError
            If it refuses us, or another client holds the role.
        """
        try:
            self._authorise()
            self._client.connect_async(
                self.config.host,
                self.config.port,
                self.config.keepalive_s,
                properties=made(PacketTypes.CONNECT, SessionExpiryInterval=self.config.session_s),
            )
            self._client.loop_start()
            self._take_role()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def connected(self) -> bool:
        """Whether the broker is there and the role is ours."""
        return self._connected and self._holds

    def check(self) -> None:
        """Raise if the role was taken from us."""
        if self._taken_by:
            raise DeviceError(
                self.where,
                f"'{self.owner}' has lost the role to '{self._taken_by}'.",
                "Two programs run this node: stop one of them.",
            )

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, **properties: Any
    ) -> None:
        """Send a message; while the broker is away nothing is kept for it.

        Parameters
        ----------
        topic, payload
            Where and what.
        retain : bool
            The broker shows it to those who come later.
        **properties
            Of MQTT 5, by paho's names; ``notes`` are the user properties.

        Raises
        ------
        LinkError
            If the broker is away.
        """
        self.check()
        if not self._connected:
            raise LinkError(self.where, f"the broker is away ({self.fault or 'no connection'}).")
        self._publish(topic, payload, retain, **properties)

    def request(
        self, topic: str, payload: bytes, timeout_s: float, **properties: Any
    ) -> Message | None:
        """Send a command and return the answer; None if none came in time.

        Further properties are those of `publish`.

        Raises
        ------
        LinkError
            If the broker is away.
        DeviceError
            If the device answers that it could not.
        """
        mark = uuid.uuid4().bytes
        answered, answers = self._answers[mark] = (threading.Event(), [])
        try:
            self.publish(
                topic,
                payload,
                MessageExpiryInterval=self.config.valid_s,
                ResponseTopic=self.topics.answer(self.owner),
                CorrelationData=mark,
                **properties,
            )
            if not answered.wait(timeout_s):
                return None
        finally:
            del self._answers[mark]
        if (problem := answers[0].notes.get("error")) is not None:
            raise DeviceError(f"{self.where}, {topic}", f"the device answers: {problem}")
        return answers[0]

    def close(self) -> None:
        """Say goodbye and leave the broker."""
        if self.connected:
            with contextlib.suppress(ValueError, RuntimeError):
                info = self._tell_status(online=False)
                info.wait_for_publish(self.config.timeout_s)
        self._holds = False
        self._client.disconnect()
        self._client.loop_stop()
        # Let go at once, paho closes two sockets of its own; in a ring of references they
        # would be left to the garbage collector, which warns in whatever runs then.
        self._client = self._make_client()

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"feedertwin-{self.role}-{self.owner}",
            protocol=MQTTv5,
        )
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_socket_open = _without_delay
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 30)
        client.max_queued_messages_set(64)
        client.will_set(
            self.topics.status(self.role),
            self._status(online=False),
            QOS,
            retain=True,
            properties=made(PacketTypes.WILLMESSAGE, notes={}),
        )
        return client

    def _authorise(self) -> None:
        config = self.config
        try:
            if config.username is not None:
                self._client.username_pw_set(config.username, config.password())
            if config.ca_file is not None:
                self._client.tls_set(config.ca_file, config.certificate_file, config.key_file)
        except OSError as error:  # a file that is missing, or no certificate
            raise DeviceError(self.where, f"{error}.", "Check the files in the settings.") from None

    def _take_role(self) -> None:
        """Wait until the broker has told us who holds the role, and take it if nobody does."""
        with self._change:
            self._change.wait_for(lambda: self._since_ms or self._refused, self.config.connect_s)
            if self._refused:
                raise DeviceError(
                    self.where, f"the broker refuses us: {self._refused}.",
                    "Check username, password_file and the broker's access list.",
                )  # fmt: skip
            if not self._since_ms:
                raise LinkError(
                    self.where,
                    f"no answer within {self.config.connect_s:g} s ({self.fault or 'silence'}).",
                    "Check address, port, TLS and that the broker runs.",
                )
            if self._seen_before:  # it may have died with its broker: let it speak up
                self._change.wait_for(lambda: self._taken_by, CLAIM_S)
            if self._taken_by:
                raise DeviceError(
                    self.where,
                    f"'{self.owner}' wants the role, but '{self._taken_by}' has it.",
                    "Stop one of the two, or give one of them another node or site.",
                )
            self._holds = True
        # whoever claims the role after this shall find our name
        with contextlib.suppress(ValueError, RuntimeError):
            self._greet().wait_for_publish(self.config.connect_s)

    def _greet(self) -> Any:
        for topic in (*self._handlers, self.topics.status(self._peer)):
            self._client.subscribe(topic, QOS)
        self._client.subscribe(self.topics.answer(self.owner), QOS)
        return self._tell_status(online=True)

    def _status(self, online: bool) -> bytes:
        return encode({"online": online, "owner": self.owner, "since_ms": self._since_ms})

    def _tell_status(self, online: bool) -> Any:
        return self._publish(self.topics.status(self.role), self._status(online), True)

    def _publish(self, topic: str, payload: bytes, retain: bool, **properties: Any) -> Any:
        with_these = made(PacketTypes.PUBLISH, **properties)
        return self._client.publish(topic, payload, QOS, retain, with_these)

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _props: Any) -> None:
        if code.is_failure:
            with self._change:
                self._refused = self.fault = str(code)
                self._change.notify_all()
            return
        self._connected, self.fault = True, ""
        if self._holds:  # back after a loss: who has come meanwhile has it longer
            self._since_ms = _now_ms()
        client.subscribe(
            [(self.topics.status(self.role), QOS), (self.topics.claim(self.role), QOS)]
        )
        # its own echo comes after what was retained: then we know who holds the role
        self._publish(self.topics.claim(self.role), self.owner.encode(), False)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self.fault = str(sys.exception() or "no connection")

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _props: Any) -> None:
        self._connected = False
        self.peer_online = None
        self.fault = str(code)

    def _on_subscribe(
        self, _client: Any, _data: Any, number: int, _codes: Any, _props: Any
    ) -> None:
        with self._change:
            self._agreed.add(number)
            self._change.notify_all()

    def _on_message(self, _client: Any, _data: Any, raw: Any) -> None:
        """Hand a message to whom it concerns; nothing it holds may end paho's thread."""
        try:
            self._handle(message_of(raw))
        except BridgeError as error:
            self.fault = str(error)
        except Exception as error:
            self.fault = f"{raw.topic}: {type(error).__name__}: {error}"

    def _handle(self, message: Message) -> None:
        topics = self.topics
        if message.notes.get("schema") != SCHEMA:
            raise DeviceError(
                message.topic, f"schema {message.notes.get('schema')} given, {SCHEMA} understood.",
                "Run the same version of feedertwin at both ends.",
            )  # fmt: skip
        if message.topic == topics.status(self.role):
            self._hear_rival(message)
        elif message.topic == topics.claim(self.role):
            self._hear_claim(message.payload.decode())
        elif message.topic == topics.status(self._peer):
            self._hear_peer(decode(message.topic, message.payload, STATUS)["online"])
        elif message.topic == topics.answer(self.owner):
            self._hear_answer(message)
        elif (handler := self._handlers.get(message.topic)) is not None:
            handler(message)

    def _hear_rival(self, message: Message) -> None:
        """Learn who else holds our role: the one who has it longer keeps it."""
        status = decode(message.topic, message.payload, STATUS)
        rival = status["owner"]
        if rival == self.owner:
            return
        with self._change:
            if message.retained and not self._holds:
                self._seen_before = rival if status["online"] else ""
            elif status["online"] and not self._older_than(status["since_ms"], rival):
                self._taken_by = rival
                self._holds = False
            elif self._holds:  # a newcomer, or the will of one, has written over our status
                self._tell_status(online=True)
            self._change.notify_all()

    def _hear_peer(self, online: bool) -> None:
        came = online and not self.peer_online
        self.peer_online = online
        if came:
            for call in self._peer_calls:
                call()

    def _older_than(self, since_ms: int, rival: str) -> bool:
        return self._holds and (self._since_ms, self.owner) < (since_ms, rival)

    def _hear_claim(self, rival: str) -> None:
        if rival == self.owner:
            with self._change:
                again = self._holds
                self._since_ms = self._since_ms if again else _now_ms()
                self._change.notify_all()
            if again:  # back after a loss
                self._greet()
        elif self._holds:
            self._tell_status(online=True)

    def _hear_answer(self, message: Message) -> None:
        waiting = self._answers.get(message.mark)
        if waiting is not None:
            answered, answers = waiting
            answers.append(message)
            answered.set()


def _without_delay(_client: Any, _data: Any, opened: Any) -> None:
    """Send small packets at once: one that waits for an acknowledgement costs 40 ms."""
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
