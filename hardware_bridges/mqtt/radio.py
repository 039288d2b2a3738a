"""A radio behind a broker: a modem elsewhere, with the books of its airtime kept here."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.lora import Modem
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.payload import checked
from hardware_bridges.mqtt.port import FittedPort
from hardware_bridges.mqtt.session import MqttSession
from hardware_bridges.radio.kept_airtime import KeptAirtime
from hardware_bridges.radio.transmitter import Transmitter

#: Frames kept for a program that does not ask; the oldest go first.
QUEUE_LENGTH = 64
#: A broker that is away is asked again after this. [us]
PAUSE_US = 1_000_000
LONGEST_FRAME = 255
#: What the receiver measured, in user properties.
NOTES = {"t_us": int, "rssi_dbm": float, "snr_db": float}


def _wall_us() -> int:
    return time.monotonic_ns() // 1000


class MqttRadio(FittedPort):
    """A LoRa modem that a device at a broker drives.

    A frame is the payload as it is on the air, sealed: the broker cannot read it. What the
    receiver measured stands in user properties.

    Parameters
    ----------
    session : MqttSession
        The controller's session.
    modem : Modem
        Settings of the modem, for its airtime and the law of its band.
    now_us : callable
        This node's clock, by which arrivals are stamped. [us]
    name : str
        The radio's name.
    """

    def __init__(
        self,
        session: MqttSession,
        modem: Modem,
        now_us: Callable[[], int] = _wall_us,
        name: str = "radio",
    ) -> None:
        self.fault = ""
        self._session = session
        self._now_us = now_us
        self._transmitter = Transmitter.of(modem)
        self._waiting: deque[ReceivedFrame] = deque(maxlen=QUEUE_LENGTH)
        self._set_topic = session.topics.set("radio", name)
        session.on(session.topics.state("radio", name), self._hear)

    @classmethod
    def fit(cls, config: MqttConfig, name: str, bench: Any) -> MqttRadio:
        """Return the radio of a node."""
        return cls(cls.session(config, bench), bench.seat.modem, bench.now_us, name)

    def keep_airtime(self, kept: KeptAirtime) -> None:
        """Take over what was sent before this process began, and keep what is sent."""
        self._transmitter.keep(kept)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Have a frame sent now, or say when modem, law or broker allow it."""
        result = self._transmitter.ask(now_us, len(data))
        if not result.accepted:
            return result
        try:
            # late is too late: a slot has passed, and the books would be wrong
            self._session.publish(self._set_topic, data, MessageExpiryInterval=1)
        except LinkError as error:
            self.fault = str(error)
            return SendResult(False, result.airtime_us, now_us + PAUSE_US)
        self._transmitter.book(now_us, result.airtime_us)
        return result

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        return self._waiting.popleft() if self._waiting else None

    def status(self) -> str:
        """Return who is there, for a person."""
        there = {True: "is there", False: "is gone", None: "has not spoken"}
        return f"{self._session.where}: the device {there[self._session.peer_online]}"

    def snapshot(self) -> Any:
        """Return the books."""
        return self._transmitter.snapshot()

    def restore(self, state: Any) -> None:
        """Take over books that `snapshot` gave."""
        self._transmitter.restore(state)

    def _hear(self, message: Message) -> None:
        if not 0 < len(message.payload) <= LONGEST_FRAME:
            raise DeviceError(message.topic, f"{len(message.payload)} bytes are no frame.")
        notes = _numbers(message)
        t_us = int(notes["t_us"]) if self._session.config.same_clock else self._now_us()
        self._waiting.append(
            ReceivedFrame(t_us, message.payload, notes["rssi_dbm"], notes["snr_db"])
        )


def _numbers(message: Message) -> dict[str, float]:
    """Return what a receiver measured, from the user properties of a frame."""
    found: dict[str, Any] = {}
    for name, kind in NOTES.items():
        with contextlib.suppress(KeyError, ValueError):
            found[name] = kind(message.notes[name])
    return checked(message.topic, found, NOTES)
