"""Fault table: plays faults on plain HELICS, plain mosaik and on feedertwin, and writes the table.

Run it with ``make faults``; it takes some minutes, most of it waiting for others to notice. It
rewrites the table in ``docs/explanation/engines.md``. Ours are the drills that
``tests/cosim/engines/test_faults.py`` plays. Seconds count from the instant that what
commits the fault writes down to the end of the process that is left.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from cosim.engines.helics_border import free_port  # noqa: E402
from tests.cosim.engines.drills import Drill, Outcome, drill, foreign, ring  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "engines.md"
BEGIN, END = "<!-- fault table: begin -->", "<!-- fault table: end -->"
#: Longer than this nobody waits; our own limit on a step. [s]
PATIENCE_S, STALL_S = 60.0, 5.0
ENGINES = ("in_process", "mosaik", "helics")
FAULTS = {
    "raise": "raises",
    "exit": "sys.exit(3)",
    "kill": "SIGKILL",
    "stop": "SIGSTOP",
    "hang": "loops for ever",
    "nan": "sends NaN",
    "numpy_int": "next step as a numpy int",
    "fill": "fills the disk of the record",
}
COMMIT = """
def commit(how):
    import os, signal, sys, time
    if not os.path.exists("fault"):
        with open("part", "w") as file: file.write(repr(time.monotonic()))
        os.rename("part", "fault")
    if how == "raise": raise ValueError("a drill")
    if how == "exit": sys.exit(3)
    if how == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if how == "stop": os.kill(os.getpid(), signal.SIGSTOP)
    if how == "hang":
        while True: pass
"""
HELICS = (
    COMMIT
    + """
import sys, helics as h
name, other, port, how = sys.argv[1:]
info = h.helicsCreateFederateInfo()
h.helicsFederateInfoSetCoreTypeFromString(info, "zmq")
h.helicsFederateInfoSetCoreInitString(info, f"--federates=1 --brokerport={port}")
fed = h.helicsCreateValueFederate(name, info)
pub = h.helicsFederateRegisterGlobalPublication(fed, name, h.HELICS_DATA_TYPE_DOUBLE, "")
sub = h.helicsFederateRegisterSubscription(fed, other, "")
h.helicsFederateEnterExecutingMode(fed)
import numpy
for t in range(1, 61):
    broken = t >= 20 and name == "b"
    h.helicsFederateRequestTime(fed, numpy.int64(t) if broken and how == "numpy_int" else float(t))
    if broken: commit(how)
    h.helicsPublicationPublishDouble(pub, float("nan") if broken and how == "nan" else float(t))
print("reached its end", flush=True)
"""
)
MOSAIK_SIM = (
    COMMIT
    + """
import sys, mosaik_api_v3, numpy
class Sim(mosaik_api_v3.Simulator):
    def __init__(self):
        super().__init__({"api_version": "3.0", "type": "time-based",
            "models": {"M": {"public": True, "params": [], "attrs": ["x"]}}})
    def init(self, sid, time_resolution=1.0, how=""):
        self.how = how
        return self.meta
    def create(self, num, model):
        return [{"eid": "e", "type": model}]
    def step(self, time, inputs, max_advance):
        self.broken = time >= 20 and self.how
        if self.broken: commit(self.how)
        return numpy.int64(time + 1) if self.broken == "numpy_int" else time + 1
    def get_data(self, outputs):
        return {"e": {"x": float("nan") if self.broken == "nan" else 1.0}}
if __name__ == "__main__":
    mosaik_api_v3.start_simulation(Sim())
