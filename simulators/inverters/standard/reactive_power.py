"""Reactive power: what the function in use wants, and what the rating leaves of it."""

from __future__ import annotations

from math import sqrt

from numba import njit

from simulators.inverters.standard import layout as at
from simulators.inverters.standard.active_power import lagged
from simulators.inverters.standard.layout import Array


@njit(cache=True, forceinline=True, error_model="numpy")
def _curve(p: Array, r: int, xs: int, ys: int, count: int, at_x: float) -> float:
    """Return a piecewise straight curve's value; level beyond its ends."""
    if at_x < p[r, xs]:
        return float(p[r, ys])
    for n in range(count - 1):
        left, right = p[r, xs + n], p[r, xs + n + 1]
        if at_x < right:
            part = (at_x - left) / (right - left)
            return float(p[r, ys + n] + part * (p[r, ys + n + 1] - p[r, ys + n]))
    return float(p[r, ys + count - 1])


@njit(cache=True, forceinline=True, error_model="numpy")
def _reference(p: Array, r: int, x: Array, k: int, v: float, power: float, ratio: float) -> float:
    """Return the reactive power the function in use asks for, before its lag. [pu of S]"""
    mode = int(p[r, at.MODE])
    if mode == at.CONSTANT_PF:
        return float(power * ratio * p[r, at.TAN_PHI])
    if mode == at.VOLT_VAR:
        shift = p[r, at.V_REF] - 1.0
        if p[r, at.REF_FOLLOWS] > 0.0:
            if x[k, at.FRESH] > 0.0:
                x[k, at.REF_IN] = x[k, at.REF_OUT] = v
            mean = lagged(p, r, at.REF_LAG, x, k, at.REF_IN, at.REF_OUT, v)
            shift = min(max(mean, p[r, at.REF_LOW]), p[r, at.REF_HIGH]) - 1.0
        return _curve(p, r, at.VV_V, at.VV_Q, 4, v - shift)
    if mode == at.WATT_VAR:
        return _curve(p, r, at.WV_P, at.WV_Q, 3, power)
    return float(p[r, at.Q_CONST])


@njit(cache=True, forceinline=True, error_model="numpy")
def wanted(p: Array, r: int, x: Array, k: int, v: float, power: float, ratio: float) -> float:
    """Return the reactive power the function in use gives, lag included. [pu of S]"""
    reference = _reference(p, r, x, k, v, power, ratio)
    if x[k, at.FRESH] > 0.0:
        x[k, at.Q_IN] = x[k, at.Q_OUT] = reference
    return lagged(p, r, at.Q_LAG, x, k, at.Q_IN, at.Q_OUT, reference)


@njit(cache=True, forceinline=True, error_model="numpy")
def _able(p: Array, r: int, power: float) -> float:
    """Return the part of the reactive power rating there is at an active power."""
    if power >= p[r, at.Q_FULL]:
        return 1.0
    return float(power / p[r, at.Q_FULL]) if power >= p[r, at.Q_FROM] else 0.0


@njit(cache=True, forceinline=True, error_model="numpy")
def _within(p: Array, r: int, q: float, able: float) -> float:
    return float(min(max(q, -p[r, at.Q_ABSORB] * able), p[r, at.Q_INJECT] * able))


@njit(cache=True, forceinline=True, error_model="numpy")
def _by_power_factor(p: Array, r: int, power: float, q: float) -> tuple[float, float]:
    """Return both powers reduced alike; what reactive power is over its rating is cut."""
    size = sqrt(power * power + q * q)
    scale = min(1.0, 1.0 / max(size, 1e-9))
    most = p[r, at.Q_INJECT] if q > 0.0 else p[r, at.Q_ABSORB]
    if abs(q * scale) > most:
        return min(power, sqrt(1.0 - most * most)), (most if q > 0.0 else -most)
    return power * scale, q * scale


@njit(cache=True, forceinline=True, error_model="numpy")
def _by_watt_var(p: Array, r: int, power: float, q: float, ratio: float) -> tuple[float, float]:
    """Return the point where the watt-var curve meets the rating, by bisection."""
    low, high = 0.0, power
    for _ in range(40):
        middle = 0.5 * (low + high)
        there = _curve(p, r, at.WV_P, at.WV_Q, 3, middle / ratio)
        if middle * middle + there * there > 1.0:
            high = middle
        else:
            low = middle
    most = abs(_curve(p, r, at.WV_P, at.WV_Q, 3, low / ratio))
    return low, min(max(q, -most), most)


@njit(cache=True, forceinline=True, error_model="numpy")
def fitted(p: Array, r: int, power: float, q: float, ratio: float) -> tuple[float, float]:
    """Return active and reactive power within the rating, by the priority.

    Parameters
    ----------
    power : float
        Active power. [pu of rated active power]
    q : float
        Reactive power. [pu of S]
    ratio : float
        Rated active power over S.

    Returns
    -------
    power, q : float
        [pu of S]
    """
    mode = int(p[r, at.MODE])
    of_s = power * ratio
    if mode == at.CONSTANT_PF:
        if of_s * of_s + q * q >= 1.0 or abs(q) > min(p[r, at.Q_INJECT], p[r, at.Q_ABSORB]):
            of_s, q = _by_power_factor(p, r, of_s, q)
        return of_s, _within(p, r, q, _able(p, r, of_s / ratio))
    if mode == at.WATT_VAR:
        q_full = q
        if of_s * of_s + q * q >= 1.0:
            of_s, q_full = _by_watt_var(p, r, of_s, q, ratio)
        return of_s, _within(p, r, q_full, _able(p, r, power))
    q = _within(p, r, q, _able(p, r, power))
    if of_s * of_s + q * q < 1.0:
        return of_s, q
    if p[r, at.P_FIRST] > 0.0:
        needed = min(max(q, -p[r, at.Q_NEED_ABSORB]), p[r, at.Q_NEED_INJECT])
        of_s = min(of_s, sqrt(1.0 - needed * needed))
        left = sqrt(1.0 - of_s * of_s)
        return of_s, min(max(q, -left), left)
    return sqrt(1.0 - q * q), q
