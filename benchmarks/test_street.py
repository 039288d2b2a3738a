"""Street: the bundled scenario as a command, in time, memory and bytes."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks.children import feedertwin, run
from benchmarks.neighbourhood import STREET
from benchmarks.rounds import Bench

PATH = STREET / "scenario.yaml"
HOURS = (6, 24, 48)
#: Long enough that every kernel is used. [h]
SHORT_H = 0.1
TIMES = ("loop_s", "loop_cpu_s", "command_s", "command_cpu_s")


def test_street(bench: Bench, quick: bool) -> None:
    """Speed and memory of `street_island` at 1 s, cut after 6, 24 and 48 h.

    The best round counts: other work on the machine only ever slows one down.
    """
    hours = (0.5, 1.0) if quick else HOURS
    run(PATH, SHORT_H)  # compiles what is not compiled yet
    found = bench.alternate({f"{h:g}": partial(run, PATH, h) for h in hours}, rounds=3)
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
    quickest = min(found[f"{hours[-1]:g}"], key=lambda one: one["loop_s"])
    bench.keep(rows, memory=_thinned(quickest["memory"]))


def test_commands(bench: Bench) -> None:
    """Time to start at all, to check a scenario, and to run six minutes of it."""
    variants = {
        "--help": partial(_command, "--help"),
        "validate street_island": partial(_command, "validate", str(PATH)),
        "run street_island --until 6min": partial(run, PATH, SHORT_H),
        "run street_island --until 6min`, kernels to be compiled": partial(
            run, PATH, SHORT_H, True
        ),
    }
    found = bench.alternate(variants, rounds=5)
    rows = []
    for name, runs in found.items():
        best = {key: min(one[key] for one in runs) for key in ("command_s", "command_cpu_s")}
        peak_mb = median(one["peak_mb"] for one in runs)
        text = f"`feedertwin {name}" + ("" if "`" in name else "`")
        rows.append({"command": text, **best, "peak_mb": peak_mb})
    bench.keep(rows)


def _command(*arguments: str) -> dict[str, float]:
    ran = feedertwin(*arguments)
    return {
        "command_s": ran.wall_s,
        "command_cpu_s": ran.cpu_s,
        "peak_mb": ran.peak_mb(),
    }


def _thinned(memory: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """Return the greatest memory in each of at most so many spans of time."""
    span = -(-len(memory) // most)
    spans = [memory[low : low + span] for low in range(0, len(memory), span)]
    return [(round(part[0][0], 2), round(max(m for _, m in part), 1)) for part in spans]
