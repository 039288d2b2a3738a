"""Engine: what a federation costs when its federates do nothing."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks.mosaik_parts import SETUPS, on_mosaik
from benchmarks.parts import bare_copies, in_process
from benchmarks.rounds import Bench, ratio

WIDTH = 1_000
#: Steps of a variant in a round: a tenth of a second or so.
STEPS = 30_000
COUNTS = (10, 50, 100, 200, 400)
#: Parts, and how many instants mosaik is given: it slows down with the square of the parts.
RIVALS = {2: 4_000, 10: 600, 50: 60, 100: 20, 400: 3}


def test_engine(bench: Bench, quick: bool) -> None:
    """Instants a second of 10 to 400 empty federates, with 1,000 values each and with one.

    Of many short rounds the best counts: other work on the machine only ever slows one down.
    """
    steps = STEPS // 10 if quick else STEPS
    variants = {
        f"{way.__name__} {count} {width}": partial(way, count, width, steps // count)
        for count in COUNTS
        for way, width in ((in_process, WIDTH), (bare_copies, WIDTH), (in_process, 1))
    }
    found = bench.alternate(variants, rounds=20)
    rows = []
    for count in COUNTS:
        wide, bare, narrow = (
            max(found[f"{key} {count} {width}"])
            for key, width in (("in_process", WIDTH), ("bare_copies", WIDTH), ("in_process", 1))
        )
        rows.append(
            {
                "federates": count,
                "instants_per_s": wide,
                "steps_per_s": count * wide,
                "bare_steps_per_s": count * bare,
                "narrow_steps_per_s": count * narrow,
            }
        )
    bench.keep(rows)


def test_mosaik(bench: Bench, quick: bool) -> None:
    """The same parts on mosaik, from a pair to 400."""
    variants = {}
    for count, instants in RIVALS.items():
        if quick and count > 100:
            continue
        variants[f"{count} feedertwin"] = partial(in_process, count, WIDTH, STEPS // count, True)
        for name, setup in SETUPS.items():
            variants[f"{count} {name}"] = partial(on_mosaik, count, WIDTH, instants, **setup)
    found = bench.alternate(variants, rounds=5)
    rows = []
    for count in RIVALS:
        if f"{count} feedertwin" not in found:
            continue
        ours = found[f"{count} feedertwin"]
        theirs = {name: found[f"{count} {name}"] for name in SETUPS}
        fastest = max(theirs.values(), key=median)
        rows.append(
            {
                "parts": count,
                "feedertwin": median(ours),
                **{name: median(rates) for name, rates in theirs.items()},
                "ratio": ratio(ours, fastest),
                "ratio_defaults": ratio(ours, theirs["mosaik, defaults"]),
            }
        )
    bench.keep(rows)
