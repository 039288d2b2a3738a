"""A relay behind a broker."""

from __future__ import annotations

from typing import Any

from hardware_bridges.mqtt.content import RELAY_COMMAND, RELAY_STATE
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.port import FittedPort, MqttPort
from hardware_bridges.mqtt.session import MqttSession


class MqttRelay(FittedPort):
    """A contact that a device at a broker moves and reads back.

    Parameters
    ----------
    session : MqttSession
        The controller's session.
    name : str
        The relay's name.
    """

    def __init__(self, session: MqttSession, name: str) -> None:
        self.port = MqttPort(session, "relay", name, RELAY_STATE, RELAY_COMMAND)

    @classmethod
    def fit(cls, config: MqttConfig, name: str, bench: Any) -> MqttRelay:
        """Return the relay of a node."""
        return cls(cls.session(config, bench), name)

    def open(self) -> None:
        """Disconnect; `closed` tells whether it happened."""
        self.port.command({"closed": False})

    def close(self) -> None:
        """Connect; `closed` tells whether it happened."""
        self.port.command({"closed": True})

    @property
    def closed(self) -> bool:
        """Read-back of the contact. Raises LinkError when it is not known any more."""
        return bool(self.port.state()[0]["closed"])
