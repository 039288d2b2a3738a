"""A piece of air under any radio model: nodes at places, frames at instants, who heard what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gridmodel.federate import Federate, Message
from gridmodel.wire.lora import Modem
from tests.simulators.bench import context, inputs
from tests.simulators.radio.air import in_a_row

MODEM = tuple(Modem().model_dump().values())


class Heard(NamedTuple):
    """One reception."""

    t_us: int
    fleet: str
    node: int
    frame: bytes


class StreetAir:
    """A radio model, driven as an engine would.

    Parameters
    ----------
    model : type
        A federate with the channel's ports.
    places_m : mapping
        Where each customer lives along a street, by name. [m]
    settings
        Of the model.
    """

    def __init__(
        self, model: type[Federate], places_m: Mapping[str, float], seed: int = 1, **settings: Any
    ) -> None:
        config = model.Config(**{"path_loss": "oulu"} | settings)
        self.part = model.build(config, context(in_a_row(places_m), seed=seed))
        self._waiting: list[tuple[int, Message]] = []
        self.next_us: int | None = 0
        self.heard: list[Heard] = []
        self.sent: list[tuple[int, Mapping[str, Any]]] = []

    def send(
        self, t_us: int, node: int, frame: bytes = bytes(20), fleet: str = "nodes"
    ) -> StreetAir:
        """Let a node send a frame at an instant."""
        data = {"fleet": fleet, "node": node, "frame": frame, "modem": MODEM}
        self._waiting.append((t_us, Message(t_us, "frame", data)))
        return self

    def until(self, t_us: int) -> StreetAir:
        """Let time pass."""
        self._waiting.sort(key=lambda item: item[0])
        while True:
            instants = [t for t, _ in self._waiting[:1]]
            instants += [] if self.next_us is None else [self.next_us]
            if not instants or min(instants) > t_us:
                return self
            now = min(instants)
            arrived = [message for t, message in self._waiting if t == now]
            self._waiting = [item for item in self._waiting if item[0] > now]
            outputs, self.next_us = self.part.step(now, inputs(self.part, transmit=arrived))
            assert self.next_us is None or self.next_us > now, "time goes on"
            self._note(now, outputs)

    def _note(self, now: int, outputs: Mapping[str, Any]) -> None:
        self.sent.append((now, {port: value for port, value in outputs.items() if value != []}))
        for port, messages in outputs.items():
            if port.startswith("to_"):
                for message in messages:
                    assert message.t_us == now, "a delivery leaves when it happens"
                    data = message.data
                    fleet = port.removeprefix("to_")
                    self.heard += [Heard(now, fleet, k, data["frame"]) for k in data["nodes"]]

    @property
    def frames(self) -> list[tuple[str, int, bytes]]:
        """Who heard which frame, in order."""
        return [(heard.fleet, heard.node, heard.frame) for heard in self.heard]
