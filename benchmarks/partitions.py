"""Partitions: two processes that exchange 1,000 numbers each way, on three transports.

Rates are by the clock, between two lengths of run, so starting and ending do not count.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mosaik

from cosim.engines.helics_border import HelicsBroker, free_port
from cosim.run import RunOptions, run
from cosim.scenario.build import load

SCENARIO = """\
feedertwin: 1
name: exchange
duration_h: 24
federates:
  a: {{model: scripted, period_s: 1, inputs: {{y_kw: {{shape: [{width}]}}}},
      outputs: {{x_kw: {{shape: [{width}], values: [1, 2, 3]}}}}}}
  b: {{model: scripted, period_s: 1, inputs: {{x_kw: {{shape: [{width}]}}}},
      outputs: {{y_kw: {{shape: [{width}], values: [4, 5, 6]}}}}}}
links:
  - a.x_kw -> b.x_kw
  - {{link: b.y_kw -> a.y_kw, delayed: true}}
deploy: {{partitions: {{left: [a], right: [b]}}}}
record: {{skip: [a, b]}}
"""

#: Hand-written HELICS federate: raw payloads over zmq, turns as `cosim.engines.partition` asks.
FEDERATE = """\
import sys, time
import helics as h
import numpy as np
name, other, port, count, width, parts = *sys.argv[1:4], *map(int, sys.argv[4:7])
info = h.helicsCreateFederateInfo()
h.helicsFederateInfoSetCoreTypeFromString(info, "zmq")
h.helicsFederateInfoSetCoreInitString(info, f"--federates=1 --brokerport={port}")
h.helicsFederateInfoSetTimeProperty(info, h.HELICS_PROPERTY_TIME_DELTA, 1e-9)
h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_UNINTERRUPTIBLE, True)
fed = h.helicsCreateValueFederate(name, info)
pub = h.helicsFederateRegisterGlobalPublication(fed, name, h.HELICS_DATA_TYPE_RAW, "")
sub = h.helicsFederateRegisterSubscription(fed, other, "")
h.helicsFederateEnterExecutingMode(fed)
level, values = int(name == "b"), np.arange(float(width))
if parts:  # the same part as in the scenario does the step
    from cosim.scripted import Scripted, ScriptedConfig, ScriptedSignal
    from gridmodel.federate import Inputs
    said = ScriptedSignal(shape=(width,), values=(4.0, 5.0, 6.0) if level else (1.0, 2.0, 3.0))
    heard = ScriptedSignal(shape=(width,))
    part = Scripted(ScriptedConfig(period_s=1.0, inputs={"in_kw": heard}, outputs={"out_kw": said}))
    inputs = Inputs({"in_kw": values})
begin = time.perf_counter()
for t in range(1, count + 1):
    h.helicsFederateRequestTime(fed, (t * 128_000_000 + level) / 1e9)
    if h.helicsInputIsUpdated(sub):
        seen = np.frombuffer(h.helicsInputGetBytes(sub))
        if parts:
            inputs["in_kw"] = seen
    if parts:
        values = part.step(t * 1_000_000, inputs)[0]["out_kw"]
    h.helicsPublicationPublishBytes(pub, values.tobytes())
print(count / (time.perf_counter() - begin), flush=True)
h.helicsFederateDisconnect(fed)
"""

#: Hand-written mosaik simulator, started by ``cmd``: arrays travel as lists of numbers.
SIMULATOR = """\
import mosaik_api_v3
class Sim(mosaik_api_v3.Simulator):
    def __init__(self):
        super().__init__({"api_version": "3.0", "type": "time-based", "models": {
            "M": {"public": True, "params": [], "attrs": ["x", "y"]}}})
    def init(self, sid, time_resolution=1.0, width=1):
        self.values = {"e": {"y": [float(k) for k in range(width)]}}
        return self.meta
    def create(self, num, model):
        return [{"eid": "e", "type": model}]
    def step(self, time, inputs, max_advance):
        return time + 1
    def get_data(self, outputs):
        return self.values
mosaik_api_v3.start_simulation(Sim())
"""


def feedertwin(width: int, instants: int) -> float:
    """Return the instants a second of a scenario in two partitions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "exchange.yaml"
        path.write_text(SCENARIO.format(width=width))

        def wall_s(count: int) -> float:
            options = RunOptions(folder / "runs", count * 1_000_000, engine="helics")
            return run(load(path), options).wall_s

        short = instants // 10
        return (instants - short) / (wall_s(instants) - wall_s(short))


def by_hand(width: int, instants: int, parts: bool = False) -> float:
    """Return the instants a second of two hand-written HELICS federates.

    With ``parts``, each steps the part of the scenario; else it hands on what it has.
    """
    broker = HelicsBroker(2, free_port())
    port = broker.address.rpartition(":")[2]
    rest = [str(port), str(instants), str(width), str(int(parts))]
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", FEDERATE, name, other, *rest], stdout=subprocess.PIPE, text=True
        )
        for name, other in (("a", "b"), ("b", "a"))
    ]
    rates = [float(process.communicate(timeout=300)[0]) for process in pair]
    broker.close()
    return min(rates)


def mosaik_cmd(width: int, instants: int) -> float:
    """Return the instants a second of two mosaik simulators in processes of their own."""
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "sim.py"
        script.write_text(SIMULATOR)
        world = mosaik.World(
            {"S": {"cmd": f"{sys.executable} {script} %(addr)s"}},
            configure_logging=False, skip_greetings=True, cache=False, debug=False,
        )  # fmt: skip
        a, b = (world.start("S", sim_id=sid, width=width).M() for sid in "ab")
        world.connect(a, b, ("y", "x"))
        world.connect(b, a, ("y", "x"), time_shifted=True, initial_data={"y": [0.0] * width})
        begin = time.perf_counter()
        world.run(until=instants, print_progress=False)
        return instants / (time.perf_counter() - begin)
