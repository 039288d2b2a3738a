"""Grid codes: what grid-following inverters do about frequency; an island needs no more.

The values are those of the rule sets, with their clauses (`simulators.inverters.standard`).
Thresholds are distances from nominal frequency, so one set serves 50 and 60 Hz.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import Field

from gridmodel.settings import Settings
from simulators.inverters.standard.rule_sets import rule_set
from simulators.inverters.standard.rules import OFF as OFF
from simulators.inverters.standard.rules import Rules

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]


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


def of_rules(rules: Rules) -> GridCode:
    """Return the frequency behaviour that a whole rule set asks for."""
    droop, trip, enter = rules.frequency_droop, rules.trip, rules.enter_service
    return GridCode(
        start_hz=droop.over_start_hz if droop.enabled else OFF,
        slope_pu_per_hz=rules.over_slope_pu_per_hz,
        slope_base=droop.base,
        response_s=max(droop.response_s, 1e-6),
        return_pu_per_s=droop.return_percent_per_min / 100.0 / 60.0,
        over_hz=trip.over_hz,
        over_s=trip.over_hz_s,
        under_hz=trip.under_hz,
        under_s=trip.under_hz_s,
        rocof_trip_hz_per_s=trip.rocof_hz_per_s,
        enter_low_hz=enter.low_hz,
        enter_high_hz=enter.high_hz,
        enter_delay_s=enter.delay_s,
        enter_ramp_s=enter.ramp_s,
    )


#: Codes an island's PV may have, by name; the values are those of the rule sets.
GRID_CODES: dict[str, GridCode] = {
    name: of_rules(rule_set(source).rules)
    for name, source in (
        ("ieee_1547_2018", "ieee_1547_2018_b_iii"),
        ("vde_ar_n_4105", "vde_ar_n_4105_2011"),
        ("sma_off_grid", "sma_off_grid"),
    )
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
