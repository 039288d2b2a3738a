"""HELICS engine: a scenario cut into partitions, each a process, joined by HELICS.

This process owns the broker and its children, and nothing else. It looks at them a few
times in a hundred milliseconds: one that dies, hangs or disagrees ends the run at once,
with the name of the federate, because HELICS alone would let the others finish on a
frozen value.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim import run_folder, snapshots
from cosim.children import Child, end, is_stopped, start
from cosim.engines import partition_process as part
from cosim.engines.engine import Between, Job
from cosim.engines.helics_border import MOST_KEY, HelicsBroker, free_port, helics
from cosim.engines.partition import LEVELS, key_of
from cosim.engines.partition_process import PARTS, PartitionJob
from cosim.profile import Total
from cosim.recorder.compact import LIVE, RANKS
from gridmodel.errors import BorderError, Fault, FederateError, RunError, ScenarioError
from gridmodel.kpi import Kpi

_POLL_S = 0.02
#: After an interruption a partition that waits for one that has stopped is freed. [s]
_GRACE_S = 1.0


class OnHelics:
    """Runs a scenario in partitions."""

    by_itself = frozenset({"snapshots", "pace", "watch"})

    def __init__(self, job: Job) -> None:
        helics()  # or say what to install, before anything is begun
        self._job = job
        self._homes = part.homes(job.scenario)
        self._names = list(dict.fromkeys(self._homes.values()))
        _check(job)
        self._parts = job.folder / PARTS
        self._parts.mkdir()
        self._page: NDArray[np.int64] = np.memmap(
            self._parts / "page", np.int64, "w+", shape=(len(self._names) + 1, part.COLUMNS)
        )
        self._page[1:, part.STEPPING] = part.STARTING
        self._children: dict[str, Child] = {}
        self._broker: HelicsBroker | None = None
        self._resume: tuple[Path, int] | None = None
        self._ended_us: int | None = None

    @property
    def now_us(self) -> int:
        """The instant all partitions have come to. [us]"""
        return (
            self._ended_us if self._ended_us is not None else int(self._page[1:, part.NOW_US].min())
        )

    @property
    def instants(self) -> int:
        """Instants of the partition that has run most."""
        return int(self._page[1:, part.INSTANTS].max())

    @property
    def steps(self) -> int:
        """Steps of all partitions."""
        return int(self._page[1:, part.STEPS].sum())

    def run(self, until_us: int, between: Between) -> bool:
        """Run all partitions to the end."""
        self._start(until_us)
        asked_s = 0.0
        counts, since_s = self._page.copy(), time.monotonic()
        stall_s = self._job.scenario.config.stall_timeout_s
        while any(child.poll() is None for child in self._children.values()):
            time.sleep(_POLL_S)
            self._look_for_the_dead()
            self._join_snapshots()
            if asked_s:
                self._stop_all(asked_s)
                continue
            if not between(self.now_us):
                if (self._page[1:, part.STEPPING] == part.STARTING).all():
                    return False
                asked_s = time.monotonic()
                self._page[0][part.ASKED] = 1
            # One that has ended is no progress: HELICS may have let it go, seconds after another
            # had stopped.
            going = self._page[:, part.STEPPING] != part.OVER
            if not np.array_equal(counts[going], self._page[going]) or self._compiles():
                counts, since_s = self._page.copy(), time.monotonic()
            elif time.monotonic() - since_s > stall_s:
                raise self._stalled(stall_s)
        if asked_s:
            return False
        self._look_for_the_dead()
        self._join_snapshots()
        self._ended_us = until_us
        return True

    def _compiles(self) -> bool:
        """Return whether a child's step waits for numba to compile, which is no stall."""
        at_it = self._page[1:, part.COMPILING] > 0
        return any(
            not is_stopped(self._children[name])
            for name, compiles in zip(self._names, at_it, strict=True)
            if compiles
        )

    def _stop_all(self, asked_s: float) -> None:
        """Say where all partitions stop; in the end free who waits for one that has stopped.

        By now, each has told the instant it runs, or waits to hear where to stop.
        """
        stop = self._page[0]
        if not stop[part.STOP_US]:
            stop[part.STOP_US] = self._page[1:, part.NOW_US].max() + 1
        if time.monotonic() - asked_s > _GRACE_S and self._broker is not None:
            self._broker.fail(part.STOPPED, "interrupted")

    def _start(self, until_us: int) -> None:
        """Start the broker and the children."""
        if key_of(until_us, 0) > MOST_KEY:
            days = MOST_KEY / LEVELS / 86_400e6
            problem = f"{until_us / 86_400e6:.0f} days are more than the {days:.0f} HELICS can tell"
            raise FederateError("helics", 0, f"{problem} apart; use the engine in_process")
        self._write_ranks()
        try:
            self._broker = HelicsBroker(len(self._names), free_port())
        except BorderError as error:
            raise FederateError("helics", 0, str(error)) from error
        real_time = self._job.real_time
        for row, name in enumerate(self._names, 1):
            job = PartitionJob(
                name,
                str(self._job.scenario.path.resolve()),
                tuple(self._job.overrides),
                self._broker.address,
                str(self._job.folder.resolve()),
                until_us,
                page=str(self._parts / "page"),
                row=row,
                rows=len(self._names) + 1,
                snapshot_every_us=self._job.snapshot_every_us,
                earlier=str(self._resume[0].resolve()) if self._resume else None,
                at_us=self._resume[1] if self._resume else 0,
                profile=self._job.profile is not None and self._job.profile.spans,
                real_time=real_time.model_dump() if real_time is not None and row == 1 else None,
            )
            command = [sys.executable, "-m", "cosim.engines.partition_process", job.to_json()]
            path = os.pathsep.join(folder for folder in sys.path if folder)
            with (self._parts / f"{name}.log").open("wb") as log:
                self._children[name] = start(
                    command, log=log, env={**os.environ, "PYTHONPATH": path}
                )

    def _write_ranks(self) -> None:
        """Leave the order of senders, by which messages of all partitions are put together."""
        order = sorted(self._job.scenario.federation.members, key=lambda m: (m.level, m.index))
        live = self._job.folder / LIVE
        live.mkdir(exist_ok=True)
        (live / RANKS).write_text(json.dumps([member.name for member in order]))

    def _look_for_the_dead(self) -> None:
        """Raise what ended a child before its time."""
        for name, child in self._children.items():
            code = child.poll()
            if code in (None, part.DONE, part.STOPPED, part.ABANDONED):
                continue
            raise self._verdict(name, code)
        abandoned = all(c.poll() == part.ABANDONED for c in self._children.values())
        if abandoned and not self._page[0][part.ASKED]:
            reasons = {self._report(name).get("reason", "") for name in self._names}
            raise FederateError("helics", self.now_us, "; ".join(sorted(reasons)))

    def _verdict(self, name: str, code: int) -> FederateError:
        """Return what a child that ended badly died of."""
        report = self._report(name)
        failure = report.get("failure")
        if failure:
            return FederateError(failure["federate"], failure["t_us"], failure["problem"])
        row = self._page[self._names.index(name) + 1]
        where = self._stepping(name)
        if report.get("reason"):
            whose = where or f"partition {name}"
            return FederateError(whose, int(row[part.NOW_US]), report["reason"])
        how = (
            f"was killed by signal {signal.Signals(-code).name}"
            if code < 0
            else f"ended with {code}"
        )
        return FederateError(
            where or f"partition {name}",
            int(row[part.NOW_US]),
            f"the process of partition '{name}' {how}",
        )

    def _stalled(self, stall_s: float) -> FederateError:
        """Return who holds the others up."""
        for name in self._names:
            row = self._page[self._names.index(name) + 1]
            stopped = is_stopped(self._children[name])
            where = self._stepping(name)
            if stopped or where:
                what = "is stopped, for" if stopped else "did not come back from its step within"
                problem = f"the process of partition '{name}' {what} {stall_s:g} s"
                return FederateError(
                    where or f"partition {name}",
                    int(row[part.NOW_US]),
                    f"{problem} (stall_timeout_s)",
                )
        waiting = [n for k, n in enumerate(self._names, 1) if self._page[k][2] == part.STARTING]
        problem = f"no partition went on for {stall_s:g} s (stall_timeout_s)"
        if waiting:
            problem += f"; not begun: {', '.join(waiting)}"
        return FederateError("helics", self.now_us, problem)

    def _stepping(self, name: str) -> str:
        """Return the federate of a partition that is in its step, if one is."""
        index = int(self._page[self._names.index(name) + 1][part.STEPPING])
        members = self._job.scenario.federation.members
        return members[index].name if index >= 0 else ""

    def _report(self, name: str) -> dict[str, Any]:
        path = self._parts / f"{name}.json"
        return run_folder.read_json(path) if path.exists() else {}

    def _join_snapshots(self) -> None:
        """Put the parts of a snapshot together when all are there."""
        every_us = self._job.snapshot_every_us
        if every_us is None:
            return
        for path in self._parts.glob(f"*.{self._names[0]}.pickle"):
            t_us = int(path.name.partition(".")[0])
            paths = [self._parts / f"{t_us}.{name}.pickle" for name in self._names]
            if all(p.exists() for p in paths):
                states = [pickle.loads(p.read_bytes()) for p in paths]  # our own children's
                whole = {"now_us": t_us, "federates": {}, "desks": {}}
                for key in ("federates", "desks"):
                    found = {n: v for state in states for n, v in state[key].items()}
                    whole[key] = {n: found[n] for n in sorted(found)}
                snapshots.save(self._job.folder, t_us, whole)
                for p in paths:
                    p.unlink()

    def snapshot(self) -> dict[str, Any]:
        """Refuse: partitions save their own parts, when all of them meet.

        Raises
        ------
        RunError
            Always.
        """
        raise RunError("a run in partitions is saved by --snapshot-every only")

    def resume(self, state: dict[str, Any], earlier: Path, at_us: int) -> None:
        """Let the partitions take over a snapshot when they start."""
        snapshots.save(self._parts, at_us, state)
        self._resume = (earlier, at_us)

    def kpis(self) -> dict[str, Kpi]:
        """Return the key figures of all partitions."""
        found: dict[str, Kpi] = {}
        for name in self._names:
            found |= part.kpis_in(self._report(name))
        order = {name: k for k, name in enumerate(sorted(self._homes))}
        return dict(sorted(found.items(), key=lambda item: order[item[0].partition(".")[0]]))

    def failure(self, error: FederateError) -> Mapping[str, Any]:
        """Return what the federate that failed had in its hands."""
        for name in self._names:
            failure = self._report(name).get("failure")
            if failure and failure["federate"] == error.federate:
                return dict(failure)
        return {}

    def where(self) -> tuple[str, int]:
        """Return a federate that is in its step, and the instant. [us]"""
        stepping = [where for name in self._names if (where := self._stepping(name))]
        return (stepping[0] if stepping else "helics"), self.now_us

    def lateness(self) -> Mapping[str, Any] | None:
        """Return how late the pacing partition was."""
        return self._report(self._names[0]).get("lateness")

    def close(self) -> None:
        """End children and broker: told, then terminated, then killed; own ones only."""
        alive = [child for child in self._children.values() if child.poll() is None]
        if alive and self._broker is not None:
            self._broker.fail(part.FAILED, "the run has ended")
        end(alive)
        if self._broker is not None:
            self._broker.close(100 if alive else 2000)
            self._broker = None
        self._gather_profile()
        self._page = np.array(self._page)
        if not any(child.returncode for child in self._children.values()):
            shutil.rmtree(self._parts)  # nothing in it that is not in the run's own files

    def _gather_profile(self) -> None:
        profile = self._job.profile
        for name in self._names if profile is not None else ():
            report = self._report(name)
            assert profile is not None
            for row, total in report.get("totals", {}).items():
                profile.totals[row] = Total(**total)
            profile.sent |= report.get("sent", {})
            profile.waits |= set(report.get("waits", []))
            profile.others += report.get("trace", [])


def _check(job: Job) -> None:
    """Refuse what cannot be cut."""
    scenario = job.scenario
    deepest = max((member.level for member in scenario.federation.members), default=0)
    if deepest > LEVELS - 2:
        problem = (
            f"the federation has {deepest + 1} levels; HELICS keys have room for {LEVELS - 1}."
        )
        fault = Fault(str(scenario.path), "links", problem, "Mark some links as delayed.")
        raise ScenarioError(f"{scenario.path} cannot be run on helics", [fault])
