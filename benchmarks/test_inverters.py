"""Standard inverters: one step of 10,000, and of fewer beside EPRI's OpenDER."""

from __future__ import annotations

from functools import partial

from benchmarks.inverters import ours, theirs
from benchmarks.rounds import Bench, ratio

FLEET = 10_000
#: OpenDER takes a fifth of a millisecond for each, in proportion to their number.
BESIDE = 200
SITUATIONS = {"at nominal frequency": 0.0, "all in frequency-droop": 0.5}


def test_inverters(bench: Bench, quick: bool) -> None:
    """Time of a step, volt-var and volt-watt on."""
    part = 10 if quick else 1
    variants = {}
    for name, over_hz in SITUATIONS.items():
        variants[f"fleet {name}"] = partial(ours, FLEET // part, 300 // part, over_hz)
        variants[f"ours {name}"] = partial(ours, BESIDE // part, 300 // part, over_hz)
        variants[f"theirs {name}"] = partial(theirs, BESIDE // part, 5, over_hz)
    found = bench.alternate(variants, rounds=5)
    bench.keep(
        [
            {
                "situation": name,
                "fleet_ms": 1e3 * min(found[f"fleet {name}"]),
                "ours_us": 1e6 * min(found[f"ours {name}"]) / BESIDE * part,
                "theirs_us": 1e6 * min(found[f"theirs {name}"]) / BESIDE * part,
                "ratio": ratio(found[f"theirs {name}"], found[f"ours {name}"]),
            }
            for name in SITUATIONS
        ]
    )
