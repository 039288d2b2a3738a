"""Fault table: plays faults on plain HELICS, plain mosaik and on feedertwin, and writes the table.

Run it with ``make faults``; it takes a few minutes, most of it waiting for others to notice.
It rewrites the table in ``docs/explanation/engines.md``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cosim.engines.helics_border import free_port

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explanation" / "engines.md"
BEGIN, END = "<!-- fault table: begin -->", "<!-- fault table: end -->"
#: Longer than this nobody waits. [s]
PATIENCE_S = 60.0
FAULTS = {
    "raise": "raises",
    "exit": "sys.exit(3)",
    "kill": "SIGKILL",
    "stop": "SIGSTOP",
    "hang": "loops for ever",
}
COMMIT = """
def commit(how):
    import os, signal, sys
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
for t in range(1, 61):
    h.helicsFederateRequestTime(fed, float(t))
    if t == 20: open("fault", "w").close()
    if t == 20 and name == "b": commit(how)
    h.helicsPublicationPublishDouble(pub, float(t))
print("reached its end", flush=True)
"""
)
MOSAIK_SIM = (
    COMMIT
    + """
import sys, mosaik_api_v3
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
        if time == 20 and self.how:
            open("fault", "w").close()
            commit(self.how)
        return time + 1
    def get_data(self, outputs):
        return {"e": {"x": 1.0}}
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
OURS = """\
feedertwin: 1
name: drill
duration_h: 0.01667
stall_timeout_s: 5
federates:
  a: {model: scripted, period_s: 1, inputs: {y_kw: {}}, outputs: {x_kw: {}}}
  b: {model: scripted, period_s: 1, inputs: {x_kw: {}}, outputs: {y_kw: {}},
      drill: {t_s: 20, how: HOW}}
links:
  - a.x_kw -> b.x_kw
  - {link: b.y_kw -> a.y_kw, delayed: true}
deploy: {partitions: {left: [a], right: [b]}}
"""


def main() -> None:
    """Play every fault and rewrite the table."""
    rows = []
    for how, title in FAULTS.items():
        cells = [plain_helics(how), plain_mosaik(how), ours(how)]
        rows.append(f"| {title} | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    head = [
        "| a federate ... | plain HELICS, the other federate | plain mosaik, `world.run()` | "
        "feedertwin on `helics` |",
        "| --- | --- | --- | --- |",
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
        while not (Path(folder) / "fault").exists() and survivor.poll() is None:
            time.sleep(0.01)
        began = time.monotonic()
        try:
            rest, errors = survivor.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return _stop([*pair, broker], f"waits; given up after {PATIENCE_S:.0f} s")
        took = time.monotonic() - began
        if "reached its end" in rest:
            return _stop([*pair, broker], f"**runs to its end on the last value**, {took:.1f} s")
        last = (errors.strip().splitlines() or ["nothing said"])[-1]
        return _stop([*pair, broker], f"after {took:.1f} s: `{last[-60:]}`")


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
        while not (folder / "fault").exists() and world.poll() is None:
            time.sleep(0.01)
        began = time.monotonic()
        try:
            said, errors = world.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return _stop([world], f"waits; given up after {PATIENCE_S:.0f} s")
        took = time.monotonic() - began
        if "reached its end" in said:
            return _stop([world], f"**returns as if all were well**, {took:.1f} s")
        last = (errors.strip().splitlines() or ["nothing said"])[-1]
        return _stop([world], f"after {took:.1f} s: `{last[:60]}`")


def ours(how: str) -> str:
    """Return what a run over two partitions does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "drill.yaml").write_text(OURS.replace("HOW", how))
        command = [sys.executable, "-m", "cosim", "run", "drill.yaml", "--engine", "helics"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        run = subprocess.Popen(
            [*command, "--quiet"], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        page = None
        while page is None and run.poll() is None:
            page = next(folder.glob("runs/*/live/b.tail"), None)
            time.sleep(0.05)
        said = " ".join(run.communicate(timeout=PATIENCE_S)[0].split())
        text = said.partition("federate ")[2].partition(" 0.0")[0]
        return f"exit code {run.returncode}: `{text[:160]}`"


def _stop(processes: list[subprocess.Popen[str]] | list[subprocess.Popen[bytes]], text: str) -> str:
    """End what this script started; return the text."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return text


if __name__ == "__main__":
    main()
