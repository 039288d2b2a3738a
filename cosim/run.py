"""Run: a scenario on an engine, into a run folder, to whatever end it comes."""

from __future__ import annotations

import gc
import pickle
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cosim import run_folder
from cosim.engines.in_process import InProcess
from cosim.interrupt import Interrupt
from cosim.recorder.compact import compact
from cosim.recorder.recorder import Recorder, record_error
from cosim.report.graph import svg
from cosim.report.report import GRAPH, write_report
from cosim.scenario.build import Scenario
from gridmodel.errors import FederateError, RunError
from gridmodel.federate import Kpi

#: Exit codes of the command line.
DONE, FELL_SHORT, BAD_INPUT, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
SNAPSHOTS = "snapshots"
#: Simulated microseconds so far, and the end.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Shortfall:
    """A key figure outside its bounds."""

    name: str
    value: float
    bound: str


@dataclass
class RunResult:
    """How a run ended.

    Parameters
    ----------
    folder : Path
        Where it left its record.
    code : int
        Exit code: 0 done, 1 an expectation fell short, 3 a federate failed, 130 interrupted.
    reason : str
        In words.
    kpis : dict
        Key figures by ``federate.name``.
    shortfalls : list of Shortfall
        Expectations that were not met.
    wall_s : float
        Time it took. [s]
    t_us : int
        Simulated instant it came to. [us]
    start_us : int
        Simulated instant it began at: later than 0 for a resumed run. [us]
    """

    folder: Path
    code: int
    reason: str
    kpis: dict[str, Kpi] = field(default_factory=dict)
    shortfalls: list[Shortfall] = field(default_factory=list)
    wall_s: float = 0.0
    t_us: int = 0
    start_us: int = 0


@dataclass(frozen=True)
class RunOptions:
    """What may be asked of a run besides its scenario.

    Parameters
    ----------
    out : Path
        Folder of runs.
    until_us : int or None
        Stop before the scenario's end. [us]
    snapshot_every_us : int or None
        Save the whole state so often. [us]
    """

    out: Path = Path("runs")
    until_us: int | None = None
    snapshot_every_us: int | None = None


def run(
    scenario: Scenario,
    options: RunOptions = RunOptions(),
    progress: Progress | None = None,
    resume_from: tuple[Path, int] | None = None,
    overrides: Sequence[str] = (),
) -> RunResult:
    """Run a scenario and leave everything it did in a folder.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    options : RunOptions
        Where to, and how far.
    progress : callable, optional
        Told now and then how far it is.
    resume_from : (Path, int), optional
        An earlier run and the instant of one of its snapshots: go on from there. [us]
    overrides : sequence of str
        The overrides the scenario was loaded with, for the record.

    Returns
    -------
    RunResult
        Also for a run that failed or was interrupted.

    Raises
    ------
    RecordError
        If the record cannot even be begun.
    """
    return _Runner(scenario, options, progress, overrides).run(resume_from)


