"""Partition process: runs one partition, started by the run on this host or by hand.

It leaves its federates' record in the run folder, and beside it ``parts/NAME.json`` with
key figures and how it ended. A shared page of counters tells the parent what it does.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from cosim import run_folder, snapshots
from cosim.compiling import may_compile, on_compiling
from cosim.engines.crossing import crossings
from cosim.engines.desk import close_all
from cosim.engines.embedded import in_hands, kpis_of
from cosim.engines.helics_border import HelicsBorder
from cosim.engines.partition import Hooks, Partition
from cosim.pacer import Pacer, RealTimeConfig
from cosim.profile import Profile
from cosim.recorder.recorder import Recorder, record_error
from cosim.scenario.build import Scenario, load
from gridmodel.errors import BorderError, FederateError
from gridmodel.kpi import Kpi

PARTS = "parts"
#: Exit codes of a partition: done, its own failure, the federation ended without it.
DONE, FAILED, ABANDONED, STOPPED = 0, 3, 4, 130
#: Columns of the shared page, one row a partition; row 0 is the parent's.
NOW_US, STEPS, STEPPING, INSTANTS, COMPILING = range(5)
COLUMNS = 5
#: Columns of the parent's row: whether the run is to stop, and the first instant not run then.
ASKED, STOP_US = range(2)
#: What `STEPPING` says besides a federate's index.
STARTING, WAITING, OVER = -3, -1, -2


@dataclass(frozen=True)
class PartitionJob:
    """What a partition process is told."""

    name: str
    scenario: str
    overrides: tuple[str, ...]
    broker: str
    folder: str
    until_us: int
    interface: str = "127.0.0.1"
    page: str | None = None
    row: int = 1
    rows: int = 2
    snapshot_every_us: int | None = None
    earlier: str | None = None
    at_us: int = 0
    profile: bool = False
    real_time: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def homes(scenario: Scenario) -> dict[str, str]:
    """Return the partition of each federate; those not named are in the first one."""
    deploy = scenario.config.deploy
    partitions = deploy.partitions if deploy is not None else {"main": ()}
    first = next(iter(partitions))
    home = {member.name: first for member in scenario.federation.members}
    home |= {name: place for place, names in partitions.items() for name in names}
    return {name: home[name] for name in sorted(home)}


def kpis_in(report: Mapping[str, Any]) -> dict[str, Kpi]:
    """Return the key figures a partition left, by ``federate.name``."""
    return {
        name: Kpi(name.partition(".")[2], kpi["value"], kpi["about"])
        for name, kpi in report.get("kpis", {}).items()
    }


def digest_of(scenario: Scenario) -> str:
    """Return what two partitions compare: scenario, network and version."""
    version = run_folder.environment()["packages"]["feedertwin"]
    ports = [
        [member.name, member.level, [repr(port) for port in member.outputs.values()]]
        for member in scenario.federation.members
    ]
    whole = json.dumps([version, scenario.resolved, ports], sort_keys=True, default=str)
    return sha256(whole.encode()).hexdigest()[:16]


class PartitionProcess:
    """One partition at work.

    Parameters
    ----------
    job : PartitionJob
        What it is told.
    stop : callable
        Tells whether someone on this host wants the run to end.
    """

    def __init__(self, job: PartitionJob, stop: Callable[[], bool] = lambda: False) -> None:
        self._job = job
        self._stop = stop
        self._scenario = load(Path(job.scenario), job.overrides)
        self._folder = Path(job.folder)
        self._page = _page(job)
        self._mine, self._parents = self._page[job.row], self._page[0]
        self._next_snapshot_us = job.snapshot_every_us
        self._profile = Profile(process=job.name) if job.profile or job.real_time else None
        self._pacer: Pacer | None = None
        self._failure: Mapping[str, Any] | None = None
        self._border: HelicsBorder | None = None
        self._partition: Partition | None = None

    def run(self, watch: AbstractContextManager[object] | None = None) -> int:
        """Run to the end; return the exit code.

        Parameters
        ----------
        watch : context manager, optional
            Entered while federates step.
        """
        job, federation = self._job, self._scenario.federation
        home = homes(self._scenario)
        ways = list(crossings(federation, home))
        own = [name for name, place in home.items() if place == job.name]
        border = self._border = HelicsBorder(
            job.name,
            job.broker,
            [to for origin, to in ways if origin == job.name],
            [origin for origin, to in ways if to == job.name],
            sorted(set(home.values()) - {job.name}),
            job.interface,
        )
        recorder = Recorder(self._folder, federation, self._scenario.config.record, job.name, own)
        partition = self._partition = Partition(federation, home, job.name, border, recorder)
        self._watch(partition, border)
        if job.earlier is not None:
            partition.restore(snapshots.load(self._folder / PARTS, job.at_us))
            recorder.take_over(Path(job.earlier), job.at_us)
            self._next_snapshot_us = _after(job.at_us, job.snapshot_every_us)
        if may_compile():
            on_compiling(partial(self._mine.__setitem__, COMPILING))
        with watch or nullcontext():
            code, reason = self._drive(partition, border)
        self._mine[NOW_US] = partition.now_us
        self._mine[INSTANTS], self._mine[STEPS] = partition.instants, partition.steps
        self._mine[STEPPING] = OVER
        try:
            recorder.close()
        except OSError as error:
            if code in (DONE, STOPPED):  # or it follows from what has been told
                code, reason = FAILED, str(record_error(error))
        code = self._leave(partition, border, code, reason)
        if code in (DONE, STOPPED):
            border.close()
        return code

    @property
    def stepping(self) -> str:
        """Federate that is in its step; empty while none is."""
        index = int(self._mine[STEPPING])
        return self._scenario.federation.members[index].name if index >= 0 else ""

    @property
    def steps(self) -> int:
        """Steps of all federates so far."""
        return self._partition.steps if self._partition is not None else 0

    @property
    def now_us(self) -> int:
        """Present instant. [us]"""
        return self._partition.now_us if self._partition is not None else 0

    def abandon(self, reason: str) -> None:
        """Let a wait for the others end, as they are known to be gone; for another thread."""
        if self._border is not None:
            self._border.fail(FAILED, reason)

    def _drive(self, partition: Partition, border: HelicsBorder) -> tuple[int, str]:
        """Run all turns, and tell the others if that fails."""
        try:
            border.agree(digest_of(self._scenario))
            if self._job.real_time is not None and self._profile is not None:
                config = RealTimeConfig(**self._job.real_time)
                self._pacer = Pacer(
                    config, self._job.at_us, self._profile.slowest, stop=self._is_asked
                )
            hooks = Hooks(
                lambda t_us: self._between(partition, t_us),
                lambda: self._next_snapshot_us,
                lambda t_us: self._meet(partition, t_us),
            )
            whole = partition.run_turns(self._job.until_us, hooks)
        except FederateError as error:
            return self._fail(partition, border, error)
        except BorderError as error:
            if self._is_asked():
                partition.now_us = partition.next_us(self._job.until_us)
            return ABANDONED, str(error)
        except OSError as error:
            reason = str(record_error(error))
            border.fail(FAILED, reason)
            return FAILED, reason
        if not whole and self._job.page is None and not partition.in_rounds:  # who else tells them
            border.fail(STOPPED, f"partition '{self._job.name}' was interrupted")
        return (DONE, "done") if whole else (STOPPED, "interrupted")

    def _fail(
        self, partition: Partition, border: HelicsBorder, error: FederateError
    ) -> tuple[int, str]:
        """Keep what the federate that failed had in its hands, and tell the others."""
        mine = error.federate in self._own()
        self._failure = {
            "federate": error.federate,
            "t_us": error.t_us,
            "problem": error.problem,
            **(in_hands(partition.desk(error.federate)) if mine else {}),
            "traceback": traceback.format_exception(error),
        }
        border.fail(FAILED, str(error))
        return FAILED, str(error)

    def _own(self) -> set[str]:
        home = homes(self._scenario)
        return {name for name, place in home.items() if place == self._job.name}

    def _between(self, partition: Partition, t_us: int) -> bool:
        mine = self._mine
        mine[NOW_US], mine[INSTANTS], mine[STEPS] = t_us, partition.instants, partition.steps
        if self._pacer is not None:
            self._pacer.wait(t_us)
        if not self._is_asked():
            return True
        return not (partition.in_rounds or self._stop()) and t_us < self._stop_us()

    def _is_asked(self) -> bool:
        return bool(self._parents[ASKED]) or self._stop()

    def _stop_us(self) -> int:
        """Wait for the instant on which the parent stops all partitions. [us]"""
        while not (stop_us := int(self._parents[STOP_US])):
            time.sleep(0.001)
        return stop_us

    def _meet(self, partition: Partition, t_us: int) -> None:
        """Save this part of a snapshot."""
        partition.now_us = t_us
        path = self._folder / PARTS / f"{t_us}.{self._job.name}.part"
        path.write_bytes(pickle.dumps(partition.snapshot(), pickle.HIGHEST_PROTOCOL))
        path.replace(path.with_suffix(".pickle"))
        self._next_snapshot_us = _after(t_us, self._job.snapshot_every_us)

    def _watch(self, partition: Partition, border: HelicsBorder) -> None:
        """Let the shared page tell which federate steps; time steps if that is asked for."""
        mine = self._mine

        def told(index: int, step: Callable[..., Any]) -> Callable[..., Any]:
            def watched(t_us: int, inputs: Any) -> Any:
                mine[STEPPING] = index
                result = step(t_us, inputs)
                mine[STEPPING] = WAITING
                return result

            return watched

        for desk in partition.desks:
            if self._profile is not None:
                desk.step = self._profile.timed(desk.member.name, desk.step)
            desk.step = told(desk.index, desk.step)
        if self._profile is not None:
            self._time_waiting(border, self._profile)

    def _time_waiting(self, border: HelicsBorder, profile: Profile) -> None:
        request, name = border.request, f"waiting in {self._job.name}"

        def timed(key: int) -> None:
            begin = time.perf_counter()
            request(key)
            profile.waited(name, begin, time.perf_counter(), int(self._mine[NOW_US]))

        border.request = timed  # type: ignore[method-assign]

    def _leave(self, partition: Partition, border: HelicsBorder, code: int, reason: str) -> int:
        """End the federates and write how it ended; return the exit code."""
        kpis = {
            name: {"value": kpi.value, "about": kpi.about}
            for name, kpi in kpis_of(partition.desks).items()
        }
        profile = self._profile
        data = {
            "code": code,
            "reason": reason,
            "now_us": partition.now_us,
            "instants": partition.instants,
            "steps": partition.steps,
            "kpis": kpis,
            "failure": self._failure,
            "lateness": self._pacer.lateness() if self._pacer is not None else None,
            "totals": {n: vars(t) for n, t in profile.totals.items()} if profile else {},
            "sent": profile.sent if profile else {},
            "waits": sorted(profile.waits) if profile else [],
            "trace": profile.events(self._job.row) if profile and self._job.profile else [],
        }
        path = self._folder / PARTS / f"{self._job.name}.json"
        run_folder.write_last(self._folder, path, data)
        try:
            close_all(partition.desks, partition.now_us)
        except FederateError as error:
            if code in (DONE, STOPPED):
                code, reason = self._fail(partition, border, error)
                data |= {"code": code, "reason": reason, "failure": self._failure}
                run_folder.write_last(self._folder, path, data)
        return code


def _after(t_us: int, every_us: int | None) -> int | None:
    return None if every_us is None else t_us - t_us % every_us + every_us


def _page(job: PartitionJob) -> Any:
    """Return the page shared with the parent, or one of its own."""
    if job.page is None:
        return np.zeros((job.rows, COLUMNS), dtype=np.int64)
    page = np.memmap(job.page, np.int64, "r+", shape=(job.rows, COLUMNS))
    return np.asarray(page)  # a plain view is written to faster


def main() -> None:
    """Run the partition that the first argument describes; end it with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when a run is over
    job = PartitionJob(**json.loads(sys.argv[1]))
    code = FAILED
    try:
        code = PartitionProcess(job).run()
    except Exception as error:
        traceback.print_exc()
        data = {"code": FAILED, "reason": f"{type(error).__name__}: {error}", "failure": None}
        folder = Path(job.folder)
        run_folder.write_last(folder, folder / PARTS / f"{job.name}.json", data)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # HELICS leaves politely at exit, which the others would take for success


if __name__ == "__main__":
    main()
