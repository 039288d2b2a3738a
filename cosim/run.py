"""Run: a scenario on an engine, into a run folder, to whatever end it comes."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosim import registry, run_folder, snapshots
from cosim.engines.engine import Engine, Job
from cosim.engines.raised import raised
from cosim.interrupt import Interrupt
from cosim.pacer import Pacer
from cosim.profile import Profile, write_trace
from cosim.recorder.compact import compact
from cosim.recorder.recorder import record_error
from cosim.report.graph import homes_of, svg
from cosim.report.report import GRAPH, write_report
from cosim.run_options import RunOptions as RunOptions
from cosim.scenario.build import Scenario
from cosim.shortfall import Shortfall, shortfalls_of
from cosim.watchdog import StallError, Watchdog, fuse_of
from gridmodel.counted import counted
from gridmodel.errors import FederateError, InputError, MissingExtraError, RunError
from gridmodel.kpi import Kpi

#: Exit codes of the command line.
DONE, FELL_SHORT, BAD_INPUT, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
TRACE = "profile.json"
#: Row of the profile for the time a run waits for the wall clock.
PACE = "(real time)"
_AS_IT_IS = RunOptions()
#: Simulated microseconds so far, and the end.
Progress = Callable[[int, int], None]


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
    not_judged : str or None
        Why expectations were not judged, if there are some.
    wall_s : float
        Time it took. [s]
    t_us : int
        Simulated instant it came to. [us]
    start_us : int
        Simulated instant it began at: later than 0 for a resumed run. [us]
    profile : Profile or None
        Time of each federate, if it was asked for.
    """

    folder: Path
    code: int
    reason: str
    kpis: dict[str, Kpi] = field(default_factory=dict)
    shortfalls: list[Shortfall] = field(default_factory=list)
    not_judged: str | None = None
    wall_s: float = 0.0
    t_us: int = 0
    start_us: int = 0
    profile: Profile | None = None


