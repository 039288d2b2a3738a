"""Shortfalls: what a scenario expected of its key figures, and did not get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cosim.scenario.schema import BoundConfig
from gridmodel.kpi import Kpi


@dataclass(frozen=True)
class Shortfall:
    """A key figure outside its bounds."""

    name: str
    value: float
    bound: str


def shortfalls_of(expect: Mapping[str, BoundConfig], kpis: Mapping[str, Kpi]) -> list[Shortfall]:
    """Return the key figures that lie outside their bounds."""
    found = []
    for name, bound in expect.items():
        value = kpis[name].value
        if bound.min is not None and value < bound.min:
            found.append(Shortfall(name, value, f"at least {bound.min:g}"))
        if bound.max is not None and value > bound.max:
            found.append(Shortfall(name, value, f"at most {bound.max:g}"))
    return found
