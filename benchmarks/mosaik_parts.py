"""The rival: the same parts as plain mosaik simulators in the same process.

Time-based simulators of one entity, started by mosaik's ``python`` starter, with an array
as the value of one attribute: mosaik passes it on by reference. No debug mode, no logging,
no progress bar. Checks of the wiring before the first step are not counted.
"""

from __future__ import annotations

import time
from typing import Any

import mosaik
import mosaik_api_v3
import numpy as np

from benchmarks.parts import chains, check

META = {
    "api_version": "3.0",
    "type": "time-based",
    "models": {"Part": {"public": True, "params": [], "attrs": ["x", "y"]}},
}
#: Ways to set mosaik up: its cache, and whether a simulator waits for those it sends to.
SETUPS = {
    "mosaik, defaults": {"cache": True, "lazy_stepping": True},
    "mosaik, cache off": {"cache": False, "lazy_stepping": True},
    "mosaik, cache and lazy stepping off": {"cache": False, "lazy_stepping": False},
}
made: list[Part] = []


class Part(mosaik_api_v3.Simulator):
    """A simulator that sends one array each second and keeps what it was given last."""

    def __init__(self) -> None:
        super().__init__(META)
        self.seen: Any = None
        self.steps = 0
        made.append(self)

    def init(self, sid: str, time_resolution: float = 1.0, width: int = 1) -> Any:
        self._sent = {"part": {"y": np.arange(width, dtype=float)}}
        return self.meta

    def create(self, num: int, model: str) -> list[dict[str, Any]]:
        return [{"eid": "part", "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int:
        self.seen = inputs
        self.steps += 1
        return time + 1

    def get_data(self, outputs: Any) -> Any:
        return self._sent


def on_mosaik(count: int, width: int, instants: int, cache: bool, lazy_stepping: bool) -> float:
    """Return the instants a second of so many parts on mosaik."""
    made.clear()
    world = mosaik.World(
        {"Part": {"python": f"{__name__}:Part"}},
        configure_logging=False,
        skip_greetings=True,
        cache=cache,
        debug=False,
    )
    parts = [world.start("Part", sim_id=f"part_{k:03}", width=width).Part() for k in range(count)]
    for a, b in chains(count):
        world.connect(parts[a], parts[b], ("y", "x"))
    world.compile()
    begin = time.process_time()
    world.run(until=instants, print_progress=False, lazy_stepping=lazy_stepping)
    taken_s = time.process_time() - begin
    seen = made[1].seen["part"]["x"]["part_000.part"]
    check(sum(part.steps for part in made) == count * instants, seen, np.arange(width, dtype=float))
    return instants / taken_s
