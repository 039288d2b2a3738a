"""Arrivals: what came from outside in each step, kept so that a run can be had again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from cosim.hil.statistics import LineStatistics
from cosim.node.messages import Answer, Ask, decode, encode
from gridmodel.errors import RunError
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
        self, ask: Ask, answers: Sequence[Answer], gone: str, wall_s: tuple[float, float]
    ) -> None:
        """Note what had come when a question's step went on, and both instants of the wall."""
        line: dict[str, Any] = {"t_us": ask.t_us, "kind": ask.kind}
        line["wall_s"] = [round(instant, 6) for instant in wall_s]
        line["answers"] = [json.loads(encode(answer)) for answer in answers]
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
    """

    def __init__(self, path: Path) -> None:
        self._name = path.stem
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise RunError(f"{path} cannot be read: no arrivals of '{path.stem}'.") from error
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        last: Mapping[str, Any] = lines[-1] if lines else {}
        self.statistics = LineStatistics(**last.get("statistics", {}))
        self._lines = [line for line in lines if "t_us" in line]
        self._next = 0
        self.gone = ""

    def ask(self, ask: Ask) -> Sequence[Answer]:
        """Return what had come then.

        Raises
        ------
        RunError
            If it was not asked then: the simulation is another one.
        """
        if self._next == len(self._lines):
            self.gone = "the record ends here"
            return ()
        line = self._lines[self._next]
        if (line["t_us"], line["kind"]) != (ask.t_us, ask.kind):
            raise RunError(
                f"'{self._name}' was asked to {line['kind']} at t = {line['t_us'] / 1e6:g} s then, and "
                f"to {ask.kind} at t = {ask.t_us / 1e6:g} s now: the scenario has changed since."
            )
        self._next += 1
        self.gone = line.get("gone", "")
        words = [decode(json.dumps(answer).encode()) for answer in line["answers"]]
        return [word for word in words if isinstance(word, Answer)]

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the figures of the recorded run."""
        return self.statistics.kpis()

    def snapshot(self) -> Any:
        """Return how far it is."""
        return self._next, self.gone

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._next, self.gone = state
