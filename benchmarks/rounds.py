"""Rounds: rivals run in turns, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

#: Figures of a variant, one a round.
Taken = dict[str, list[Any]]


class Bench:
    """One section of the page: runs variants A/B/A/B and keeps rows for the results.

    Parameters
    ----------
    benchmark : pytest_benchmark.fixture.BenchmarkFixture
        Counts and times the rounds, and carries the rows into its JSON.
    quick : bool
        One round only.
    """

    def __init__(self, benchmark: Any, quick: bool) -> None:
        self._benchmark = benchmark
        self._quick = quick
        self._load = os.getloadavg()[0]

    def alternate(self, variants: Mapping[str, Callable[[], Any]], rounds: int) -> Taken:
        """Call each variant once a round; return what they returned, by name.

        A variant measures by itself, so its preparation need not count.
        """
        taken: Taken = {name: [] for name in variants}

        def one_round() -> None:
            for name, variant in variants.items():
                taken[name].append(variant())

        self._benchmark.pedantic(one_round, rounds=1 if self._quick else rounds)
        return taken

    def keep(self, rows: list[dict[str, Any]], **about: Any) -> None:
        """Keep a section's rows, and what else is to be said about them."""
        self._benchmark.extra_info.update(rows=rows, load=round(self._load, 1), **about)


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median over rounds of ours to theirs."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))
