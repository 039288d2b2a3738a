"""Supply: whether a house has a healthy supply, and when it may enter service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import Field

from gridmodel.control import Alarm
from gridmodel.ports import Measurement
from gridmodel.settings import Settings
from gridmodel.units import microseconds

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]


class SupplyConfig(Settings):
    """What counts as a healthy supply, and how long it must have been so."""

    v_nominal_v: Positive = Field(230.94, description="nominal voltage, phase to neutral")
    v_low_pu: Positive = Field(0.80, description="disconnect below")
    v_high_pu: Positive = Field(1.15, description="disconnect above")
    f_low_hz: Positive = Field(47.5, description="disconnect below")
    f_high_hz: Positive = Field(53.0, description="disconnect above")
    v_enter_pu: Positive = Field(0.90, description="enter service above")
    enter_delay_s: NonNegative = Field(60.0, description="healthy for this long, then connect")
    stagger_s: NonNegative = Field(5.0, description="further delay for each address")


@dataclass(slots=True)
class Supply:
    """Health of one supply and the enter-service delay that runs when it returns."""

    config: SupplyConfig
    address: int
    meter: str = "supply"
    healthy: bool = True
    enter_us: int = 0  # when it may be entered, while healthy

    def observe(self, now_us: int, reading: Measurement) -> None:
        """Take a reading; start the delay when health returns."""
        c = self.config
        v_pu = reading.v_v / c.v_nominal_v
        low = c.v_low_pu if self.healthy else c.v_enter_pu
        good = low <= v_pu <= c.v_high_pu and c.f_low_hz <= reading.f_hz <= c.f_high_hz
        if good and not self.healthy:
            delay = c.enter_delay_s + c.stagger_s * self.address
            self.enter_us = now_us + microseconds(delay)
        self.healthy = good

    def ready(self, now_us: int) -> bool:
        """Return whether the supply is healthy and its delay is over."""
        return self.healthy and now_us >= self.enter_us

    def alarm(self, f_low_hz: float = 0.0) -> Alarm:
        """Return the bounds whose crossing changes health, or a higher frequency bound."""
        c = self.config
        if not self.healthy:
            return Alarm(self.meter, v_max_v=c.v_enter_pu * c.v_nominal_v)
        return Alarm(
            self.meter,
            c.v_low_pu * c.v_nominal_v,
            c.v_high_pu * c.v_nominal_v,
            max(c.f_low_hz, f_low_hz),
            c.f_high_hz,
        )
