"""Mosaik gateway: a foreign mosaik simulator as one part of a scenario, on any engine.

Its entities' attributes become ports, with unit and sign mapped: ours = theirs x scale. It
is stepped at the instants it asks for, and, if it has a period, also then. Left out:
``set_data`` and ``get_data`` from within a step, outputs for a later instant, snapshots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt
from pydantic import Field, model_validator

from cosim.mosaik_link import (
    LocalLink,
    MosaikLink,
    MosaikLinkError,
    by_address,
    by_command,
    simulator_class,
)
from gridmodel.errors import Fault, FederateError, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Port, Signal, Step
from gridmodel.settings import Settings, near
from gridmodel.units import microseconds

_NO_LOOP = (
    "it is in the same-time group '{}', and steps more than once in an instant; "
    "only mosaik's scheduler does that. Run it with --engine mosaik."
)


class StartConfig(Settings):
    """How a foreign simulator is started; one of the three."""

    python: str | None = Field(None, description="module:Class, in this process")
    cmd: str | None = Field(
        None, description="a command; %(addr)s is where to connect, %(python)s this Python"
    )
    connect: str | None = Field(None, description="host:port where it waits")
    timeout_s: Annotated[float, Gt(0.0)] = Field(10.0, description="time it has to connect")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(way is not None for way in (self.python, self.cmd, self.connect)) != 1:
            raise ValueError("give one of python, cmd and connect")
        if self.connect is not None and not re.fullmatch(r"[^\s:/]+:\d+", self.connect):
            raise ValueError("connect is host:port, 127.0.0.1:5678")
        return self


class CreateConfig(Settings):
    """Entities to be created."""

    model: str = Field(description="their model")
    count: Annotated[int, Ge(1)] = Field(1, description="how many")
    params: Mapping[str, Any] = Field({}, description="the model's parameters")


class OutsideAttribute(Settings):
    """An attribute of foreign entities, as a port."""

    attr: str = Field(description="their attribute")
    entity: str | None = Field(None, description="id of one entity: the port is one value")
    entities: tuple[str, ...] = Field((), description="ids of several: the port is an array")
    every: str | None = Field(None, description="model: all its entities, in order of creation")
    count: Annotated[int, Ge(1)] | None = Field(None, description="how many those are")
    scale: float = Field(1.0, description="our value is theirs times this: unit and sign")
    initial: float = Field(0.0, description="our value before anything came")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.entity, self.entities, self.every))) != 1:
            raise ValueError("give one of entity, entities and every")
        if (self.every is None) != (self.count is None):
            raise ValueError("give count with every, and only then")
        if self.scale == 0.0:
            raise ValueError("a scale of 0 loses the value")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the port."""
        return () if self.entity else (self.count or len(self.entities),)


class MosaikGatewayConfig(Settings):
    """A foreign mosaik simulator."""

    start: StartConfig = Field(description="how it is started")
    params: Mapping[str, Any] = Field({}, description="parameters of the simulator")
    step_s: Annotated[float, Gt(0.0)] = Field(
        1.0, description="seconds of a step of its own time (mosaik's time_resolution)"
    )
    create: tuple[CreateConfig, ...] = Field(description="entities to create, in order")
    outputs: Mapping[str, OutsideAttribute] = Field({}, description="ports from its attributes")
    inputs: Mapping[str, OutsideAttribute] = Field({}, description="ports to its attributes")
    period_s: Annotated[float, Gt(0.0)] | None = Field(
        None, description="step it also so often, for one that waits for its inputs"
    )
    group: str | None = Field(
        None, description="those of one group step again within an instant until none changes; "
        "delayed links among them close the loop; on the mosaik engine only"
    )  # fmt: skip


