"""Grid codes: what grid-following inverters do about frequency; an island needs no more.

They bear the names of the rule sets (`simulators.inverters.standard`), whose values they
take over. Thresholds are distances from nominal frequency, so one set serves 50 and 60 Hz.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import Field

from gridmodel.errors import Fault
from gridmodel.settings import Settings, near
from simulators.inverters.standard.rule_sets import names, rule_set
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


#: Spellings that scenarios had before codes were named as rule sets are.
_OLD = {"ieee_1547_2018": "ieee_1547_2018_b_iii", "vde_ar_n_4105": "vde_ar_n_4105_2011"}


def _has_hysteresis(name: str) -> bool:
    """Return whether a rule set holds power down on the way back, which `GridCode` cannot."""
    return rule_set(name).rules.frequency_droop.over_release_hz is not None


@cache
def _code(name: str) -> GridCode:
    return of_rules(rule_set(name).rules)


class GridCodes(Mapping[str, GridCode]):
    """Codes by the name of their rule set; a set is read when it is first asked for.

    Old spellings are understood as well, and not listed.
    """

    def __getitem__(self, name: str) -> GridCode:
        """Return a code by its name, or an old spelling of it."""
        name = _OLD.get(name, name)
        if name not in names() or _has_hysteresis(name):
            raise KeyError(name)
        return _code(name)

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return (name for name in names() if not _has_hysteresis(name))

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self)


#: Codes that PV on an island may have.
GRID_CODES = GridCodes()


def faults_of_code(name: str, where: str, key: str) -> list[Fault]:
    """Return what is wrong with the name of a grid code, given at a key of a federate."""
    if name in GRID_CODES:
        return []
    if name in names():
        problem = f"'{name}' has hysteresis, which the PV of an island has not."
        return [Fault(where, key, problem, "Take another, or the model standard_inverters.")]
    return [Fault(where, key, f"'{name}' is no grid code.", near(name, GRID_CODES))]


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
    >>> round(least_power_pu(GRID_CODES["vde_ar_n_4105_2011"])[0], 2)
    0.48
    """
    distance = min(*code.over_hz, shift_max_hz)
    power = 1.0 - code.slope_pu_per_hz * max(distance - code.start_hz, 0.0)
    return max(power, 0.0), distance
