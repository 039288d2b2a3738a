"""Node: what a step of its program costs, what its process weighs, how late real time is."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from controllers.cell_link import CellLink
from controllers.edge.node import EdgeNode, EdgeNodeConfig
from cosim import run_folder
from cosim.node.runner import NodeRunner
from cosim.pacer import RealTimeConfig
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from gridmodel.codes import CIRCUITS
from gridmodel.control import Observations, Terminal
from gridmodel.federate import NodeSeat
from gridmodel.metering import MeterScale
from gridmodel.ports import Measurement, ReceivedFrame
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.lora import Modem
from hardware_bridges.meter.config import SampledMeterConfig
from hardware_bridges.meter.emulated import EmulatedMeter
from hardware_bridges.meter.simulated import SimulatedMeter
from hardware_bridges.radio.simulated import SimulatedRadio
from hardware_bridges.relay.simulated import SimulatedRelay

S = 1_000_000
_PAIR = """\
feedertwin: 1
name: pace
duration_h: HOURS
federates:
  sun: {model: scripted, period_s: 0.1, outputs: {p_kw: {}}}
  house: {model: scripted, period_s: 0.1, inputs: {p_kw: {}}}
links: [sun.p_kw -> house.p_kw]
"""


def _node() -> tuple[EdgeNode, NodeRunner, Terminal, CellLink]:
    terminal = Terminal("house_03", relays=dict.fromkeys(CIRCUITS, True))
    seat = NodeSeat("nodes", terminal, ("supply",), 3, ("a", "b", "house_03"), Modem(), 1)
    node = EdgeNode(EdgeNodeConfig(), seat)
    runner = NodeRunner(
        node,
        {"supply": SimulatedMeter(terminal, "supply")},
        {name: SimulatedRelay(terminal, name) for name in CIRCUITS},
        SimulatedRadio(terminal, seat.modem),
    )
    return node, runner, terminal, CellLink(COORDINATOR, [3], 1)


def step_us(count: int, *, whole: bool) -> float:
    """Return the processor time of a step, second by second with a beacon each minute. [us]

    ``whole``: with the ports around the controller.
    """
    node, runner, terminal, coordinator = _node()
    beacon = {"grid_tied": 0, "scarce": 0, "soc_pu": 0.5, "period_s": 60.0}
    frames = {
        k: ReceivedFrame(
            k * S, coordinator.seal(FrameKind.BEACON, EVERYONE, beacon), -90.0, 5.0
        )
        for k in range(0, count, 60)
    }  # fmt: skip
    contacts = dict.fromkeys(CIRCUITS, True)
    begin = time.process_time()
    for k in range(count):
        reading = Measurement(k * S, 230.0 + k % 3, 4.3, -1.0, 50.0 - 0.01 * (k % 5))
        heard = frames.get(k)
        if whole:
            terminal.readings["supply"] = reading
            if heard is not None:
                terminal.received.append(heard)
            runner.step(k * S)
            terminal.sent.clear()
        else:
            seen = Observations({"supply": reading}, contacts)
            contacts |= node.step(k * S, seen, () if heard is None else (heard,)).relays
    return 1e6 * (time.process_time() - begin) / count


def reading_us(count: int) -> float:
    """Return the processor time of a reading from an emulated MCP3208's samples. [us]"""
    meter = EmulatedMeter(SampledMeterConfig(), "supply", scale=MeterScale())
    meter.read(0)
    begin = time.process_time()
    for k in range(count):
        meter.read(k)
    return 1e6 * (time.process_time() - begin) / count


def process_mb() -> float:
    """Return the memory of a node's process once its program is loaded. [MB]"""
    program = (
        "import resource, cosim.node.command, cosim.node.assembly, cosim.node.process, "
        "controllers.edge.node\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def lateness_ms(seconds: float) -> dict[str, float]:
    """Return how late instants of 100 ms began in a run at the pace of the wall clock. [ms]"""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "pace.yaml").write_text(_PAIR.replace("HOURS", f"{seconds / 3600:.9f}"))
        result = run(
            load(folder / "pace.yaml"),
            RunOptions(out=folder / "runs", real_time=RealTimeConfig(factor=1.0)),
        )
        about = run_folder.read_run(result.folder)["lateness"]
    return {key: about[f"late_{key}_ms"] for key in ("median", "p99", "max")}
