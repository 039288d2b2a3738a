"""Mosaik world: levels of desks as mosaik simulators, and the scenario that couples them.

mosaik is quadratic in simulators, linear in entities, and an array costs it no more than a
number. So one hybrid simulator holds all desks of a level, for these do not see each other
within an instant; each desk is one entity, each signal one attribute. Each link has an input
attribute of its own, since mosaik keeps one value a source entity.

The last level also conducts: it steps in each instant, depends on every other level, so it
comes last, and every other level depends on it one microsecond delayed, so none can begin an
instant before the conductor has ended the one before. That gives mosaik, which lets
unconnected simulators run ahead of each other, one border between two instants. Nothing
triggers the conductor: it knows the next instant from the desks, and mosaik need not wait to
see whether somebody else wakes it. Each simulator costs mosaik as much as all the parts in it
(decision 0011); one that only conducts is there when a same-time group is on the last level.

Foreign simulators of one ``group`` have a mosaik simulator each, inside a group of mosaik's:
a delayed link among them is a weak one, so they step again within the instant until none of
them sends a new value.

mosaik's own store of outputs (``cache``) is off: it drops a value that a time-shifted link
of the same instant still needs (`prune_dataflow_cache` of mosaik 3.6). Without it, an event
for an entity that also has held inputs comes again at each later step (`merge_all` lets the
two share a dictionary), so messages are counted by wire.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from cosim.clock import arrival_us
from cosim.engines.desk import Desk
from gridmodel.errors import MissingExtraError
from gridmodel.federate import Message

try:
    import mosaik_api_v3
    from mosaik.async_scenario import AsyncModelFactory, AsyncWorld, Entity
    from mosaik.exceptions import SimulationError as SimulationError
    from mosaik.starters import PythonStarter
except ImportError as error:
    raise MissingExtraError("mosaik", "the mosaik engine") from error

#: Model, entity and attribute besides those of the federates: who waits for whom.
SELF, TURN = "(self)", "(turn)"
CONDUCTOR = "(conductor)"
#: Waits of a simulator, and instants, before it is looked which were given up.
_MOST_WAITS = 32
#: What mosaik carries for a message port, in a list: instant of sending, sequence, message.
Letter = tuple[int, int, Message]


@dataclass(frozen=True)
class Wire:
    """A link between two desks."""

    number: int
    source: Desk
    source_port: str
    target: Desk
    target_port: str
    delayed: bool
    messages: bool
    loop: bool = False

    @property
    def attr(self) -> str:
        """The target's input attribute of this wire."""
        return f"{self.number}: {self.source.member.name}.{self.source_port} -> {self.target_port}"

    def arrival_us(self, letter: Letter) -> int:
        """Return when a message reaches the target. [us]"""
        sent_us, _, message = letter
        passed = self.target.member.level <= self.source.member.level
        return arrival_us(message, sent_us, self.delayed, passed)


def group_of(desk: Desk) -> str | None:
    """Return the same-time group of a desk's federate, if it is in one."""
    return getattr(desk.member.federate, "group", None)


class Stage(Protocol):
    """What the simulators ask of the engine."""

    def turn(self, desk: Desk, t_us: int) -> dict[str, Any]:
        """Let a desk have its turn; return what its links carry, by output port."""
        ...

    def arrived(self, wire: Wire, letters: Sequence[Letter]) -> None:
        """Put messages that came over a wire into an inbox."""
        ...

    def end_instant(self, t_us: int) -> int | None:
        """Take note that all of an instant has run; return the next one.

        What is no instant, for all that came in it was a message on its way, is not ended.
        """
        ...


#: An attribute that is waited for and never sent.
_SELF = {
    "public": True,
    "params": [],
    "attrs": [TURN],
    "trigger": [],
    "persistent": [TURN],
    "non-persistent": [],
}


