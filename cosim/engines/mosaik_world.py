"""Mosaik world: desks as mosaik simulators, and the mosaik scenario that couples them.

Each desk is one hybrid simulator with one entity; an array travels as one attribute, for
mosaik is slow by the number of simulators and entities, not by the width of a value. Each
link has an input attribute of its own, since mosaik keeps one value a source entity.

One more simulator, the conductor, is triggered by every part that has stepped, so it comes
last in each instant; every part depends on it one microsecond delayed, so none can begin an
instant before the conductor has ended the one before. That gives mosaik, which lets
unconnected simulators run ahead of each other, one border between two instants.

mosaik's own store of outputs (``cache``) is off: it drops a value that a time-shifted link
of the same instant still needs (`prune_dataflow_cache` of mosaik 3.6). Without it, an event
for an entity that also has held inputs comes again at each later step (`merge_all` lets the
two share a dictionary), so a seat counts the messages of each wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from cosim.clock import arrival_us
from cosim.engines.desk import Desk
from gridmodel.errors import MissingExtraError
from gridmodel.federate import Message

try:
    import mosaik_api_v3
    from mosaik.async_scenario import AsyncWorld, Entity
    from mosaik.starters import PythonStarter
except ImportError as error:
    raise MissingExtraError("mosaik", "the mosaik engine") from error

EID = "federate"
MODEL = "Federate"
#: Attributes besides the ports; no port can be called so.
GO, DONE = "(go)", "(done)"
CONDUCTOR = "(conductor)"
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

    @property
    def attr(self) -> str:
        """The target's input attribute of this wire."""
        return f"{self.number}: {self.source.member.name}.{self.source_port} -> {self.target_port}"

    def arrival_us(self, letter: Letter) -> int:
        """Return when a message reaches the target. [us]"""
        sent_us, _, message = letter
        passed = self.target.member.level <= self.source.member.level
        return arrival_us(message, sent_us, self.delayed, passed)


class Stage(Protocol):
    """What the simulators ask of the engine."""

    def turn(self, desk: Desk, t_us: int) -> dict[str, Any]:
        """Let a desk have its turn; return what its links carry, by output port."""
        ...

    def arrived(self, wire: Wire, letters: Sequence[Letter]) -> None:
        """Put messages that came over a wire into an inbox."""
        ...

    def end_instant(self, t_us: int) -> None:
        """Take note that all of an instant has run."""
        ...


class Seat(mosaik_api_v3.Simulator):
    """A desk as a mosaik simulator.

    Parameters
    ----------
    desk : Desk
        The federate at work.
    wires : sequence of Wire
        The links that end here.
    stage : Stage
        The engine.
    """

    def __init__(self, desk: Desk, wires: Sequence[Wire], stage: Stage) -> None:
        self._wires = {wire.attr: wire for wire in wires}
        self._desk = desk
        self._stage = stage
        self._said: dict[str, Any] = {}
        self._heard = dict.fromkeys(self._wires, 0)  # sequence of the newest message
        outputs = list(desk.member.outputs)
        model = {
            "public": True,
            "params": [],
            "attrs": [*outputs, *self._wires, GO, DONE],
            "trigger": [attr for attr, wire in self._wires.items() if wire.messages],
            "persistent": list(desk.slots),
            "non-persistent": [
                *(o for o in outputs if o not in desk.slots),
                *self._wires,
                GO,
                DONE,
            ],
        }
        super().__init__({"type": "hybrid", "models": {MODEL: model}})  # type: ignore[no-untyped-call]

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Return the one entity."""
        return [{"eid": EID, "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int | None:
        """Take in what came, and have a turn if it is time; return when to come again."""
        desk = self._desk
        for attr, by_source in inputs.get(EID, {}).items():
            wire = self._wires.get(attr)
            if wire is not None:
                self._take_in(wire, by_source)
        self._said = {}
        due = desk.next_us()
        if due is not None and due <= time:
            self._said = self._stage.turn(desk, time)
            self._said[DONE] = True
        return desk.next_us()

    def _take_in(self, wire: Wire, by_source: Mapping[str, Any]) -> None:
        for value in by_source.values():
            if not wire.messages:
                if value is not None:  # nothing sent yet: the initial value stays
                    self._desk.inputs[wire.target_port] = value
            elif value[-1][1] > self._heard[wire.attr]:
                self._heard[wire.attr] = value[-1][1]
                self._stage.arrived(wire, value)

    def get_data(self, outputs: Any) -> Any:
        """Return what is new."""
        return {EID: self._said}


class Conductor(mosaik_api_v3.Simulator):
    """The simulator that comes last in each instant."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        model = {
            "public": True,
            "params": [],
            "attrs": [GO, DONE],
            "trigger": [DONE],
            "persistent": [GO],
            "non-persistent": [DONE],
        }
        super().__init__({"type": "hybrid", "models": {MODEL: model}})  # type: ignore[no-untyped-call]

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Return the one entity."""
        return [{"eid": EID, "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int | None:
        """End the instant."""
        self._stage.end_instant(time)
        return None

    def get_data(self, outputs: Any) -> Any:
        """Return nothing; that it has run is all that counts."""
        return {}


def play(desks: Sequence[Desk], wires: Sequence[Wire], stage: Stage, until_us: int) -> None:
    """Let mosaik run desks until an instant.

    Raises
    ------
    Exception
        Whatever a simulator raises; also what mosaik keeps to itself.
    """
    asyncio.run(_play(desks, wires, stage, until_us))


async def _play(desks: Sequence[Desk], wires: Sequence[Wire], stage: Stage, until_us: int) -> None:
    async with AsyncWorld(time_resolution=1e-6, cache=False) as world:
        entities = {}
        for desk in desks:
            wires_in = [wire for wire in wires if wire.target is desk]
            seat = partial(Seat, desk, wires_in, stage)
            due = desk.next_us()
            first_us = until_us if due is None else due
            entities[desk.index] = await _start(world, desk.member.name, first_us, seat)
        conductor = await _start(world, CONDUCTOR, until_us, partial(Conductor, stage))
        for entity in entities.values():
            world.connect_one(entity, conductor, DONE)
            world.connect_one(conductor, entity, GO, time_shifted=1, initial_data=None)
        for wire in wires:
            _connect(world, entities[wire.source.index], entities[wire.target.index], wire)
        await world.run(until_us, print_progress=False, lazy_stepping=False)
        raise_hidden(world)


async def _start(
    world: AsyncWorld, name: str, first_us: int, make: Callable[[], mosaik_api_v3.Simulator]
) -> Entity:
    factory = await world.start(PythonStarter(make), sim_id=name)  # type: ignore[arg-type]
    world.set_initial_event(name, first_us)
    entity: Entity = await getattr(factory, MODEL)()
    return entity


def _connect(world: AsyncWorld, source: Entity, target: Entity, wire: Wire) -> None:
    options: dict[str, Any] = {}
    if wire.delayed:
        options["time_shifted"] = 1
        if not wire.messages:
            options["initial_data"] = None  # the desk has its value already
    world.connect_one(source, target, wire.source_port, wire.attr, **options)


def raise_hidden(world: AsyncWorld) -> None:
    """Raise what a simulator's task holds: mosaik returns as if all were well."""
    for runner in world.compile(use_cache=True).values():
        task = runner.task
        if task is not None and task.done() and not task.cancelled():
            error = task.exception()
            if error is not None:
                raise error
