"""Shortfalls: what a scenario expected of its key figures, and did not get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cosim.scenario.schema import BoundConfig
from gridmodel.kpi import Kpi


@dataclass(frozen=True)
class Shortfall:
    """A key figure outside its bounds, or one that a run did not come to have."""

    name: str
    value: float | None
    bound: str

    def __str__(self) -> str:
        """Return it as one line."""
        found = ": there was none in this run" if self.value is None else f" is {self.value:g}"
        return f"{self.name}{found}, expected {self.bound}"


def shortfalls_of(expect: Mapping[str, BoundConfig], kpis: Mapping[str, Kpi]) -> list[Shortfall]:
    """Return the key figures that lie outside their bounds, or were not there to be in them.

    One that is no number (NaN) is in none.
    """
    found = []
    for name, bound in expect.items():
        value = kpis[name].value if name in kpis else None
        if bound.min is not None and (value is None or not value >= bound.min):
            found.append(Shortfall(name, value, f"at least {bound.min:g}"))
        if bound.max is not None and (value is None or not value <= bound.max):
            found.append(Shortfall(name, value, f"at most {bound.max:g}"))
    return found
