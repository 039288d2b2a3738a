"""Processes: agents of a user's own, written for SimPy, as a part of a scenario.

``process`` names a function ``(env, agent)`` in a module; it is a SimPy process, a
generator that yields events of ``env``. Its clock counts whole microseconds, as all of a
federation does: ``yield env.timeout(seconds(1.5))``. What it may see and send is declared in
the scenario's block and reached by the `Agent`.

A SimPy environment holds running generators, and Python can neither copy nor store those.
So with ``snapshots: refuse`` a part of this kind ends every attempt at a checkpoint or fork
with that reason; with ``snapshots: replay`` it keeps all it ever received, and going back
means to build it anew and let it live through that again: right, but slower by the hour, and
only for an agent that draws its random numbers from ``agent.rng`` and keeps to its ports.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Generator, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import simpy
from annotated_types import Ge
from pydantic import Field, field_validator

from gridmodel.errors import Fault, FederateError, OutputError, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Message, Messages, Signal, Step
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S

#: A user's function.
Process = Callable[[simpy.Environment, "Agent"], Generator[Any, Any, Any]]


def seconds(t_s: float) -> int:
    """Return seconds as the whole microseconds that a process waits. [us]"""
    return round(t_s * US_PER_S)


class ProcessSignal(Settings):
    """A signal of a process: one number, or an array."""

    initial: float | int | bool = Field(0.0, description="value before the first; sets its type")
    length: Annotated[int, Ge(1)] | None = Field(
        None, description="values of an array; a single number if left out"
    )


class ProcessConfig(Settings):
    """A SimPy process and its ports."""

    process: str = Field(description="module:function of a generator function (env, agent)")
    settings: Mapping[str, Any] = Field({}, description="the agent's own, as agent.settings")
    inputs: Mapping[str, ProcessSignal] = Field({}, description="signals it sees, by name")
    outputs: Mapping[str, ProcessSignal] = Field({}, description="signals it sends, by name")
    receives: tuple[str, ...] = Field((), description="ports of messages it gets")
    sends: tuple[str, ...] = Field((), description="ports of messages it sends")
    snapshots: Literal["refuse", "replay"] = Field(
        "refuse", description="what checkpoints and forks do: end with the reason, or replay"
    )

    @field_validator("process")
    @classmethod
    def _a_path(cls, value: str) -> str:
        if value.count(":") != 1:
            raise ValueError("module:function is asked for, my_package.my_agents:charger")
        return value


class Agent:
    """What a process sees of its scenario.

    ``settings`` are its own, ``rng`` its random stream. ``agent["f_hz"]`` is the newest value
    of an input.
    """

    def __init__(
        self, env: simpy.Environment, config: ProcessConfig, rng: np.random.Generator
    ) -> None:
        self.settings = config.settings
        self.rng = rng
        self._env = env
        self._seen: dict[str, Any] = {name: _first(port) for name, port in config.inputs.items()}
        self._known = {**dict.fromkeys(config.outputs, Signal), **dict.fromkeys(config.sends)}
        self._arrived = {name: simpy.Store(env) for name in config.receives}
        self._outputs: dict[str, Any] = {}
        self._changed = env.event()

    def __getitem__(self, name: str) -> Any:
        """Return the newest value of an input."""
        return self._seen[name]

    def set(self, name: str, value: Any) -> None:
        """Send a new value of an output."""
        self._outputs[self._port(name)] = value

    def send(self, name: str, kind: str, data: Mapping[str, Any]) -> None:
        """Send a message now."""
        message = Message(int(self._env.now), kind, data)
        self._outputs.setdefault(self._port(name), []).append(message)

    def next(self, name: str) -> Any:
        """Return an event: the next message of a port, ``message = yield agent.next(port)``."""
        return self._arrived[name].get()

    def changed(self) -> Any:
        """Return an event: the next instant at which any input has another value."""
        return self._changed

    def _port(self, name: str) -> str:
        if name not in self._known:
            known = ", ".join(self._known) or "none"
            raise KeyError(f"an agent has no output '{name}'; declared are {known}")
        return name

    def _hand_over(self, seen: Mapping[str, Any], messages: Mapping[str, Any]) -> None:
        """Give the process what its scenario has for it."""
        another = any(not np.array_equal(value, self._seen[name]) for name, value in seen.items())
        self._seen.update(seen)
        for name, arrived in messages.items():
            for message in arrived:
                self._arrived[name].put(message)
        if another:
            self._changed, changed = self._env.event(), self._changed
            changed.succeed()

    def _taken(self) -> dict[str, Any]:
        """Return what is to be sent, once."""
        self._outputs, outputs = {}, self._outputs
        return outputs


class SimpyProcess(Federate):
    """A SimPy process as an event-driven part."""

    Config = ProcessConfig

    def __init__(
        self, name: str, config: ProcessConfig, process: Process, rng: np.random.Generator
    ) -> None:
        self._name = name
        self._config = config
        self._process = process
        self._rng = rng
        self._lived: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
        self.inputs = (
            *(_signal(port, spec) for port, spec in config.inputs.items()),
            *(Messages(port, "for the process") for port in config.receives),
        )
        self.outputs = (
            *(_signal(port, spec) for port, spec in config.outputs.items()),
            *(Messages(port, "from the process") for port in config.sends),
        )
        self._begin()

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Find the function and start the process."""
        module, function = config.process.split(":")
        try:
            process = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            problem = f"'{config.process}' cannot be imported: {error}."
            advice = "Install its package, or put its folder on PYTHONPATH."
            fault = Fault(context.name, "process", problem, advice)
            raise ScenarioError("process cannot be built", [fault]) from error
        return cls(context.name, config, process, context.generator())

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Let the process live up to and with an instant."""
        seen = {name: inputs[name] for name in self._config.inputs}
        messages = {name: inputs.messages[name] for name in self._config.receives}
        if self._config.snapshots == "replay":
            self._lived.append((t_us, seen, messages))
        self._live(t_us, seen, messages)
        return self._agent._taken(), self._next_us(t_us)

    def snapshot(self) -> Any:
        """Return what the process lived through.

        Raises
        ------
        FederateError
            With ``snapshots: refuse``.
        """
        if self._config.snapshots == "refuse":
            problem = (
                "a SimPy process cannot be snapshotted: Python can neither copy nor store the "
                "generators it runs. Set snapshots: replay if it draws from agent.rng only, or "
                "run without checkpoints and forks."
            )
            raise FederateError(self._name, self._now_us, problem)
        return copy.deepcopy(self._lived)

    def restore(self, state: Any) -> None:
        """Build the process anew and let it live through the past."""
        self._lived = copy.deepcopy(state)
        self._begin()
        for t_us, seen, messages in self._lived:
            self._live(t_us, seen, messages)
            self._agent._taken()

    def state(self) -> Mapping[str, Any]:
        """Return what can be said of a process: its instant and what it sees."""
        return {"now_us": self._now_us, "inputs": dict(self._agent._seen)}

    def _begin(self) -> None:
        self._now_us = 0
        self._env = simpy.Environment()
        self._agent = Agent(self._env, self._config, copy.deepcopy(self._rng))
        self._env.process(self._process(self._env, self._agent))

    def _live(self, t_us: int, seen: Mapping[str, Any], messages: Mapping[str, Any]) -> None:
        self._now_us = t_us
        if t_us > self._env.now:
            self._env.run(until=t_us)  # stops before the events of t_us itself
        self._agent._hand_over(seen, messages)
        while self._env.peek() <= t_us:
            self._env.step()

    def _next_us(self, t_us: int) -> int | None:
        next_us = self._env.peek()
        if next_us == float("inf"):
            return None
        if next_us != int(next_us):
            problem = (
                f"its process waits until {next_us} us; instants are whole microseconds: "
                "use env.timeout(seconds(1.5))"
            )
            raise OutputError(self._name, t_us, problem)
        return int(next_us)


def _first(port: ProcessSignal) -> Any:
    return port.initial if port.length is None else np.full(port.length, port.initial)


def _signal(name: str, port: ProcessSignal) -> Signal:
    shape = () if port.length is None else (port.length,)
    return Signal(name, shape, type(port.initial), initial=port.initial, about="of the process")
