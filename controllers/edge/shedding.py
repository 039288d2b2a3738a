"""Shedding: which circuits a house may use, by order, by frequency, or on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import Field

from controllers.edge.states import ALL, CRITICAL, NORMAL
from controllers.kept import Kept, seconds_left
from gridmodel.settings import Settings
from gridmodel.units import microseconds


class SheddingConfig(Settings):
    """When a node sheds without being told."""

    first_hz: Annotated[float, Gt(0.0)] = Field(49.2, description="below: deferrable load off")
    second_hz: Annotated[float, Gt(0.0)] = Field(48.8, description="below: normal load off too")
    lockout_s: Annotated[float, Ge(0.0)] = Field(300.0, description="a local shed lasts this long")
    surplus_hz: Annotated[float, Gt(0.0)] = Field(
        50.3, description="without a coordinator: above, everything may be used"
    )


@dataclass(slots=True)
class Shedding:
    """The allowance of a house on an island.

    Before the first order after a blackout (``valid_us`` 0) it is critical load only.
    """

    config: SheddingConfig
    ordered_mask: int = CRITICAL
    valid_us: int = 0
    local_mask: int = ALL
    local_until_us: int = 0
    f_hz: float = 0.0
    shed_count: int = 0

    def order(self, mask: int, valid_us: int) -> None:
        """Take an order of the coordinator."""
        self.ordered_mask = mask
        self.valid_us = valid_us

    def forget_order(self) -> None:
        """Go back to critical load only, as after a blackout."""
        self.ordered_mask = CRITICAL
        self.valid_us = 0

    def keep(self, now_us: int, kept: Kept) -> Kept:
        """Return what must survive a loss of power, with what is left of its times."""
        return kept._replace(
            local_mask=self.local_mask, local_s=seconds_left(now_us, self.local_until_us)
        )

    def resume(self, now_us: int, kept: Kept) -> None:
        """Take over what was kept: a restart is no way around a lock-out.

        An order is not kept: who has lost power comes back with critical load only.
        """
        if kept.local_s:
            self.local_mask = kept.local_mask
            self.local_until_us = now_us + microseconds(float(kept.local_s))

    def observe(self, now_us: int, f_hz: float) -> None:
        """Shed by frequency; the lower the frequency, the more."""
        self.f_hz = f_hz
        if now_us >= self.local_until_us:
            self.local_mask = ALL
        wanted = ALL
        if f_hz < self.config.first_hz:
            wanted = CRITICAL | NORMAL
        if f_hz < self.config.second_hz:
            wanted = CRITICAL
        if wanted != ALL:
            self.shed_count += self.local_mask & wanted != self.local_mask
            self.local_mask &= wanted
            self.local_until_us = now_us + microseconds(self.config.lockout_s)

    def allowed(self, now_us: int, led: bool) -> int:
        """Return the circuits that may be connected; ``led``: the coordinator is heard."""
        if led and (self.valid_us == 0 or now_us < self.valid_us):
            return self.ordered_mask & self.local_mask
        alone = ALL if self.f_hz >= self.config.surplus_hz else CRITICAL | NORMAL
        return alone & self.local_mask

    def watch_hz(self) -> float:
        """Return the frequency below which the next shed is due."""
        if self.local_mask & NORMAL == 0:
            return 0.0
        return self.config.first_hz if self.local_mask == ALL else self.config.second_hz

    def timers_us(self) -> tuple[int, int]:
        """Return when a local shed and when the order in force end."""
        return (self.local_until_us if self.local_mask != ALL else 0), self.valid_us
