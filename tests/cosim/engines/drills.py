"""Drills: faults played on a whole run, in a process of its own as a user starts it.

`scripts/fault_table.py` plays the same drills for the table of the docs.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from cosim import run_folder
from tests.conftest import ROOT
from tests.cosim.engines.stamped import STAMP

#: Longer than this no run may take to end. [s]
PATIENCE_S = 60.0
_MARK = "FEEDERTWIN_DRILL"
#: Two parts in a ring, with signals and messages both ways; `b` commits the fault.
RING = """\
feedertwin: 1
name: drill
duration_h: HOURS
stall_timeout_s: STALL
federates:
  a:
    model: stamped
    period_s: 1
    inputs: {y_kw: {}}
    outputs: {x_kw: {}}
    hears: [in]
    says: [{port: out, t_s: 2, count: 3, hops: 100000}]
    answers: {in: {port: out, after_s: 0.5}}
  b:
    model: stamped
    period_s: 1
    inputs: {x_kw: {}}
    outputs: {y_kw: {}}
    hears: [in]
    answers: {in: {port: out, after_s: 0.5}}
    FAULT
links:
  - a.x_kw -> b.x_kw
  - a.out -> b.in
  - {link: b.y_kw -> a.y_kw, delayed: true}
  - {link: b.out -> a.in, delayed: true}
deploy: {partitions: {left: [a], right: [b]}}
"""
#: As above, with a foreign simulator in a process of its own.
FOREIGN = """\
feedertwin: 1
name: drill
duration_h: HOURS
stall_timeout_s: STALL
federates:
  a: {model: stamped, period_s: 1, inputs: {y_kw: {}}, outputs: {x_kw: {}}}
  b:
    model: mosaik
    start: {cmd: "%(python)s -m tests.cosim.engines.stamped_foreign %(addr)s"}
    params: {how: "HOW", at: 20}
    create: [{model: Adder}]
    inputs: {x_kw: {attr: add, entity: adder_0}}
    outputs: {y_kw: {attr: total, entity: adder_0}}
links:
  - a.x_kw -> b.x_kw
  - {link: b.y_kw -> a.y_kw, delayed: true}
deploy: {partitions: {left: [a], right: [b]}}
"""
POINTS = """\
[feedertwin.federates]
stamped = tests.cosim.engines.stamped:Stamped
"""


def ring(fault: str = "", hours: float = 0.1, stall_s: float = 30.0) -> str:
    """Return a scenario of two parts, one of which commits a fault."""
    return RING.replace("FAULT", fault).replace("HOURS", f"{hours}").replace("STALL", f"{stall_s}")


def quiet_ring(hours: float) -> str:
    """Return a scenario of two parts with signals alone, so partitions do not go in rounds."""
    text = re.sub(r"\n    (hears|says|answers):.*", "", ring(hours=hours))
    return re.sub(r"\n  - .*\.out -> .*", "", text)


def drill(how: str) -> str:
    """Return the lines of a part that commits a fault at 20 s."""
    return f"drill: {{t_s: 20, how: {how}}}"


def foreign(how: str, stall_s: float = 30.0) -> str:
    """Return a scenario with a foreign simulator that commits a fault at 20 s."""
    return FOREIGN.replace("HOW", how).replace("HOURS", "0.1").replace("STALL", f"{stall_s}")


@dataclass
class Outcome:
    """How a run ended.

    Parameters
    ----------
    code : int
        Exit code of its process.
    said : str
        What it printed, in one line.
    after_s : float or None
        From the fault to the end of the process; None if no part stamped one. [s]
    folder : Path or None
        What it left.
    left : list of str
        Processes of the run that still live.
    """

    code: int
    said: str
    after_s: float | None
    folder: Path | None
    left: list[str]

    @property
    def about(self) -> dict[str, object]:
        """What ``run.json`` says."""
        assert self.folder is not None, self.said
        return run_folder.read_run(self.folder)


class Drill:
    """A run that is going on.

    Parameters
    ----------
    folder : Path
        Where its files go.
    scenario : str
        Text of the scenario.
    engine : str
        Name of the engine.
    out : Path or None
        Folder of runs, if not in ``folder``.
    options : str
        Further words of the command line.
    """

    def __init__(
        self, folder: Path, scenario: str, engine: str, *options: str, out: Path | None = None
    ) -> None:
        self.stamp = folder / "stamp"
        self.out = folder / "runs" if out is None else out
        points = folder / "plugin" / "drills-0.dist-info"
        points.mkdir(parents=True)
        (points / "METADATA").write_text("Metadata-Version: 2.1\nName: drills\nVersion: 0\n")
        (points / "entry_points.txt").write_text(POINTS)
        (folder / "drill.yaml").write_text(scenario)
        self._mark = uuid.uuid4().hex
        self.environment = os.environ | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{points.parent}",
            STAMP: str(self.stamp),
            _MARK: self._mark,
        }
        words = ["run", "drill.yaml", "--engine", engine, "--out", str(self.out), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cosim", *words, "--quiet"], cwd=folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def fault_s(self, patience_s: float = PATIENCE_S) -> float:
        """Wait for the fault; return its instant on the monotonic clock. [s]"""
        end_s = time.monotonic() + patience_s
        while time.monotonic() < end_s:
            if self.stamp.exists() and (text := self.stamp.read_text()):
                return float(text)
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        raise AssertionError(f"no fault was committed: {self.outcome().said}")

    def outcome(self, patience_s: float = PATIENCE_S) -> Outcome:
        """Wait for the end."""
        try:
            said, _ = self.process.communicate(timeout=patience_s)
            ended_s = time.monotonic()
        finally:
            self.end()
        text = self.stamp.read_text() if self.stamp.exists() else ""
        after_s = ended_s - float(text) if text else None
        left = [command for _, command in self.processes()]
        return Outcome(self.process.returncode, " ".join(said.split()), after_s, self.folder, left)

    def end(self) -> None:
        """Kill the run's own process if it still lives."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    @property
    def folder(self) -> Path | None:
        """Folder of the run, once it has one."""
        return next(run_folder.runs(self.out), None)

    def processes(self) -> list[tuple[int, str]]:
        """Return pid and command line of all processes of the run, children of children too."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{_MARK}={self._mark}".encode() not in (entry / "environ").read_bytes():
                    continue
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:  # it has gone meanwhile, or is someone else's
                continue
            if command and state != "Z":
                found.append((int(entry.name), command))
        return found

    def ports(self) -> set[int]:
        """Return the ports where a process of the run listens."""
        sockets, found = _listening(), set()
        for pid, _ in self.processes():
            with contextlib.suppress(OSError):  # it has gone meanwhile
                for file in (Path("/proc") / str(pid) / "fd").iterdir():
                    with contextlib.suppress(OSError):
                        found.add(sockets.get(str(file.readlink()), 0))
        return found - {0}

    def recover(self) -> str:
        """Recover the run; return what is said."""
        assert self.folder is not None
        command = [sys.executable, "-m", "cosim", "recover", str(self.folder)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return " ".join(done.stdout.split())


def listening() -> set[int]:
    """Return the ports of this host where someone listens."""
    return set(_listening().values())


def _listening() -> dict[str, int]:
    """Return listening ports by socket."""
    found = {}
    for name in ("tcp", "tcp6"):
        path = Path("/proc/net") / name
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            words = line.split()
            if words[3] == "0A":
                found[f"socket:[{words[9]}]"] = int(words[1].rpartition(":")[2], 16)
    return found
