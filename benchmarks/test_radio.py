"""Radio: a cell's uplinks and a flooding mesh, each beside the same rules in SimPy."""

from __future__ import annotations

from functools import partial

from benchmarks.radio import neighbours, our_mesh, our_uplink, their_mesh, their_uplink
from benchmarks.rounds import Bench, ratio

NODES, DAY_S = 5_000, 86_400.0
#: Square of 50 nodes, and each one's time between messages: several hops; all hear all.
MESHES = {"over several hops": (8_000.0, 300.0), "all hear all": (3_000.0, 300.0)}


def test_uplink(bench: Bench, quick: bool) -> None:
    """Packets a second of a cell of 5,000 nodes, and the day of one of 1,000."""
    part = 10 if quick else 1
    found = bench.alternate(
        {
            "ours": partial(our_uplink, NODES // part, DAY_S),
            "theirs": partial(their_uplink, NODES // part, DAY_S / 12),
            "day": partial(our_uplink, 1_000 // part, DAY_S),
        },
        rounds=5,
    )
    ours, theirs = ([one[0] for one in found[name]] for name in ("ours", "theirs"))
    bench.keep(
        [
            {
                "cell": "5,000 nodes, a packet each 10 min",
                "ours_per_s": max(ours),
                "theirs_per_s": max(theirs),
                "ratio": ratio(ours, theirs),
                "ours_pu": found["ours"][0][2],
                "theirs_pu": found["theirs"][0][2],
                "day_s": min(one[1] for one in found["day"]),
            }
        ]
    )


def test_mesh(bench: Bench, quick: bool) -> None:
    """Packets a second of 50 nodes, each packet judged at all who can hear it."""
    window_s = 3_600.0 if quick else DAY_S
    variants = {}
    for name, (side_m, period_s) in MESHES.items():
        variants[f"ours {name}"] = partial(our_mesh, 50, side_m, period_s, window_s)
        variants[f"theirs {name}"] = partial(their_mesh, 50, side_m, period_s, window_s / 24)
    found = bench.alternate(variants, rounds=5)
    rows = []
    for name, (side_m, _) in MESHES.items():
        ours, theirs = ([one[0] for one in found[f"{who} {name}"]] for who in ("ours", "theirs"))
        rows.append(
            {
                "mesh": f"50 nodes, {name}",
                "neighbours": neighbours(50, side_m),
                "ours_per_s": max(ours),
                "theirs_per_s": max(theirs),
                "ratio": ratio(ours, theirs),
                "ours_pu": found[f"ours {name}"][0][1],
                "theirs_pu": found[f"theirs {name}"][0][1],
            }
        )
    bench.keep(rows)
