"""Partition: a part of a federation that runs in a process of its own.

Inside, the in-process engine; at its border, stamped values and messages that something
else carries. The border grants turns ``(instant, level)`` in one order for all
partitions, so the clock's law holds across them.

If only signals cross, each partition asks for its own turns. If messages cross, a turn
may be earlier than a partition knows; then all go in *rounds*: at a turn everyone says
when its next one is, a moment later everyone knows the first of these and asks for it.
What a partition says carries its signals and messages along.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop
from typing import Protocol

from cosim.clock import Slot, arrival_us
from cosim.engines.crossing import Letter, crossings, pack_letters, unpack_letters
from cosim.engines.desk import Desk, Recorder
from cosim.engines.in_process import InProcess
from cosim.federation import Federation
from gridmodel.federate import Message

#: Levels of an instant that a turn's key can tell apart.
LEVELS = 64


def key_of(t_us: int, level: int) -> int:
    """Return the key of a turn: keys are even, ordered as turns are, and the first is not 0."""
    return ((t_us + 1) * LEVELS + level) * 2


class Border(Protocol):
    """Carries bytes between partitions, and grants turns."""

    def request(self, key: int) -> None:
        """Wait until all others have passed what is before a key."""

    def publish(self, to: str, block: bytes) -> None:
        """Send the block of signals to another partition; not in rounds."""

    def blocks(self) -> Mapping[str, bytes]:
        """Return blocks that are new, by partition of origin."""
        ...

    def announce(self, plans: Mapping[str, bytes]) -> None:
        """Say to each other partition what comes next; in rounds only."""

    def plans(self) -> Mapping[str, bytes]:
        """Return what all others announced, by partition."""
        ...


@dataclass(frozen=True)
class Hooks:
    """What a partition asks of whoever runs it.

    Parameters
    ----------
    between : callable
        Called with each instant before it is run here; a false answer stops there, or after that
        instant if messages cross, so that all partitions can agree on it.
    barrier_us : callable
        Tells the next instant before which all partitions meet. [us]
    at_barrier : callable
        Called when they have met.
    """

    between: Callable[[int], bool]
    barrier_us: Callable[[], int | None]
    at_barrier: Callable[[int], None]


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
        slots: dict[tuple[str, str], Slot] = {
            (desk.member.name, port): slot
            for desk in self.desks
            for port, slot in desk.slots.items()
        }
        to_others = {to: way for (origin, to), way in ways.items() if origin == name}
        to_here = {origin: way for (origin, to), way in ways.items() if to == name}
        self._out = {to: crossing.block(slots) for to, crossing in to_others.items()}
        self._in = {origin: crossing.block(self.imports) for origin, crossing in to_here.items()}
        self._message_links = {to: crossing.message_links for to, crossing in to_others.items()}
        self._post_box: dict[str, list[Letter]] = {to: [] for to in self._out}
        self._others = sorted(set(home.values()) - {name})
        #: Whether messages cross anywhere, so that all partitions go in rounds.
        self.in_rounds = any(crossing.message_links for crossing in ways.values())
        #: In rounds, blocks wait here for the plan they go with.
        self._waiting: dict[str, bytes] = {}
        #: In rounds, the first turn that is not run any more.
        self._stop_key = sys.maxsize

    def run_turns(self, until_us: int, hooks: Hooks) -> bool:
        """Run all instants before ``until_us``, turn by granted turn.

        Parameters
        ----------
        until_us : int
            First instant that is not run. [us]
        hooks : Hooks
            What is done between instants.

        Returns
        -------
        bool
            Whether the end was reached.
        """
        instant, key = -1, 0
        while True:
            barrier = hooks.barrier_us()
            end_us = until_us if barrier is None else min(until_us, barrier)
            # The last key before an instant: what was sent before it has come by then.
            end_key = key_of(end_us, 0) - 2
            turn = self._next_turn(end_us)
            want = end_key if turn is None else key_of(*turn)
            if self.in_rounds:
                key = self._round(key, want)
                if key >= self._stop_key and key != end_key:
                    self.now_us = key // (2 * LEVELS) - 1
                    return False
                turn = self._next_turn(end_us)
                want = end_key if turn is None else key_of(*turn)
            else:
                key = want
            self._border.request(key)
            self._take_in(self._border.blocks())
            if key == end_key:
                if end_us == until_us:
                    self.now_us = until_us
                    return True
                hooks.at_barrier(end_us)
            elif turn is not None and key == want:
                t_us, level = turn
                if t_us != instant:
                    self.now_us = t_us
                    if not hooks.between(t_us):
                        if not self.in_rounds:
                            return False
                        self._stop_key = min(self._stop_key, key_of(t_us + 1, 0))
                    instant = t_us
                    self.instants += 1
                self._run_level(t_us, level)

    def next_us(self, until_us: int) -> int:
        """Return the next instant of a member here, at most ``until_us``. [us]"""
        turn = self._next_turn(until_us)
        return until_us if turn is None else turn[0]

    def _round(self, key: int, want: int) -> int:
        """Tell the others what comes next here, and where to stop; return the first turn of all."""
        for letters in self._post_box.values():
            for target, _, arrival, *_ in letters:
                want = min(want, key_of(arrival, self.federation[target].level))
        plans = {}
        for to in self._others:
            post, block = self._post_box.get(to, []), self._waiting.pop(to, b"")
            plans[to] = marshal.dumps(
                (want, self._stop_key, pack_letters(post) if post else b"", block)
            )
            post.clear()
        self._border.announce(plans)
        self._border.request(key + 1)
        for origin, plan in self._border.plans().items():
            their_want, their_stop, data, block = marshal.loads(plan)
            want, self._stop_key = min(want, their_want), min(self._stop_key, their_stop)
            if block:
                self._in[origin].decode(block)
            for target, port, arrival, sender, sequence, message in unpack_letters(data):
                self.deliver(self.desk(target), arrival, sender, sequence, port, message)
        return want

    def _take_in(self, blocks: Mapping[str, bytes]) -> None:
        """Put the signals that came into their slots."""
        for origin, block in blocks.items():
            self._in[origin].decode(block)

    def _next_turn(self, end_us: int) -> tuple[int, int] | None:
        """Return the next instant and level of a member here, if before the end."""
        while self._heap:
            t_us, rank = self._heap[0]
            desk = self.desks[rank]
            if desk.due_us == t_us or (desk.inbox and desk.inbox[0][0] <= t_us):
                return (t_us, desk.member.level) if t_us < end_us else None
            heappop(self._heap)  # stale: it was woken earlier and has other plans now
        return None

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
        for to, block in self._out.items():
            if not block.sent_at(t_us):
                continue
            if self.in_rounds:
                self._waiting[to] = block.encode()
            else:
                self._border.publish(to, block.encode())

    def _post(self, desk: Desk, port: str, t_us: int, message: Message) -> None:
        """Put a message into inboxes here and into the post to other partitions."""
        super()._post(desk, port, t_us, message)
        name = desk.member.name
        for to, links in self._message_links.items():
            for link in links.get((name, port), ()):
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
