"""Grid-following inverters: frequency-watt, trips, enter service; a fleet as arrays.

Per inverter, each sub-step: is the supply good; has a trip threshold been passed for its
clearing time; may it enter service; how far does the frequency let it go. The limit
follows its target as a first-order lag with tau = response / ln(10) (90 % at the response
time, as EPRI's OpenDER has it), and rises no faster than the return rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.inverters.grid_codes import GridCode

Array = NDArray[np.float64]

# Columns of the parameter table, one row an inverter.
S_KVA, START, SLOPE, ON_RATING, TAU, RETURN, OVER_1, OVER_S_1, OVER_2, OVER_S_2 = range(10)
UNDER_1, UNDER_S_1, UNDER_2, UNDER_S_2, ROCOF, ENTER_LOW, ENTER_HIGH, DELAY, RAMP = range(10, 19)
PARAMETERS = 19
# Columns of the state table.
RUNNING, WAITED_S, T_OVER_1, T_OVER_2, T_UNDER_1, T_UNDER_2, SOFT_PU, CROSSED, P_CROSSING_KW = (
    range(9)
)
LIMIT_KW, P_KW, TRIPS = range(9, 12)
STATES = 12


def parameters(codes: Sequence[GridCode], s_kva: Sequence[float]) -> Array:
    """Return the fleet's parameter table, shape (n, PARAMETERS)."""
    rows = [
        (
            rating, c.start_hz, c.slope_pu_per_hz, float(c.slope_base == "rating"),
            c.response_s / log(10.0), c.return_pu_per_s,
            c.over_hz[0], c.over_s[0], c.over_hz[1], c.over_s[1],
            c.under_hz[0], c.under_s[0], c.under_hz[1], c.under_s[1],
            c.rocof_trip_hz_per_s, c.enter_low_hz, c.enter_high_hz, c.enter_delay_s,
            c.enter_ramp_s,
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _clock(timer: float, beyond: bool, h: float) -> float:
    """Run a clearing timer while the threshold is passed."""
    return timer + h if beyond else 0.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def trips(p: Array, x: Array, dev: float, rocof: float, h: float) -> bool:
    """Advance one inverter's clearing timers; return whether one has run out."""
    x[T_OVER_1] = _clock(x[T_OVER_1], dev > p[OVER_1], h)
    x[T_OVER_2] = _clock(x[T_OVER_2], dev > p[OVER_2], h)
    x[T_UNDER_1] = _clock(x[T_UNDER_1], -dev > p[UNDER_1], h)
    x[T_UNDER_2] = _clock(x[T_UNDER_2], -dev > p[UNDER_2], h)
    return (
        x[T_OVER_1] > p[OVER_S_1]
        or x[T_OVER_2] > p[OVER_S_2]
        or x[T_UNDER_1] > p[UNDER_S_1]
        or x[T_UNDER_2] > p[UNDER_S_2]
        or abs(rocof) > p[ROCOF]
    )


@njit(cache=True)  # type: ignore[untyped-decorator]
def frequency_limit_kw(p: Array, x: Array, dev: float) -> float:
    """Return the power one inverter may give at a deviation, and latch the crossing. [kW]"""
    if dev <= p[START]:
        x[CROSSED] = 0.0
        return p[S_KVA]
    if x[CROSSED] == 0.0:
        x[CROSSED] = 1.0
        x[P_CROSSING_KW] = x[P_KW]
    slope_base = p[S_KVA] if p[ON_RATING] > 0.0 else x[P_CROSSING_KW]
    return max(x[P_CROSSING_KW] - slope_base * p[SLOPE] * (dev - p[START]), 0.0)


@njit(cache=True)  # type: ignore[untyped-decorator]
def advance(
    p: Array, x: Array, available_kw: float, alive: bool, dev: float, rocof: float, h: float
) -> float:
    """Advance one inverter by one sub-step and return its power.

    Parameters
    ----------
    p, x : ndarray
        Its rows of the parameter and the state table; the state is changed.
    available_kw : float
        Power its panels offer. [kW]
    alive : bool
        Whether there is a voltage to follow.
    dev : float
        Frequency minus nominal. [Hz]
    rocof : float
        Rate of change of frequency over 100 ms. [Hz/s]
    h : float
        Length of the sub-step. [s]
    """
    if x[RUNNING] > 0.0 and (not alive or trips(p, x, dev, rocof, h)):
        x[TRIPS] += 1.0 if alive else 0.0
        x[RUNNING] = 0.0
        x[WAITED_S] = 0.0
    if x[RUNNING] == 0.0:
        good = alive and -p[ENTER_LOW] <= dev <= p[ENTER_HIGH]
        x[WAITED_S] = _clock(x[WAITED_S], good, h)
        x[P_KW] = 0.0
        if x[WAITED_S] <= p[DELAY]:
            return 0.0
        x[RUNNING] = 1.0
        x[SOFT_PU] = 0.0
        x[CROSSED] = 0.0
        x[LIMIT_KW] = p[S_KVA]
        x[T_OVER_1] = x[T_OVER_2] = x[T_UNDER_1] = x[T_UNDER_2] = 0.0
    x[SOFT_PU] = min(x[SOFT_PU] + (h / p[RAMP] if p[RAMP] > 0.0 else 1.0), 1.0)
    target = frequency_limit_kw(p, x, dev)
    move = (target - x[LIMIT_KW]) * -np.expm1(-h / p[TAU])
    x[LIMIT_KW] += min(move, p[RETURN] * p[S_KVA] * h)
    x[P_KW] = max(min(available_kw, x[LIMIT_KW], x[SOFT_PU] * p[S_KVA]), 0.0)
    return x[P_KW]
