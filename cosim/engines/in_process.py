"""In-process engine: a heap of what is due, everything in one thread of one process."""

from __future__ import annotations

import copy
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

import numpy as np

from cosim.clock import Slot, arrival_us, newest
from cosim.federation import Federation, Member, message_ports, signals
from cosim.freeze import Freezer, check_next, check_ports, freeze_message, freezer
from gridmodel.errors import FederateError
from gridmodel.federate import Inputs, Message, Messages, Signal


class Recorder(Protocol):
    """What an engine tells of a run."""

    def writer(self, index: int) -> Callable[[int, dict[str, Any]], None] | None:
        """Return what takes the signals a federate sends: instant, value by port."""

    def message(self, index: int, port: str, t_us: int, sequence: int, message: Message) -> None:
        """Take a message a federate sent."""


#: What checks and freezes a signal, its slot, and the undelayed inputs it goes to.
_Outlet = tuple[Freezer, Slot, list[tuple[Inputs, str]]]


class _Desk:
    """One federate at work: its inputs, inbox and the links that leave it."""

    __slots__ = (
        "due_us", "inbox", "index", "inputs", "member", "message_in", "message_links",
        "outlets", "pulls", "rank", "record", "sequence", "slots", "step",
    )  # fmt: skip

    def __init__(self, member: Member, rank: int) -> None:
        self.member = member
        self.step = member.federate.step
        self.rank = rank  # place within an instant: by level, then by name
        self.index = member.index
        self.due_us: int | None = member.federate.first_us
        self.inputs = Inputs()
        self.inbox: list[tuple[int, int, int, str, Message]] = []  # arrival, sender, sequence
        self.sequence = 0
        self.record: Callable[[int, dict[str, Any]], None] | None = None
        self.message_in = [port.name for port in message_ports(member.inputs.values())]
        self.inputs.messages = dict.fromkeys(self.message_in, ())
        self.slots = {port.name: Slot(None) for port in signals(member.outputs.values())}
        self.outlets: dict[str, _Outlet] = {
            port.name: (freezer(member.name, port), self.slots[port.name], [])
            for port in signals(member.outputs.values())
        }
        self.pulls: list[tuple[str, Slot]] = []  # delayed inputs: port, where from
        self.message_links: dict[str, list[tuple[_Desk, str, bool]]] = {}


