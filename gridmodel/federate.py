"""The federation contract: what a part of a scenario declares, receives and sends.

A federate has named ports and a ``step``. A `Signal` holds its value until the next
one; a `Messages` port carries events, each delivered exactly once. Time is an integer
count of microseconds since the scenario's start. Engines are elsewhere; a federate
never sees one.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from gridmodel.control import Program, Terminal
from gridmodel.kpi import Kpi as Kpi
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Settings
from gridmodel.units import unit_of
from gridmodel.wire.lora import Modem

if TYPE_CHECKING:
    from gridmodel.wire.link import Link

#: What one step sends: signal values by port name, and lists of messages by port name.
Outputs = Mapping[str, Any]
#: What `Federate.step` returns: the outputs, and the federate's own next instant. [us]
Step = tuple[Outputs, int | None]


@dataclass(frozen=True, slots=True)
class Signal:
    """A port that holds a value until a newer one arrives.

    Parameters
    ----------
    name : str
        Ends in its unit (``p_kw``) unless ``dtype`` is ``bool`` or ``int``.
    shape : tuple of int, or None
        Shape of the value; an input of shape ``None`` takes any, and ``None`` as one
        length takes any length there.
    dtype : type
        ``float``, ``int`` or ``bool``.
    initial : float, int, bool or None
        Value an input shows before anything was delivered; arrays are filled with it.
        ``None`` means the port must be linked, and a delayed link must bring a value.
    labels : tuple of str
        Names of the elements along the first axis, for columns and plots.
    columns : tuple of str
        Names along the second axis.
    about : str
        One line on what the value is.
    """

    name: str
    shape: tuple[int | None, ...] | None = ()
    dtype: type = float
    initial: float | int | bool | None = None
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    about: str = ""

    @property
    def unit(self) -> str:
        """Unit symbol, from the name; empty for counts, codes and switches."""
        return unit_of(self.name) if self.dtype is float else ""


@dataclass(frozen=True, slots=True)
class Messages:
    """A port that carries events; as an input it wakes its federate when one arrives."""

    name: str
    about: str = ""


Port = Signal | Messages


class Message(NamedTuple):
    """One event on its way.

    Parameters
    ----------
    t_us : int
        Instant of arrival, not before the step that sends it. [us]
    kind : str
        What kind of event, ``"outage"``.
    data : mapping
        Content: numbers, text, bytes, booleans, ``None`` and tuples of these.
    """

    t_us: int
    kind: str
    data: Mapping[str, Any] = MappingProxyType({})


class Inputs(dict[str, Any]):
    """What a step sees: ``inputs["f_hz"]`` and ``inputs.messages["frames"]``.

    Signal values are floats, ints, bools or read-only arrays. ``messages`` has an entry
    for every `Messages` input, empty when nothing arrived.
    """

    __slots__ = ("messages",)

    def __init__(self, signals: Mapping[str, Any] | None = None) -> None:
        super().__init__(signals or {})
        self.messages: dict[str, tuple[Message, ...]] = {}


class ProgramFactory(Protocol):
    """Makes the program of one node: a controller on the bodies of its ports."""

    def __call__(self, controller: str, settings: Mapping[str, Any], seat: NodeSeat) -> Program:
        """Return the program that sits at ``seat``."""
        ...


@dataclass(frozen=True, slots=True)
class NodeSeat:
    """What the program of one node is given besides its settings.

    Parameters
    ----------
    owner : str
        Name of the federate it belongs to.
    terminal : Terminal
        Where simulated bodies read and write.
    meters : tuple of str
        Names of its meters.
    address : int
        Radio address within the cell, 1..254; 0 is the coordinator, 255 is everyone.
    peers : tuple of str
        Names of the nodes of the cell, in the order of their addresses 1, 2, ...
    modem : Modem
        Settings of its radio.
    seed : int
        The scenario's seed, from which the cell's keys are derived in simulation.
    network : Neighbourhood or None
        The scenario's network.
    cell : int
        Which of the street's radio cells it is in, from 0.
    link : Link or None
        Its provisioned keys and counters; keys made from the seed if left out.
    """

    owner: str
    terminal: Terminal
    meters: tuple[str, ...]
    address: int
    peers: tuple[str, ...]
    modem: Modem
    seed: int
    network: Neighbourhood | None = None
    cell: int = 0
    link: Link | None = None


@dataclass(frozen=True)
class BuildContext:
    """What a federate may use while it is built.

    Parameters
    ----------
    name : str
        The federate's name in the scenario.
    seed : int
        The scenario's seed.
    folders : mapping
        By key of its block: the folder that a relative file name given there starts from.
    network : Neighbourhood or None
        The scenario's network.
    duration_us : int
        Length of the run. [us]
    start_utc_s : float
        Wall-clock time of t = 0, in seconds since 1970-01-01 UTC. [s]
    program : ProgramFactory or None
        Makes node programs; given by the engine room, so that a simulator of firmware
        needs to import neither controllers nor bridges.
    """

    name: str
    seed: int
    folders: Mapping[str, Path]
    network: Neighbourhood | None
    duration_us: int
    start_utc_s: float = 0.0
    program: ProgramFactory | None = None

    def file(self, key: str, name: str) -> Path:
        """Return the file that a key of this federate's block names."""
        return self.folders.get(key, Path()) / name

    def generator(self) -> np.random.Generator:
        """Return this federate's own random stream.

        It depends on the scenario's seed and the federate's name alone, so a part that
        is added to a scenario shifts no other part's draws.
        """
        words = np.frombuffer(self.name.encode().ljust(4 * (len(self.name) // 4 + 1)), "<u4")
        return np.random.default_rng(np.random.SeedSequence([self.seed, *map(int, words)]))


class Federate(ABC):
    """A named part of a scenario.

    A model registers its class under the entry-point group ``feedertwin.federates``.
    ``Config`` is the YAML block it takes, ``events`` the event kinds it accepts.
    """

    Config: ClassVar[type[Settings]] = Settings
    events: ClassVar[Mapping[str, type[Settings]]] = {}
    #: Whether it can only be built on a network.
    needs_network: ClassVar[bool] = False
    #: Names of the attributes that change while a run lives, for `snapshot`.
    dynamic: ClassVar[tuple[str, ...]] = ()

    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    #: First step of its own; ``None`` waits for a message. [us]
    first_us: int | None = 0
    #: Step of a time-stepped part; 0 if event-driven. [us]
    period_us: int = 0

    @classmethod
    @abstractmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return a federate made from its YAML block."""

    @abstractmethod
    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Advance to ``t_us`` and return what leaves, and the next instant of its own.

        Parameters
        ----------
        t_us : int
            The present instant. [us]
        inputs : Inputs
            Newest values and this instant's messages.

        Returns
        -------
        outputs : mapping
            Only ports whose value is new.
        next_t_us : int or None
            Next step of its own, after ``t_us``; ``None`` sleeps until a message. [us]
        """

    def snapshot(self) -> Any:
        """Return the whole dynamic state as one picklable object."""
        return copy.deepcopy({name: getattr(self, name) for name in self.dynamic})

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)

    def config(self) -> Mapping[str, Any]:
        """Return what its settings became beyond their YAML block, for the record."""
        return {}

    def state(self) -> Mapping[str, Any]:
        """Return the dynamic state for people: written beside a run that failed."""
        return {name: getattr(self, name) for name in self.dynamic}

    def kpis(self) -> tuple[Kpi, ...]:
        """Return this part's key figures so far."""
        return ()

    def refuses(self, kind: str, event: Settings) -> str:
        """Return why an event cannot happen to this federate; empty if it can."""
        return ""

    def warnings(self) -> tuple[str, ...]:
        """Return what its user should know before the run, with numbers."""
        return ()

    def close(self) -> None:  # noqa: B027  most have nothing to give back
        """Give back what the federate holds outside Python's memory."""
