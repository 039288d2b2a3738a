"""Desk: one federate at work, with its inputs, its inbox and what it has sent.

Every engine puts its federates at desks; the desk applies the clock's law to one
federate, the engine decides when it is the desk's turn and carries what it sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.clock import Slot, newest
from cosim.engines.raised import raised
from cosim.federation import Member, message_ports, signals
from cosim.freeze import Freezer, check_next, freezer
from gridmodel.errors import FederateError
from gridmodel.federate import Inputs, Message, Signal

#: What takes the signals a federate sends: instant, value by port.
Writer = Callable[[int, dict[str, Any]], None]
#: What checks and freezes a signal, its slot, and the undelayed inputs it goes to.
Outlet = tuple[Freezer, Slot, list[tuple[Inputs, str]]]


class Recorder(Protocol):
    """What an engine tells of a run."""

    def writer(self, index: int) -> Writer | None:
        """Return what takes the signals a federate sends."""

    def message(self, index: int, port: str, t_us: int, sequence: int, message: Message) -> None:
        """Take a message a federate sent."""


class Desk:
    """One federate at work.

    Parameters
    ----------
    member : Member
        The federate in its place.
    rank : int
        Its turn within an instant: by level, then by name.
    """

    __slots__ = (
        "again", "anew", "due_us", "inbox", "index", "inputs", "member", "message_in", "outlets", "pulls", "rank",
        "record", "sequence", "slots", "step",
    )  # fmt: skip

    def __init__(self, member: Member, rank: int) -> None:
        self.member = member
        self.step = member.federate.step
        self.rank = rank
        self.index = member.index
        self.due_us: int | None = member.federate.first_us
        self.inputs = Inputs()
        self.inbox: list[tuple[int, int, int, str, Message]] = []  # arrival, sender, sequence
        self.sequence = 0
        self.again: dict[str, Any] = {}  # outputs to be said at the next turn besides its own
        self.anew: dict[str, int] = {}  # when such outputs were said
        self.record: Writer | None = None
        self.message_in = [port.name for port in message_ports(member.inputs.values())]
        self.inputs.messages = dict.fromkeys(self.message_in, ())
        self.slots = {port.name: Slot(None) for port in signals(member.outputs.values())}
        self.outlets: dict[str, Outlet] = {
            port.name: (freezer(member.name, port), self.slots[port.name], [])
            for port in signals(member.outputs.values())
        }
        self.pulls: list[tuple[str, Slot, bool]] = []  # port, where from, strictly before now
        for signal in signals(member.inputs.values()):
            if signal.initial is not None and signal.shape is not None:
                self.inputs[signal.name] = filled(signal, signal.shape, signal.initial)

    def next_us(self) -> int | None:
        """Return when its turn is: its own plan, or a message before that. [us]"""
        if self.inbox and (self.due_us is None or self.inbox[0][0] < self.due_us):
            return self.inbox[0][0]
        return self.due_us

    def take(self, arrival: int, sender: int, sequence: int, port: str, message: Message) -> None:
        """Put a message into the inbox."""
        heappush(self.inbox, (arrival, sender, sequence, port, message))

    def turn(self, t_us: int) -> Mapping[str, Any]:
        """Let the federate step on what it sees at an instant; return what it says.

        Raises
        ------
        FederateError
            If the federate fails, or wants to go back in time.
        """
        inputs = self.inputs
        if self.pulls:
            self._pull(t_us)
        if self.message_in:
            self._deliver(t_us)
        try:
            outputs, next_us = self.step(t_us, inputs)
        except FederateError:
            raise
        except (Exception, SystemExit) as error:
            raise FederateError(self.member.name, t_us, raised(error)) from error
        if next_us is not None and (type(next_us) is not int or next_us <= t_us):
            check_next(self.member.name, t_us, next_us)
        self.due_us = next_us
        if self.again:
            self.anew |= dict.fromkeys(self.again, t_us)
            outputs, self.again = {**self.again, **outputs}, {}
        return outputs

    def _pull(self, t_us: int) -> None:
        """Take what delayed links, and links from other processes, deliver now."""
        for port, slot, delayed in self.pulls:
            value = newest(slot, t_us, delayed)
            if value is not None:  # nothing sent yet: the initial value stays
                self.inputs[port] = value

    def _deliver(self, t_us: int) -> None:
        """Move the messages that have arrived from the inbox to the inputs."""
        messages = self.inputs.messages
        for port in self.message_in:
            messages[port] = ()
        while self.inbox and self.inbox[0][0] <= t_us:
            _, _, _, port, message = heappop(self.inbox)
            messages[port] += (message,)

    def save(self) -> dict[str, Any]:
        """Return what is at the desk, without the federate itself."""
        return {
            "due_us": self.due_us,
            "sequence": self.sequence,
            "inbox": [(a, s, q, p, (m.t_us, m.kind, dict(m.data))) for a, s, q, p, m in self.inbox],
            "inputs": dict(self.inputs),
            "again": dict(self.again),
            "anew": dict(self.anew),
            "slots": {port: slot_state(slot) for port, slot in self.slots.items()},
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what `save` gave."""
        self.due_us, self.sequence = saved["due_us"], saved["sequence"]
        self.inbox = [(a, s, q, p, Message(*m)) for a, s, q, p, m in saved["inbox"]]
        heapify(self.inbox)
        self.again, self.anew = dict(saved.get("again", {})), dict(saved.get("anew", {}))
        self.inputs.update({name: _frozen(value) for name, value in saved["inputs"].items()})
        for port, state in saved["slots"].items():
            set_slot(self.slots[port], state)


def close_all(desks: Iterable[Desk], t_us: int) -> None:
    """Let all federates give back what they hold outside Python's memory.

    Parameters
    ----------
    desks : iterable of Desk
        Where they are.
    t_us : int
        The instant the run has come to. [us]

    Raises
    ------
    FederateError
        If one fails at it, after all others have had their turn.
    """
    failed = None
    for desk in desks:
        try:
            desk.member.federate.close()
        except (Exception, SystemExit) as error:
            problem = f"at its end: {raised(error)}"
            failed = failed or FederateError(desk.member.name, t_us, problem)
            failed.__cause__ = failed.__cause__ or error
    if failed is not None:
        raise failed


def filled(signal: Signal, shape: tuple[int | None, ...], given: Any) -> Any:
    """Return an input's value before anything was delivered."""
    if shape == ():
        return signal.dtype(given)
    lengths = tuple(0 if length is None else length for length in shape)
    array: NDArray[Any] = np.full(lengths, given, dtype=signal.dtype)
    array.setflags(write=False)
    return array


def slot_state(slot: Slot) -> tuple[Any, ...]:
    """Return a slot's content for a snapshot."""
    return slot.new_us, slot.new, slot.old_us, slot.old


def set_slot(slot: Slot, state: tuple[Any, ...]) -> None:
    """Fill a slot from a snapshot."""
    slot.new_us, slot.new, slot.old_us, slot.old = map(_frozen, state)


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value
