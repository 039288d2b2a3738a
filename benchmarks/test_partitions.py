"""Partitions over HELICS beside a hand-written loop and mosaik's own processes."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks import adapter
from benchmarks.partitions import by_hand, feedertwin, mosaik_cmd
from benchmarks.rounds import Bench, ratio

WIDTH = 1_000


def test_partitions(bench: Bench, quick: bool) -> None:
    """Instants a second of two processes with 1,000 numbers each way."""
    part = 10 if quick else 1
    found = bench.alternate(
        {
            "feedertwin": partial(feedertwin, WIDTH, 12_000 // part),
            "by hand": partial(by_hand, WIDTH, 6_000 // part),
            "same parts": partial(by_hand, WIDTH, 6_000 // part, True),
            "mosaik": partial(mosaik_cmd, WIDTH, 600 // part),
            "engine mosaik": partial(adapter.engine, WIDTH, 6_000 // part),
            "mosaik by hand": partial(adapter.by_hand, WIDTH, 6_000 // part, False),
            "our simulators": partial(adapter.in_their_script, WIDTH, 6_000 // part),
            "theirs": partial(adapter.by_hand, WIDTH, 6_000 // part),
        },
        rounds=5,
    )
    ours = found["feedertwin"]
    bench.keep(
        [
            {"way": "feedertwin, two partitions", "instants_per_s": median(ours), "of_ours": 1.0},
            {
                "way": "two hand-written HELICS federates, raw payloads",
                "instants_per_s": median(found["by hand"]),
                "of_ours": ratio(ours, found["by hand"]),
            },
            {
                "way": "the same, stepping the scenario's own parts",
                "instants_per_s": median(found["same parts"]),
                "of_ours": ratio(ours, found["same parts"]),
            },
            {
                "way": "two mosaik simulators, `cmd`",
                "instants_per_s": median(found["mosaik"]),
                "of_ours": ratio(ours, found["mosaik"]),
            },
            {
                "way": "engine `mosaik`, one process",
                "instants_per_s": median(found["engine mosaik"]),
            },
            {
                "way": "two hand-written mosaik simulators, one process, at their fastest",
                "instants_per_s": median(found["mosaik by hand"]),
                "of_ours": ratio(found["engine mosaik"], found["mosaik by hand"]),
            },
            {
                "way": "our `FederateSimulator` twice in a plain mosaik script",
                "instants_per_s": median(found["our simulators"]),
            },
            {
                "way": "the hand-written simulators in that script",
                "instants_per_s": median(found["theirs"]),
                "of_ours": ratio(found["our simulators"], found["theirs"]),
            },
        ]
    )