"""
)
MOSAIK = """
import sys, mosaik
cmd = {"cmd": f"{sys.executable} sim.py %(addr)s"}
world = mosaik.World({"S": cmd}, skip_greetings=True)
a, b = world.start("S", sim_id="a"), world.start("S", sim_id="b", how=sys.argv[1])
world.connect(b.M(), a.M(), ("x", "x"))
world.run(until=60, print_progress=False)
print("reached its end", flush=True)
"""


def main() -> None:
    """Play every fault and rewrite the table."""
    rows = []
    for how, title in FAULTS.items():
        theirs = (
            ["records nothing"] * 2 if how == "fill" else [plain_helics(how), plain_mosaik(how)]
        )
        outcomes = [ours(how, engine) for engine in ENGINES]
        cells = [title, *theirs, *map(seconds, outcomes), said(outcomes[-1])]
        rows.append(f"| {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    head = [
        "| a federate ... | plain HELICS, the other federate | plain mosaik, `world.run()` | "
        "ours, `in_process` | `mosaik` | `helics` | ours says, on `helics` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(head + rows) + f"\n{END}{after}")


def plain_helics(how: str) -> str:
    """Return what the survivor of two plain federates does."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "fed.py"
        script.write_text(HELICS)
        broker = subprocess.Popen(
            [Path(sys.executable).parent / "helics_broker", "-f2", "-t", "zmq", f"--port={port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        pair = [
            subprocess.Popen(
                [sys.executable, str(script), name, other, str(port), how], cwd=folder,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            )
            for name, other in (("a", "b"), ("b", "a"))
        ]  # fmt: skip
        survivor = pair[0]
        began = _fault_s(Path(folder) / "fault", survivor)
        try:
            rest, errors = survivor.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return _stop([*pair, broker], f"**waits**; given up after {PATIENCE_S:.0f} s")
        took = time.monotonic() - began
        if "reached its end" in rest:
            what = "value that came" if how in ("nan", "numpy_int") else "last value"
            return _stop([*pair, broker], f"{took:.1f} s: **runs to its end on the {what}**")
        last = (errors.strip().splitlines() or ["nothing said"])[-1]
        return _stop([*pair, broker], f"{took:.1f} s: `{last[-60:]}`")


def plain_mosaik(how: str) -> str:
    """Return what ``world.run()`` does with two simulators in processes of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sim.py").write_text(MOSAIK_SIM)
        (folder / "run.py").write_text(MOSAIK)
        world = subprocess.Popen(
            [sys.executable, "run.py", how], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        began = _fault_s(folder / "fault", world)
        try:
            said, errors = world.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return _stop([world], f"**waits**; given up after {PATIENCE_S:.0f} s")
        took = time.monotonic() - began
        if "reached its end" in said:
            return _stop([world], f"{took:.1f} s: **returns as if all were well**")
        last = (errors.strip().splitlines() or ["nothing said"])[-1]
        return _stop([world], f"{took:.1f} s: `{last[:60]}`")


def ours(how: str, engine: str) -> Outcome | None:
    """Return how a run of ours ends; None where the fault cannot be played."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = ring(drill(how), stall_s=STALL_S if how in ("stop", "hang") else 30.0)
        if how in ("kill", "stop") and engine != "helics":  # a simulator in its own process
            text = foreign(how, STALL_S)
        if how != "fill":
            return Drill(folder, text, engine).outcome()
        disk = folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
        if shutil.which("mount") is None or os.geteuid() != 0:
            return None
        subprocess.run(mount, check=True)
        try:
            deed = f"deed: {{t_s: 20, how: fill, path: {disk / 'ballast'}}}"
            return Drill(folder, ring(deed, hours=10.0), engine, out=disk / "runs").outcome()
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def seconds(outcome: Outcome | None) -> str:
    """Return from the fault to the end of the process, and whatever is not as promised."""
    if outcome is None or outcome.after_s is None:
        return "not played"
    wrong = [f"**exit code {outcome.code}**"] * (outcome.code != 3)
    wrong += ["**a process is left**"] * bool(outcome.left)
    return ", ".join([f"{outcome.after_s:.1f} s", *wrong])


def said(outcome: Outcome | None) -> str:
    """Return how a run of ours names the fault."""
    text = outcome.said if outcome is not None else ""
    return f"`{text.partition('federate ')[2].partition(' 0.0')[0][:150]}`"


def _fault_s(path: Path, process: subprocess.Popen[str]) -> float:
    """Wait for a fault; return its instant on the monotonic clock. [s]"""
    while not path.exists() and process.poll() is None:
        time.sleep(0.005)
    return float(path.read_text())


def _stop(processes: list[subprocess.Popen[str]] | list[subprocess.Popen[bytes]], text: str) -> str:
    """End what this script started; return the text."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return text


if __name__ == "__main__":
    main()
