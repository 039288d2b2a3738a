"""Motion: how fast every state of the street changes, for a solver of differential equations.

States, flat: nine of each former (`former`), one of each PV group (the part of its power that
frequency leaves it), and the secondary control's. Angles are relative to the first former's.
The bus's frequency is the formers' mean, weighted by their susceptances.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.inverters.forming import former as f
from simulators.inverters.forming.bus import Complex, solve

Array = NDArray[np.float64]

# What is held over an interval.
LOAD, LOAD_Q, DAMPING, F0, K_SECONDARY, RAMP_FROM, RAMP_RATE = range(7)
HELD = 7
# Columns of the PV groups' table: power on offer, slope, start, time constant.
OFFER, SLOPE, START, TAU = range(4)
PV = 4
# Columns of the set-points: from, to, rate of change, at t = 0 of the interval.
FROM, TO, RATE = range(3)
# What a look at the street gives.
DEV, V, P_LOAD, P_PV = range(4)
SEEN = 4


@njit(cache=True, error_model="numpy")
def _set_point(sets: Array, k: int, t: float) -> float:
    """Return a frequency set-point that moves at its rate. [pu]"""
    way = sets[k, TO] - sets[k, FROM]
    return float(sets[k, FROM] + min(max(way, -sets[k, RATE] * t), sets[k, RATE] * t))


@njit(cache=True, error_model="numpy")
def _limiter(a: Array, y: Array, k: int) -> float:
    """Return the power limiter's share of the frequency. [pu]"""
    over = min(a[k, f.KPP] * (a[k, f.P_MAX] - y[k, f.PF]) + y[k, f.X_MAX], 0.0)
    under = max(a[k, f.KPP] * (a[k, f.P_MIN] - y[k, f.PF]) + y[k, f.X_MIN], 0.0)
    return float(over + under)


@njit(cache=True, error_model="numpy")
def frequency(a: Array, y: Array, sets: Array, secondary: float, k: int, t: float) -> float:
    """Return a former's frequency minus nominal. [pu]"""
    if a[k, f.H] > 0.0:
        return float(y[k, f.OMEGA])
    droop = a[k, f.MP] * (a[k, f.P_REF] - y[k, f.PF])
    return float(_set_point(sets, k, t) + droop + _limiter(a, y, k) + secondary)


@njit(cache=True, error_model="numpy")
def bus_frequency(a: Array, y: Array, sets: Array, secondary: float, t: float) -> float:
    """Return the bus's frequency minus nominal. [pu]"""
    weight = total = 0.0
    for k in range(a.shape[0]):
        weight += a[k, f.B]
        total += a[k, f.B] * frequency(a, y, sets, secondary, k, t)
    return float(total / weight)


@njit(cache=True, error_model="numpy")
def _voltage(a: Array, y: Array, dy: Array, k: int, v_terminal: float, ramp: float) -> None:
    """Set the rates of voltage control, without windup at its limit."""
    q = min(max(y[k, f.QF], -a[k, f.Q_MAX]), a[k, f.Q_MAX])
    wanted = ramp * (a[k, f.V_REF] + a[k, f.MQ] * (a[k, f.Q_REF] - q))
    rate = a[k, f.KIV] * (wanted - y[k, f.VF])
    if (y[k, f.E] >= a[k, f.E_MAX] and rate > 0.0) or (y[k, f.E] <= 0.0 and rate < 0.0):
        rate = 0.0
    dy[k, f.E] = rate
    dy[k, f.VF] = (v_terminal - y[k, f.VF]) / a[k, f.T_V]


@njit(cache=True, error_model="numpy")
def _limits(a: Array, y: Array, dy: Array, k: int) -> None:
    """Set the rates of the power limiter's integrators, which never wind beyond nothing."""
    over = a[k, f.KIP] * (a[k, f.P_MAX] - y[k, f.PF])
    dy[k, f.X_MAX] = 0.0 if y[k, f.X_MAX] >= 0.0 and over > 0.0 else over
    under = a[k, f.KIP] * (a[k, f.P_MIN] - y[k, f.PF])
    dy[k, f.X_MIN] = 0.0 if y[k, f.X_MIN] <= 0.0 and under < 0.0 else under


@njit(cache=True, error_model="numpy")
def rates(  # noqa: PLR0913  a kernel takes its quantities one by one
    t: float,
    flat: Array,
    a: Array,
    sets: Array,
    pv: Array,
    held: Array,
    d_flat: Array,
    current: Complex,
    seen: Array,
) -> None:
    """Set the rate of every state at a time within the interval.

    Parameters
    ----------
    t : float
        Time since the interval's start. [s]
    flat : ndarray, shape (9 n + m + 1,)
        States.
    a, sets, pv, held : ndarray
        Formers, their set-points, PV groups, and what is held.
    d_flat : ndarray
        Receives the rates. [1/s]
    current : ndarray of complex, shape (n,)
        Receives the formers' currents. [pu of the base]
    seen : ndarray, shape (SEEN,)
        Receives the bus's frequency [pu], its voltage [pu], load and PV power [pu of base].
    """
    n, m = a.shape[0], pv.shape[0]
    y = flat[: n * f.STATES].reshape(n, f.STATES)
    dy = d_flat[: n * f.STATES].reshape(n, f.STATES)
    secondary = flat[-1]
    dev = bus_frequency(a, y, sets, secondary, t)
    given = 0.0
    for j in range(m):
        part = min(max(flat[n * f.STATES + j], 0.0), 1.0)
        given += pv[j, OFFER] * part
        beyond = max(dev * held[F0] - pv[j, START], 0.0)
        target = max(1.0 - pv[j, SLOPE] * beyond, 0.0)
        d_flat[n * f.STATES + j] = (target - part) / pv[j, TAU]
    load = held[LOAD] * (1.0 + held[DAMPING] * dev)
    v = solve(a, y, load - given, held[LOAD_Q], current)
    size = abs(v)
    sag = 1.0 if size >= 0.9 else (size / 0.9) ** 2
    ramp = min(held[RAMP_FROM] + held[RAMP_RATE] * t, 1.0)
    first = frequency(a, y, sets, secondary, 0, t)
    mean_set = 0.0
    for k in range(n):
        terminal = v + (a[k, f.R_LINE] + 1j * a[k, f.X_LINE]) * current[k]
        power = terminal * current[k].conjugate() / a[k, f.S]
        own = frequency(a, y, sets, secondary, k, t)
        dy[k, f.DELTA] = 2.0 * np.pi * held[F0] * (own - first)
        dy[k, f.WORK] = power.real
        dy[k, f.PF] = (power.real - y[k, f.PF]) / a[k, f.T_P]
        dy[k, f.QF] = (power.imag - y[k, f.QF]) / a[k, f.T_Q]
        _voltage(a, y, dy, k, abs(terminal), ramp)
        _limits(a, y, dy, k)
        set_point = _set_point(sets, k, t)
        mean_set += set_point / n
        dy[k, f.OMEGA] = 0.0
        if a[k, f.H] > 0.0:
            aim = set_point + _limiter(a, y, k) + secondary
            pull = a[k, f.P_REF] - y[k, f.PF] - (y[k, f.OMEGA] - aim) / a[k, f.MP]
            dy[k, f.OMEGA] = pull / (2.0 * a[k, f.H])
    d_flat[-1] = held[K_SECONDARY] * (mean_set - dev)
    seen[DEV], seen[V] = dev, size
    seen[P_LOAD], seen[P_PV] = load * sag, given * sag
