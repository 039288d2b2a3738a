"""A node's step and process, and the pace of real time."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks.node import lateness_ms, process_mb, reading_us, step_us
from benchmarks.rounds import Bench


def test_node(bench: Bench, quick: bool) -> None:
    """Processor time of a step, with and without its ports, and of a sampled reading."""
    part = 20 if quick else 1
    found = bench.alternate(
        {
            "the controller's step": partial(step_us, 40_000 // part, whole=False),
            "with its simulated ports": partial(step_us, 40_000 // part, whole=True),
            "a reading of an emulated MCP3208": partial(reading_us, 400 // part),
        },
        rounds=5,
    )
    rows = [{"what": name, "us": min(times)} for name, times in found.items()]
    bench.keep(rows, process_mb=round(process_mb(), 1))


def test_pace(bench: Bench, quick: bool) -> None:
    """Lateness of instants of 100 ms at the pace of the wall clock."""
    seconds = 2.0 if quick else 30.0
    found = bench.alternate({"pair": partial(lateness_ms, seconds)}, rounds=3)["pair"]
    row = {f"{key}_ms": median(one[key] for one in found) for key in ("median", "p99")}
    bench.keep([{"what": "two parts, 100 ms", **row, "max_ms": max(f["max"] for f in found)}])
