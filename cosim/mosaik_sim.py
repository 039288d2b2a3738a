"""Mosaik simulator: one of our models, alone in somebody else's mosaik world.

A plain mosaik script starts it by ``python`` (``cosim.mosaik_sim:FederateSimulator``), by
``cmd`` or by ``connect`` (``feedertwin mosaik-sim MODEL``), with the keys of
`cosim.alone.AloneConfig` as its parameters. Its one model is ``Federate``, with our ports as
attributes. Values are plain JSON: arrays are lists, a message is ``{"t_us": 5, "kind":
"word", "data": {...}}`` and bytes are ``{"hex": "00ff"}``. Only where all that it is connected
to runs in mosaik's own process, arrays are read-only NumPy arrays, for a list of 1,000 numbers
costs as much as mosaik's step.

A step of their world is ``time_resolution`` seconds, whole microseconds; what is due between
two steps is done at the later one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.alone import desk_alone
from cosim.engines.desk import Desk
from cosim.federation import signals
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
    _takers: dict[str, Callable[[Any], Any]]

    def __init__(self, model: str | None = None) -> None:
        super().__init__({"type": "hybrid", "models": {}})  # type: ignore[no-untyped-call]
        self._model = model
        self._step_us = 1
        self._said: dict[str, Any] = {}
        self._heard = 0
        self._told: Callable[[Any], Any] = plain

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
        self._takers = {port.name: taker(port) for port in signals(inputs.values())}
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

    def setup_done(self) -> None:
        """See who is connected."""
        self._told = _as_it_is if _all_here(self.mosaik) else plain

    def step(self, time: int, inputs: Any, max_advance: int) -> int | None:
        """Take in what came, and step the model if it is due; return when it is next."""
        t_us, desk = time * self._step_us, self._desk
        for port, by_source in sorted(inputs.get(EID, {}).items()):
            taker = self._takers.get(port)
            if taker is None:
                self._hear(t_us, port, by_source)
            elif (value := self._one_of(t_us, port, by_source)) is not None:
                desk.inputs[port] = taker(value)
        due = desk.next_us()
        self._said = {}
        if due is not None and due <= t_us:
            self._say(t_us, desk.turn(t_us))
            due = desk.next_us()
        return None if due is None else -(-due // self._step_us)

    def _one_of(self, t_us: int, port: str, by_source: Mapping[str, Any]) -> Any:
        """Return the value of the only source that has sent one."""
        sent = [(source, value) for source, value in by_source.items() if value is not None]
        if len(sent) > 1:
            names = ", ".join(sorted(source for source, _ in sent))
            problem = f"input '{port}' has several sources: {names}"
            raise FederateError(self._desk.member.name, t_us, problem)
        return sent[0][1] if sent else None

    def _hear(self, t_us: int, port: str, by_source: Mapping[str, Any]) -> None:
        for source in sorted(by_source):
            for told in by_source[source] or ():
                message = message_of(told)
                self._heard += 1
                self._desk.take(max(message.t_us, t_us), 0, self._heard, port, message)

    def _say(self, t_us: int, outputs: Mapping[str, Any]) -> None:
        desk = self._desk
        for port, value in outputs.items():
            if (outlet := desk.outlets.get(port)) is not None:
                freeze, slot, _ = outlet
                slot.put(t_us, freeze(t_us, value))
            elif port not in desk.member.outputs:
                check_ports(desk.member.name, t_us, outputs, desk.member.outputs)
            elif messages := list(value):
                name = desk.member.name
                self._said[port] = [
                    told_of(freeze_message(name, port, t_us, message)) for message in messages
                ]

    def get_data(self, outputs: Any) -> Any:
        """Return all signals as they stand, and the messages of this step."""
        slots = self._desk.slots
        told: dict[str, Any] = {}
        for attr in outputs.get(EID, ()):
            if attr in slots:
                told[attr] = self._told(slots[attr].new)
            elif attr in self._said:
                told[attr] = self._said[attr]
        return {EID: told}

    def finalize(self) -> None:
        """Give back what the model holds."""
        if hasattr(self, "_desk"):
            self._desk.member.federate.close()


def _all_here(remote: Any) -> bool:
    """Return whether mosaik, and all that a simulator sends to, are in this process.

    mosaik does not tell, so we look; where its insides are others than in 3.6, the answer is no.
    """
    if type(remote).__module__ != "mosaik.simmanager":  # the far end of a socket, or no mosaik
        return False
    from mosaik.proxies import LocalProxy

    try:
        return all(isinstance(runner._proxy, LocalProxy) for runner in remote.sim.successors)
    except AttributeError:
        return False


def _as_it_is(value: Any) -> Any:
    return value


def taker(signal: Signal) -> Callable[[Any], Any]:
    """Return a function that turns what came, as JSON or as an array, into the port's kind.

    An array becomes read-only. It is copied unless nobody can change it: one that is read-only
    already, and no view of another one.
    """
    if signal.shape == ():
        return signal.dtype
    dtype = np.dtype(signal.dtype)

    def take(value: Any) -> NDArray[Any]:
        if isinstance(value, np.ndarray) and value.dtype == dtype:
            frozen = value.base is None and not value.flags.writeable
            if frozen:
                return value
        array: NDArray[Any] = np.array(value, dtype)
        array.setflags(write=False)
        return array

    return take


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
