"""Children: commands run in a process of their own, with time and memory taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

#: How often a child is looked at. [s]
LOOK_S = 0.02
MB = 1e6
#: Phases of a run: before its folder is there, until its record becomes Parquet, and then.
BUILD, LOOP, END = "build", "loop", "end"


class Look(NamedTuple):
    """A child at an instant: time since its start, its processor time, its memory. [s] [MB]"""

    t_s: float
    cpu_s: float
    rss_mb: float
    phase: str


@dataclass(frozen=True)
class Ran:
    """What a command took.

    Parameters
    ----------
    wall_s : float
        From start to exit, Python's own start included. [s]
    looks : list of Look
        In its course.
    text : str
        What it printed.
    """

    wall_s: float
    looks: list[Look]
    text: str

    @property
    def cpu_s(self) -> float:
        """Processor time, but for the last hundredths. [s]"""
        return self.looks[-1].cpu_s

    def peak_mb(self, *phases: str) -> float:
        """Return the greatest resident set in some phases, or in all. [MB]"""
        return max(look.rss_mb for look in self.looks if not phases or look.phase in phases)

    def cpu_of(self, phase: str) -> float:
        """Return the processor time of a phase. [s]"""
        taken = [look.cpu_s for look in self.looks if look.phase == phase]
        return taken[-1] - taken[0]


def feedertwin(*arguments: str, phase: Callable[[], str] = lambda: LOOP, cold: bool = False) -> Ran:
    """Run the command line in a child.

    Parameters
    ----------
    arguments : str
        Of the command line.
    phase : callable
        Tells how far it is.
    cold : bool
        Without the kernels that earlier runs have compiled.

    Raises
    ------
    RuntimeError
        If it ends with anything but 0 (done) or 1 (an expectation fell short, as it may when
        a scenario is cut short).
    """
    looks: list[Look] = []
    begin = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as empty,
        subprocess.Popen(
            [sys.executable, "-m", "cosim", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "NUMBA_CACHE_DIR": empty} if cold else None,
        ) as child,
    ):
        process = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                looks.append(_look(process, begin, phase()))
            except psutil.Error:  # it ended just now
                break
            time.sleep(LOOK_S)
        out, errors = child.communicate()  # it says little: the pipes never fill up
        wall_s = time.perf_counter() - begin
    if child.returncode not in (0, 1):
        command = " ".join(arguments)
        raise RuntimeError(f"feedertwin {command} ended with {child.returncode}: {errors}")
    return Ran(wall_s, looks, out)


def _look(process: psutil.Process, begin: float, phase: str) -> Look:
    with process.oneshot():
        cpu, memory = process.cpu_times(), process.memory_info()
    if not memory.rss:  # it has ended, and nobody has taken note yet
        raise psutil.NoSuchProcess(process.pid)
    return Look(time.perf_counter() - begin, cpu.user + cpu.system, memory.rss / MB, phase)


def run(scenario: Path, until_h: float, cold: bool = False) -> dict[str, Any]:
    """Run a scenario in a child; return what that took and what it left."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)

        def phase() -> str:
            if any(out.glob("*/signals")):
                return END
            return LOOP if any(out.iterdir()) else BUILD

        ran = feedertwin(
            "run", str(scenario), "--until", f"{until_h:g}h", "--out", str(out), "--json",
            phase=phase, cold=cold,
        )  # fmt: skip
        folder = Path(json.loads(ran.text)["run"])
        record = json.loads((folder / "run.json").read_text())
        tables = [*folder.glob("*.parquet"), *(folder / "signals").glob("*.parquet")]
        return {
            "loop_s": record["wall_s"],
            "loop_cpu_s": ran.cpu_of(LOOP),
            "command_s": ran.wall_s,
            "command_cpu_s": ran.cpu_s,
            "running_mb": ran.peak_mb(BUILD, LOOP),
            "peak_mb": ran.peak_mb(),
            "record_mb": sum(table.stat().st_size for table in tables) / MB,
            "memory": [(look.t_s, look.rss_mb) for look in ran.looks],
        }
