"""On mosaik: a scenario as a mosaik world, with the same record as on every engine."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cosim.engines.desk import Desk, close_all, filled
from cosim.engines.embedded import in_hands, kpis_of
from cosim.engines.engine import Between, Job
from cosim.engines.mosaik_world import Letter, SimulationError, Wire, first_us, group_of, play
from cosim.federation import Federation, Link
from cosim.freeze import check_ports, freeze_message
from cosim.recorder.recorder import Recorder
from gridmodel.errors import FederateError
from gridmodel.federate import Message, Messages, Signal
from gridmodel.kpi import Kpi


class _Halt(Exception):  # noqa: N818  no error: the way out of mosaik
    """Raised at a border where the run is told to stop."""


class OnMosaik:
    """Runs a whole scenario by mosaik, in this process."""

    by_itself: frozenset[str] = frozenset()

    def __init__(self, job: Job) -> None:
        federation = job.scenario.federation
        self._recorder = Recorder(job.folder, federation, job.scenario.config.record)
        order = sorted(federation.members, key=lambda member: (member.level, member.index))
        self._desks = [Desk(member, rank) for rank, member in enumerate(order)]
        self._by_name = {desk.member.name: desk for desk in self._desks}
        self._grouped = {desk.index for desk in self._desks if group_of(desk) is not None}
        self._wires = [
            self._wire(federation, number, link) for number, link in enumerate(federation.links)
        ]
        self._ways: dict[tuple[str, str], list[Wire]] = {}
        for wire in self._wires:
            self._ways.setdefault((wire.source.member.name, wire.source_port), []).append(wire)
        for desk in self._desks:
            desk.record = self._recorder.writer(desk.index)
            if desk.index in self._grouped:
                vars(desk.member.federate)["same_time"] = True
            if job.profile is not None:
                desk.step = job.profile.timed(desk.member.name, desk.step)
        #: Messages sent in this instant: by whom, on which port.
        self._sent: list[tuple[Desk, str, Letter]] = []
        #: Signals of parts that may step again in this instant.
        self._drafts: dict[int, tuple[Desk, dict[str, Any]]] = {}
        #: What mosaik holds over a border: delayed messages, by wire and sequence.
        self._flying: dict[tuple[int, int], Letter] = {}
        self._between: Between | None = None
        self._until_us = 0
        self._current: Desk | None = None
        self.now_us = 0
        self.instants = 0
        self.steps = 0

    def _wire(self, federation: Federation, number: int, link: Link) -> Wire:
        """Lay a link, and put its initial value at the target's desk."""
        source, target = self._by_name[link.source], self._by_name[link.target]
        port = target.member.inputs[link.target_port]
        if isinstance(port, Signal):
            sent = federation[link.source].outputs[link.source_port]
            assert isinstance(sent, Signal)
            given = link.initial if link.initial is not None else port.initial
            if given is not None:
                target.inputs[port.name] = filled(sent, sent.shape or (), given)
        loop = group_of(source) is not None and group_of(source) == group_of(target)
        return Wire(
            number, source, link.source_port, target, link.target_port, link.delayed,
            isinstance(port, Messages), loop,
        )  # fmt: skip

    def run(self, until_us: int, between: Between) -> bool:
        """Run all instants before ``until_us``; return whether the end was reached."""
        self._between, self._until_us = between, until_us
        self._settle()
        try:
            first_us = self._begin_instant()
            if first_us is not None:
                play(self._desks, self._wires, self, (first_us, until_us))
            self._check_end()
        except _Halt:
            return False
        except SimulationError as error:  # such as a same-time loop that does not come to rest
            if isinstance(error.__context__, FederateError):  # mosaik takes any TypeError for
                raise error.__context__ from None  # inputs that are not JSON
            raise FederateError(*self.where(), f"mosaik: {error}") from error
        finally:
            self._write_sent()
            self._land()
        self.now_us = until_us
        return True

    def _check_end(self) -> None:
        """Refuse to take it for the end when mosaik has only stopped."""
        for desk in self._desks:
            due = desk.next_us()
            if due is not None and due < self._until_us:
                raise FederateError(desk.member.name, due, "mosaik ended before it could step")

    def _begin_instant(self) -> int | None:
        """Ask whether the next instant may begin; return it."""
        t_us = first_us(self._desks)
        for (number, _), letter in self._flying.items():
            arrival = self._wires[number].arrival_us(letter)
            t_us = arrival if t_us is None else min(t_us, arrival)
        if t_us is None or t_us >= self._until_us:
            return None
        self.now_us = t_us
        if self._between is not None and not self._between(t_us):
            raise _Halt
        self.instants += 1
        return t_us

    def turn(self, desk: Desk, t_us: int) -> dict[str, Any]:
        """Let a desk have its turn; return what its links carry, by output port."""
        self._current = desk
        outputs = desk.turn(t_us)
        self.steps += 1
        carried: dict[str, Any] = {}
        sent: dict[str, Any] = {}
        name, declared = desk.member.name, desk.member.outputs
        for port, value in outputs.items():
            outlet = desk.outlets.get(port)
            if outlet is not None:
                freeze, slot, _ = outlet
                frozen = freeze(t_us, value)
                if slot.new_us == t_us and np.array_equal(slot.new, frozen):
                    continue  # a loop has come to rest when nothing changes within an instant
                sent[port] = carried[port] = frozen
                slot.put(t_us, frozen)
            elif port in declared:
                messages = [freeze_message(name, port, t_us, message) for message in value]
                if messages:
                    carried[port] = self._post(desk, port, t_us, messages)
            else:
                check_ports(name, t_us, outputs, declared)
        if sent and desk.index in self._grouped:
            self._drafts.setdefault(desk.index, (desk, {}))[1].update(sent)
        elif sent and desk.record is not None:
            desk.record(t_us, sent)
        return carried

    def _post(self, desk: Desk, port: str, t_us: int, messages: Sequence[Message]) -> list[Letter]:
        """Give messages their numbers, keep them for the record, return them for the links."""
        letters: list[Letter] = []
        for message in messages:
            desk.sequence += 1
            letters.append((t_us, desk.sequence, message))
            self._sent.append((desk, port, letters[-1]))
        for wire in self._ways.get((desk.member.name, port), ()):
            if wire.delayed:
                self._flying.update({(wire.number, letter[1]): letter for letter in letters})
        return letters

    def arrived(self, wire: Wire, letters: Sequence[Letter]) -> None:
        """Put messages that came over a wire into an inbox."""
        for letter in letters:
            self._flying.pop((wire.number, letter[1]), None)
            self._deliver(wire, letter)

    def _deliver(self, wire: Wire, letter: Letter) -> None:
        _, sequence, message = letter
        arrival = wire.arrival_us(letter)
        wire.target.take(arrival, wire.source.index, sequence, wire.target_port, message)

    def end_instant(self, t_us: int) -> int | None:
        """Record what was sent, in the order of the clock's law, and ask to go on."""
        if t_us < self.now_us:
            return self.now_us
        if self._drafts:
            for desk, sent in self._drafts.values():
                if desk.record is not None:
                    desk.record(t_us, sent)
            self._drafts.clear()
        if self._sent:
            self._write_sent()
        return self._begin_instant()

    def _write_sent(self) -> None:
        sent, self._sent = self._sent, []
        sent.sort(key=lambda item: (item[0].rank, item[2][1]))
        for desk, port, (t_us, sequence, message) in sent:
            self._recorder.message(desk.index, port, t_us, sequence, message)

    def _settle(self) -> None:
        """Give every desk what its links would deliver from here on.

        Between two instants all stamps are past, so delayed links deliver the newest too.
        """
        for wire in self._wires:
            slot = wire.source.slots.get(wire.source_port)
            if slot is not None and slot.new is not None:
                wire.target.inputs[wire.target_port] = slot.new

    def _land(self) -> None:
        """Put what mosaik still held into the inboxes, after its end."""
        for (number, _), letter in self._flying.items():
            self._deliver(self._wires[number], letter)
        self._flying.clear()

    def snapshot(self) -> dict[str, Any]:
        """Return the state between two instants as one picklable object."""
        self._settle()
        desks = {desk.member.name: desk.save() for desk in self._desks}
        for (number, sequence), letter in self._flying.items():
            wire, (_, _, message) = self._wires[number], letter
            desks[wire.target.member.name]["inbox"].append(
                (wire.arrival_us(letter), wire.source.index, sequence, wire.target_port,
                 (message.t_us, message.kind, dict(message.data)))
            )  # fmt: skip
        return {
            "now_us": self.now_us,
            "federates": {d.member.name: d.member.federate.snapshot() for d in self._desks},
            "desks": desks,
        }

    def resume(self, state: dict[str, Any], earlier: Path, at_us: int) -> None:
        """Take over a snapshot and the record up to there."""
        self.now_us = state["now_us"]
        for desk in self._desks:
            name = desk.member.name
            desk.member.federate.restore(copy.deepcopy(state["federates"][name]))
            desk.load(copy.deepcopy(state["desks"][name]))
        self._recorder.take_over(earlier, at_us)

    def kpis(self) -> dict[str, Kpi]:
        """Return key figures by ``federate.name``."""
        return kpis_of(self._desks)

    def failure(self, error: FederateError) -> Mapping[str, Any]:
        """Return what the federate that failed had in its hands."""
        desk = self._by_name.get(error.federate)
        return {} if desk is None else in_hands(desk)

    def where(self) -> tuple[str, int]:
        """Return the federate that stepped last, and the instant. [us]"""
        return (self._current.member.name if self._current is not None else ""), self.now_us

    def lateness(self) -> Mapping[str, Any] | None:
        """Return nothing: the run keeps the pace."""
        return None

    def close(self) -> None:
        """End the record and the federates."""
        try:
            self._recorder.close()
        finally:
            close_all(self._desks, self.now_us)
