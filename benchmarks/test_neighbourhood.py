"""Neighbourhood: how time and memory grow from 13 to 1,300 houses."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import neighbourhood
from benchmarks.children import run
from benchmarks.rounds import Bench

HOUSES = 13
STREETS = (1, 10, 100)
#: 1 h 45 min on the public grid, then the outage.
HOURS = 4.0
TIMES = ("loop_s", "loop_cpu_s", "command_s", "command_cpu_s")


def test_neighbourhood(bench: Bench, quick: bool, tmp_path: Path) -> None:
    """4 h around the outage for 1, 10 and 100 streets behind one transformer."""
    streets, hours = ((1, 3), 0.25) if quick else (STREETS, HOURS)
    variants = {}
    for n in streets:
        path = neighbourhood.write(tmp_path / f"{n}", n)
        variants[f"{n}"] = partial(run, path, hours)
    run(tmp_path / "1" / "scenario.yaml", 0.1)  # compiles what is not compiled yet
    found = bench.alternate(variants, rounds=2)
    rows: list[dict[str, Any]] = []
    for n in streets:
        runs = found[f"{n}"]
        taken = {key: min(one[key] for one in runs) for key in TIMES}
        taken |= {key: median(one[key] for one in runs) for key in ("running_mb", "peak_mb")}
        rows.append(
            {
                "houses": HOUSES * n,
                **taken,
                "speed": 3600 * hours / taken["loop_cpu_s"],
                "ms_per_house_hour": 1e3 * taken["loop_cpu_s"] / (HOUSES * n) / hours,
            }
        )
    for row, larger in pairwise(rows):
        for key, what in (("loop", "loop_cpu_s"), ("command", "command_cpu_s")):
            linear = row[what] * larger["houses"] / row["houses"]
            larger[f"{key}_of_linear"] = larger[what] / linear
    bench.keep(rows, hours=hours)
