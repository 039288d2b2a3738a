"""The device's end: ports of any body, told and commanded through a broker.

It runs where the hardware is. A command is carried out as it arrives, in the client's
thread, and answered with what was read back. When the controller is gone, relays go to
where their owner wants them to be without one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any

from gridmodel.ports import Inverter, Meter, Relay
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.mqtt.content import (
    INVERTER_COMMAND,
    INVERTER_STATE,
    METER_STATE,
    RELAY_COMMAND,
    RELAY_STATE,
    Shape,
    content_type,
    decode,
    encode,
    encoding_of,
)
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.mqtt_config import Encoding, MqttConfig
from hardware_bridges.mqtt.radio import LONGEST_FRAME
from hardware_bridges.mqtt.session import MqttSession


@dataclass(frozen=True)
class Hardware:
    """Ports of a device.

    Parameters
    ----------
    meters, relays : mapping
        Ports by name.
    inverter, radio
        Ports, if there are any.
    safe : mapping
        Relays to move when the controller is gone: name to closed.
    """

    meters: Mapping[str, Meter] = field(default_factory=dict)
    relays: Mapping[str, Relay] = field(default_factory=dict)
    inverter: Inverter | None = None
    radio: Any = None
    safe: Mapping[str, bool] = field(default_factory=dict)


class MqttDevice:
    """Hardware at a broker.

    Parameters
    ----------
    config : MqttConfig
        The broker.
    node : str
        Whose hardware it is.
    hardware : Hardware
        Its ports.
    now_us : callable
        The device's clock. [us]
    """

    def __init__(
        self, config: MqttConfig, node: str, hardware: Hardware, now_us: Callable[[], int]
    ) -> None:
        self.session = MqttSession(config, node, "device")
        self.hardware = hardware
        self._expiry_s = ceil(config.stale_s)
        self._now_us = now_us
        self._lock = threading.Lock()
        self._controller_was_there = False
        topics = self.session.topics
        for name in hardware.relays:
            self.session.on(topics.set("relay", name), partial(self._move, name))
        if hardware.inverter is not None:
            self.session.on(topics.set("inverter", "inverter"), self._set_power)
        if hardware.radio is not None:
            self.session.on(topics.set("radio", "radio"), self._send)

    def start(self) -> MqttDevice:
        """Connect; raises as `MqttSession.start` does."""
        self.session.start()
        return self

    def publish(self) -> None:
        """Tell the state of every port; call it each period.

        Raises
        ------
        LinkError
            If the broker is away; the next call tells newer states.
        DeviceError
            If another client has taken this device's role.
        """
        self._watch_controller()
        with self._lock:
            self._publish_states(self._now_us())
            self._publish_frames()

    def close(self) -> None:
        """Say goodbye and leave the broker."""
        self.session.close()

    def _publish_states(self, now_us: int) -> None:
        hardware, topics = self.hardware, self.session.topics
        for name, meter in hardware.meters.items():
            reading = meter.read(now_us)._asdict()
            self._tell(topics.state("meter", name), METER_STATE, reading, retain=False)
        for name in hardware.relays:
            state = self._relay_state(name)
            self._tell(topics.state("relay", name), RELAY_STATE, state, retain=True)
        if hardware.inverter is not None:
            state = self._inverter_state()
            self._tell(topics.state("inverter", "inverter"), INVERTER_STATE, state, retain=True)

    def _publish_frames(self) -> None:
        radio = self.hardware.radio
        while radio is not None and (frame := radio.receive()) is not None:
            notes = {"t_us": frame.t_us, "rssi_dbm": frame.rssi_dbm, "snr_db": frame.snr_db}
            self.session.publish(
                self.session.topics.state("radio", "radio"),
                frame.data,
                MessageExpiryInterval=self._expiry_s,
                notes={key: repr(value) for key, value in notes.items()},
            )

    def _tell(self, topic: str, shape: Shape, state: Mapping[str, Any], *, retain: bool) -> None:
        encoding = self.session.config.payload
        payload = encode(topic, shape, state, encoding)
        # a retained state has no end: who comes later shall see how things were left
        expiry = {} if retain else {"MessageExpiryInterval": self._expiry_s}
        self.session.publish(
            topic, payload, retain=retain, ContentType=content_type(encoding), **expiry
        )

    def _watch_controller(self) -> None:
        """Bring relays to safety once when the controller has gone, or the broker has."""
        there = self.session.connected and self.session.peer_online is not False
        if self._controller_was_there and not there:
            with self._lock:
                for name, closed in self.hardware.safe.items():
                    _put(self.hardware.relays[name], closed)
        if self.session.peer_online:
            self._controller_was_there = True
        elif not there:
            self._controller_was_there = False

    def _relay_state(self, name: str) -> dict[str, Any]:
        return {"closed": self.hardware.relays[name].closed, "t_us": self._now_us()}

    def _inverter_state(self) -> dict[str, Any]:
        assert self.hardware.inverter is not None
        return {**self.hardware.inverter.read()._asdict(), "t_us": self._now_us()}

    def _move(self, name: str, message: Message) -> None:
        def act() -> dict[str, Any]:
            closed = decode(message, RELAY_COMMAND)["closed"]
            _put(self.hardware.relays[name], closed)
            return self._relay_state(name)

        self._carry_out(message, act, self.session.topics.state("relay", name), RELAY_STATE)

    def _set_power(self, message: Message) -> None:
        def act() -> dict[str, Any]:
            assert self.hardware.inverter is not None
            self.hardware.inverter.set_power(decode(message, INVERTER_COMMAND)["p_kw"])
            return self._inverter_state()

        topic = self.session.topics.state("inverter", "inverter")
        self._carry_out(message, act, topic, INVERTER_STATE)

    def _send(self, message: Message) -> None:
        if not 0 < len(message.payload) <= LONGEST_FRAME:
            raise DeviceError(message.topic, f"{len(message.payload)} bytes are no frame.")
        with self._lock:
            self.hardware.radio.send(self._now_us(), message.payload)

    def _carry_out(
        self, message: Message, act: Callable[[], dict[str, Any]], state_topic: str, shape: Shape
    ) -> None:
        """Do as told, answer with what was read back, and tell everyone."""
        if message.retained:
            return  # a command is for now
        try:
            with self._lock:
                state = act()
            self._answer(message, shape, state)
        except Exception as error:  # whatever a driver raises is the answer
            problem = f"{type(error).__name__}: {error}"
            if not message.answer_topic:
                raise LinkError(message.topic, problem) from error
            self._refuse(message, problem)
        else:
            self._tell(state_topic, shape, state, retain=True)

    def _answer(self, message: Message, shape: Shape, state: Mapping[str, Any]) -> None:
        """Answer in the encoding in which one was asked."""
        if message.answer_topic:
            encoding: Encoding = encoding_of(message)
            self.session.publish(
                message.answer_topic,
                encode(message.answer_topic, shape, state, encoding),
                ContentType=content_type(encoding),
                CorrelationData=message.mark,
            )

    def _refuse(self, message: Message, problem: str) -> None:
        """Answer that it could not be done, and why."""
        self.session.publish(
            message.answer_topic,
            b"",
            notes={"error": problem},
            CorrelationData=message.mark,
        )


def _put(relay: Relay, closed: bool) -> None:
    if closed:
        relay.close()
    else:
        relay.open()