class _Runner:
    def __init__(
        self,
        scenario: Scenario,
        options: RunOptions,
        progress: Progress | None,
        overrides: Sequence[str],
    ) -> None:
        self._overrides = list(overrides)
        self._scenario = scenario
        self._options = options
        self._progress = progress
        self._started = run_folder.utc_now()
        self._folder = run_folder.create(options.out, scenario.config.name, self._started)
        self._until_us = min(options.until_us or scenario.duration_us, scenario.duration_us)
        self._told_s = 0.0
        self._next_snapshot_us = options.snapshot_every_us or 0

    def run(self, resume_from: tuple[Path, int] | None) -> RunResult:
        try:
            engine, recorder = self._begin(resume_from)
        except OSError as error:
            raise record_error(error) from error
        gc.collect()
        gc.freeze()  # what was built lives as long as the run: do not look through it again
        begin = time.perf_counter()
        with Interrupt() as interrupt:
            code, reason = self._drive(engine, interrupt)
        wall_s = time.perf_counter() - begin
        gc.unfreeze()
        code, reason = self._keep(recorder, code, reason)
        kpis = _kpis(self._scenario)
        shortfalls = _shortfalls(self._scenario, kpis) if code == DONE else []
        if shortfalls:
            code = FELL_SHORT
            reason = f"{len(shortfalls)} expectation{'s' * (len(shortfalls) > 1)} fell short"
        for member in self._scenario.federation.members:
            member.federate.close()
        try:
            self._write(reason, code, kpis, shortfalls, wall_s, engine.now_us, engine)
            write_report(self._folder)
        except OSError as error:
            if code != FAILED:
                code, reason = FAILED, str(record_error(error))
        start_us = resume_from[1] if resume_from is not None else 0
        return RunResult(
            self._folder, code, reason, kpis, shortfalls, wall_s, engine.now_us, start_us
        )

    def _begin(self, resume_from: tuple[Path, int] | None) -> tuple[InProcess, Recorder]:
        """Open the record and put the federation at its first instant."""
        run_folder.reserve(self._folder)
        self._write("running", None, {}, [], 0.0, 0)
        (self._folder / GRAPH).write_text(svg(self._scenario.federation), encoding="utf-8")
        recorder = Recorder(self._folder, self._scenario.federation, self._scenario.config.record)
        engine = InProcess(self._scenario.federation, recorder)
        if resume_from is not None:
            self._resume(engine, recorder, *resume_from)
        return engine, recorder

    def _keep(self, recorder: Recorder, code: int, reason: str) -> tuple[int, str]:
        """End the record and compact it; what cannot be written now stays for 'recover'."""
        try:
            recorder.close()
            compact(self._folder)
        except OSError as error:
            code, reason = FAILED, reason if code == FAILED else str(record_error(error))
        run_folder.release(self._folder)
        return code, reason

    def _drive(self, engine: InProcess, interrupt: Interrupt) -> tuple[int, str]:
        """Run to the end, an interruption or a failure; return code and reason."""

        def between(t_us: int) -> bool:
            if interrupt.asked:
                return False
            self._look_around(engine, t_us)
            return True

        try:
            whole = engine.run(self._until_us, between)
        except FederateError as error:
            self._save_failure(engine, error)
            return FAILED, str(error)
        except OSError as error:
            return FAILED, str(record_error(error))
        if not whole:
            return INTERRUPTED, f"interrupted at t = {engine.now_us / 1e6:g} s"
        self._tell(self._until_us)
        return DONE, "done"

    def _look_around(self, engine: InProcess, t_us: int) -> None:
        """Between two instants: save a snapshot, tell how far it is."""
        every = self._options.snapshot_every_us
        if every is not None and t_us >= self._next_snapshot_us:
            self._save_snapshot(engine, t_us)
            self._next_snapshot_us = t_us - t_us % every + every
        if engine.instants & 0x3F == 0:
            now_s = time.perf_counter()
            if now_s - self._told_s > 0.1:
                self._told_s = now_s
                self._tell(t_us)

    def _tell(self, t_us: int) -> None:
        if self._progress is not None:
            self._progress(t_us, self._until_us)

    def _save_snapshot(self, engine: InProcess, t_us: int) -> None:
        folder = self._folder / SNAPSHOTS
        folder.mkdir(exist_ok=True)
        part = folder / f"{t_us}.part"
        with part.open("wb") as file:
            pickle.dump(engine.snapshot(), file, protocol=pickle.HIGHEST_PROTOCOL)
        part.replace(folder / f"{t_us}.pickle")

    def _resume(self, engine: InProcess, recorder: Recorder, earlier: Path, at_us: int) -> None:
        with (earlier / SNAPSHOTS / f"{at_us}.pickle").open("rb") as file:
            engine.restore(pickle.load(file))  # our own file, from our own run
        recorder.take_over(earlier, at_us)
        self._next_snapshot_us = at_us

    def _save_failure(self, engine: InProcess, error: FederateError) -> None:
        """Save what the federate that failed had in its hands."""
        desk = engine.desk(error.federate)
        data = {
            "federate": error.federate,
            "t_us": error.t_us,
            "problem": error.problem,
            "inputs": {name: _readable(value) for name, value in desk.inputs.items()},
            "messages": {
                port: [
                    [m.t_us, m.kind, {k: _readable(v) for k, v in m.data.items()}] for m in messages
                ]
                for port, messages in desk.inputs.messages.items()
            },
            "state": {k: _readable(v) for k, v in desk.member.federate.state().items()},
            "traceback": traceback.format_exception(error),
        }
        run_folder.write_json(self._folder / "failure.json", data)

    def _write(
        self,
        status: str,
        code: int | None,
        kpis: dict[str, Kpi],
        shortfalls: list[Shortfall],
        wall_s: float,
        t_us: int,
        engine: InProcess | None = None,
    ) -> None:
        scenario = self._scenario
        data = {
            "scenario": scenario.config.name,
            "scenario_file": str(scenario.path.resolve()),
            "overrides": self._overrides,
            "status": status,
            "exit": code,
            "seed": scenario.config.seed,
            "until_us": self._until_us,
            "t_us": t_us,
            "started_utc": self._started.isoformat(),
            "ended_utc": run_folder.utc_now().isoformat() if code is not None else None,
            "wall_s": round(wall_s, 3),
            "instants": engine.instants if engine else 0,
            "steps": engine.steps if engine else 0,
            "warnings": list(scenario.warnings),
            "kpis": {
                name: {"value": k.value, "unit": k.unit, "about": k.about}
                for name, k in kpis.items()
            },
            "shortfalls": [vars(s) for s in shortfalls],
            "environment": run_folder.environment(),
            "resolved": scenario.resolved,
        }
        run_folder.write_json(self._folder / run_folder.RUN_FILE, data)


def _kpis(scenario: Scenario) -> dict[str, Kpi]:
    return {
        f"{member.name}.{kpi.name}": kpi
        for member in scenario.federation.members
        for kpi in member.federate.kpis()
    }


def _shortfalls(scenario: Scenario, kpis: dict[str, Kpi]) -> list[Shortfall]:
    found = []
    for name, bound in scenario.config.expect.items():
        value = kpis[name].value
        if bound.min is not None and value < bound.min:
            found.append(Shortfall(name, value, f"at least {bound.min:g}"))
        if bound.max is not None and value > bound.max:
            found.append(Shortfall(name, value, f"at most {bound.max:g}"))
    return found


def _readable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    return value


def snapshots(folder: Path) -> list[int]:
    """Return the instants of a run's snapshots, in order. [us]"""
    return sorted(int(path.stem) for path in (folder / SNAPSHOTS).glob("*.pickle"))


def snapshot_at(folder: Path, at_us: int | None) -> int:
    """Return the newest snapshot at or before an instant, or the newest of all. [us]

    Raises
    ------
    RunError
        If there is none.
    """
    known = [t_us for t_us in snapshots(folder) if at_us is None or t_us <= at_us]
    if not known:
        raise RunError(
            f"{folder} has no snapshot to resume from"
            + ("" if at_us is None else f" at or before {at_us / 3.6e9:g} h")
            + ". Run with --snapshot-every 1h."
        )
    return known[-1]
