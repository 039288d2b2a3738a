"""Protection: a node opens on too much current or heat, waits, and after some trips gives up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import Field

from controllers.edge.states import ALL
from controllers.kept import Kept, seconds_left
from gridmodel.settings import Settings
from gridmodel.units import microseconds

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]


class ProtectionConfig(Settings):
    """When a node protects its contacts and itself."""

    i_max_a: Positive = Field(40.0, description="what the contacts carry for ever")
    i_delay_s: NonNegative = Field(5.0, description="more than that for this long trips")
    i_instant_a: Positive = Field(80.0, description="more than this trips with the first reading")
    temp_max_c: float = Field(85.0, description="trips above; needs a thermometer")
    temp_reset_c: float = Field(70.0, description="closes again only below")
    retry_s: NonNegative = Field(60.0, description="a trip lasts at least this long")
    most_trips_count: Annotated[int, Ge(1)] = Field(
        3, description="so many trips stay until someone clears what the node keeps"
    )
    forget_s: Positive = Field(
        3600.0, description="without a trip for this long, all are forgotten"
    )
    check_s: Positive = Field(1.0, description="current and temperature are looked at so often")


@dataclass(slots=True)
class Protection:
    """Trips of one node."""

    config: ProtectionConfig
    over_us: int = -1  # since when there is too much current
    hot: bool = False
    until_us: int = 0  # the trip in force lasts until then
    trip_count: int = 0  # those not forgotten
    resumed: bool = False  # it may have tripped on heat before it was started anew
    total_count: int = 0

    def observe(self, now_us: int, i_a: float, temp_c: float | None) -> None:
        """Take a reading."""
        c = self.config
        if not self.locked and now_us >= self.until_us + microseconds(c.forget_s):
            self.trip_count = 0
        self.over_us = -1 if i_a <= c.i_max_a else now_us if self.over_us < 0 else self.over_us
        if temp_c is not None:
            self.hot = temp_c > (c.temp_reset_c if self.hot or self.resumed else c.temp_max_c)
            self.resumed = False
        late = self.over_us >= 0 and now_us - self.over_us >= microseconds(c.i_delay_s)
        if i_a > c.i_instant_a or late or self.hot:
            self._trip(now_us)

    def _trip(self, now_us: int) -> None:
        if now_us >= self.until_us and not self.locked:
            self.trip_count += 1
            self.total_count += 1
        self.until_us = now_us + microseconds(self.config.retry_s)
        self.over_us = -1

    def keep(self, now_us: int, kept: Kept) -> Kept:
        """Return what must survive a loss of power."""
        return kept._replace(trip_count=self.trip_count, trip_s=seconds_left(now_us, self.until_us))

    def resume(self, now_us: int, kept: Kept) -> None:
        """Take over what was kept; a node that is locked is freed by hand, not by its plug."""
        self.trip_count, self.resumed = kept.trip_count, kept.trip_s > 0
        self.until_us = now_us + microseconds(float(kept.trip_s))

    @property
    def locked(self) -> bool:
        """Whether it has tripped so often that someone must look."""
        return self.trip_count >= self.config.most_trips_count

    def tripped(self, now_us: int) -> bool:
        """Return whether everything has to be open now."""
        return self.locked or self.hot or now_us < self.until_us

    def allowed(self, now_us: int) -> int:
        """Return the circuits that may be connected."""
        return 0 if self.tripped(now_us) else ALL

    def wake_us(self, now_us: int) -> int:
        """Return when it wants to look again. [us]"""
        step_us = microseconds(self.config.check_s)
        return now_us - now_us % step_us + step_us