class InProcess:
    """Runs a federation from its present instant.

    Parameters
    ----------
    federation : Federation
        What to run.
    recorder : Recorder or None
        Who is told.

    Examples
    --------
    See ``docs/tutorials/first_federate.py``.
    """

    def __init__(self, federation: Federation, recorder: Recorder | None = None) -> None:
        self.federation = federation
        self._recorder = recorder
        order = sorted(federation.members, key=lambda member: (member.level, member.index))
        self._desks = [_Desk(member, rank) for rank, member in enumerate(order)]
        self._heap: list[tuple[int, int]] = []  # instant, rank
        self.now_us = 0
        self.instants = 0
        self.steps = 0
        self._wire()
        for desk in self._desks:
            desk.record = recorder.writer(desk.index) if recorder is not None else None
            self._schedule(desk)

    def desk(self, name: str) -> _Desk:
        """Return a federate's desk: what it was given last."""
        return next(desk for desk in self._desks if desk.member.name == name)

    def _wire(self) -> None:
        by_name = {desk.member.name: desk for desk in self._desks}
        for desk in self._desks:
            for signal in signals(desk.member.inputs.values()):
                if signal.initial is not None and signal.shape is not None:
                    desk.inputs[signal.name] = _initial(signal, signal.shape, signal.initial)
        for link in self.federation.links:
            source, target = by_name[link.source], by_name[link.target]
            port = target.member.inputs[link.target_port]
            if isinstance(port, Messages):
                ways = source.message_links.setdefault(link.source_port, [])
                ways.append((target, link.target_port, link.delayed))
                continue
            sent = source.member.outputs[link.source_port]
            assert isinstance(sent, Signal)
            given = link.initial if link.initial is not None else port.initial
            slot = source.slots[link.source_port]
            if given is not None:
                target.inputs[port.name] = _initial(sent, sent.shape, given)
            if link.delayed:
                target.pulls.append((port.name, slot))
            else:
                source.outlets[link.source_port][2].append((target.inputs, port.name))

    def _schedule(self, desk: _Desk) -> None:
        """Put a federate's next own instant, or its next message, on the heap."""
        due = desk.due_us
        if desk.inbox and (due is None or desk.inbox[0][0] < due):
            due = desk.inbox[0][0]
        if due is not None:
            heappush(self._heap, (due, desk.rank))

    def run(self, until_us: int, between: Callable[[int], bool] | None = None) -> bool:
        """Run all instants before ``until_us``.

        Parameters
        ----------
        until_us : int
            First instant that is not run. [us]
        between : callable, optional
            Called with each instant before it is run; a false answer stops there.

        Returns
        -------
        bool
            Whether the end was reached.

        Raises
        ------
        FederateError
            If a federate fails; what was recorded so far is whole.
        """
        heap, desks = self._heap, self._desks
        instant = -1
        while heap and heap[0][0] < until_us:
            t_us, rank = heap[0]
            if t_us != instant:
                self.now_us = t_us
                if between is not None and not between(t_us):
                    return False
                instant = t_us
                self.instants += 1
            heappop(heap)
            desk = desks[rank]
            # An entry is stale if the federate was woken earlier and has other plans now.
            if desk.due_us == t_us or (desk.inbox and desk.inbox[0][0] <= t_us):
                self._step(desk, t_us)
        self.now_us = until_us
        return True

    def _step(self, desk: _Desk, t_us: int) -> None:
        """Let one federate step, and send on what it says."""
        inputs = desk.inputs
        for port, slot in desk.pulls:
            value = newest(slot, t_us, True)
            if value is not None:  # nothing sent yet: the initial value stays
                inputs[port] = value
        if desk.message_in:
            self._deliver(desk, t_us)
        try:
            outputs, next_us = desk.step(t_us, inputs)
        except FederateError:
            raise
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {error}"
            raise FederateError(desk.member.name, t_us, problem) from error
        self.steps += 1
        if next_us is not None and (type(next_us) is not int or next_us <= t_us):
            check_next(desk.member.name, t_us, next_us)
        desk.due_us = next_us
        if outputs:
            self._send(desk, t_us, outputs)
        if desk.inbox:
            self._schedule(desk)
        elif next_us is not None:
            heappush(self._heap, (next_us, desk.rank))

    def _deliver(self, desk: _Desk, t_us: int) -> None:
        """Move the messages that have arrived from the inbox to the inputs."""
        messages = desk.inputs.messages
        for port in desk.message_in:
            messages[port] = ()
        while desk.inbox and desk.inbox[0][0] <= t_us:
            _, _, _, port, message = heappop(desk.inbox)
            messages[port] += (message,)

    def _send(self, desk: _Desk, t_us: int, outputs: Any) -> None:
        """Freeze what a federate says and hand it to slots, inboxes and the record."""
        outlets = desk.outlets
        sent: dict[str, Any] = {}
        for port, value in outputs.items():
            outlet = outlets.get(port)
            if outlet is not None:
                freeze, slot, targets = outlet
                sent[port] = frozen = freeze(t_us, value)
                slot.put(t_us, frozen)
                # A target of an undelayed link has a higher level: it has yet to run in
                # this instant, so what it is given now is the newest at or before it.
                for target_inputs, target_port in targets:
                    target_inputs[target_port] = frozen
            elif port in desk.member.outputs:
                name = desk.member.name
                for message in value:
                    self._post(desk, port, t_us, freeze_message(name, port, t_us, message))
            else:
                check_ports(desk.member.name, t_us, outputs, desk.member.outputs)
        if sent and desk.record is not None:
            desk.record(t_us, sent)

    def _post(self, desk: _Desk, port: str, t_us: int, message: Message) -> None:
        """Put a message into the inboxes of its receivers."""
        desk.sequence += 1
        for target, target_port, delayed in desk.message_links.get(port, ()):
            passed = target.member.level <= desk.member.level
            arrival = arrival_us(message, t_us, delayed, passed)
            heappush(target.inbox, (arrival, desk.index, desk.sequence, target_port, message))
            heappush(self._heap, (arrival, target.rank))
        if self._recorder is not None:
            self._recorder.message(desk.index, port, t_us, desk.sequence, message)

    def snapshot(self) -> dict[str, Any]:
        """Return the state between two instants as one picklable object."""
        return {
            "now_us": self.now_us,
            "federates": {d.member.name: d.member.federate.snapshot() for d in self._desks},
            "desks": {
                d.member.name: {
                    "due_us": d.due_us,
                    "sequence": d.sequence,
                    "inbox": [
                        (a, s, q, p, (m.t_us, m.kind, dict(m.data))) for a, s, q, p, m in d.inbox
                    ],
                    "inputs": dict(d.inputs),
                    "slots": {
                        port: (slot.new_us, slot.new, slot.old_us, slot.old)
                        for port, slot in d.slots.items()
                    },
                }
                for d in self._desks
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that `snapshot` gave."""
        state = copy.deepcopy(state)
        self.now_us = state["now_us"]
        self._heap.clear()
        for desk in self._desks:
            name = desk.member.name
            desk.member.federate.restore(state["federates"][name])
            saved = state["desks"][name]
            desk.due_us, desk.sequence = saved["due_us"], saved["sequence"]
            desk.inbox = [(a, s, q, p, Message(*m)) for a, s, q, p, m in saved["inbox"]]
            heapify(desk.inbox)
            desk.inputs.update(_read_only(saved["inputs"]))
            for port, values in saved["slots"].items():
                slot = desk.slots[port]
                slot.new_us, slot.new, slot.old_us, slot.old = map(_frozen, values)
            self._schedule(desk)
            for arrival, *_ in desk.inbox:
                heappush(self._heap, (arrival, desk.rank))


def _initial(signal: Signal, shape: Any, given: Any) -> Any:
    """Return an input's value before anything was delivered."""
    if shape == ():
        return signal.dtype(given)
    lengths = tuple(0 if length is None else length for length in shape)
    array = np.full(lengths, given, dtype=signal.dtype)
    array.setflags(write=False)
    return array


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value


def _read_only(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _frozen(value) for name, value in values.items()}
