"""Grid codes: what grid-following inverters must do about frequency, as data.

Sources: IEEE 1547-2018 tables 4, 6, 18, 19 and 23-25 with the defaults of EPRI's OpenDER;
VDE-AR-N 4105 (2011) as Nedap's installer manual states it; SMA's off-grid parameter set
as SMA's manuals state it (they give no base for the slope: it ends at zero either way).

Thresholds are distances from nominal frequency, so one set serves 50 and 60 Hz; the IEEE
values are those of 60 Hz, the others those of 50 Hz. Voltage functions are not here yet.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import Field

from gridmodel.settings import Settings

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]

OFF = 1e9  # a threshold that is never reached


class GridCode(Settings):
    """Frequency behaviour of a grid-following inverter.

    Above ``start_hz`` over nominal the inverter's limit falls by ``slope_pu_per_hz`` of
    its base, from the power it gave when the frequency crossed the start.
    """

    start_hz: NonNegative = Field(description="distance over nominal at which power falls")
    slope_pu_per_hz: Positive = Field(description="fall of power")
    slope_base: Literal["rating", "crossing"] = Field(
        description="what the slope is a part of: the rating, or the power at the crossing"
    )
    response_s: Positive = Field(description="time to 90 % of a step (open-loop response time)")
    return_pu_per_s: Positive = Field(description="greatest rise of power back to normal")
    over_hz: tuple[Positive, Positive] = Field(description="two trip thresholds over nominal")
    over_s: tuple[NonNegative, NonNegative] = Field(description="their clearing times")
    under_hz: tuple[Positive, Positive] = Field(description="two trip thresholds under nominal")
    under_s: tuple[NonNegative, NonNegative] = Field(description="their clearing times")
    rocof_trip_hz_per_s: Positive = Field(OFF, description="rate of change that trips; 1e9 is off")
    enter_low_hz: Positive = Field(description="enter service above this distance under nominal")
    enter_high_hz: Positive = Field(description="enter service below this distance over nominal")
    enter_delay_s: NonNegative = Field(description="frequency must stay inside for this long")
    enter_ramp_s: NonNegative = Field(description="time from zero to rated power afterwards")


GRID_CODES: dict[str, GridCode] = {
    "ieee_1547_2018": GridCode(
        start_hz=0.036,
        slope_pu_per_hz=1 / (60.0 * 0.05),  # k = 0.05
        slope_base="rating",
        response_s=5.0,
        return_pu_per_s=1.0,
        over_hz=(1.2, 2.0),  # OF1 61.2 Hz, OF2 62.0 Hz
        over_s=(300.0, 0.16),
        under_hz=(1.5, 3.5),  # UF1 58.5 Hz, UF2 56.5 Hz
        under_s=(300.0, 0.16),
        enter_low_hz=0.5,
        enter_high_hz=0.1,
        enter_delay_s=300.0,
        enter_ramp_s=300.0,
    ),
    "vde_ar_n_4105": GridCode(
        start_hz=0.2,
        slope_pu_per_hz=0.4,
        slope_base="crossing",
        response_s=2.0,
        return_pu_per_s=0.1 / 60.0,  # 10 % of the rating per minute
        over_hz=(1.5, OFF),  # 51.5 Hz
        over_s=(0.1, 0.0),
        under_hz=(2.5, OFF),  # 47.5 Hz
        under_s=(0.1, 0.0),
        enter_low_hz=2.5,
        enter_high_hz=0.05,
        enter_delay_s=60.0,
        enter_ramp_s=600.0,
    ),
    "sma_off_grid": GridCode(
        start_hz=1.0,
        slope_pu_per_hz=1.0,
        slope_base="crossing",
        response_s=1.0,
        return_pu_per_s=0.05,
        over_hz=(4.5, OFF),
        over_s=(0.1, 0.0),
        under_hz=(4.5, OFF),
        under_s=(0.1, 0.0),
        rocof_trip_hz_per_s=4.0,
        enter_low_hz=4.0,
        enter_high_hz=0.9,
        enter_delay_s=10.0,
        enter_ramp_s=20.0,
    ),
}


def least_power_pu(code: GridCode, shift_max_hz: float = OFF) -> tuple[float, float]:
    """Return how far frequency alone can throttle an inverter.

    Parameters
    ----------
    code : GridCode
        The inverter's settings.
    shift_max_hz : float
        Greatest distance over nominal the grid-forming inverter goes to. [Hz]

    Returns
    -------
    power : float
        Least part of the power at the crossing that is still given. [pu]
    distance : float
        Distance over nominal where that is: just below the first trip threshold, or the
        greatest shift. [Hz]

    Examples
    --------
    >>> [round(least_power_pu(GRID_CODES[name])[0], 2) for name in GRID_CODES]
    [0.61, 0.48, 0.0]
    """
    distance = min(*code.over_hz, shift_max_hz)
    power = 1.0 - code.slope_pu_per_hz * max(distance - code.start_hz, 0.0)
    return max(power, 0.0), distance
