"""Arrivals: what came from outside in each step, kept so that a run can be had again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from cosim.hil.statistics import LineStatistics
from cosim.lines.messages import Answer, Ask, decode, encode
from gridmodel.errors import BorderError, Fault, RunError, ScenarioError
from gridmodel.kpi import Kpi

FOLDER = "arrivals"


def file_of(run: Path, seat: str) -> Path:
    """Return the file of one node's arrivals in a run folder; ``seat`` is fleet and node."""
    return run / FOLDER / f"{seat}.jsonl"


class ArrivalWriter:
    """Writes the arrivals of one node: a line a question, and one for how it ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def begin(self) -> None:
        """Open the file."""
        self._path.parent.mkdir(exist_ok=True)
        self._file = self._path.open("w", encoding="utf-8", buffering=1)

    def write(
        self,
        ask: Ask,
        answers: Sequence[Answer],
        gone: str,
        wall_s: tuple[float, float],
        taken_ms: float | None = None,
    ) -> None:
        """Note what had come when a question's step went on, and both instants of the wall.

        So is the time from question to answer, if it came in time. [ms] The session of the
        answers, a random name, is left out.
        """
        line: dict[str, Any] = {"t_us": ask.t_us, "kind": ask.kind}
        line["wall_s"] = [round(instant, 6) for instant in wall_s]
        if taken_ms is not None:
            line["taken_ms"] = taken_ms
        line["answers"] = [json.loads(encode(answer))[:2] for answer in answers]
        if gone:
            line["gone"] = gone
        self._write(json.dumps(line, separators=(",", ":")))

    def close(self, statistics: LineStatistics) -> None:
        """End the file with the line's statistics."""
        self._write(json.dumps({"statistics": asdict(statistics)}))
        if self._file is not None:
            self._file.close()

    def _write(self, text: str) -> None:
        if self._file is not None and not self._file.closed:
            self._file.write(text + "\n")


class Arrival(NamedTuple):
    """What one question brought."""

    t_us: int
    kind: str
    answers: tuple[Answer, ...]
    gone: str


class RecordedNode:
    """A node that answers as it did in an earlier run.

    Parameters
    ----------
    path : Path
        Its arrivals.

    Raises
    ------
    RunError
        If there are none.
    ScenarioError
        If a line is broken; one that was cut off at the end, as the run was killed, is left out.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.stem
        self.statistics = LineStatistics()
        self._arrivals, statistics = _read(path)
        #: Where the record of a run that was killed ends, in words; empty if it is whole.
        self.cut = ""
        if statistics is None:
            self.statistics.asked = len(self._arrivals)
            last_s = self._arrivals[-1].t_us / 1e6 if self._arrivals else 0.0
            self.cut = (
                f"{path}: the record of '{self._name}' was cut off, as its run was killed; it ends at "
                f"t = {last_s:.6f} s, line {len(self._arrivals)}"
            )
        else:
            self.statistics = statistics
        self._next = 0
        self.gone = ""

    def ask(self, ask: Ask) -> Sequence[Answer]:
        """Return what had come then.

        Raises
        ------
        RunError
            If it was not asked then: the simulation is another one.
        """
        if self._next == len(self._arrivals):
            self.gone = self.cut or "the record ends here"
            return ()
        arrival = self._arrivals[self._next]
        if (arrival.t_us, arrival.kind) != (ask.t_us, ask.kind):
            raise RunError(
                f"'{self._name}' was asked to {arrival.kind} at t = {arrival.t_us / 1e6:g} s then, and "
                f"to {ask.kind} at t = {ask.t_us / 1e6:g} s now: the scenario has changed since."
            )
        self._next += 1
        self.gone = arrival.gone
        return list(arrival.answers)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the figures of the recorded run."""
        return self.statistics.kpis()

    def snapshot(self) -> Any:
        """Return how far it is."""
        return self._next, self.gone

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._next, self.gone = state


def _read(path: Path) -> tuple[list[Arrival], LineStatistics | None]:
    """Return the arrivals in a file, and its last line if the run came to its end."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError(f"{path} cannot be read: no arrivals of '{path.stem}'.") from error
    arrivals: list[Arrival] = []
    statistics = None
    lines = text.split("\n")[:-1]  # what follows the last end of line is empty, or was cut off
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            if "statistics" in data:
                statistics = LineStatistics(**data["statistics"])
            else:
                arrivals.append(_arrival(data))
        except (ValueError, TypeError, KeyError, RecursionError, BorderError) as error:
            problem = f"is broken ({type(error).__name__}: {error})."
            fault = Fault(
                f"{path}:{number}", "arrival", problem, "Replay a run whose record is whole."
            )
            raise ScenarioError("arrivals cannot be replayed", [fault]) from error
    return arrivals, statistics


def _arrival(data: dict[str, Any]) -> Arrival:
    words = [decode(json.dumps([*answer, ""]).encode()) for answer in data["answers"]]
    answers = tuple(word for word in words if isinstance(word, Answer))
    if type(data["t_us"]) is not int or len(answers) < len(words):
        raise TypeError("its instant is a whole number, and all its answers are answers")
    return Arrival(data["t_us"], str(data["kind"]), answers, str(data.get("gone", "")))
