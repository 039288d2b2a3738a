"""Scripted: a part that says what its script says, to try out wiring, engines and faults.

It answers what it hears with figures that depend on everything it has seen, in exact
arithmetic, so two runs that differ anywhere differ here too.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from math import prod
from typing import Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gridmodel.errors import Fault, ScenarioError, UnitError
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    Messages,
    Port,
    Signal,
    Step,
)
from gridmodel.settings import Settings
from gridmodel.units import microseconds

NonNegative = Annotated[float, Ge(0.0)]
DTYPES = {"float": float, "int": int, "bool": bool}
#: Figures stay below this, so that sums of them are exact in any order.
_MODULUS = 2**20


class ScriptedSignal(Settings):
    """A signal of a scripted part."""

    shape: tuple[Annotated[int, Ge(1)], ...] = Field((), description="lengths; none for one value")
    dtype: Literal["float", "int", "bool"] = Field("float", description="kind of value")
    initial: float = Field(0.0, description="an input's value before anything was delivered")
    values: tuple[float, ...] | None = Field(
        None, description="an output's value step by step, again from the start at the end; "
        "left out: a figure that depends on all that was seen"
    )  # fmt: skip


class Saying(Settings):
    """A message a scripted part sends of its own."""

    port: str = Field(description="message output")
    t_s: NonNegative = Field(description="when it is sent")
    after_s: NonNegative = Field(0.0, description="it arrives so much later")
    kind: str = Field("word", description="kind of the message")
    count: Annotated[int, Ge(1), Le(1000)] = Field(1, description="sent so many times at once")
    hops: Annotated[int, Ge(0)] = Field(0, description="times it may be answered")


class Answering(Settings):
    """What a scripted part sends when it hears a message that has hops left."""

    port: str = Field(description="message output")
    after_s: NonNegative = Field(0.0, description="the answer arrives so much later")


class Drill(Settings):
    """A fault a scripted part commits."""

    t_s: NonNegative = Field(description="at its first step from here on")
    how: Literal[
        "raise", "exit", "kill", "stop", "hang", "nan", "backwards", "numpy_int", "shape", "port"
    ] = Field(
        description="raise an error; sys.exit(3); SIGKILL or SIGSTOP its process; loop for ever; "
        "send NaN; name an instant in the past, or one as a numpy integer; send a wrong shape; "
        "send on a port that was not declared"
    )


class ScriptedConfig(Settings):
    """A part that says what its script says."""

    inputs: Mapping[str, ScriptedSignal] = Field({}, description="signals it reads")
    outputs: Mapping[str, ScriptedSignal] = Field({}, description="signals it sends at each step")
    hears: tuple[str, ...] = Field((), description="message inputs")
    says: tuple[Saying, ...] = Field((), description="messages it sends of its own")
    answers: Mapping[str, Answering] = Field({}, description="answers, by message input")
    first_s: NonNegative | None = Field(0.0, description="first step; null waits for a message")
    period_s: Annotated[float, Gt(0.0)] | None = Field(
        None, description="step; left out: it steps for its messages only"
    )
    drill: Drill | None = Field(None, description="a fault to commit")

    @model_validator(mode="after")
    def _awake(self) -> Self:
        if self.first_s is None and self.period_s is not None:
            raise ValueError("with a period, first_s must be a time")
        return self


class Scripted(Federate):
    """A part without physics: it counts, mixes what it sees, says its lines."""

    Config = ScriptedConfig
    dynamic = ("_steps", "_heard", "_sum")

    def __init__(self, config: ScriptedConfig) -> None:
        self._config = config
        self._period_us = None if config.period_s is None else microseconds(config.period_s)
        self.period_us = self._period_us or 0
        self._says = sorted(
            ((microseconds(line.t_s), number, line) for number, line in enumerate(config.says)),
            key=lambda item: item[:2],
        )
        own = None if config.first_s is None else microseconds(config.first_s)
        instants = [t for t in (own, self._next_line_us(-1)) if t is not None]
        self._first_us = own
        self.first_us = min(instants, default=None)
        said = dict.fromkeys(
            [line.port for line in config.says] + [a.port for a in config.answers.values()]
        )
        self.inputs: tuple[Port, ...] = (
            *(_signal(name, given) for name, given in config.inputs.items()),
            *(Messages(name) for name in config.hears),
        )
        self.outputs: tuple[Port, ...] = (
            *(_signal(name, given) for name, given in config.outputs.items()),
            *(Messages(name) for name in said),
        )
        self._names = sorted(config.inputs)
        self._steps = 0
        self._heard = 0
        self._sum = 0

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the part, if its ports and answers make sense."""
        faults = [
            Fault(context.name, f"answers.{name}", f"there is no message input '{name}'.",
                  f"Name it in hears: [{name}].")
            for name in config.answers if name not in config.hears
        ]  # fmt: skip
        part = cls(config)
        for port in (*part.inputs, *part.outputs):
            try:
                _ = port.unit if isinstance(port, Signal) else ""
            except UnitError as error:
                faults.append(Fault(context.name, port.name, str(error)))
        if faults:
            raise ScenarioError("script cannot be played", faults)
        return part

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Take in what there is, and say what the script says."""
        drill = self._config.drill
        self._take_in(t_us, inputs)
        outputs = self._figures()
        self._speak(t_us, inputs, outputs)
        next_us = self._next_us(t_us)
        if drill is not None and t_us >= microseconds(drill.t_s):  # "stop" goes on after SIGCONT
            return _commit(drill.how, t_us, outputs, next_us)
        return outputs, next_us

    def _take_in(self, t_us: int, inputs: Inputs) -> None:
        self._steps += 1
        figure = 31 * self._sum + t_us % _MODULUS
        for name in self._names:
            flat = np.asarray(inputs[name], dtype=np.float64).ravel()
            figure = 31 * figure + int(np.rint(flat * 8.0) @ _counting(len(flat), 1))
        for name in self._config.hears:
            for message in inputs.messages[name]:
                self._heard += 1
                figure = 31 * figure + message.t_us % _MODULUS + int(message.data.get("figure", 0))
        self._sum = figure % _MODULUS

    def _figures(self) -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        for number, (name, given) in enumerate(self._config.outputs.items()):
            if given.values is not None:
                value: float = given.values[(self._steps - 1) % len(given.values)]
            else:
                value = (self._sum * (number + 1)) % _MODULUS / 8.0
            if not given.shape:
                outputs[name] = DTYPES[given.dtype](value)
                continue
            counted = _counting(prod(given.shape), 0) + value
            outputs[name] = counted.astype(DTYPES[given.dtype]).reshape(given.shape)
        return outputs

    def _speak(self, t_us: int, inputs: Inputs, outputs: dict[str, Any]) -> None:
        for at_us, _, line in self._says:
            if at_us == t_us:
                arrival = t_us + microseconds(line.after_s)
                for number in range(line.count):
                    data = {"figure": (self._sum + number) % _MODULUS, "hops": line.hops}
                    outputs.setdefault(line.port, []).append(Message(arrival, line.kind, data))
        for name, answer in self._config.answers.items():
            for message in inputs.messages[name]:
                hops = int(message.data.get("hops", 0))
                if hops > 0:
                    data = {"figure": (self._sum + hops) % _MODULUS, "hops": hops - 1}
                    arrival = t_us + microseconds(answer.after_s)
                    outputs.setdefault(answer.port, []).append(Message(arrival, "answer", data))

    def _next_us(self, t_us: int) -> int | None:
        own = None
        if self._period_us is not None and self._first_us is not None:
            passed = max(t_us - self._first_us, -1) // self._period_us + 1
            own = self._first_us + passed * self._period_us
        line = self._next_line_us(t_us)
        return min((t for t in (own, line) if t is not None), default=None)

    def _next_line_us(self, t_us: int) -> int | None:
        return min((at_us for at_us, *_ in self._says if at_us > t_us), default=None)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return what it counted, and the figure that depends on all it saw."""
        return (
            Kpi("step_count", self._steps, "steps"),
            Kpi("heard_count", self._heard, "messages heard"),
            Kpi("figure_count", self._sum, "depends on everything it saw"),
        )


