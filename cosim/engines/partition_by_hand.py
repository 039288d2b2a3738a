"""Partition by hand: one partition of a run over several hosts, with a run folder of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cosim import run_folder
from cosim.engines.lifeline import Lifeline
from cosim.engines.partition_process import (
    DONE,
    FAILED,
    PARTS,
    STOPPED,
    PartitionJob,
    PartitionProcess,
    kpis_in,
)
from cosim.recorder.compact import compact
from cosim.report.report import write_report
from cosim.scenario.build import Scenario
from cosim.watchdog import Watchdog, fuse_of
from gridmodel.errors import BorderError, FederateError


class PartitionByHand:
    """One partition, from its folder to its report.

    Parameters
    ----------
    job : PartitionJob
        What it is told, but for the folder.
    scenario : Scenario
        The same on every host.
    out : Path
        Folder of runs.
    stop : callable
        Tells whether someone wants the run to end.
    """

    def __init__(
        self, job: PartitionJob, scenario: Scenario, out: Path, stop: Callable[[], bool]
    ) -> None:
        self._scenario, self._stop = scenario, stop
        started = run_folder.utc_now()
        self.folder = run_folder.create(out, f"{scenario.config.name}-{job.name}", started)
        (self.folder / PARTS).mkdir()
        run_folder.reserve(self.folder)
        self._job = replace(job, folder=str(self.folder))
        about = run_folder.about(scenario, job.overrides, "helics", started, job.until_us)
        self._about = about | {"partition": job.name}
        self._write({})
        self._began_s = time.perf_counter()

    def run(self) -> tuple[int, Mapping[str, Any]]:
        """Run to the end; return the exit code and what the partition left.

        Raises
        ------
        BorderError
            If there is no broker.
        """
        process = PartitionProcess(self._job, self._stop)
        self._lifeline = Lifeline(
            self._job.name,
            self._job.broker,
            process.abandon,
            self._scenario.config.stall_timeout_s,
        )
        try:
            code = process.run(self._watch(process))
        except BorderError as error:
            self._lifeline.end(FAILED, str(error))
            raise
        run_folder.release(self.folder)
        compact(self.folder)
        left = run_folder.read_json(self.folder / PARTS / f"{self._job.name}.json")
        reason = self._lifeline.reason or left["reason"]
        self._lifeline.end(code, reason)
        left["reason"] = reason
        code = code if code in (DONE, STOPPED) else FAILED
        self._write(
            {
                "status": reason,
                "exit": code,
                "t_us": left["now_us"],
                "ended_utc": run_folder.utc_now().isoformat(),
                "wall_s": round(time.perf_counter() - self._began_s, 3),
                "instants": left["instants"],
                "steps": left["steps"],
                "kpis": run_folder.kpi_values(kpis_in(left)),
            }
        )
        if left["failure"]:
            run_folder.write_json(self.folder / run_folder.FAILURE_FILE, left["failure"])
        write_report(self.folder)
        return code, left

    def _watch(self, process: PartitionProcess) -> AbstractContextManager[object]:
        """Return what ends a step that does not come back; waiting for others is none."""
        timeout_s = self._scenario.config.stall_timeout_s

        def count() -> int:
            return process.steps if process.stepping else time.monotonic_ns()

        def give_up() -> None:
            problem = f"its step did not end within {timeout_s:g} s (stall_timeout_s)"
            error = FederateError(process.stepping, process.now_us, problem)
            self._lifeline.end(FAILED, str(error))
            self._write({"status": str(error), "exit": FAILED, "t_us": error.t_us})
            run_folder.release(self.folder)
            sys.stderr.write(f"{error}\nRecover it: feedertwin recover {self.folder}\n")
            os._exit(FAILED)

        return Watchdog(timeout_s, count, give_up, fuse_of(self.folder, timeout_s, FAILED))

    def _write(self, ended: Mapping[str, Any]) -> None:
        run_folder.write_json(self.folder / run_folder.RUN_FILE, {**self._about, **ended})
