"""Key figures of a run."""

from __future__ import annotations

from dataclasses import dataclass

from gridmodel.units import unit_of


@dataclass(frozen=True, slots=True)
class Kpi:
    """A key figure of a run; the name ends in its unit."""

    name: str
    value: float
    about: str = ""

    @property
    def unit(self) -> str:
        """Unit symbol, from the name."""
        return unit_of(self.name)
