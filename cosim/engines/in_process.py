"""In-process engine: a heap of what is due, everything in one thread of one process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from heapq import heappop, heappush, heapreplace
from typing import Any

from cosim.clock import BEFORE, Slot, arrival_us
from cosim.engines.desk import Desk, Recorder, filled, set_slot
from cosim.federation import Federation, Link
from cosim.freeze import check_ports, freeze_message
from gridmodel.federate import Message, Messages, Signal


class InProcess:
    """Runs a federation, or a part of one, from its present instant.

    Parameters
    ----------
    federation : Federation
        What to run.
    recorder : Recorder or None
        Who is told.
    own : collection of str or None
        Names of the members to run here; all of them if left out.

    Examples
    --------
    See ``docs/examples/own_federate.py``.
    """

    def __init__(
        self,
        federation: Federation,
        recorder: Recorder | None = None,
        own: Collection[str] | None = None,
    ) -> None:
        self.federation = federation
        self._recorder = recorder
        order = sorted(federation.members, key=lambda member: (member.level, member.index))
        self.desks = [
            Desk(member, rank)
            for rank, member in enumerate(m for m in order if own is None or m.name in own)
        ]
        self._by_name = {desk.member.name: desk for desk in self.desks}
        self._ways: dict[tuple[str, str], list[tuple[Desk, str, bool]]] = {}
        #: Signals of members that run elsewhere.
        self.imports: dict[tuple[str, str], Slot] = {}
        self._heap: list[tuple[int, int]] = []  # instant, rank
        self.current: Desk | None = None
        self.now_us = 0
        self.instants = 0
        self.steps = 0
        for link in federation.links:
            self._wire(link)
        for desk in self.desks:
            desk.record = recorder.writer(desk.index) if recorder is not None else None
            self._schedule(desk)

    def desk(self, name: str) -> Desk:
        """Return a federate's desk: what it was given last."""
        return self._by_name[name]

    def _wire(self, link: Link) -> None:
        """Lay the near end, or both ends, of a link."""
        source, target = self._by_name.get(link.source), self._by_name.get(link.target)
        if target is None:
            return
        port = target.member.inputs[link.target_port]
        if isinstance(port, Messages):
            if source is not None:
                ways = self._ways.setdefault((link.source, link.source_port), [])
                ways.append((target, link.target_port, link.delayed))
            return
        sent = self.federation[link.source].outputs[link.source_port]
        assert isinstance(sent, Signal)
        given = link.initial if link.initial is not None else port.initial
        if given is not None:
            target.inputs[port.name] = filled(sent, sent.shape or (), given)
        if source is None:
            slot = self.imports.setdefault((link.source, link.source_port), Slot(None))
            target.pulls.append((port.name, slot, link.delayed))
        elif link.delayed:
            target.pulls.append((port.name, source.slots[link.source_port], True))
        else:
            source.outlets[link.source_port][2].append((target.inputs, port.name))

    def _schedule(self, desk: Desk) -> None:
        """Put a federate's next turn on the heap."""
        due = desk.next_us()
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
        heap, desks, step = self._heap, self.desks, self._step
        instant = -1
        while heap and heap[0][0] < until_us:
            t_us, rank = heap[0]
            if t_us != instant:
                self.now_us = t_us
                if between is not None and not between(t_us):
                    return False
                instant = t_us
                self.instants += 1
            desk = desks[rank]
            # An entry is stale if the federate was woken earlier and has other plans now.
            if desk.due_us == t_us or (desk.inbox and desk.inbox[0][0] <= t_us):
                step(desk, t_us)
                due = desk.due_us
                if desk.inbox:
                    due = desk.next_us()
                # Whatever was pushed meanwhile comes later: the entry is still the first.
                if due is not None:
                    heapreplace(heap, (due, rank))
                    continue
            heappop(heap)
        self.now_us = until_us
        return True

    def _step(self, desk: Desk, t_us: int) -> None:
        """Let one federate step, and send on what it says."""
        self.current = desk
        outputs = desk.turn(t_us)
        self.steps += 1
        if outputs:
            self._send(desk, t_us, outputs)

    def _send(self, desk: Desk, t_us: int, outputs: Mapping[str, Any]) -> None:
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

    def _post(self, desk: Desk, port: str, t_us: int, message: Message) -> None:
        """Put a message into the inboxes of its receivers."""
        desk.sequence += 1
        for target, target_port, delayed in self._ways.get((desk.member.name, port), ()):
            passed = target.member.level <= desk.member.level
            arrival = arrival_us(message, t_us, delayed, passed)
            self.deliver(target, arrival, desk.index, desk.sequence, target_port, message)
        if self._recorder is not None:
            self._recorder.message(desk.index, port, t_us, desk.sequence, message)

    def deliver(
        self, target: Desk, arrival: int, sender: int, sequence: int, port: str, message: Message
    ) -> None:
        """Put a message into an inbox and its receiver on the heap."""
        target.take(arrival, sender, sequence, port, message)
        heappush(self._heap, (arrival, target.rank))

    def snapshot(self) -> dict[str, Any]:
        """Return the state between two instants as one picklable object."""
        return {
            "now_us": self.now_us,
            "federates": {d.member.name: d.member.federate.snapshot() for d in self.desks},
            "desks": {d.member.name: d.save() for d in self.desks},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that `snapshot` gave, of the whole federation or of this part."""
        self.now_us = state["now_us"]
        self._heap.clear()
        for (source, port), slot in self.imports.items():
            set_slot(slot, copy.deepcopy(state["desks"][source]["slots"][port]))
        for desk in self.desks:
            name = desk.member.name
            desk.member.federate.restore(copy.deepcopy(state["federates"][name]))
            desk.load(copy.deepcopy(state["desks"][name]))
            self._schedule(desk)
            for arrival, *_ in desk.inbox:
                heappush(self._heap, (arrival, desk.rank))
        # Where it was saved, a link may have crossed two processes and been read at the next
        # turn only; here what was sent is in the reader's inputs at once.
        for desk in self.desks:
            for _, slot, targets in desk.outlets.values():
                for inputs, port in targets if slot.new_us != BEFORE else ():
                    inputs[port] = slot.new
