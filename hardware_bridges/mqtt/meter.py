"""A meter behind a broker."""

from __future__ import annotations

import time
from typing import Any

from gridmodel.ports import Measurement
from hardware_bridges.mqtt.content import METER_STATE
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.port import FittedPort, MqttPort
from hardware_bridges.mqtt.session import MqttSession


class MqttMeter(FittedPort):
    """Readings that a device at a broker publishes.

    A reading bears the instant at which it arrived, by this node's clock: one that grows old
    shows it. With ``same_clock`` it bears the device's instant.

    Parameters
    ----------
    session : MqttSession
        The controller's session.
    name : str
        The meter's name.
    """

    def __init__(self, session: MqttSession, name: str) -> None:
        self.port = MqttPort(session, "meter", name, METER_STATE)
        self._same_clock = session.config.same_clock

    @classmethod
    def fit(cls, config: MqttConfig, name: str, bench: Any) -> MqttMeter:
        """Return the meter of a node."""
        return cls(cls.session(config, bench), name)

    @property
    def stale(self) -> bool:
        """Whether the reading is older than ``stale_s``, or its device is gone."""
        return self.port.stale

    def read(self, now_us: int) -> Measurement:
        """Return the newest reading. Raises LinkError when none is younger than ``lost_s``."""
        state, came_s = self.port.state()
        if self._same_clock:
            return Measurement(**state)
        age_us = int((time.monotonic() - came_s) * 1e6)
        return Measurement(**{**state, "t_us": now_us - age_us})
