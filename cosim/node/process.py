"""Node process: the loop of one node, around a simulation's questions or by itself."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cosim.lines.address import Address
from cosim.lines.line import TELL_S, Line, to_world
from cosim.lines.messages import Answer, Ask, Farewell, Hello, Start, Word, encode, unpack
from cosim.lines.stream_line import StreamLine
from cosim.node.assembly import Node
from cosim.node.told import Told
from gridmodel.errors import BorderError

#: The longest time in which nobody looks whether the process is to end. [s]
_NAP_S = 0.2
#: Time between two looks at the radio. [s]
_POLL_S = 0.02


class NodeProcess:
    """Runs one node until it is told to end, or its simulation does.

    Parameters
    ----------
    node : Node
        Assembled.
    line : Line, Address or None
        To the simulation, or where to look for it, as long as it takes; None on hardware alone.
    say : callable
        Takes a line of text for the log.
    told : Told, optional
        Whether it was told to end.
    """

    #: The simulation this node is in; empty before it has spoken.
    _session = ""

    def __init__(
        self,
        node: Node,
        line: Line | Address | None,
        say: Callable[[str], object] = print,
        told: Told | None = None,
    ) -> None:
        assert node.runner is not None
        self._node = node
        self._runner = node.runner
        self._at = line if isinstance(line, Address) else None
        self._line = None if isinstance(line, Address) else line
        self._say = say
        self._why = ""
        self._told = told or Told()
        self._faults: dict[str, str] = {}
        self._last: Answer | None = None
        self._running = False
        self._now_us = 0
        self._frame_count = self._boot_count = 0
        #: It ended as another simulation has begun, for which it must be made anew.
        self.again = False
        #: A stepped node ends when nobody has spoken for so long: its time stands still. [s]
        self.silence_s = 120.0
        #: Messages that were none, on a line where anyone may speak.
        self.noise_count = 0
        #: Words of another simulation than this node's.
        self.stray_count = 0

    def run(self) -> str:
        """Run; return why it ended. Relays are left in their safe position.

        Raises
        ------
        BorderError
            If there is no way to a simulation.
        """
        try:
            if self._at is not None:
                name = self._node.config.node
                self._line = to_world(self._at, name, ended=self._is_over, say=self._say)
            if self._line is None:
                self._alone()
            else:
                self._asked(self._line)
        except BorderError as error:
            if self._line is None and not self._why:
                raise  # there is nothing to speak on
            self._why = self._why or str(error)
        except Exception as error:
            self._why = f"it failed: {type(error).__name__}: {error}"
            raise
        finally:
            contacts = self._node.make_safe()
            if self._line is not None:
                self._farewell(self._line, contacts)
            self._node.close()
        return self._why

    def _is_over(self) -> bool:
        """Return whether it is to end; asked at each turn of a loop."""
        self._runner.alive()
        self._why = self._why or self._told.why
        return bool(self._why)

    def _farewell(self, line: Line, contacts: dict[str, bool]) -> None:
        with contextlib.suppress(BorderError):  # nobody may be there to read it
            self._tell(line, Farewell(self._why, contacts))
        line.close()

    def _tell(self, line: Line, word: Word) -> None:
        line.send(encode(word, self._session))

    # around a simulation

    def _asked(self, line: Line) -> None:
        config = self._node.config
        hello = Hello(
            config.node,
            config.controller,
            tuple(config.meters),
            tuple(config.relays),
            config.inverter is not None,
            place=f"{socket.gethostname()}, process {os.getpid()} ({secrets.token_hex(2)})",
        )
        self._tell(line, hello)
        begin_s = told_s = time.monotonic()
        silent_s = begin_s + self.silence_s
        while not self._is_over():
            data = line.receive(self._patience_s())
            if data is not None:
                if self._hear(line, data, hello):
                    silent_s = time.monotonic() + self.silence_s
            elif config.clock == "stepped" and self._running and time.monotonic() > silent_s:
                self._why = f"the simulation has not spoken for {self.silence_s:g} s"
            elif self._last is not None and self._overdue():
                self._tell(line, self._own_step())
            elif not self._running and time.monotonic() - told_s >= TELL_S:
                told_s = time.monotonic()
                self._say(f"{config.node}: no simulation has spoken for {told_s - begin_s:.0f} s")

    def _hear(self, line: Line, data: bytes, hello: Hello) -> bool:
        """Answer what is a message; on a line where anyone may speak, the rest is noise.

        Return whether it was a word of this node's simulation.
        """
        try:
            word, session = unpack(data)
        except BorderError:
            if isinstance(line, StreamLine):
                raise
            self.noise_count += 1
            return False
        if isinstance(word, Start) and not self._running:
            self._begin(word, session)
        if session == self._session:
            self._answer(line, word, hello)
        elif isinstance(word, Start):  # it speaks again, to the node that is then made anew
            self._why, self.again = "another simulation has begun", True
        else:
            self.stray_count += 1
        return session == self._session

    def _answer(self, line: Line, word: Word, hello: Hello) -> None:
        if isinstance(word, Start):
            self._tell(line, hello)
        elif isinstance(word, Ask):
            if self._last is not None and word.number == self._last.number:
                self._tell(line, self._last)  # it was lost, or was late
            elif self._last is None or word.number > self._last.number:
                self._last = self._meet(word)
                self._tell(line, self._last)

    def _begin(self, word: Start, session: str) -> None:
        self._session = session
        factor = None if self._node.config.clock == "stepped" else word.factor
        self._node.clock.start(word.t_us, factor)
        self._now_us = word.t_us
        for start in self._node.bench.starts:
            start(word)
        self._running = True

    def _meet(self, ask: Ask) -> Answer:
        """Let the hardware meet what a question says, and run the program."""
        node = self._node
        node.clock.set(ask.t_us)
        self._now_us = max(self._now_us, ask.t_us)  # it may have been ahead on its own
        if ask.kind == "end":
            self._why = "the simulation is over"
            return Answer(ask.number, ask.t_us)
        missed = ask.boot_count - (ask.kind == "boot") > self._boot_count
        self._boot_count = max(self._boot_count, ask.boot_count)
        if missed:  # the question that told of it was lost
            self._boot()
        ask = self._fresh(ask)
        for feed in node.bench.feeds:
            feed(ask)
        if ask.kind == "boot":
            self._boot()
            return self._report(ask.number, self._now_us, ask.relays, False)
        return self._step(self._now_us, ask)

    def _boot(self) -> None:
        self._node.bench.terminal.received.clear()
        self._runner.boot(self._now_us)

    def _fresh(self, ask: Ask) -> Ask:
        """Return a question without the frames that an earlier one has brought."""
        had = max(self._frame_count - ask.frame_count, 0)
        self._frame_count = max(self._frame_count, ask.frame_count + len(ask.frames))
        return replace(ask, frames=ask.frames[had:])

    def _step(self, now_us: int, ask: Ask | None = None, own: bool = False) -> Answer:
        self._runner.step(now_us)
        for after in self._node.bench.after:
            after()
        self._tell_faults()
        number = ask.number if ask is not None else self._last.number if self._last else 0
        return self._report(number, now_us, ask.relays if ask is not None else {}, own)

    def _report(self, number: int, now_us: int, known: Any, own: bool) -> Answer:
        node, runner = self._node, self._runner
        terminal = node.bench.terminal
        contacts = node.contacts()
        moved = {
            name: closed
            for name, closed in contacts.items()
            if not node.config.relays[name].given and known.get(name) is not closed
        }
        sent = tuple(terminal.sent)
        terminal.sent.clear()
        return Answer(
            number,
            now_us,
            moved,
            sent,
            runner.wake_us,
            runner.state,
            tuple(runner.alarms),
            terminal.p_set_kw if node.config.inverter is not None else None,
            {kpi.name: kpi.value for kpi in runner.kpis()},
            terminal.write_count,
            own,
        )

    def _tell_faults(self) -> None:
        """Say once which port fails, and once that it is there again."""
        faults = self._runner.faults
        for port in faults.keys() - self._faults.keys():
            self._say(f"{self._node.config.node}: {port} fails: {faults[port]}")
        for port in self._faults.keys() - faults.keys():
            self._say(f"{self._node.config.node}: {port} is there again")
        self._faults = dict(faults)

    def _overdue(self) -> bool:
        """Return whether the node has waited long enough for a question that should be here."""
        return self._node.clock.until_s(self._runner.wake_us + self._guard_us) <= 0.0

    def _own_step(self) -> Answer:
        """Act by the wall clock, as no question came."""
        clock = self._node.clock
        clock.set(clock.running_us())
        self._now_us = max(self._now_us, clock.now_us())
        return self._step(self._now_us, own=True)

    @property
    def _guard_us(self) -> int:
        return round(self._node.config.guard_s * 1e6 / max(self._node.clock.factor or 1.0, 1e-9))

    def _patience_s(self) -> float:
        left_s = self._node.clock.until_s(self._runner.wake_us + self._guard_us)
        return min(left_s, _NAP_S) if self._last is not None else _NAP_S

    # on hardware alone

    def _alone(self) -> None:
        """Sample the meters, poll the radio, and step on a timer, a frame or an alarm."""
        node, runner = self._node, self._runner
        clock = node.clock
        clock.start(0, 1.0)
        held = node.held
        sample_us = round(node.config.sample_s * 1e6)
        next_us = 0
        runner.boot(0)
        while not self._is_over():
            now_us = clock.now_us()
            due = now_us >= runner.wake_us or (held is not None and runner.hears(held.poll))
            if now_us >= next_us and not due:
                next_us = now_us - now_us % sample_us + sample_us
                due = runner.rings(now_us)
            if due:
                runner.step(now_us)
                for after in node.bench.after:
                    after()
                self._tell_faults()
            soon_us = min(runner.wake_us, next_us)
            time.sleep(min(max(clock.until_s(soon_us), 1e-3), _POLL_S))
