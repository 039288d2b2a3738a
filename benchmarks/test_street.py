"""Street: the bundled scenario as a command, in time, memory and bytes."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks.children import feedertwin, run
from benchmarks.neighbourhood import STREET
from benchmarks.rounds import Bench

HOURS = (6, 24, 48)
TIMES = ("loop_s", "loop_cpu_s", "command_s", "command_cpu_s")


def test_street(bench: Bench, quick: bool) -> None:
    """Speed and memory of `street_island` at 1 s, cut after 6, 24 and 48 h.

    The best round counts: other work on the machine only ever slows one down.
    """
    hours = (0.5, 1.0) if quick else HOURS
    scenario = STREET / "scenario.yaml"
    found = bench.alternate({f"{h:g}": partial(run, scenario, h) for h in hours}, rounds=3)
    rows = []
    for h in hours:
        runs = found[f"{h:g}"]
        best = {key: min(one[key] for one in runs) for key in TIMES}
        rows.append(
            {
                "hours": h,
                **best,
                "speed": 3600 * h / best["loop_s"],
                "cpu_speed": 3600 * h / best["loop_cpu_s"],
                "command_speed": 3600 * h / best["command_s"],
                "running_mb": median(one["running_mb"] for one in runs),
                "peak_mb": median(one["peak_mb"] for one in runs),
                "record_mb_per_h": runs[0]["record_mb"] / h,
            }
        )
    bench.keep(rows, memory=_thinned(found[f"{hours[-1]:g}"][0]["memory"]))


def test_commands(bench: Bench, quick: bool) -> None:
    """Time to check a scenario, beside the time to start at all."""
    path = str(STREET / "scenario.yaml")
    commands = {"--help": ("--help",), "validate": ("validate", path), "explain": ("explain", path)}
    found = bench.alternate(
        {name: partial(feedertwin, *command) for name, command in commands.items()}, rounds=5
    )
    bench.keep(
        [
            {
                "command": f"feedertwin {name}" + (" street_island" if name != "--help" else ""),
                "cpu_s": min(ran.cpu_s for ran in runs),
                "wall_s": min(ran.wall_s for ran in runs),
                "peak_mb": median(ran.peak_mb() for ran in runs),
            }
            for name, runs in found.items()
        ]
    )


def _thinned(memory: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """Return the greatest memory in each of at most so many spans of time."""
    span = -(-len(memory) // most)
    spans = [memory[low : low + span] for low in range(0, len(memory), span)]
    return [(round(part[0][0], 2), round(max(m for _, m in part), 1)) for part in spans]
