"""Partition: a part of a federation that runs in a process of its own.

Inside, the in-process engine; at its border, stamped values and messages that something
else carries. The border grants turns ``(instant, level)`` in one order for all
partitions, so the clock's law holds across them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop
from typing import Protocol

from cosim.clock import Slot, arrival_us
from cosim.engines.crossing import Letter, crossings, pack_letters, unpack_letters
from cosim.engines.desk import Desk, Recorder
from cosim.engines.in_process import InProcess
from cosim.federation import Federation
from gridmodel.federate import Message

#: Levels of an instant that a turn's key can tell apart.
LEVELS = 128


def key_of(t_us: int, level: int) -> int:
    """Return the key of a turn: keys are ordered as turns are, and the first is not 0."""
    return (t_us + 1) * LEVELS + level


class Border(Protocol):
    """Carries bytes between partitions, and grants turns."""

    def request(self, key: int) -> int:
        """Return the key granted: the one asked for, or a lower one if a message came."""
        ...

    def publish(self, to: str, block: bytes) -> None:
        """Send the block of signals to another partition."""

    def tell(self, to: str, letters: bytes) -> None:
        """Send messages to another partition."""

    def blocks(self) -> Mapping[str, bytes]:
        """Return blocks that are new, by partition of origin."""
        ...

    def letters(self) -> list[bytes]:
        """Return messages that are new."""
        ...


class Partition(InProcess):
    """Runs some members of a federation.

    Parameters
    ----------
    federation : Federation
        The whole.
    home : mapping
        Partition of each federate.
    name : str
        Which one this is.
    border : Border
        The way to the others.
    recorder : Recorder or None
        Who is told.
    """

    def __init__(
        self,
        federation: Federation,
        home: Mapping[str, str],
        name: str,
        border: Border,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__(federation, recorder, {n for n, place in home.items() if place == name})
        self._border = border
        ways = crossings(federation, home)
        self._out = {to: crossing for (origin, to), crossing in ways.items() if origin == name}
        self._in = {origin: crossing for (origin, to), crossing in ways.items() if to == name}
        self._slots: dict[tuple[str, str], Slot] = {
            (desk.member.name, port): slot
            for desk in self.desks
            for port, slot in desk.slots.items()
        }
        self._post_box: dict[str, list[Letter]] = {to: [] for to in self._out}

    def run_turns(
        self,
        until_us: int,
        between: Callable[[int], bool],
        barrier_us: Callable[[], int | None],
        at_barrier: Callable[[int], None],
    ) -> bool:
        """Run all instants before ``until_us``, turn by granted turn.

        Parameters
        ----------
        until_us : int
            First instant that is not run. [us]
        between : callable
            Called with each instant before it is run here; a false answer stops there.
        barrier_us : callable
            Tells the next instant before which all partitions meet. [us]
        at_barrier : callable
            Called when they have met.
        """
        instant = -1
        while True:
            barrier = barrier_us()
            end_us = until_us if barrier is None else min(until_us, barrier)
            turn = self._next_turn(end_us)
            # The last key before an instant: what was sent before it has come by then.
            want = key_of(end_us, 0) - 1 if turn is None else key_of(*turn)
            if self._meet(want) < want:
                continue
            if turn is None:
                if end_us == until_us:
                    self.now_us = until_us
                    return True
                at_barrier(end_us)
                continue
            t_us, level = turn
            if t_us != instant:
                self.now_us = t_us
                if not between(t_us):
                    return False
                instant = t_us
                self.instants += 1
            self._run_level(t_us, level)

    def _next_turn(self, end_us: int) -> tuple[int, int] | None:
        """Return the next instant and level of a member here, if before the end."""
        while self._heap:
            t_us, rank = self._heap[0]
            desk = self.desks[rank]
            if desk.due_us == t_us or (desk.inbox and desk.inbox[0][0] <= t_us):
                return (t_us, desk.member.level) if t_us < end_us else None
            heappop(self._heap)  # stale: it was woken earlier and has other plans now
        return None

    def _meet(self, want: int) -> int:
        """Ask for a turn and take in what came; return the key granted."""
        granted = self._border.request(want)
        for origin, block in self._border.blocks().items():
            self._in[origin].decode(block, self.imports)
        for data in self._border.letters():
            for target, port, arrival, sender, sequence, message in unpack_letters(data):
                self.deliver(self.desk(target), arrival, sender, sequence, port, message)
        return granted

    def _run_level(self, t_us: int, level: int) -> None:
        """Let all members of a level that are due step, and send on what crosses."""
        while self._heap and self._heap[0][0] == t_us:
            desk = self.desks[self._heap[0][1]]
            due = desk.due_us == t_us or (desk.inbox and desk.inbox[0][0] <= t_us)
            if due and desk.member.level != level:
                break
            heappop(self._heap)
            if due:
                self._step(desk, t_us)
                self._schedule(desk)
        for to, crossing in self._out.items():
            if any(self._slots[key].new_us == t_us for key in crossing.signals):
                self._border.publish(to, crossing.encode(self._slots))
            if self._post_box[to]:
                self._border.tell(to, pack_letters(self._post_box[to]))
                self._post_box[to].clear()

    def _post(self, desk: Desk, port: str, t_us: int, message: Message) -> None:
        """Put a message into inboxes here and into the post to other partitions."""
        super()._post(desk, port, t_us, message)
        name = desk.member.name
        for to, crossing in self._out.items():
            for link in crossing.message_links.get((name, port), ()):
                passed = self.federation[link.target].level <= desk.member.level
                arrival = arrival_us(message, t_us, link.delayed, passed)
                letter = (
                    link.target,
                    link.target_port,
                    arrival,
                    desk.index,
                    desk.sequence,
                    message,
                )
                self._post_box[to].append(letter)
