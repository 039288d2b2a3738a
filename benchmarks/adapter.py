"""Adapter: our engine on mosaik, and our simulators in a mosaik script, beside hand-written ones.

The parts are the same, and so are the script and its options. All is in one process; rates are
by its processor time, without starting and ending.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import mosaik
import mosaik_api_v3
import numpy as np

from benchmarks.partitions import SCENARIO
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from cosim.scripted import Scripted
from gridmodel.federate import Inputs
from gridmodel.units import US_PER_S

PORTS = {"a": ("y_kw", "x_kw"), "b": ("x_kw", "y_kw")}


class ByHand(mosaik_api_v3.Simulator):
    """What a user would write around one of our parts: arrays as attributes, nothing else."""

    def __init__(self) -> None:
        super().__init__(
            {
                "api_version": "3.0",
                "type": "time-based",
                "models": {"Part": {"public": True, "params": [], "attrs": ["x", "y"]}},
            }
        )

    def init(self, sid: str, time_resolution: float = 1.0, part: Any = None, width: int = 1) -> Any:
        self._part: Scripted = part
        self._in, self._out = PORTS[sid]
        self._inputs = Inputs({self._in: np.zeros(width)})
        return self.meta

    def create(self, num: int, model: str) -> list[dict[str, Any]]:
        return [{"eid": "e", "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int:
        for value in inputs.get("e", {}).get("x", {}).values():
            self._inputs[self._in] = value
        outputs, next_us = self._part.step(time, self._inputs)
        self._data = {"e": {"y": outputs[self._out]}}
        assert next_us is not None
        return next_us

    def get_data(self, outputs: Any) -> Any:
        return self._data


def _scenario(folder: Path, width: int) -> Path:
    path = folder / "exchange.yaml"
    path.write_text(SCENARIO.format(width=width))
    return path


def engine(width: int, instants: int) -> float:
    """Return the instants a second of a pair of parts on our engine ``mosaik``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _scenario(folder, width)

        def taken_s(count: int) -> float:
            options = RunOptions(folder / "runs", count * US_PER_S, engine="mosaik")
            scenario = load(path)
            begin = time.process_time()
            run(scenario, options)
            return time.process_time() - begin

        short = instants // 10
        return (instants - short) / (taken_s(instants) - taken_s(short))


def _world(simulator: str) -> mosaik.World:
    return mosaik.World(
        {"S": {"python": simulator}},
        time_resolution=1e-6, configure_logging=False, skip_greetings=True, debug=False,
    )  # fmt: skip


def _rate(world: mosaik.World, instants: int, lazy_stepping: bool) -> float:
    begin = time.process_time()
    world.run(until=instants * US_PER_S, print_progress=False, lazy_stepping=lazy_stepping)
    return instants / (time.process_time() - begin)


def by_hand(width: int, instants: int, lazy_stepping: bool = True) -> float:
    """Return the instants a second of the same pair in simulators written by hand."""
    with tempfile.TemporaryDirectory() as name:
        federation = load(_scenario(Path(name), width)).federation
    world = _world(f"{__name__}:ByHand")
    a, b = (
        world.start("S", sim_id=sid, part=federation[sid].federate, width=width).Part()
        for sid in "ab"
    )
    world.connect(a, b, ("y", "x"))
    world.connect(b, a, ("y", "x"), time_shifted=True, initial_data={"y": np.zeros(width)})
    return _rate(world, instants, lazy_stepping)


def in_their_script(width: int, instants: int, lazy_stepping: bool = True) -> float:
    """Return the instants a second of the same pair as our simulators in a script like theirs."""
    with tempfile.TemporaryDirectory() as name:
        given = load(_scenario(Path(name), width)).config.federates
    parts = {sid: {k: v for k, v in given[sid].items() if k != "model"} for sid in "ab"}
    world = _world("cosim.mosaik_sim:FederateSimulator")
    a, b = (
        world.start("S", sim_id=sid, model="scripted", config=parts[sid]).Federate() for sid in "ab"
    )
    world.connect(a, b, "x_kw")
    world.connect(b, a, "y_kw", time_shifted=True, initial_data={"y_kw": np.zeros(width)})
    return _rate(world, instants, lazy_stepping)