def run(
    scenario: Scenario,
    options: RunOptions = _AS_IT_IS,
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
    ScenarioError
        If it is to end before it begins, or after the scenario's own end.
    RecordError
        If the record cannot even be begun.
    """
    with Interrupt() as interrupt:  # from before there is a folder until all is written
        return _Runner(scenario, options, progress, overrides, resume_from).run(interrupt)


class _Runner:
    def __init__(
        self,
        scenario: Scenario,
        options: RunOptions,
        progress: Progress | None,
        overrides: Sequence[str],
        resume_from: tuple[Path, int] | None,
    ) -> None:
        self._resume_from = resume_from
        self._start_us = resume_from[1] if resume_from is not None else 0
        self._until_us = scenario.end_us(options.until_us, self._start_us)
        self._overrides = list(overrides)
        self._scenario = scenario
        self._options = options
        self._progress = progress
        self._real_time = options.real_time or scenario.config.real_time
        self._profile = (
            Profile(spans=options.profile) if options.profile or self._real_time else None
        )
        self._pacer: Pacer | None = None
        self._origin: dict[str, Any] | None = None
        self._lateness: Mapping[str, Any] | None = None
        self._started = run_folder.utc_now()
        self._folder = run_folder.create(options.out, scenario.config.name, self._started)
        self._begin_s = 0.0
        self._told_s = 0.0
        self._beats = 0
        self._next_snapshot_us = options.snapshot_every_us or 0

    def run(self, interrupt: Interrupt) -> RunResult:
        try:
            engine = self._begin(interrupt)
        except (RunError, InputError, MissingExtraError, KeyboardInterrupt):
            shutil.rmtree(self._folder)  # nothing was begun
            raise
        except OSError as error:
            raise record_error(error) from error
        try:
            return self._to_its_end(engine, interrupt)
        except BaseException as error:  # this process may outlive it, and be taken for the run's
            self._write_if_open(raised(error), engine)
            raise

    def _write_if_open(self, reason: str, engine: Engine) -> None:
        """Keep what was recorded and say in ``run.json`` how the run ended, if it does not yet."""
        with contextlib.suppress(OSError):
            if run_folder.read_run(self._folder)["exit"] is None:
                wall_s = time.perf_counter() - self._begin_s
                code, reason = self._keep(engine, FAILED, reason)
                self._write(reason, code, {}, [], wall_s, engine)

    def _to_its_end(self, engine: Engine, interrupt: Interrupt) -> RunResult:
        gc.collect()
        gc.freeze()  # what was built lives as long as the run: do not look through it again
        self._begin_s = time.perf_counter()
        if self._real_time is not None and self._profile is not None:
            self._pacer = Pacer(
                self._real_time,
                self._start_us,
                self._profile.slowest,
                self._sleep,
                stop=lambda: interrupt.asked,
            )
        code, reason = self._drive(engine, interrupt)
        wall_s = time.perf_counter() - self._begin_s
        gc.unfreeze()
        kpis = engine.kpis()
        self._lateness = engine.lateness()
        if self._lateness is None and self._pacer is not None:
            self._lateness = self._pacer.lateness()
        code, reason = self._keep(engine, code, reason)
        not_judged = self._not_judged(code, engine)
        shortfalls: list[Shortfall] = []
        if not_judged is None and code == DONE:
            shortfalls = shortfalls_of(self._scenario.config.expect, kpis)
        elif not_judged is not None and code == INTERRUPTED:
            reason += ", expectations were not judged"
        if shortfalls:
            code = FELL_SHORT
            reason = f"{counted(len(shortfalls), 'expectation')} fell short"
        try:
            self._write(reason, code, kpis, shortfalls, wall_s, engine)
            self._write_profile()
            write_report(self._folder)
        except OSError as error:
            if code != FAILED:
                code, reason = FAILED, str(record_error(error))
                not_judged, shortfalls = self._not_judged(code, engine), []
        return RunResult(
            self._folder, code, reason, kpis, shortfalls, not_judged, wall_s, engine.now_us,
            self._start_us, self._profile if self._options.profile else None,
        )  # fmt: skip

    def _begin(self, interrupt: Interrupt) -> Engine:
        """Open the record and put the federation at its first instant."""
        make = registry.load(registry.ENGINES, self._options.engine)
        run_folder.reserve(self._folder)
        self._write(run_folder.RUNNING, None, {}, [], 0.0, None)
        deploy, federation = self._scenario.config.deploy, self._scenario.federation
        homes = homes_of(federation, deploy.partitions) if deploy is not None else None
        (self._folder / GRAPH).write_text(svg(federation, homes), encoding="utf-8")
        job = Job(
            self._scenario,
            self._folder,
            self._overrides,
            self._profile,
            self._options.snapshot_every_us,
            self._real_time,
        )
        state, resume_from = None, self._resume_from
        if resume_from is not None:
            state, self._origin = snapshots.hand_over(*resume_from, self._scenario, self._folder)
        if self._options.begun is not None:
            with interrupt.at_once():  # it may wait long for others
                self._options.begun(self._folder)
        engine: Engine = make(job)
        if resume_from is not None:
            earlier, at_us = resume_from
            assert state is not None
            try:
                engine.resume(state, earlier, at_us)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise RunError(
                    f"the snapshot of {earlier.name} at {at_us / 1e6:g} s does not fit these "
                    f"settings ({type(error).__name__}: {error}). Start a run of its own with them."
                ) from error
            self._next_snapshot_us = at_us
        return engine

    def _not_judged(self, code: int | None, engine: Engine | None) -> str | None:
        """Return why expectations were not judged; None if they were, or there are none."""
        if not self._scenario.config.expect or code is None or engine is None:
            return None
        if code in (DONE, FELL_SHORT):
            return self._options.not_judged
        how = "failed" if code == FAILED else "was interrupted"
        return f"the run {how} at t = {engine.now_us / 1e6:g} s"

    def _keep(self, engine: Engine, code: int, reason: str) -> tuple[int, str]:
        """End the record and compact it; what cannot be written now stays for 'recover'."""
        try:
            try:
                engine.close()
            except FederateError as error:
                if code != FAILED:
                    self._save_failure(engine, error)
                    code, reason = FAILED, str(error)
            compact(self._folder)
        except OSError as error:
            code, reason = FAILED, reason if code == FAILED else str(record_error(error))
        run_folder.release(self._folder)
        return code, reason

    def _drive(self, engine: Engine, interrupt: Interrupt) -> tuple[int, str]:
        """Run to the end, an interruption or a failure; return code and reason."""

        def between(t_us: int) -> bool:
            if interrupt.asked:
                return False
            self._look_around(engine, t_us)
            return not interrupt.asked

        try:
            if "watch" in engine.by_itself or sys.gettrace() is not None:  # or a debugger does
                whole = engine.run(self._until_us, between)
            else:
                with self._watchdog(engine):
                    whole = engine.run(self._until_us, between)
        except FederateError as error:
            self._save_failure(engine, error)
            return FAILED, str(error)
        except StallError:
            stall = self._stall(engine)
            self._save_failure(engine, stall)
            return FAILED, str(stall)
        except OSError as error:
            return FAILED, str(record_error(error))
        if not whole:
            return INTERRUPTED, f"interrupted at t = {engine.now_us / 1e6:g} s"
        self._tell(self._until_us)
        return DONE, "done"

    def _watchdog(self, engine: Engine) -> Watchdog:
        def give_up() -> None:
            error = self._stall(engine)
            self._save_failure(engine, error)
            wall_s = time.perf_counter() - self._begin_s
            self._write(str(error), FAILED, {}, [], wall_s, engine)
            run_folder.release(self._folder)
            sys.stderr.write(f"{error}\nRecover it: feedertwin recover {self._folder}\n")
            os._exit(FAILED)

        timeout_s = self._scenario.config.stall_timeout_s
        fuse = fuse_of(self._folder, timeout_s, FAILED)
        return Watchdog(timeout_s, lambda: engine.steps + self._beats, give_up, fuse)

    def _stall(self, engine: Engine) -> FederateError:
        name, t_us = engine.where()
        timeout_s = self._scenario.config.stall_timeout_s
        return FederateError(
            name, t_us, f"its step did not end within {timeout_s:g} s (stall_timeout_s)"
        )

    def _sleep(self, wait_s: float) -> None:
        """Wait, and tell the watchdog that this is no stall."""
        self._beats += 1
        begin_s = time.perf_counter()
        time.sleep(wait_s)
        if self._profile is not None and self._pacer is not None:
            self._profile.waited(PACE, begin_s, time.perf_counter(), self._pacer.at_us)

    def _look_around(self, engine: Engine, t_us: int) -> None:
        """Between two instants: save a snapshot, keep the pace, tell how far it is."""
        every = self._options.snapshot_every_us
        own = engine.by_itself
        if every is not None and t_us >= self._next_snapshot_us and "snapshots" not in own:
            snapshots.save(self._folder, t_us, engine.snapshot())
            self._next_snapshot_us = t_us - t_us % every + every
        if self._pacer is not None and "pace" not in own:
            self._pacer.wait(t_us)
        if engine.instants & 0x3F == 0 or self._pacer is not None:
            now_s = time.perf_counter()
            if now_s - self._told_s > 0.1:
                self._told_s = now_s
                self._tell(t_us)

    def _tell(self, t_us: int) -> None:
        if self._progress is not None:
            self._progress(t_us, self._until_us)

    def _save_failure(self, engine: Engine, error: FederateError) -> None:
        """Save what the federate that failed had in its hands."""
        data = {
            "federate": error.federate,
            "t_us": error.t_us,
            "problem": error.problem,
            **engine.failure(error),
            "traceback": traceback.format_exception(error),
        }
        with contextlib.suppress(OSError):  # the reason is told all the same
            run_folder.write_last(self._folder, self._folder / run_folder.FAILURE_FILE, data)

    def _write_profile(self) -> None:
        if self._profile is not None and self._options.profile:
            write_trace(self._folder / TRACE, self._profile.events())

    def _write(
        self,
        status: str,
        code: int | None,
        kpis: dict[str, Kpi],
        shortfalls: list[Shortfall],
        wall_s: float,
        engine: Engine | None,
    ) -> None:
        data = run_folder.about(
            self._scenario,
            self._overrides,
            self._options.engine,
            self._started,
            self._until_us,
        )
        data |= {
            "goes_on_from": self._origin,
            "status": status,
            "exit": code,
            "t_us": engine.now_us if engine else 0,
            "ended_utc": run_folder.utc_now().isoformat() if code is not None else None,
            "wall_s": round(wall_s, 3),
            "instants": engine.instants if engine else 0,
            "steps": engine.steps if engine else 0,
            "lateness": self._lateness,
            "kpis": run_folder.kpi_values(kpis),
            "shortfalls": [vars(s) | {"value": run_folder.plain(s.value)} for s in shortfalls],
            "not_judged": self._not_judged(code, engine),
        }
        run_folder.write_json(self._folder / run_folder.RUN_FILE, data)