class MosaikGateway(Federate):
    """A foreign mosaik simulator, seen as one part."""

    Config = MosaikGatewayConfig
    #: Set by an engine that lets a group step again within an instant.
    same_time = False

    def __init__(self, config: MosaikGatewayConfig, context: BuildContext) -> None:
        self._name, self._config = context.name, config
        self.group = config.group
        self._folder = context.folders.get("start", Path())
        self._step_us = microseconds(config.step_s)
        self.period_us = 0 if config.period_s is None else microseconds(config.period_s)
        self._until = context.duration_us // self._step_us
        self._now_us = 0
        self._class: Any = None
        self._link: MosaikLink | None = None
        self._meta: Mapping[str, Any] = {}
        self._entities: list[tuple[str, str]] = []  # id and model
        self._places: dict[str, list[str]] = {}  # entities by port
        self._own_us: int | None = None
        self.inputs: tuple[Port, ...] = tuple(
            Signal(name, given.shape, initial=given.initial, about=f"to mosaik's {given.attr}")
            for name, given in config.inputs.items()
        )
        self.outputs: tuple[Port, ...] = tuple(
            Signal(name, given.shape, about=f"from mosaik's {given.attr}")
            for name, given in config.outputs.items()
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the gateway; the simulator is started when the run begins."""
        part = cls(config, context)
        faults = [
            Fault(context.name, key, f"{given} us is no whole number of steps of its own time.",
                  f"A step is {part._step_us} us (step_s).")
            for key, given in (("period_s", part.period_us),)
            if part._step_us < 1 or given % part._step_us
        ]  # fmt: skip
        try:  # an import may take its time, and may fail: now, not in the first step
            part._class = simulator_class(config.start.python) if config.start.python else None
        except MosaikLinkError as error:
            faults.append(Fault(context.name, "start.python", str(error), "Is it installed?"))
        if faults:
            raise ScenarioError("gateway cannot be built", faults)
        return part

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Hand over inputs, let it step, take its outputs."""
        self._now_us = t_us
        try:
            if self._link is None:
                self._begin()
            return self._exchange(t_us, inputs)
        except MosaikLinkError as error:
            raise FederateError(self._name, t_us, str(error)) from error

    def _begin(self) -> None:
        """Start the simulator and create its entities."""
        config = self._config
        if self.group is not None and not self.same_time:
            raise MosaikLinkError(_NO_LOOP.format(self.group))
        self._link = link = self._connect()
        resolution = config.step_s
        self._meta = link.call("init", self._name, time_resolution=resolution, **config.params)
        for wanted in config.create:
            made = link.call("create", wanted.count, wanted.model, **wanted.params)
            self._entities += _family(made)
        for name, given in {**config.inputs, **config.outputs}.items():
            self._places[name] = self._places_of(name, given)
        link.call("setup_done")

    def _connect(self) -> MosaikLink:
        start = self._config.start
        if self._class is not None:
            return LocalLink(self._class())
        if start.cmd is not None:
            return by_command(start.cmd, self._folder, start.timeout_s)
        return by_address(start.connect or "", start.timeout_s)

    def _places_of(self, port: str, given: OutsideAttribute) -> list[str]:
        """Return the entities of a port; refuse those that are not there."""
        if given.every is not None:
            found = [eid for eid, model in self._entities if model == given.every]
            if len(found) != given.count:
                raise MosaikLinkError(
                    f"'{port}' is for {given.count} of '{given.every}'; there are {len(found)}"
                )
            return found
        known = [eid for eid, _ in self._entities]
        for eid in (wanted := [given.entity] if given.entity else list(given.entities)):
            if eid not in known:
                raise MosaikLinkError(f"'{port}': no entity '{eid}'. {near(str(eid), known)}")
        return [str(eid) for eid in wanted]

    def _exchange(self, t_us: int, inputs: Inputs) -> Step:
        assert self._link is not None
        time = t_us // self._step_us
        arguments: list[Any] = [time, self._given(inputs)]
        if int(str(self._meta.get("api_version", "1")).split(".")[0]) >= 3:
            arguments.append(max(self._until, time + 1))
        following = self._link.call("step", *arguments)
        self._own_us = self._instant(t_us, following)
        wanted: dict[str, list[str]] = {}
        for name, given in self._config.outputs.items():
            for eid in self._places[name]:
                wanted.setdefault(eid, []).append(given.attr)
        said = self._link.call("get_data", wanted) if wanted else {}
        return self._outputs(time, said), self._next_us(t_us)

    def _given(self, inputs: Inputs) -> dict[str, dict[str, dict[str, float]]]:
        """Return our inputs as mosaik hands them over: by entity, attribute and source."""
        data: dict[str, dict[str, dict[str, float]]] = {}
        for name, given in self._config.inputs.items():
            values = np.atleast_1d(inputs[name]) / given.scale
            for eid, value in zip(self._places[name], values.tolist(), strict=True):
                by_source = data.setdefault(eid, {}).setdefault(given.attr, {})
                by_source[f"feedertwin.{name}"] = value
        return data

    def _instant(self, t_us: int, following: Any) -> int | None:
        if following is None:
            return None
        if type(following) is not int:
            kind = type(following).__name__
            raise MosaikLinkError(f"its next step is {following!r}, of type {kind}, and no int")
        if following * self._step_us <= t_us:
            raise MosaikLinkError(f"its next step {following} is not after {t_us // self._step_us}")
        return following * self._step_us

    def _next_us(self, t_us: int) -> int | None:
        own = self._own_us
        if not self.period_us:
            return own
        beat = t_us - t_us % self.period_us + self.period_us
        return beat if own is None else min(own, beat)

    def _outputs(self, time: int, said: Any) -> dict[str, Any]:
        """Return what it said as values of our ports; a port it leaves out keeps its value."""
        if not isinstance(said, Mapping):
            raise MosaikLinkError(f"get_data gave {said!r}, which is no mapping")
        if said.get("time", time) != time:
            raise MosaikLinkError(f"its outputs are for step {said['time']}, not for {time}")
        outputs: dict[str, Any] = {}
        for name, given in self._config.outputs.items():
            found = list(_values(said, self._places[name], given.attr))
            if not found and self._meta.get("type", "time-based") != "time-based":
                continue
            if len(found) != len(self._places[name]):
                raise MosaikLinkError(f"get_data gave no '{given.attr}' of {self._places[name]}")
            values = np.array(found) * given.scale
            outputs[name] = float(values[0]) if given.entity else values
        return outputs

    def warnings(self) -> tuple[str, ...]:
        """Return where it cannot run."""
        return () if self.group is None else (_NO_LOOP.format(self.group),)

    def snapshot(self) -> Any:
        """Refuse: a foreign simulator cannot be put back in time.

        Raises
        ------
        FederateError
            Always.
        """
        problem = "a foreign mosaik simulator cannot be saved; run without --snapshot-every"
        raise FederateError(self._name, self._now_us, problem)

    def close(self) -> None:
        """End the simulator."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


def _family(entities: Any) -> Iterator[tuple[str, str]]:
    """Yield id and model of entities and their children."""
    for entity in entities:
        yield entity["eid"], entity["type"]
        yield from _family(entity.get("children") or ())


def _values(said: Mapping[str, Any], eids: list[str], attr: str) -> Iterator[float]:
    for eid in eids:
        value = said.get(eid, {}).get(attr)
        if value is None:
            continue
        if isinstance(value, str) or not isinstance(value, (int, float, np.generic)):
            raise MosaikLinkError(f"get_data gave {attr} = {value!r} of '{eid}'; a number is asked")
        if not isfinite(value):
            raise MosaikLinkError(f"get_data gave {attr} = {value} of '{eid}'")
        yield float(value)
