"""Sessions: the ports of one node share one client; the last one closes it."""

from __future__ import annotations

import threading

from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.session import MqttSession

_lock = threading.Lock()
_open: dict[tuple[str, int, str, str], tuple[MqttSession, int]] = {}


def borrow(config: MqttConfig, node: str) -> MqttSession:
    """Return the started session of a node's controller, made by the first who asks.

    Raises
    ------
    LinkError, DeviceError
        As `MqttSession.start` does.
    """
    key = _key(config, node)
    with _lock:
        session, users = _open.get(key, (None, 0))
        if session is None:
            session = MqttSession(config, node, "controller").start()
        _open[key] = session, users + 1
        return session


def give_back(config: MqttConfig, node: str) -> None:
    """Close the session if nobody else uses it."""
    key = _key(config, node)
    with _lock:
        session, users = _open.pop(key)
        if users > 1:
            _open[key] = session, users - 1
            return
    session.close()


def _key(config: MqttConfig, node: str) -> tuple[str, int, str, str]:
    return config.host, config.port, config.site, config.device or node
