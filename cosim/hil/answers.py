"""Answers: how many questions each node outside answered in time, late or never, and how fast.

They are counted from the arrivals in a run's folder, so the report of a run that was killed has
them too, and the report of a replay shows those of the run it replays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim import run_folder
from cosim.hil.arrivals import FOLDER
from cosim.hil.statistics import percentiles


@dataclass(frozen=True)
class NodeAnswers:
    """What became of the questions to one node.

    Parameters
    ----------
    node : str
        Fleet and customer.
    how : str
        How it was reached, as the command line said; empty if that is not known.
    asked : int
        Questions.
    in_time, late, missing : int
        Of these: answered before the step went on; answered after it; never answered.
    own : int
        Steps the node took by its own clock.
    p50_ms, p99_ms, max_ms : float
        From question to answer, of those in time: median, of 99 in 100, longest. [ms]
    gone : str
        Why it was lost; empty if it lived.
    """

    node: str
    how: str
    asked: int
    in_time: int
    late: int
    missing: int
    own: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    gone: str


def answers_of(run: Path) -> list[NodeAnswers]:
    """Return the answers of each node outside of a run; empty if it had none."""
    told = _told(run)
    hows: Mapping[str, str] = told.get("nodes", {})
    found = []
    for path in sorted((run / FOLDER).glob("*.jsonl")):
        name = path.stem  # fleet and customer, and the number of a coordinator's further cell
        how = hows.get(name) or hows.get(name.partition(".")[2]) or ""
        found.append(_counted(name, how, list(_lines(path))))
    return found


def pace_of(run: Path) -> str:
    """Return in words how long a step waited for its answers."""
    told = _told(run)
    if told.get("factor") is None:
        return "Stepped: time stands still until the answer is there."
    wait = f" A step waits {told['deadline_ms']:g} ms." if "deadline_ms" in told else ""
    return f"In real time, x {told['factor']:g}.{wait}"


def _told(run: Path) -> dict[str, Any]:
    path = run / run_folder.OUTSIDE_FILE
    return run_folder.read_json(path) if path.exists() else {}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what became of each question; what was cut off as the run was killed is left out."""
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and _is_whole(line):
            yield line


def _is_whole(line: Mapping[str, Any]) -> bool:
    """Return whether a line has what is counted; a report does not fail for one that has not."""
    try:
        times = [*line["wall_s"], line.get("taken_ms", 0.0)]
        said = [(answer["own"], answer["number"]) for _, answer in line["answers"]]
    except (KeyError, TypeError, ValueError):
        return False
    numbers = [*times, *(value for pair in said for value in pair)]
    return len(times) == 3 and all(isinstance(value, int | float) for value in numbers)


def _counted(name: str, how: str, lines: Sequence[Mapping[str, Any]]) -> NodeAnswers:
    in_time, late, own, gone = 0, 0, 0, ""
    taken_ms = []
    for number, line in enumerate(lines, 1):  # as questions are numbered
        said = [answer for _, answer in line["answers"]]
        own += sum(answer["own"] for answer in said)
        numbers = [answer["number"] for answer in said if not answer["own"]]
        late += sum(answered < number for answered in numbers)
        gone = gone or line.get("gone", "")
        if number in numbers and "gone" not in line:  # a last word is no answer
            in_time += 1
            begin_s, end_s = line["wall_s"]
            taken_ms.append(line.get("taken_ms", 1e3 * (end_s - begin_s)))
    missing = len(lines) - in_time - late
    figures = percentiles(taken_ms)
    return NodeAnswers(name, how, len(lines), in_time, late, missing, own, *figures, gone)
