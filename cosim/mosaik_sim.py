"""Mosaik simulator: one of our models, alone in somebody else's mosaik world.

A plain mosaik script starts it by ``python`` (``cosim.mosaik_sim:FederateSimulator``), by
``cmd`` or by ``connect`` (``feedertwin mosaik-sim MODEL``), with the keys of
`cosim.alone.AloneConfig` as its parameters. Its one model is ``Federate``, with our ports as
attributes. Values are plain JSON, whichever way it was started: arrays are lists, a message
is ``{"t_us": 5, "kind": "word", "data": {...}}`` and bytes are ``{"hex": "00ff"}``.

A step of their world is ``time_resolution`` seconds, whole microseconds; what is due between
two steps is done at the later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.alone import desk_alone
from cosim.engines.desk import Desk
from cosim.freeze import check_ports, freeze_message
from gridmodel.errors import Fault, FederateError, MissingExtraError, ScenarioError
from gridmodel.federate import Message, Signal

try:
    import mosaik_api_v3
    from mosaik_api_v3 import run_as_client as run_as_client
    from mosaik_api_v3 import run_as_server as run_as_server
except ImportError as error:
    raise MissingExtraError("mosaik", "a mosaik simulator") from error

MODEL, EID = "Federate", "federate"


class FederateSimulator(mosaik_api_v3.Simulator):
    """A model between mosaik steps.

    Parameters
    ----------
    model : str or None
        Registered name; a parameter of the simulator if left out.
    """

    _desk: Desk

    def __init__(self, model: str | None = None) -> None:
        super().__init__({"type": "hybrid", "models": {}})  # type: ignore[no-untyped-call]
        self._model = model
        self._step_us = 1
        self._said: dict[str, Any] = {}
        self._heard = 0

    def init(self, sid: str, time_resolution: float = 1.0, **sim_params: Any) -> Any:
        """Build the model; return what it has to offer.

        Raises
        ------
        ScenarioError
            If its parameters are at fault.
        """
        self._step_us = round(time_resolution * 1e6)
        if self._step_us < 1 or abs(self._step_us * 1e-6 - time_resolution) > 1e-9:
            problem = f"{time_resolution} s is no whole number of microseconds."
            fault = Fault(sid, "time_resolution", problem, "Take 1e-6 or a multiple of it.")
            raise ScenarioError("mosaik world", [fault])
        if self._model is not None:
            sim_params = {"model": self._model, **sim_params}
        self._desk = desk_alone(sim_params, sid, f"parameters of {sid}", Path.cwd())
        inputs, outputs = self._desk.member.inputs, self._desk.member.outputs
        held = list(self._desk.slots)
        attrs = list(dict.fromkeys([*inputs, *outputs]))
        self.meta["models"][MODEL] = {
            "public": True,
            "params": [],
            "attrs": attrs,
            "trigger": list(self._desk.message_in),
            "non-trigger": [name for name in attrs if name not in self._desk.message_in],
            "persistent": held,
            "non-persistent": [name for name in attrs if name not in held],
        }
        return self.meta

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Return the one entity there is.

        Raises
        ------
        ValueError
            If more are asked for.
        """
        if num != 1:
            raise ValueError(f"{num} entities were asked for; a simulator is one {MODEL}")
        return [{"eid": EID, "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int | None:
        """Take in what came, and step the model if it is due; return when it is next."""
        t_us, desk = time * self._step_us, self._desk
        for port, by_source in sorted(inputs.get(EID, {}).items()):
            if port in desk.message_in:
                self._hear(t_us, port, by_source)
            else:
                self._see(t_us, port, by_source)
        due = desk.next_us()
        self._said = {}
        if due is not None and due <= t_us:
            self._say(t_us, desk.turn(t_us))
            due = desk.next_us()
        return None if due is None else -(-due // self._step_us)

    def _see(self, t_us: int, port: str, by_source: Mapping[str, Any]) -> None:
        values = {source: value for source, value in by_source.items() if value is not None}
        if len(values) > 1:
            problem = f"input '{port}' has several sources: {', '.join(sorted(values))}"
            raise FederateError(self._desk.member.name, t_us, problem)
        signal = self._desk.member.inputs[port]
        assert isinstance(signal, Signal)
        for value in values.values():
            self._desk.inputs[port] = value_of(signal, value)

    def _hear(self, t_us: int, port: str, by_source: Mapping[str, Any]) -> None:
        for source in sorted(by_source):
            for told in by_source[source] or ():
                message = message_of(told)
                self._heard += 1
                self._desk.take(max(message.t_us, t_us), 0, self._heard, port, message)

    def _say(self, t_us: int, outputs: Mapping[str, Any]) -> None:
        desk = self._desk
        check_ports(desk.member.name, t_us, outputs, desk.member.outputs)
        for port, value in outputs.items():
            if port in desk.outlets:
                freeze, slot, _ = desk.outlets[port]
                slot.put(t_us, freeze(t_us, value))
            elif messages := list(value):
                name = desk.member.name
                self._said[port] = [
                    told_of(freeze_message(name, port, t_us, message)) for message in messages
                ]

    def get_data(self, outputs: Any) -> Any:
        """Return all signals as they stand, and the messages of this step."""
        slots = self._desk.slots
        return {
            eid: {
                attr: plain(slots[attr].new) if attr in slots else self._said[attr]
                for attr in attrs
                if attr in slots or attr in self._said
            }
            for eid, attrs in outputs.items()
        }

    def finalize(self) -> None:
        """Give back what the model holds."""
        if hasattr(self, "_desk"):
            self._desk.member.federate.close()


def value_of(signal: Signal, value: Any) -> Any:
    """Return a value that came as JSON as the port's kind; an array is read-only."""
    if signal.shape == ():
        return signal.dtype(value)
    array: NDArray[Any] = np.array(value, signal.dtype)
    array.setflags(write=False)
    return array


def plain(value: Any) -> Any:
    """Return a value as JSON can carry it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def told_of(message: Message) -> dict[str, Any]:
    """Return a message as JSON can carry it."""
    data = {key: plain(value) for key, value in message.data.items()}
    return {"t_us": message.t_us, "kind": message.kind, "data": data}


def message_of(told: Mapping[str, Any]) -> Message:
    """Return the message that `told_of` made."""
    data = {key: _content(value) for key, value in told.get("data", {}).items()}
    return Message(int(told.get("t_us", 0)), str(told["kind"]), data)


def _content(value: Any) -> Any:
    if isinstance(value, Mapping):
        return bytes.fromhex(value["hex"])
    return tuple(map(_content, value)) if isinstance(value, list) else value
