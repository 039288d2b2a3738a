"""Power flow beside its rivals: batches, a year with controls, OpenDSS as a part, a large feeder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median

import pytest

from benchmarks import large_feeder, opendss_part, opendss_year
from benchmarks.power_flow import METHODS, round_of
from benchmarks.rounds import Bench, ratio

#: Buses, symmetry, scenarios in a batch, batches. Small batches reuse memory; large ones ask the
#: system for it. power-grid-model takes 15 s for a year of the largest, so it has an eighth.
BATCHES = (
    (33, True, 1095, 8),
    (33, False, 1095, 8),
    (123, True, 1095, 8),
    (123, False, 1095, 8),
    (1000, True, 365, 24),
    (1000, False, 365, 3),
    (1000, True, 8760, 1),
    (1000, False, 1095, 1),
)


def test_batch(bench: Bench, quick: bool) -> None:
    """Time of a scenario, no controls, at the same tolerance."""
    cases = [(b, s, min(n, 160) if quick else n, 1 if quick else k) for b, s, n, k in BATCHES]
    found = bench.alternate({str(k): partial(round_of, *one) for k, one in enumerate(cases)}, 3)
    rows = []
    for k, (buses, symmetric, size, batches) in enumerate(cases):
        taken = found[str(k)]
        us = 1e6 / (size * batches)
        best = [min(one[method] for method in METHODS) for one in taken]
        rows.append(
            {
                "network": f"{buses:,} buses, {'symmetric' if symmetric else 'three-phase'}",
                "batches": f"{batches} of {size:,}",
                "ours_us": us * min(one["ours"] for one in taken),
                **{f"{method}_us": us * min(one[method] for one in taken) for method in METHODS},
                "ratio": ratio(best, [one["ours"] for one in taken]),
                "apart_pu": max(one["apart_pu"] for one in taken),
            }
        )
    bench.keep(rows)


@pytest.mark.skipif(
    not opendss_year.MASTER.exists(), reason="the IEEE 123-node feeder is not on this machine"
)
def test_year(bench: Bench, quick: bool) -> None:
    """Processor time of a year with regulators and capacitors, and the same taps."""
    found = bench.alternate(
        {
            "ours": opendss_year.ours,
            "theirs": partial(opendss_year.theirs, False),
            "theirs, all": partial(opendss_year.theirs, True),
        },
        rounds=1 if quick else 5,
    )
    taps = {name: runs[0][1] for name, runs in found.items()}
    times = {name: [taken for taken, _ in runs] for name, runs in found.items()}
    ways = {
        "ours": "`Fbs.year`, quantiles and hours out of bounds of all voltages included",
        "theirs": "OpenDSS's yearly mode, monitors of the taps only",
        "theirs, all": "the same, and a monitor of the voltages at every line",
    }
    bench.keep(
        [
            {
                "way": way,
                "year_s": min(times[name]),
                "hour_us": 1e6 * min(times[name]) / opendss_year.HOURS,
                "ratio": ratio(times[name], times["ours"]),
                "same_taps": opendss_year.same_hours(taps["ours"], taps[name]),
            }
            for name, way in ways.items()
        ]
    )


def test_opendss(bench: Bench, quick: bool) -> None:
    """Processor time of a step of OpenDSS as our part, and by hand."""
    steps = 200 if quick else 2_000
    found = bench.alternate(
        {
            "ours": partial(opendss_part.ours, steps),
            "by hand": partial(opendss_part.by_hand, steps, True),
            "less": partial(opendss_part.by_hand, steps, False),
        },
        rounds=7,
    )
    bench.keep(
        [
            {
                "way": "our part `opendss`",
                "step_us": 1e6 * median(found["ours"]),
                "of_plain": ratio(found["ours"], found["by hand"]),
            },
            {
                "way": "by hand, the same: complex voltages, line currents, source powers, unbalance",
                "step_us": 1e6 * median(found["by hand"]),
                "of_plain": 1.0,
            },
            {
                "way": "by hand, less: edit loads, solve, `AllBusMagPu`",
                "step_us": 1e6 * median(found["less"]),
                "of_plain": ratio(found["less"], found["by hand"]),
            },
        ]
    )


def test_large(bench: Bench, quick: bool, tmp_path: Path) -> None:
    """Reading, ordering and solving 100,000 nodes once."""
    path = tmp_path / "large.json"
    large_feeder.write(path, 10_000 if quick else 100_000)
    found = bench.alternate({"ours": partial(large_feeder.solved, path)}, rounds=3)
    bench.keep([min(found["ours"], key=lambda one: one["whole_s"])])
