"""Grid-forming inverter: droop behind a power filter, virtual inertia, frequency shift.

The structure is that of REGFM_A1 (droop form) with the virtual swing of a synchronous
machine added: frequency follows

    f_target = f_set - mp f0 Pf / S,        Pf = P / (1 + s T)
    f = f_target / (1 + s 2 H mp)

The first lag is the power filter T, the second the virtual inertia H: a droop with lag T
is a machine with H = T / (2 mp) (d'Arco and Suul, doi:10.1109/TSG.2013.2288000), so both
act together as H + T / (2 mp). Both lags are integrated by their exact exponential.

``f_set`` carries the message to inverters that listen to frequency only: it rises from
nominal as the battery gets full and falls below it as the battery gets empty. A limiter,
proportional and integral on the power beyond what the battery bears, moves it further
until PV throttles or load is shed. The set-point moves no faster than its slew rate, so
none of this adds to the rate of change after a disturbance. Left out: reactive droop, virtual impedance
and current control; voltage is nominal at the terminal once the start ramp is over.
"""

from __future__ import annotations

from math import expm1
from typing import Annotated, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gridmodel.codes import AnchorMode
from gridmodel.settings import Settings

Array = NDArray[np.float64]
Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]
Share = Annotated[float, Ge(0.0), Le(1.0)]

# Compiled code compares plain integers.
OFF, FOLLOWING, STARTING, FORMING, TRIPPED = map(int, AnchorMode)
MODES = tuple(mode.name.lower() for mode in AnchorMode)

# Columns of its parameters.
S_KVA, DROOP, LAG_FILTER, LAG_INERTIA, LIMITER, SLEW_HZ, START_PU, PEAK_KW = range(8)
RATED_KW, OVERLOAD, OVERLOAD_S, LAG_FOLLOW, F_NOMINAL, LIMITER_RATE = range(8, 14)
REACH, LIMITER_START = range(14, 16)
PARAMETERS = 16
# Columns of its state.
MODE, V_PU, DEV_HZ, SET_HZ, P_FILTERED_KW, P_KW, OVERLOADED_S = range(7)
ANGLE_DEG, STOPS, OVER_HZ, UNDER_HZ = range(7, 11)
STATES = 11


class FrequencyShift(Settings):
    """How the anchor tells the street by frequency that the battery is full or empty."""

    soc_start_pu: Share = Field(0.88, description="state of charge where the rise begins")
    soc_full_pu: Share = Field(0.95, description="state of charge where it is greatest")
    max_hz: NonNegative = Field(2.0, description="greatest rise over nominal")
    soc_low_pu: Share = Field(0.12, description="state of charge where the fall begins")
    soc_empty_pu: Share = Field(0.07, description="state of charge where it is greatest")
    min_hz: NonNegative = Field(1.4, description="greatest fall below nominal")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not self.soc_empty_pu < self.soc_low_pu < self.soc_start_pu < self.soc_full_pu:
            raise ValueError("soc_empty_pu < soc_low_pu < soc_start_pu < soc_full_pu is asked for")
        return self

    def at(self, soc_pu: float) -> float:
        """Return the shift at a state of charge. [Hz]"""
        full = (soc_pu - self.soc_start_pu) / (self.soc_full_pu - self.soc_start_pu)
        empty = (self.soc_low_pu - soc_pu) / (self.soc_low_pu - self.soc_empty_pu)
        return self.max_hz * min(max(full, 0.0), 1.0) - self.min_hz * min(max(empty, 0.0), 1.0)


class AnchorConfig(Settings):
    """The grid-forming inverter of the anchor house."""

    house: str = Field(description="customer where it stands")
    s_kva: Positive = Field(description="rating")
    droop_pu: Positive = Field(0.01, description="frequency droop at rated power")
    filter_s: Positive = Field(0.1, description="time constant of the power filter")
    inertia_s: NonNegative = Field(0.0, description="virtual inertia H besides the filter's")
    shift: FrequencyShift = Field(FrequencyShift(), description="frequency shift")
    limiter_start_pu: Share = Field(
        0.97, description="limiter: begins at this part of what the battery gives or takes"
    )
    limiter_droop_pu: NonNegative = Field(
        0.05, description="limiter: frequency for rated power beyond its start, of nominal"
    )
    limiter_pu_per_s: NonNegative = Field(
        0.1, description="limiter: rate of frequency for rated power beyond it, of nominal"
    )
    limiter_max_hz: NonNegative = Field(3.0, description="limiter: greatest shift either way")
    slew_hz_per_s: Positive = Field(1.0, description="greatest rate of the frequency set-point")
    start_ramp_s: Positive = Field(5.0, description="voltage ramp of a black start")
    peak_pu: Positive = Field(1.5, description="power that trips at once, of the rating")
    overload_pu: Positive = Field(1.1, description="power that trips in time, of the battery's")
    overload_s: Positive = Field(10.0, description="that time")
    follow_s: Positive = Field(0.5, description="time constant of its power on the public grid")

    @property
    def equivalent_inertia_s(self) -> float:
        """Return the inertia constant the street sees: H + T / (2 mp). [s]"""
        return self.inertia_s + self.filter_s / (2 * self.droop_pu)

    def initial_rocof_hz_per_s(self, step_pu: float, f_nominal_hz: float) -> float:
        """Return the rate of change right after a step of load. [Hz/s]"""
        return f_nominal_hz * step_pu / (2 * self.equivalent_inertia_s)