@cache
def _counting(count: int, first: int) -> NDArray[np.float64]:
    """Return the numbers from ``first`` on."""
    numbers = np.arange(first, first + count, dtype=np.float64)
    numbers.setflags(write=False)
    return numbers


def _signal(name: str, given: ScriptedSignal) -> Signal:
    dtype = DTYPES[given.dtype]
    return Signal(name, given.shape, dtype, initial=dtype(given.initial), about="scripted")


def _commit(how: str, t_us: int, outputs: dict[str, Any], next_us: int | None) -> Step:
    """Commit a fault."""
    if how in _LAST_STEPS:
        _LAST_STEPS[how]()
    wrong: dict[str, tuple[Any, Any]] = {
        "nan": (dict.fromkeys(list(outputs)[:1], np.nan), next_us),
        "shape": ({name: [[1.0, 2.0, 3.0]] for name in list(outputs)[:1]}, next_us),
        "port": ({"undeclared": 1.0}, next_us),
        "numpy_int": (outputs, np.int64(t_us + 1)),
        "backwards": (outputs, t_us - 1),
    }
    return wrong.get(how, (outputs, next_us))


def _raise() -> None:
    raise ZeroDivisionError("a drill: raise")


def _hang() -> None:
    while True:
        time.sleep(0.01)


#: Faults after which there is nothing left to send.
_LAST_STEPS: Mapping[str, Callable[[], object]] = {
    "raise": _raise,
    "exit": lambda: sys.exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "hang": _hang,
}
