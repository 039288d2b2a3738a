"""Grid-forming inverter: droop behind a power filter, virtual inertia, frequency shift.

The structure is that of REGFM_A1 (droop form) with the virtual swing of a synchronous
machine added: frequency follows

    f_target = f_set - mp f0 Pf / S + limiter,        Pf = P / (1 + s T)
    f = f_target / (1 + s 2 H mp)

The first lag is the power filter T, the second the virtual inertia H: a droop with lag T
is a machine with H = T / (2 mp) (d'Arco and Suul, doi:10.1109/TSG.2013.2288000), so both
act together as H + T / (2 mp). Both lags are integrated by their exact exponential.

``f_set`` carries the message to inverters that listen to frequency only: it rises from
nominal with the battery's state of charge. Left out: reactive droop, virtual impedance
and current control; voltage is nominal at the terminal once the start ramp is over.
"""

from __future__ import annotations

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
S_KVA, DROOP, TAU_FILTER, TAU_INERTIA, LIMITER, SLEW, START_S = range(7)
PEAK_KW, RATED_KW, OVERLOAD_S, TAU_FOLLOW, F_NOMINAL = range(7, 12)
# Columns of its state.
MODE, V_PU, DEV_HZ, SET_HZ, P_FILTERED_KW, P_KW, OVERLOADED_S, ANGLE_DEG, STOPS = range(9)
STATES = 9


class FrequencyShift(Settings):
    """How the anchor tells PV inverters that the battery is getting full."""

    soc_start_pu: Share = Field(0.88, description="state of charge where the shift begins")
    soc_full_pu: Share = Field(0.95, description="state of charge where it is greatest")
    max_hz: NonNegative = Field(2.0, description="greatest shift over nominal")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.soc_start_pu >= self.soc_full_pu:
            raise ValueError("soc_start_pu must be below soc_full_pu")
        return self

    def at(self, soc_pu: float) -> float:
        """Return the shift at a state of charge. [Hz]"""
        part = (soc_pu - self.soc_start_pu) / (self.soc_full_pu - self.soc_start_pu)
        return self.max_hz * min(max(part, 0.0), 1.0)


class AnchorConfig(Settings):
    """The grid-forming inverter of the anchor house."""

    house: str = Field(description="customer where it stands")
    s_kva: Positive = Field(description="rating")
    droop_pu: Positive = Field(0.01, description="frequency droop at rated power")
    filter_s: Positive = Field(0.1, description="time constant of the power filter")
    inertia_s: NonNegative = Field(0.0, description="virtual inertia H besides the filter's")
    shift: FrequencyShift = Field(FrequencyShift(), description="frequency shift")
    limiter_droop_pu: NonNegative = Field(
        0.05, description="further droop on power beyond what the battery gives or takes"
    )
    slew_hz_per_s: Positive = Field(0.5, description="greatest rate of the frequency set-point")
    start_ramp_s: Positive = Field(5.0, description="voltage ramp of a black start")
    peak_pu: Positive = Field(1.5, description="power that trips at once, of the rating")
    overload_s: Positive = Field(10.0, description="time beyond the battery's power that trips")
    follow_s: Positive = Field(0.5, description="time constant of its power on the public grid")

    @property
    def equivalent_inertia_s(self) -> float:
        """Return the inertia constant the street sees: H + T / (2 mp). [s]"""
        return self.inertia_s + self.filter_s / (2 * self.droop_pu)

    def initial_rocof_hz_per_s(self, step_pu: float, f_nominal_hz: float) -> float:
        """Return the rate of change right after a step of load. [Hz/s]"""
        return f_nominal_hz * step_pu / (2 * self.equivalent_inertia_s)


def parameters(config: AnchorConfig, p_rated_kw: float, f_nominal_hz: float) -> Array:
    """Return the anchor's parameters as the kernel takes them."""
    values = np.zeros(12)
    values[S_KVA] = config.s_kva
    values[DROOP] = config.droop_pu
    values[TAU_FILTER] = config.filter_s
    values[TAU_INERTIA] = 2 * config.inertia_s * config.droop_pu
    values[LIMITER] = config.limiter_droop_pu
    values[SLEW] = config.slew_hz_per_s
    values[START_S] = config.start_ramp_s
    values[PEAK_KW] = config.peak_pu * config.s_kva
    values[RATED_KW] = p_rated_kw
    values[OVERLOAD_S] = config.overload_s
    values[TAU_FOLLOW] = config.follow_s
    values[F_NOMINAL] = f_nominal_hz
    return values


@njit(cache=True)  # type: ignore[untyped-decorator]
def advance_frequency(
    p: Array, x: Array, set_hz: float, give: float, take: float, h: float
) -> None:
    """Advance filter, set-point and swing by one sub-step, at the present power.

    Parameters
    ----------
    p, x : ndarray
        Parameters and state; the state is changed.
    set_hz : float
        Wanted distance of the set-point from nominal. [Hz]
    give, take : float
        Greatest discharge and charge power of the battery now. [kW]
    h : float
        Length of the sub-step. [s]
    """
    x[P_FILTERED_KW] += (x[P_KW] - x[P_FILTERED_KW]) * -np.expm1(-h / p[TAU_FILTER])
    step = p[SLEW] * h
    x[SET_HZ] += min(max(set_hz - x[SET_HZ], -step), step)
    beyond = max(x[P_FILTERED_KW] - give, 0.0) - max(-x[P_FILTERED_KW] - take, 0.0)
    droop_hz = p[F_NOMINAL] / p[S_KVA] * (p[DROOP] * x[P_FILTERED_KW] + p[LIMITER] * beyond)
    target = x[SET_HZ] - droop_hz
    if p[TAU_INERTIA] > 0.0:
        x[DEV_HZ] += (target - x[DEV_HZ]) * -np.expm1(-h / p[TAU_INERTIA])
    else:
        x[DEV_HZ] = target


@njit(cache=True)  # type: ignore[untyped-decorator]
def overloaded(p: Array, x: Array, give: float, take: float, h: float) -> bool:
    """Advance the overload timer; return whether the anchor must trip.

    At once on more than its peak, or when the battery is empty or full and the street
    asks it to go on; after ``overload_s`` on more than the battery's rated power.
    """
    power = x[P_KW]
    if abs(power) > p[PEAK_KW]:
        return True
    over_give, over_take = power > give, -power > take
    if (over_give and give < p[RATED_KW]) or (over_take and take < p[RATED_KW]):
        return True
    x[OVERLOADED_S] = x[OVERLOADED_S] + h if over_give or over_take else 0.0
    return x[OVERLOADED_S] > p[OVERLOAD_S]
