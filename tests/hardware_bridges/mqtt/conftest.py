"""A broker for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hardware_bridges.mqtt.broker import MOSQUITTO, Broker


@pytest.fixture
def make_broker(tmp_path) -> Iterator[Callable[..., Broker]]:
    """Start brokers; all are killed in the end."""
    if MOSQUITTO is None:
        pytest.skip("no MQTT broker here: run scripts/install_mosquitto.sh")
    pytest.importorskip("paho.mqtt")
    made: list[Broker] = []

    def make(extra: str = "allow_anonymous true") -> Broker:
        made.append(Broker(tmp_path, extra))
        return made[-1].start()

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def broker(make_broker) -> Broker:
    """A broker that lets everyone in."""
    return make_broker()
