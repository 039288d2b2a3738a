"""Grid-following inverters: frequency-watt, trips, enter service; a fleet as arrays.

Per inverter, each sub-step: is the supply good; has a trip threshold been passed for its
clearing time; may it enter service; how far does the frequency let it go. The limit
follows its target as a first-order lag with tau = response / ln(10) (90 % at the response
time, as EPRI's OpenDER has it), and rises no faster than the return rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, log

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.inverters.grid_codes import GridCode

Array = NDArray[np.float64]

# Columns of the parameter table, one row an inverter.
S_KVA, START, SLOPE, ON_RATING, LAG, RETURN, OVER_1, OVER_S_1, OVER_2, OVER_S_2 = range(10)
UNDER_1, UNDER_S_1, UNDER_2, UNDER_S_2, ROCOF, ENTER_LOW, ENTER_HIGH, DELAY, RAMP = range(10, 19)
QUIET_HIGH, QUIET_LOW = range(19, 21)  # between these no rule has anything to say
PARAMETERS = 21
# Columns of the state table.
RUNNING, CALM, WAITED_S, T_OVER_1, T_OVER_2, T_UNDER_1, T_UNDER_2 = range(7)
SOFT_PU, CROSSED, P_CROSSING_KW, LIMIT_KW, P_KW, TRIPS = range(7, 13)
STATES = 13


def parameters(codes: Sequence[GridCode], s_kva: Sequence[float], substep_s: float) -> Array:
    """Return the fleet's parameter table for a length of sub-step, shape (n, PARAMETERS)."""
    rows = [
        (
            rating, c.start_hz, c.slope_pu_per_hz, float(c.slope_base == "rating"),
            -expm1(-substep_s * log(10.0) / c.response_s), c.return_pu_per_s * substep_s,
            c.over_hz[0], c.over_s[0], c.over_hz[1], c.over_s[1],
            c.under_hz[0], c.under_s[0], c.under_hz[1], c.under_s[1],
            c.rocof_trip_hz_per_s, c.enter_low_hz, c.enter_high_hz, c.enter_delay_s,
            c.enter_ramp_s, min(c.start_hz, *c.over_hz), -min(c.under_hz),
        )
        for c, rating in zip(codes, s_kva, strict=True)
    ]  # fmt: skip
    return np.array(rows, dtype=np.float64).reshape(len(rows), PARAMETERS)


def running_fleet(table: Array) -> Array:
    """Return the state table of a fleet in normal operation."""
    state = np.zeros((len(table), STATES))
    state[:, RUNNING] = 1.0
    state[:, SOFT_PU] = 1.0
    state[:, LIMIT_KW] = table[:, S_KVA]
    return state


@njit(cache=True)
def _clock(timer: float, beyond: bool, h: float) -> float:
    """Run a clearing timer while the threshold is passed."""
    return timer + h if beyond else 0.0


@njit(cache=True)
def trips(p: Array, x: Array, k: int, dev: float, rocof: float, h: float) -> bool:
    """Advance one inverter's clearing timers; return whether one has run out."""
    x[k, T_OVER_1] = _clock(x[k, T_OVER_1], dev > p[k, OVER_1], h)
    x[k, T_OVER_2] = _clock(x[k, T_OVER_2], dev > p[k, OVER_2], h)
    x[k, T_UNDER_1] = _clock(x[k, T_UNDER_1], -dev > p[k, UNDER_1], h)
    x[k, T_UNDER_2] = _clock(x[k, T_UNDER_2], -dev > p[k, UNDER_2], h)
    return bool(
        x[k, T_OVER_1] > p[k, OVER_S_1]
        or x[k, T_OVER_2] > p[k, OVER_S_2]
        or x[k, T_UNDER_1] > p[k, UNDER_S_1]
        or x[k, T_UNDER_2] > p[k, UNDER_S_2]
        or abs(rocof) > p[k, ROCOF]
    )


@njit(cache=True)
def frequency_limit_kw(p: Array, x: Array, k: int, dev: float) -> float:
    """Return the power one inverter may give at a deviation, and latch the crossing. [kW]"""
    if dev <= p[k, START]:
        x[k, CROSSED] = 0.0
        return float(p[k, S_KVA])
    if x[k, CROSSED] == 0.0:
        x[k, CROSSED] = 1.0
        x[k, P_CROSSING_KW] = x[k, P_KW]
    slope_base = p[k, S_KVA] if p[k, ON_RATING] > 0.0 else x[k, P_CROSSING_KW]
    return float(max(x[k, P_CROSSING_KW] - slope_base * p[k, SLOPE] * (dev - p[k, START]), 0.0))


@njit(cache=True)
def advance(  # noqa: PLR0913  a kernel takes its quantities one by one
    p: Array,
    x: Array,
    k: int,
    available_kw: float,
    alive: bool,
    dev: float,
    rocof: float,
    h: float,
) -> float:
    """Advance one inverter by one sub-step and return its power.

    Parameters
    ----------
    p, x : ndarray
        The fleet's parameter and state tables; the state is changed.
    k : int
        The inverter's row (a view of the row would cost more than all the rest).
    available_kw : float
        Power its panels offer. [kW]
    alive : bool
        Whether there is a voltage to follow.
    dev : float
        Frequency minus nominal. [Hz]
    rocof : float
        Rate of change of frequency over the measuring window. [Hz/s]
    h : float
        Length of the sub-step. [s]
    """
    quiet = alive and p[k, QUIET_LOW] <= dev <= p[k, QUIET_HIGH] and abs(rocof) <= p[k, ROCOF]
    if quiet and x[k, CALM] > 0.0:  # nothing has happened and nothing does: most of the time
        x[k, P_KW] = max(min(available_kw, p[k, S_KVA]), 0.0)
        return float(x[k, P_KW])
    if x[k, RUNNING] > 0.0 and (not alive or trips(p, x, k, dev, rocof, h)):
        x[k, TRIPS] += 1.0 if alive else 0.0
        x[k, RUNNING] = 0.0
        x[k, WAITED_S] = 0.0
    if x[k, RUNNING] == 0.0:
        good = alive and -p[k, ENTER_LOW] <= dev <= p[k, ENTER_HIGH]
        x[k, WAITED_S] = _clock(x[k, WAITED_S], good, h)
        x[k, P_KW] = x[k, CALM] = 0.0
        if x[k, WAITED_S] <= p[k, DELAY]:
            return 0.0
        x[k, RUNNING] = 1.0
        x[k, SOFT_PU] = 0.0
        x[k, CROSSED] = 0.0
        x[k, LIMIT_KW] = p[k, S_KVA]
        x[k, T_OVER_1] = x[k, T_OVER_2] = x[k, T_UNDER_1] = x[k, T_UNDER_2] = 0.0
    x[k, SOFT_PU] = min(x[k, SOFT_PU] + (h / p[k, RAMP] if p[k, RAMP] > 0.0 else 1.0), 1.0)
    target = frequency_limit_kw(p, x, k, dev)
    x[k, LIMIT_KW] += min((target - x[k, LIMIT_KW]) * p[k, LAG], p[k, RETURN] * p[k, S_KVA])
    x[k, P_KW] = max(min(available_kw, x[k, LIMIT_KW], x[k, SOFT_PU] * p[k, S_KVA]), 0.0)
    recovered = x[k, SOFT_PU] == 1.0 and p[k, S_KVA] - x[k, LIMIT_KW] <= 1e-9 * p[k, S_KVA]
    x[k, CALM] = 1.0 if quiet and recovered else 0.0
    return float(x[k, P_KW])
