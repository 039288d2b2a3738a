"""Run options: what may be asked of a run besides its scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cosim.pacer import RealTimeConfig


@dataclass(frozen=True)
class RunOptions:
    """What may be asked of a run besides its scenario.

    Parameters
    ----------
    out : Path
        Folder of runs.
    until_us : int or None
        Stop before the scenario's end, at an instant that is not run. [us]
    snapshot_every_us : int or None
        Save the whole state so often. [us]
    engine : str
        Registered name of the engine.
    real_time : RealTimeConfig or None
        Keep in step with the wall clock; what the scenario says if left out.
    profile : bool
        Keep the time of each step, and leave it as a trace.
    begun : callable or None
        Told the run's folder before its first instant.
    not_judged : str or None
        Why expectations shall not be judged.
    """

    out: Path = Path("runs")
    until_us: int | None = None
    snapshot_every_us: int | None = None
    engine: str = "in_process"
    real_time: RealTimeConfig | None = None
    profile: bool = False
    begun: Callable[[Path], None] | None = None
    not_judged: str | None = None
