"""Live node: the simulation's end of the line to one node outside."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from cosim.hil.arrivals import ArrivalWriter
from cosim.hil.seat_check import seat_faults, unfit
from cosim.hil.statistics import LineStatistics
from cosim.hil.unanswered import Unanswered
from cosim.lines.line import Line
from cosim.lines.messages import Answer, Ask, Farewell, Hello, Start, Word, encode, unpack
from cosim.node.outside import refused_snapshot
from gridmodel.errors import BorderError
from gridmodel.kpi import Kpi

#: Wait for an answer before a question is asked again. [s]
REPEAT_S = 0.5
#: A stepped node that does not answer for so long is gone. [s]
SILENCE_S = 10.0
#: Where several nodes may answer, a second one of the same name is waited for so long. [s]
SECOND_S = 0.5
#: So many messages that wait already are looked at after a step's time is over.
_WAITING = 64


class LiveNode:
    """A node on a line.

    Parameters
    ----------
    name : str
        The node's name.
    deadline_s : float or None
        In real time, the wall-clock time a step waits for an answer; None waits for each,
        as time stands still meanwhile. [s]
    died : callable
        Told why and when the node died.
    ended : callable
        Tells whether its process is known to have ended.
    warn : callable
        Told what the user should know of the line.
    """

    def __init__(
        self,
        name: str,
        deadline_s: float | None,
        died: Callable[[str, str, int], None],
        ended: Callable[[], bool] = lambda: False,
        warn: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.name = name
        self.gone = ""
        self.statistics = LineStatistics()
        self._deadline_s = deadline_s
        self._died = died
        self._ended = ended
        self._warn = warn
        self._session = secrets.token_hex(4)
        self._line: Line | None = None
        self._hello: Hello | None = None
        self._writer: ArrivalWriter | None = None
        self._unanswered = Unanswered()
        self._asked_s = 0.0
        self._taken_ms: float | None = None
        self._question_bytes = 0
        self._warned = False
        self._quiet_since_s: float | None = None
        self._farewell: Farewell | None = None

    # greeting

    def open(
        self,
        line: Line,
        start: Start,
        writer: ArrivalWriter,
        wait_s: float,
        expects: Hello | None = None,
    ) -> Hello:
        """Greet the node; return what it said of itself.

        Parameters
        ----------
        line : Line
            To the node.
        start : Start
            The first word to it.
        writer : ArrivalWriter
            Where to note what it answers.
        wait_s : float
            How long it is waited for. [s]
        expects : Hello or None
            What it should say as far as its seat in the simulation is known.

        Raises
        ------
        BorderError
            If it does not answer in time, is another one, or does not fit its seat; told with
            all faults.
        """
        self._line = line
        until_s, said_s, noise = time.monotonic() + wait_s, -math.inf, ""
        while (now_s := time.monotonic()) < until_s:
            if now_s - said_s >= REPEAT_S:
                line.send(encode(start, self._session))
                said_s = now_s
            try:
                word = self._receive(line, REPEAT_S)
            except _NoiseError as error:
                noise = f" What came: {error}"
                continue
            if isinstance(word, Farewell):
                raise BorderError(f"node '{self.name}' ended at once: {word.why}")
            if isinstance(word, Hello):
                faults = seat_faults(word, self.name, expects)
                if faults:
                    raise BorderError(f"it is not the node of this seat: {'; '.join(faults)}")
                self._hello = word
                self._see_alone(line)
                writer.begin()
                self._writer = writer
                return word
            if self._ended():
                raise BorderError(f"node '{self.name}' ended before it answered")
        raise BorderError(
            f"node '{self.name}' did not answer within {wait_s:g} s. Is it started, and is the address right?{noise}"
        )

    def _see_alone(self, line: Line) -> None:
        """See that no second node answers, where one may."""
        until_s = time.monotonic() + (SECOND_S if getattr(line, "shared", False) else 0.0)
        while (left_s := until_s - time.monotonic()) > 0.0:
            with contextlib.suppress(_NoiseError):
                word = self._receive(line, left_s)
                if isinstance(word, Hello):
                    self._same(word)

    def _same(self, hello: Hello) -> None:
        """See that a further greeting is of the same process."""
        assert self._hello is not None
        if hello.place != self._hello.place:
            raise BorderError(
                f"two nodes answer to the name '{self.name}': {self._hello.place or 'one'}, and "
                f"{hello.place or 'another'}. End one of them, or give it its own name"
            )

    def _receive(self, line: Line, wait_s: float) -> Word | None:
        """Return the next word of this session; a last word of a node that is in none, too.

        Raises
        ------
        _NoiseError
            If what came is no message. It is counted.
        """
        until_s = time.monotonic() + wait_s
        for _ in range(_WAITING):
            data = line.receive(max(until_s - time.monotonic(), 0.0))
            if data is None:
                return None
            try:
                word, session = unpack(data)
            except BorderError as error:
                self.statistics.noise += 1
                raise _NoiseError(str(error)) from error
            if session == self._session or (isinstance(word, Farewell) and not session):
                self._check_pace(line, word, data)
                return word
            if session:  # a node greets before it knows of any
                self.statistics.stray += 1
        return None

    def _check_pace(self, line: Line, word: Word, data: bytes) -> None:
        """Warn, the first time that the line is too slow for the deadline."""
        pace = getattr(line, "seconds", None)
        if pace is None or self._deadline_s is None or not isinstance(word, Answer):
            return
        count = self._question_bytes + len(data)
        if not self._warned and pace(count) > self._deadline_s:
            self._warned = True
            self._warn(
                f"{self.name}: question and answer have {count} bytes, which take "
                f"{1e3 * pace(count):.0f} ms on this line; a step waits {1e3 * self._deadline_s:g} ms, so "
                "most answers will be late. Use a faster line (serial:/dev/ttyUSB0@921600), or "
                "--deadline-ms."
            )

    # questions

    def ask(self, ask: Ask) -> Sequence[Answer]:
        """Ask, and return the answers that came before the step goes on."""
        if self.gone or self._line is None:
            return ()
        answers: list[Answer] = []
        begin_s, self._taken_ms = time.monotonic(), None
        try:
            self._gather(self._line, self._unanswered.with_earlier(ask), answers)
        except BorderError as error:
            self._lose(str(error), ask.t_us)
        if self._farewell is not None and not self.gone:
            self._lose(f"it said: {self._farewell.why}", ask.t_us)
        if self._farewell is not None:  # the contacts it has left
            known = self._hello.relays if self._hello is not None else ()
            left = {name: on for name, on in self._farewell.relays.items() if name in known}
            answers.append(Answer(ask.number, ask.t_us, left))
            self._farewell = None
        if self._writer is not None:
            wall_s = begin_s, time.monotonic()
            self._writer.write(ask, answers, self.gone, wall_s, self._taken_ms)
        return answers

    def _gather(self, line: Line, ask: Ask, answers: list[Answer]) -> None:
        """Ask, and take words until the answer is there, or the step may wait no longer."""
        question = encode(ask, self._session)
        self.statistics.asked += 1
        self._question_bytes = len(question)
        self._asked_s = begin_s = repeat_s = time.monotonic()
        line.send(question)
        wait_s = SILENCE_S if self._deadline_s is None else self._deadline_s
        waiting = _WAITING
        while True:
            now_s = time.monotonic()
            left_s = begin_s + wait_s - now_s
            if self._deadline_s is None and now_s - repeat_s >= REPEAT_S:
                self.statistics.repeated += 1
                if self._ended():
                    raise BorderError("its process has ended")
                line.send(question)
                repeat_s = now_s
            try:
                word = self._receive(line, min(max(left_s, 0.0), REPEAT_S))
                if word is not None and self._take(word, ask, answers):
                    return
                quiet = word is None
            except _NoiseError:
                quiet = False
            if left_s <= 0.0:  # a line that is never quiet does not hold the step for ever
                waiting -= 1
                if quiet or not waiting:
                    self._nothing()
                    return

    def _nothing(self) -> None:
        """No answer came in time."""
        if self._deadline_s is None:
            raise BorderError(f"it did not answer within {SILENCE_S:g} s")
        self.statistics.late += 1
        if self._ended():
            raise BorderError("its process has ended")
        if self._quiet_since_s is None:  # before that it was not asked, and had nothing to say
            self._quiet_since_s = self._asked_s
        silent_s = time.monotonic() - self._quiet_since_s
        if silent_s > SILENCE_S:
            raise BorderError(f"nothing was heard of it for {silent_s:.1f} s")

    def _take(self, word: Word, ask: Ask, answers: list[Answer]) -> bool:
        """Take a word; return whether the question is done with."""
        if isinstance(word, Answer) and unfit(word, ask.number, self._hello):
            self.statistics.noise += 1
            return False
        self._quiet_since_s = None
        if isinstance(word, Farewell):
            self._farewell = word
            return True
        if isinstance(word, Hello):
            self._same(word)
        if not isinstance(word, Answer):
            return False
        if word.own:
            self.statistics.own += 1
            answers.append(word)
            return False
        if not self._unanswered.answered(word.number):  # a repeated question was answered twice
            return False
        answers.append(word)
        if word.number < ask.number:
            self.statistics.late_arrived += 1
            return False
        self._taken_ms = round(1e3 * (time.monotonic() - self._asked_s), 4)
        self.statistics.round_trips_ms.append(self._taken_ms)
        return True

    def _lose(self, why: str, t_us: int) -> None:
        self.gone = why
        self.statistics.lost = True
        self._died(self.name, why, t_us)

    def end(self, t_us: int, number: int = 1 << 60) -> None:
        """Tell the node that the run is over, and close the record."""
        if self._line is not None:
            if not self.gone:
                with contextlib.suppress(BorderError):  # it may be gone already
                    self._line.send(encode(Ask(number, "end", t_us), self._session))
            self._line.close()
        if self._writer is not None:
            self._writer.close(self.statistics)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how well questions were answered."""
        return self.statistics.kpis()

    def snapshot(self) -> Any:
        """Refuse: the node's state is not here.

        Raises
        ------
        RunError
            Always.
        """
        raise refused_snapshot(self.name)

    def restore(self, state: Any) -> None:
        """Refuse, as `snapshot` does."""
        raise refused_snapshot(self.name)


class _NoiseError(Exception):
    """What came is no message."""
