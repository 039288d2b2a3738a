"""A run with nodes outside, and the same run again from its arrivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cosim import run_folder
from cosim.hil.arrivals import RecordedNode
from cosim.hil.latency import OrderWay, ways_of_run
from cosim.hil.live_node import LiveNode
from cosim.hil.node_file import Bodies
from cosim.hil.session import DEADLINE_S, Session
from cosim.hil.statistics import LineStatistics
from cosim.hil.trace import Decision, TraceComparison, compare_traces
from cosim.hil.wish import Wish
from cosim.node.outside import NEVER_US, refused_snapshot
from cosim.recorder.compact import LIVE
from cosim.run import DONE, FAILED, FELL_SHORT, INTERRUPTED, Progress, RunOptions, RunResult, run
from cosim.scenario.build import Scenario, load
from gridmodel.errors import RunError

#: Crystals are drawn from a normal distribution; further out than this there is none.
_MOST_SIGMA = 6.0


@dataclass(frozen=True)
class Outcome:
    """How a run with nodes outside ended.

    Parameters
    ----------
    result : RunResult
        The run.
    scenario : Scenario
        What was run.
    lines : mapping
        Statistics of each node's line.
    differs : tuple of str
        Of a replay: the files of the record that are not the same to the byte.
    traces : mapping
        What each of these nodes decided.
    orders : sequence of OrderWay
        Orders by radio from a master outside that moved a contact of a node outside.
    """

    result: RunResult
    scenario: Scenario
    lines: Mapping[str, LineStatistics]
    differs: tuple[str, ...] = ()
    traces: Mapping[str, Sequence[Decision]] = field(default_factory=dict)
    orders: Sequence[OrderWay] = ()


def hil(
    path: Path,
    wishes: Sequence[Wish],
    options: RunOptions,
    overrides: Sequence[str] = (),
    deadline_s: float = DEADLINE_S,
    bodies: Bodies | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run a scenario with some of its nodes outside.

    Parameters
    ----------
    path : Path
        The scenario's file.
    wishes : sequence of Wish
        Which nodes, and how they are reached.
    options : RunOptions
        Where to and how far; with ``real_time`` the run keeps the wall clock's pace.
    overrides : sequence of str
        ``a.b.c=value``.
    deadline_s : float
        In real time, how long a step waits for an answer. [s]
    bodies : mapping
        Bodies of the nodes that are started here, by kind of port.
    progress : callable
        Told how far it is.

    Raises
    ------
    ScenarioError
        If a node is not there, or does not answer.
    RunError
        If snapshots are asked for: what a node outside knows cannot be saved here.
    """
    if wishes and options.snapshot_every_us is not None:
        raise refused_snapshot(wishes[0].name)
    factor = options.real_time.factor if options.real_time is not None else None
    session = Session(wishes, factor, deadline_s, bodies=bodies)
    scenario = load(path, overrides, session.program)
    session.check(scenario)

    def begun(folder: Path) -> None:
        told: dict[str, Any] = {"nodes": {wish.name: wish.how for wish in wishes}, "factor": factor}
        if factor is not None:
            told["deadline_ms"] = 1e3 * deadline_s
        run_folder.write_json(folder / run_folder.OUTSIDE_FILE, told)
        session.begin(folder)

    return _run(session, scenario, replace(options, begun=begun), overrides, progress)