def parameters(config: AnchorConfig, f_nominal_hz: float, substep_s: float) -> Array:
    """Return the anchor's parameters as the kernel takes them, for a length of sub-step.

    The battery's rating is not among them; it is known when the battery has spoken.
    """

    def lag(tau_s: float) -> float:
        return -expm1(-substep_s / tau_s) if tau_s > 0 else 1.0

    values = np.zeros(PARAMETERS)
    values[S_KVA] = config.s_kva
    values[DROOP] = config.droop_pu
    values[LAG_FILTER] = lag(config.filter_s)
    values[LAG_INERTIA] = lag(2 * config.inertia_s * config.droop_pu)
    values[LIMITER] = config.limiter_droop_pu
    values[SLEW_HZ] = config.slew_hz_per_s * substep_s
    values[START_PU] = substep_s / config.start_ramp_s
    values[PEAK_KW] = config.peak_pu * config.s_kva
    values[OVERLOAD_S] = config.overload_s
    values[LAG_FOLLOW] = lag(config.follow_s)
    values[F_NOMINAL] = f_nominal_hz
    values[LIMITER_RATE] = config.limiter_pu_per_s * substep_s
    values[REACH] = config.limiter_max_hz
    values[LIMITER_START] = config.limiter_start_pu
    values[OVERLOAD] = config.overload_pu
    return values


@njit(cache=True)
def advance_frequency(p: Array, x: Array, set_hz: float, give: float, take: float) -> None:
    """Advance filter, set-point and swing by one sub-step, at the present power.

    Parameters
    ----------
    p, x : ndarray
        Parameters and state; the state is changed.
    set_hz : float
        Wanted distance of the set-point from nominal. [Hz]
    give, take : float
        Greatest discharge and charge power of the battery now. [kW]
    """
    x[P_FILTERED_KW] += (x[P_KW] - x[P_FILTERED_KW]) * p[LAG_FILTER]
    per_kw = p[F_NOMINAL] / p[S_KVA]
    over = -x[P_FILTERED_KW] - p[LIMITER_START] * take
    under = x[P_FILTERED_KW] - p[LIMITER_START] * give
    rate = p[LIMITER_RATE] * per_kw
    x[OVER_HZ] = min(max(x[OVER_HZ] + rate * over, 0.0), p[REACH])
    x[UNDER_HZ] = min(max(x[UNDER_HZ] + rate * under, 0.0), p[REACH])
    at_once = p[LIMITER] * per_kw * (max(over, 0.0) - max(under, 0.0))
    limited = min(max(x[OVER_HZ] - x[UNDER_HZ] + at_once, -p[REACH]), p[REACH])
    wanted = set_hz + limited
    x[SET_HZ] += min(max(wanted - x[SET_HZ], -p[SLEW_HZ]), p[SLEW_HZ])
    target = x[SET_HZ] - p[DROOP] * per_kw * x[P_FILTERED_KW]
    x[DEV_HZ] += (target - x[DEV_HZ]) * p[LAG_INERTIA]


@njit(cache=True)
def overloaded(p: Array, x: Array, give: float, take: float, h: float) -> bool:
    """Advance the overload timer; return whether the anchor must trip.

    At once on more than its peak, or when the battery is empty or full and the street
    asks it to go on; after ``overload_s`` on more than ``overload_pu`` of what it bears.
    """
    power = x[P_KW]
    if abs(power) > p[PEAK_KW]:
        return True
    if (power > give and give < p[RATED_KW]) or (-power > take and take < p[RATED_KW]):
        return True
    over = power > p[OVERLOAD] * give or -power > p[OVERLOAD] * take
    x[OVERLOADED_S] = x[OVERLOADED_S] + h if over else 0.0
    return bool(x[OVERLOADED_S] > p[OVERLOAD_S])
