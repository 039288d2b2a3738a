"""Transfer switch: public grid or private island, never both (break before make)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import Field

from controllers.edge.supply import Supply
from gridmodel.codes import Side
from gridmodel.settings import Settings
from gridmodel.units import microseconds


class TransferConfig(Settings):
    """How a house changes its supply."""

    gap_s: Annotated[float, Gt(0.0)] = Field(1.0, description="both contacts open at least so long")
    grid_delay_s: Annotated[float, Ge(0.0)] = Field(
        300.0, description="the public grid is healthy for this long before the house goes back"
    )


@dataclass(slots=True)
class TransferSwitch:
    """Position of a house and the pause between two positions."""

    config: TransferConfig
    position: Side = Side.GRID
    opened_us: int = -(10**15)

    def decide(self, now_us: int, grid: Supply, island: Supply) -> None:
        """Move by the health of both supplies; the public grid comes first."""
        if (self.position == Side.GRID and not grid.healthy) or (
            self.position == Side.ISLAND and (not island.healthy or grid.ready(now_us))
        ):
            self.open(now_us)
        elif self.position == Side.NOWHERE and now_us >= self.closes_us:
            if grid.ready(now_us):
                self.position = Side.GRID
            elif island.ready(now_us):
                self.position = Side.ISLAND

    def open(self, now_us: int) -> None:
        """Open both contacts; the pause begins."""
        self.position = Side.NOWHERE
        self.opened_us = now_us

    @property
    def contacts(self) -> dict[str, bool]:
        """Positions of the two contacts."""
        return {"grid": self.position == Side.GRID, "island": self.position == Side.ISLAND}

    @property
    def closes_us(self) -> int:
        """When the pause after the last opening is over. [us]"""
        return self.opened_us + microseconds(self.config.gap_s)