class Level(mosaik_api_v3.Simulator):
    """The desks of one level as a mosaik simulator, in the order of their names.

    Parameters
    ----------
    desks : sequence of Desk
        The federates at work.
    wires : sequence of Wire
        The links that end at one of them.
    stage : Stage
        The engine.
    conducts : bool
        It comes last, and ends each instant.
    """

    def __init__(
        self, desks: Sequence[Desk], wires: Sequence[Wire], stage: Stage, conducts: bool
    ) -> None:
        self._own = desks
        self._desks = [(model_of(desk), desk) for desk in desks]
        self._wires = {wire.attr: wire for wire in wires}
        self._heard = dict.fromkeys(self._wires, 0)  # sequence of the newest
        self._called: set[int] = set()  # desks that a loop asks to step again
        self._stage = stage
        self._conducts = conducts
        self._steps = 0
        self._said: dict[str, dict[str, Any]] = {}  # by entity
        models = {model_of(desk): self._model(desk) for desk in desks}
        super().__init__({"type": "hybrid", "models": {**models, SELF: _SELF}})  # type: ignore[no-untyped-call]

    def _model(self, desk: Desk) -> dict[str, Any]:
        wires = {attr: wire for attr, wire in self._wires.items() if wire.target is desk}
        attrs = [*desk.member.outputs, *wires]
        return {
            "public": True,
            "params": [],
            "attrs": attrs,
            "trigger": [attr for attr, wire in wires.items() if wire.messages or wire.loop],
            "persistent": list(desk.slots),
            "non-persistent": [attr for attr in attrs if attr not in desk.slots],
        }

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Return the one entity of a model."""
        return [{"eid": model, "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int | None:
        """Take in what came, and let those have a turn whose time it is."""
        for by_attr in inputs.values():
            for attr, by_source in by_attr.items():
                wire = self._wires.get(attr)
                if wire is not None:
                    self._take_in(wire, by_source)
        self._said = said = {}
        for eid, desk in self._desks:
            due = desk.next_us()
            if (due is not None and due <= time) or desk.index in self._called:
                said[eid] = self._stage.turn(desk, time)
        self._called.clear()
        if not self._conducts:
            return first_us(self._own)
        self._steps += 1
        if self._steps % _MOST_WAITS == 0:
            drop_cancelled_waits(self.mosaik.world)  # type: ignore[attr-defined]
        return self._stage.end_instant(time)

    def _take_in(self, wire: Wire, by_source: Mapping[str, Any]) -> None:
        for value in by_source.values():
            if value is None:  # nothing sent yet: the initial value stays
                continue
            if wire.messages:
                if value[-1][1] > self._heard[wire.attr]:
                    self._heard[wire.attr] = value[-1][1]
                    self._stage.arrived(wire, value)
            elif wire.loop:
                number, wire.target.inputs[wire.target_port] = value
                if number > self._heard[wire.attr]:
                    self._heard[wire.attr] = number
                    self._called.add(wire.target.index)
            else:
                wire.target.inputs[wire.target_port] = value

    def get_data(self, outputs: Any) -> Any:
        """Return what is new."""
        return self._said


def model_of(desk: Desk) -> str:
    """Return the name of a desk's model and entity; a plain name may be a mosaik method's."""
    return f"federate {desk.member.name}"


def first_us(desks: Iterable[Desk]) -> int | None:
    """Return when the first of some desks has its turn. [us]"""
    first: int | None = None
    for desk in desks:
        due = desk.next_us()
        if due is not None and (first is None or due < first):
            first = due
    return first


def room_of(desk: Desk) -> str:
    """Return the name of the simulator a desk is in."""
    return f"level {desk.member.level}" if group_of(desk) is None else desk.member.name


def rooms(desks: Sequence[Desk], last: str) -> dict[str | None, dict[str, list[Desk]]]:
    """Return the desks of each simulator that mosaik shall have: by group, then by name."""
    found: dict[str | None, dict[str, list[Desk]]] = {None: {last: []}}
    for desk in desks:
        found.setdefault(group_of(desk), {}).setdefault(room_of(desk), []).append(desk)
    return found


def conductor(desks: Sequence[Desk]) -> str:
    """Return the name of the simulator that ends each instant."""
    last = max(desk.member.level for desk in desks)
    alone = any(group_of(desk) for desk in desks if desk.member.level == last)
    return CONDUCTOR if alone else f"level {last}"


def play(
    desks: Sequence[Desk], wires: Sequence[Wire], stage: Stage, span_us: tuple[int, int]
) -> None:
    """Let mosaik run desks from their first instant until one that is not run.

    Raises
    ------
    Exception
        Whatever a simulator raises; also what mosaik keeps to itself.
    """
    asyncio.run(_play(desks, wires, stage, *span_us))


async def _play(
    desks: Sequence[Desk], wires: Sequence[Wire], stage: Stage, first: int, until_us: int
) -> None:
    last = conductor(desks)
    async with AsyncWorld(time_resolution=1e-6, cache=False) as world:
        entities: dict[str, Entity] = {}
        selves: dict[str, Entity] = {}
        for group, named in rooms(desks, last).items():
            with nullcontext() if group is None else world.group(group):
                for name, here in named.items():
                    ends = [wire for wire in wires if wire.target in here]
                    make = partial(Level, here, ends, stage, name == last)
                    begin_us = first if name == last else first_us(here)
                    simulator = await _start(
                        world, name, make, until_us if begin_us is None else begin_us
                    )
                    for model in simulator.models.values():
                        (entities[model.name],) = await model.create(1)
                    selves[name] = entities.pop(SELF)
        for wire in wires:
            _connect(world, entities[model_of(wire.source)], entities[model_of(wire.target)], wire)
        _take_turns(world, selves, last, {_waits(wire) for wire in wires if not wire.loop})
        await world.run(until_us, print_progress=False, lazy_stepping=False)
        raise_hidden(world)


async def _start(
    world: AsyncWorld, name: str, make: Callable[[], mosaik_api_v3.Simulator], begin_us: int
) -> AsyncModelFactory:
    factory = await world.start(PythonStarter(make), sim_id=name)  # type: ignore[arg-type]
    world.set_initial_event(name, begin_us)
    return factory


def _waits(wire: Wire) -> tuple[str, str, bool]:
    """Return who waits for whom because of a wire: source, target, one microsecond delayed."""
    return room_of(wire.source), room_of(wire.target), wire.delayed


def _take_turns(
    world: AsyncWorld, selves: Mapping[str, Entity], last: str, known: set[tuple[str, str, bool]]
) -> None:
    """Let the conductor come last, and all others after its turn before; wires may see to it."""
    for name, own in selves.items():
        if name != last and (name, last, False) not in known:
            world.connect_one(own, selves[last], TURN)
        if name != last and (last, name, True) not in known:
            world.connect_one(selves[last], own, TURN, time_shifted=1, initial_data=None)


def _connect(world: AsyncWorld, source: Entity, target: Entity, wire: Wire) -> None:
    options: dict[str, Any] = {}
    if wire.loop:
        numbers = itertools.count(1)
        options = {"weak": wire.delayed, "transform": lambda value: (next(numbers), value)}
    elif wire.delayed:
        options["time_shifted"] = 1
        if not wire.messages:
            options["initial_data"] = None  # the desk has its value already
    world.connect_one(source, target, wire.source_port, wire.attr, **options)


def drop_cancelled_waits(world: AsyncWorld) -> None:
    """Drop waits that were given up.

    mosaik 3.6 keeps each until its time has come, which for a simulator that only waits for
    events is the end of the run, and looks through all of them several times a step.
    """
    for runner in world.compile(use_cache=True).values():
        waits = getattr(runner.progress, "_futures", [])
        if len(waits) > _MOST_WAITS:
            waits[:] = [wait for wait in waits if not wait[-1].cancelled()]


def raise_hidden(world: AsyncWorld) -> None:
    """Raise what a simulator's task holds: mosaik returns as if all were well."""
    for runner in world.compile(use_cache=True).values():
        task = runner.task
        if task is not None and task.done() and not task.cancelled():
            error = task.exception()
            if error is not None:
                raise error