def inside(
    path: Path,
    wishes: Sequence[Wish],
    options: RunOptions,
    overrides: Sequence[str] = (),
    bodies: Bodies | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run the same scenario with all nodes inside, and trace what these decide.

    The parameters are those of `hil`; real time is left out, as nothing waits for it.
    """
    session = Session(wishes, bodies=bodies, outside=False)
    scenario = load(path, overrides, session.program)
    session.check(scenario)
    return _run(session, scenario, replace(options, real_time=None), overrides, progress)


def _not_judged(earlier: Mapping[str, Any]) -> str | None:
    """Return why a run's expectations were not judged; older ones do not say it themselves."""
    if "not_judged" in earlier or earlier["exit"] in (DONE, FELL_SHORT):
        found: str | None = earlier.get("not_judged")
        return found
    return "the run was cut short"


def replay(run: Path, out: Path, progress: Progress | None = None) -> Outcome:
    """Run again in simulated time, with recorded arrivals in the place of nodes.

    Parameters
    ----------
    run : Path
        Folder of a run with nodes outside.
    out : Path
        Folder of runs.
    progress : callable
        Told how far it is.

    Raises
    ------
    RunError
        If the run had no nodes outside, is not whole yet, or its arrivals are missing.
    """
    if (run / LIVE).exists():
        raise RunError(f"{run.name} is not whole yet. Recover it: feedertwin recover {run}")
    earlier = run_folder.read_run(run)
    try:
        told = run_folder.read_json(run / run_folder.OUTSIDE_FILE)
    except OSError as error:
        raise RunError(
            f"{run} had no nodes outside; it has no {run_folder.OUTSIDE_FILE}."
        ) from error
    until_us = int(earlier["t_us"])
    if not until_us:
        raise RunError(f"{run.name} ended before its first instant; there is nothing to replay.")
    wishes = [Wish(name, how) for name, how in told["nodes"].items()]
    session = Session(wishes, replay=run)
    overrides = earlier.get("overrides", [])
    scenario = load(Path(earlier["scenario_file"]), overrides, session.program)
    session.check(scenario)

    def begun(folder: Path) -> None:
        run_folder.write_json(folder / run_folder.OUTSIDE_FILE, told)
        session.begin(folder)

    options = RunOptions(out, until_us, begun=begun, not_judged=_not_judged(earlier))
    outcome = _run(session, scenario, options, overrides, progress)
    # of its last instant, a run that was killed has some rows and lacks others
    before_us = until_us if earlier["exit"] is None else None
    return replace(outcome, differs=differing(run, outcome.result.folder, before_us))


def _run(
    session: Session,
    scenario: Scenario,
    options: RunOptions,
    overrides: Sequence[str],
    progress: Progress | None,
) -> Outcome:
    result = None
    try:
        result = run(scenario, options, progress, None, overrides)
    finally:
        session.end(result.t_us if result is not None else 0)
    nodes = {name: place.node for name, place in session.places.items()}
    lines = {
        name: node.statistics
        for name, node in nodes.items()
        if isinstance(node, LiveNode | RecordedNode)
    }
    orders = ways_of_run(result.folder, session.places, session.traces)
    return Outcome(result, scenario, lines, traces=session.traces, orders=orders)


def cut_us(inside: Outcome, outside: Outcome) -> int | None:
    """Return the instant one of two runs did not come past; None if both are whole. [us]"""
    ends = [o.result.t_us for o in (inside, outside) if o.result.code in (FAILED, INTERRUPTED)]
    return min(ends, default=None)


def compared(inside: Outcome, outside: Outcome) -> dict[str, TraceComparison]:
    """Return for each node whether it decided the same inside and outside.

    Of runs that were cut short, what was decided before `cut_us` is compared.
    """
    slack_us, cut = 2_000_000, cut_us(inside, outside)
    found = {}
    for name, trace in inside.traces.items():
        until_us = NEVER_US if cut is None else cut - _drift_us(inside.scenario, name, cut)
        first, second = (
            [d for d in one if d.t_us < until_us] for one in (trace, outside.traces[name])
        )
        found[name] = compare_traces(first, second, slack_us)
    return found


def _drift_us(scenario: Scenario, name: str, t_us: int) -> int:
    """Return by how much a node's clock, in which it decides, may differ from the time. [us]"""
    board = scenario.resolved["federates"][name.partition(".")[0]].get("board", {})
    return int(_MOST_SIGMA * board.get("clock_ppm", 0.0) * 1e-6 * t_us)


def differing(one: Path, other: Path, until_us: int | None = None) -> tuple[str, ...]:
    """Return the recorded files of two runs that are not the same to the byte.

    With ``until_us`` their rows before that instant are compared.
    """
    same = _same_bytes if until_us is None else partial(_same_rows, until_us)
    names = {
        str(file.relative_to(folder))
        for folder in (one, other)
        for file in (*(folder / "signals").glob("*"), *folder.glob("messages*"))
        if file.is_file()
    }
    return tuple(name for name in sorted(names) if not same(one / name, other / name))


def _same_bytes(one: Path, other: Path) -> bool:
    both = one.exists() and other.exists()
    return both and one.read_bytes() == other.read_bytes()


def _same_rows(until_us: int, one: Path, other: Path) -> bool:
    found, again = (_rows(path, until_us) for path in (one, other))
    if found is None or again is None:
        return found is again  # a table without rows may be missing
    return bool(found.equals(again))


def _rows(path: Path, until_us: int) -> pa.Table | None:
    """Return a table's rows before an instant, or None if there are none."""
    if not path.exists():
        return None
    table = pq.read_table(path)
    time = "t_us" if "t_us" in table.column_names else "sent_t_us"
    before = table.filter(pc.less(table[time], until_us))
    return before if before.num_rows else None
