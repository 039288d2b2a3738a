"""Last reserve: before the battery is empty the whole cell goes dark, and starts again later.

An anchor that runs empty goes down and takes minutes to hours to come back; one that only
loses its load stays up, takes the sun's power and keeps radios and controllers alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, MultipleOf
from pydantic import Field, model_validator

from gridmodel.settings import Settings
from gridmodel.units import microseconds
from gridmodel.wire.frames import FrameKind

Share = Annotated[float, Ge(0.0), Le(1.0)]
Positive = Annotated[float, Gt(0.0)]


class LastReserveConfig(Settings):
    """When the whole cell is shed, and started again."""

    shed_soc_pu: Share = Field(0.05, description="at or below, on an island: everyone goes dark")
    start_soc_pu: Share = Field(0.15, description="at or above: the cell is started again")
    repeat_s: Positive = Field(60.0, description="between two commands; a frame may be lost")
    starts_count: Annotated[int, Ge(1)] = Field(3, description="times the start is sent")
    valid_s: Annotated[float, Gt(0.0), Le(40_950.0), MultipleOf(10.0)] = Field(
        36_000.0, description="darkness ends by itself after this"
    )
    delay_s: Annotated[float, Ge(0.0), Le(125.0), MultipleOf(5.0)] = Field(
        10.0, description="from a command to its effect"
    )
    stagger_s: Annotated[float, Ge(0.0), Le(127.5), MultipleOf(0.5)] = Field(
        2.0, description="from one address to the next"
    )

    @model_validator(mode="after")
    def _start_above_shed(self) -> LastReserveConfig:
        if self.start_soc_pu <= self.shed_soc_pu:
            raise ValueError("start_soc_pu must be above shed_soc_pu, or the cell would flicker")
        return self


@dataclass(slots=True)
class LastReserve:
    """Whether the cell is dark, and what to tell it next."""

    config: LastReserveConfig
    dark: bool = False
    next_us: int = 0
    starts_left: int = 0
    dark_count: int = 0

    def boot(self, now_us: int) -> None:
        """Start the cell once there is enough: it may be dark, and who is lit does not mind."""
        self.next_us, self.starts_left = now_us, self.config.starts_count

    def decide(self, now_us: int, tied: bool, soc_pu: float) -> FrameKind | None:
        """Return the command to send now, if any."""
        c = self.config
        if not self.dark and not tied and soc_pu <= c.shed_soc_pu:
            self.dark, self.next_us, self.starts_left = True, now_us, 0
            self.dark_count += 1
        elif self.dark and (tied or soc_pu >= c.start_soc_pu):
            self.dark, self.next_us, self.starts_left = False, now_us, c.starts_count
        waits = not self.dark and not (tied or soc_pu >= c.start_soc_pu)
        if now_us < self.next_us or waits or not (self.dark or self.starts_left):
            return None
        self.next_us = now_us + microseconds(c.repeat_s)
        if self.dark:
            return FrameKind.SHED_ALL
        self.starts_left -= 1
        return FrameKind.BLACK_START

    def values(self, kind: FrameKind, anchor: int) -> dict[str, float]:
        """Return what a command says."""
        c = self.config
        if kind == FrameKind.SHED_ALL:
            return {"valid_s": c.valid_s, "delay_s": c.delay_s, "reason": 1.0}
        return {"anchor": float(anchor), "delay_s": c.delay_s, "stagger_s": c.stagger_s}

    @property
    def timer_us(self) -> int | None:
        """When the next command is due, if one is. [us]"""
        return self.next_us if self.dark or self.starts_left else None
