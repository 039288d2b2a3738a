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
from hardware_bridges.link_error import LinkError
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.payload import decode, encode
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
            self._tell(topics.state("meter", name), encode(reading), retain=False)
        for name in hardware.relays:
            self._tell(topics.state("relay", name), self._relay_state(name), retain=True)
        if hardware.inverter is not None:
            self._tell(topics.state("inverter", "inverter"), self._inverter_state(), retain=True)

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

    def _tell(self, topic: str, payload: bytes, *, retain: bool) -> None:
        # a retained state has no end: who comes later shall see how things were left
        expiry = {} if retain else {"MessageExpiryInterval": self._expiry_s}
        self.session.publish(topic, payload, retain=retain, **expiry)

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

    def _relay_state(self, name: str) -> bytes:
        return encode({"closed": self.hardware.relays[name].closed, "t_us": self._now_us()})

    def _inverter_state(self) -> bytes:
        assert self.hardware.inverter is not None
        return encode({**self.hardware.inverter.read()._asdict(), "t_us": self._now_us()})

    def _move(self, name: str, message: Message) -> None:
        def act() -> bytes:
            closed = decode(message.topic, message.payload, {"closed": bool})["closed"]
            _put(self.hardware.relays[name], closed)
            return self._relay_state(name)

        self._carry_out(message, act, self.session.topics.state("relay", name))

    def _set_power(self, message: Message) -> None:
        def act() -> bytes:
            assert self.hardware.inverter is not None
            self.hardware.inverter.set_power(
                decode(message.topic, message.payload, {"p_kw": float})["p_kw"]
            )
            return self._inverter_state()

        self._carry_out(message, act, self.session.topics.state("inverter", "inverter"))

    def _send(self, message: Message) -> None:
        with self._lock:
            self.hardware.radio.send(self._now_us(), message.payload)

    def _carry_out(self, message: Message, act: Callable[[], bytes], state_topic: str) -> None:
        """Do as told, answer with what was read back, and tell everyone."""
        if message.retained:
            return  # a command is for now
        notes: dict[str, str] = {}
        try:
            with self._lock:
                payload = act()
        except Exception as error:  # whatever a driver raises is the answer
            payload, notes = b"{}", {"error": f"{type(error).__name__}: {error}"}
        if message.answer_topic:
            self.session.publish(
                message.answer_topic, payload, notes=notes, CorrelationData=message.mark
            )
        if not notes:
            self._tell(state_topic, payload, retain=True)
        elif not message.answer_topic:
            raise LinkError(message.topic, notes["error"])


def _put(relay: Relay, closed: bool) -> None:
    if closed:
        relay.close()
    else:
        relay.open()
