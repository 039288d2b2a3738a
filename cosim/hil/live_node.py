"""Live node: the simulation's end of the line to one node outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from cosim.hil.arrivals import ArrivalWriter
from cosim.hil.statistics import LineStatistics
from cosim.node.lines import Line
from cosim.node.messages import VERSION, Answer, Ask, Farewell, Hello, Start, decode, encode
from cosim.node.outside import refused_snapshot
from gridmodel.errors import BorderError
from gridmodel.kpi import Kpi

#: Wait for an answer before a question is asked again. [s]
REPEAT_S = 0.5
#: A stepped node that does not answer for so long is gone. [s]
SILENCE_S = 10.0


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
    """

    def __init__(
        self,
        name: str,
        deadline_s: float | None,
        died: Callable[[str, str, int], None],
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.gone = ""
        self.statistics = LineStatistics()
        self._deadline_s = deadline_s
        self._died = died
        self._ended = ended
        self._line: Line | None = None
        self._writer: ArrivalWriter | None = None
        self._asked_s: dict[int, float] = {}
        self._last_heard_s = 0.0
        self._farewell: Farewell | None = None

    def open(self, line: Line, start: Start, writer: ArrivalWriter, wait_s: float) -> Hello:
        """Greet the node; return what it said of itself.

        Raises
        ------
        BorderError
            If it does not answer in time, or is another one.
        """
        self._line = line
        until_s = time.monotonic() + wait_s
        while time.monotonic() < until_s:
            line.send(encode(start))
            data = line.receive(REPEAT_S)
            word = decode(data) if data is not None else None
            if isinstance(word, Farewell):
                raise BorderError(f"node '{self.name}' ended at once: {word.why}")
            if isinstance(word, Hello):
                self._check(word)
                writer.begin()
                self._writer = writer
                self._last_heard_s = time.monotonic()
                return word
            if self._ended():
                raise BorderError(f"node '{self.name}' ended before it answered")
        raise BorderError(
            f"node '{self.name}' did not answer within {wait_s:g} s. Is it started, and is the address right?"
        )

    def _check(self, hello: Hello) -> None:
        if hello.version != VERSION:
            raise BorderError(
                f"node '{self.name}' speaks version {hello.version} of the messages, we {VERSION}. "
                "Install the same feedertwin on both."
            )
        if hello.node != self.name:
            raise BorderError(f"'{hello.node}' answered where '{self.name}' was expected")

    def ask(self, ask: Ask) -> Sequence[Answer]:
        """Ask, and return the answers that came before the step goes on."""
        if self.gone or self._line is None:
            return ()
        answers: list[Answer] = []
        begin_s = time.monotonic()
        try:
            self._put(self._line, ask)
            self._gather(self._line, ask, answers)
        except BorderError as error:
            self._lose(str(error), ask.t_us)
        if self._farewell is not None and not self.gone:
            self._lose(f"it said: {self._farewell.why}", ask.t_us)
        if self._farewell is not None:  # the contacts it has left
            last = Answer(ask.number, ask.t_us, self._farewell.relays)
            answers.append(last)
            self._farewell = None
        if self._writer is not None:
            self._writer.write(ask, answers, self.gone, (begin_s, time.monotonic()))
        return answers

    def _put(self, line: Line, ask: Ask) -> None:
        self.statistics.asked += 1
        self._asked_s[ask.number] = time.perf_counter()
        line.send(encode(ask))

    def _gather(self, line: Line, ask: Ask, answers: list[Answer]) -> None:
        """Take words until the answer is there, or the step may wait no longer."""
        begin_s = repeat_s = time.monotonic()
        wait_s = SILENCE_S if self._deadline_s is None else self._deadline_s
        while True:
            now_s = time.monotonic()
            left_s = begin_s + wait_s - now_s
            if self._deadline_s is None and now_s - repeat_s >= REPEAT_S:
                self.statistics.repeated += 1
                if self._ended():
                    raise BorderError("its process has ended")
                line.send(encode(ask))
                repeat_s = now_s
            data = line.receive(min(max(left_s, 0.0), REPEAT_S))
            if data is not None:
                self._take(decode(data), answers)
                if self._farewell is not None or (
                    answers and answers[-1].number == ask.number and not answers[-1].own
                ):
                    return
            elif left_s <= 0.0:
                self._nothing()
                return

    def _nothing(self) -> None:
        """No answer came in time."""
        if self._deadline_s is None:
            raise BorderError(f"it did not answer within {SILENCE_S:g} s")
        self.statistics.late += 1
        if self._ended():
            raise BorderError("its process has ended")
        silent_s = time.monotonic() - self._last_heard_s
        if silent_s > SILENCE_S:
            raise BorderError(f"nothing was heard of it for {silent_s:.1f} s")

    def _take(self, word: Any, answers: list[Answer]) -> None:
        self._last_heard_s = time.monotonic()
        if isinstance(word, Farewell):
            self._farewell = word
        elif isinstance(word, Answer):
            if word.own:
                self.statistics.own += 1
            else:
                asked_s = self._asked_s.pop(word.number, None)
                if asked_s is None:  # a repeated question was answered twice
                    return
                self.statistics.round_trips_ms.append(
                    round(1e3 * (time.perf_counter() - asked_s), 4)
                )
            answers.append(word)

    def _lose(self, why: str, t_us: int) -> None:
        self.gone = why
        self.statistics.lost = True
        self._died(self.name, why, t_us)

    def end(self, t_us: int, number: int = 1 << 60) -> None:
        """Tell the node that the run is over, and close the record."""
        if self._line is not None:
            if not self.gone:
                with contextlib.suppress(BorderError):  # it may be gone already
                    self._line.send(encode(Ask(number, "end", t_us)))
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
