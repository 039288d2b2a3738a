"""Profile: where the wall-clock time of a run goes, by federate, link and waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridmodel.federate import Message

#: Spans kept for the trace; later ones are only added up.
MOST_SPANS = 200_000


@dataclass
class Total:
    """Time of one row of the profile."""

    steps: int = 0
    wall_s: float = 0.0
    longest_s: float = 0.0


@dataclass
class Profile:
    """Takes the time of steps.

    Parameters
    ----------
    spans : bool
        Keep each step's beginning and end too, for a trace.
    """

    spans: bool = True
    process: str = "run"
    totals: dict[str, Total] = field(default_factory=dict)
    #: How often each federate sent on each port; a message counts as one.
    sent: dict[str, dict[str, int]] = field(default_factory=dict)
    #: Names of the rows that are waiting and not work.
    waits: set[str] = field(default_factory=set)
    #: Since `slowest` was asked last: the longest step and whose it was.
    _slowest: tuple[float, str] = (0.0, "")
    _trace: list[tuple[str, float, float, int]] = field(default_factory=list)
    #: Trace events of other processes.
    others: list[dict[str, Any]] = field(default_factory=list)

    @property
    def processes(self) -> int:
        """Processes whose times are in it."""
        return max(len({event["pid"] for event in self.others}), 1)

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return a federate's step with a stopwatch around it."""
        total = self.totals.setdefault(name, Total())
        now = time.perf_counter

        counts = self.sent.setdefault(name, {})

        def measured(t_us: int, inputs: Any) -> Any:
            begin = now()
            try:
                answer = step(t_us, inputs)
            finally:
                self._book(total, name, begin, now(), t_us)
            _count(counts, answer)
            return answer

        return measured

    def waited(self, name: str, begin_s: float, end_s: float, t_us: int) -> None:
        """Book time that was spent waiting."""
        self.waits.add(name)
        slowest = self._slowest
        self._book(self.totals.setdefault(name, Total()), name, begin_s, end_s, t_us)
        self._slowest = slowest  # nobody's step was late because of it

    def _book(self, total: Total, name: str, begin_s: float, end_s: float, t_us: int) -> None:
        took = end_s - begin_s
        total.steps += 1
        total.wall_s += took
        total.longest_s = max(total.longest_s, took)
        if took > self._slowest[0]:
            self._slowest = took, name
        if self.spans and len(self._trace) < MOST_SPANS:
            self._trace.append((name, begin_s, end_s, t_us))

    def slowest(self) -> str:
        """Return whose step was the longest since the last call."""
        name = self._slowest[1]
        self._slowest = 0.0, ""
        return name

    def events(self, number: int = 1) -> list[dict[str, Any]]:
        """Return the spans as events of the Chrome trace format, one row a federate.

        Their clock is the computer's, so those of several processes fit together.
        """
        if not self._trace:  # all its steps were taken in other processes
            return self.others
        rows = {name: row for row, name in enumerate(self.totals, 1)}
        names: list[dict[str, Any]] = [
            {"ph": "M", "name": "process_name", "pid": number, "args": {"name": self.process}}
        ]
        names += [
            {"ph": "M", "name": "thread_name", "pid": number, "tid": row, "args": {"name": name}}
            for name, row in rows.items()
        ]
        return names + [
            {
                "ph": "X", "name": name, "pid": number, "tid": rows[name],
                "ts": round(begin * 1e6, 1),
                "dur": round((end - begin) * 1e6, 1),
                "args": {"t_s": t_us / 1e6},
            }
            for name, begin, end, t_us in self._trace
        ] + self.others  # fmt: skip


def _count(counts: dict[str, int], answer: Any) -> None:
    """Count what a step sends; what is no answer at all is refused later, by the engine."""
    if not isinstance(answer, tuple) or not answer or not isinstance(answer[0], Mapping):
        return
    for port, value in answer[0].items():
        said = isinstance(value, (list, tuple)) and (not value or isinstance(value[0], Message))
        counts[port] = counts.get(port, 0) + (len(value) if said else 1)


def write_trace(path: Path, events: Iterable[dict[str, Any]]) -> None:
    """Write a file that Perfetto and ``chrome://tracing`` open; it begins at 0."""
    events = list(events)
    first = min((event["ts"] for event in events if "ts" in event), default=0.0)
    moved = [e | {"ts": round(e["ts"] - first, 1)} if "ts" in e else e for e in events]
    path.write_text(json.dumps({"traceEvents": moved, "displayTimeUnit": "ms"}))
