"""Active power: what volt-watt, frequency-droop, a limit and the enter-service ramp let pass.

Frequency-droop goes from the power at the crossing of the deadband, and its lag is in force
until power has come back; meanwhile it stands above a power limit (IEEE 1547-2018, 4.7). The
lag is that of the open-loop response time; outside of droop it follows unfelt.
"""

from __future__ import annotations

from numba import njit

from simulators.inverters.standard import layout as at
from simulators.inverters.standard.layout import Array

#: Droop lets go when power is this near to what it would be. [pu]
BACK = 1e-3


@njit(cache=True, forceinline=True, error_model="numpy")
def lagged(  # noqa: PLR0913  a kernel takes its quantities one by one
    p: Array, r: int, lag: int, x: Array, k: int, before: int, after: int, now: float
) -> float:
    """Advance a lag whose old input and output are in the state; return its output."""
    y = p[r, lag] * x[k, after] + p[r, lag + 1] * x[k, before] + p[r, lag + 2] * now
    x[k, before] = now
    x[k, after] = y
    return float(y)


@njit(cache=True, forceinline=True, error_model="numpy")
def volt_watt(p: Array, r: int, x: Array, k: int, v: float) -> float:
    """Return the limit of volt-watt. [pu]"""
    if p[r, at.VW_ON] == 0.0:
        return 1.0
    v1, v2, p1, p2 = p[r, at.VW_V1], p[r, at.VW_V2], p[r, at.VW_P1], p[r, at.VW_P2]
    if v <= v1:
        limit = p1
    elif v >= v2:
        limit = p2
    else:
        limit = p1 - (v - v1) / (v2 - v1) * (p1 - p2)
    if x[k, at.FRESH] > 0.0:
        x[k, at.VW_IN] = x[k, at.VW_OUT] = limit
    return lagged(p, r, at.VW_LAG, x, k, at.VW_IN, at.VW_OUT, limit)


@njit(cache=True, forceinline=True, error_model="numpy")
def limited(p: Array, r: int, x: Array, k: int, wanted: float) -> float:
    """Return the power limit on its ramp. [pu]"""
    now = wanted if x[k, at.FRESH] > 0.0 else x[k, at.LIMIT]
    if now != wanted:
        step = p[r, at.LIMIT_STEP]
        now = min(max(wanted, now - step), now + step)
    x[k, at.LIMIT] = now
    return float(now)


@njit(cache=True, forceinline=True, error_model="numpy")
def _droop_target(
    p: Array, r: int, x: Array, k: int, dev: float, normal: float, available: float
) -> float:
    """Return where frequency-droop wants the power, and latch the crossing. [pu]"""
    over = dev > p[r, at.OVER_START] or (x[k, at.LATCHED] > 0.0 and dev > p[r, at.OVER_RELEASE])
    under = -dev > p[r, at.UNDER_START]
    side = 1.0 if over else (-1.0 if under else 0.0)
    if side != 0.0 and x[k, at.LATCHED] != side:
        x[k, at.P_CROSSING] = x[k, at.P_OUT]
        x[k, at.LOWEST] = 1e9
    x[k, at.LATCHED] = side
    if side == 0.0:
        return normal
    x[k, at.ACTIVE] = 1.0
    crossing = x[k, at.P_CROSSING]
    base = crossing if p[r, at.CROSSING] > 0.0 else 1.0
    if under:
        rise = base * p[r, at.UNDER_SLOPE] * (-dev - p[r, at.UNDER_START])
        return float(min(crossing + rise, available))
    beyond = max(dev - p[r, at.OVER_START], 0.0)
    target = max(crossing - base * p[r, at.OVER_SLOPE] * beyond, 0.0)
    if p[r, at.OVER_RELEASE] < p[r, at.OVER_START]:  # hysteresis: never up before the release
        target = x[k, at.LOWEST] = min(target, x[k, at.LOWEST])
    return float(target)


@njit(cache=True, forceinline=True, error_model="numpy")
def droop(p: Array, r: int, x: Array, k: int, dev: float, normal: float, available: float) -> float:
    """Return the power of frequency-droop, lag and return ramp included. [pu]

    ``normal`` is the power without droop, ``available`` what the panels offer. [pu]
    """
    fresh = x[k, at.FRESH] > 0.0
    if fresh:
        x[k, at.P_OUT] = normal
    if p[r, at.DROOP_ON] == 0.0:
        return normal
    target = _droop_target(p, r, x, k, dev, normal, available)
    if fresh or x[k, at.ACTIVE] == 0.0:
        x[k, at.PF_IN] = x[k, at.PF_OUT] = target
        return target
    old = x[k, at.PF_OUT]
    power = lagged(p, r, at.PF_LAG, x, k, at.PF_IN, at.PF_OUT, target)
    if x[k, at.LATCHED] == 0.0:
        power = min(power, old + p[r, at.RETURN])
        x[k, at.PF_OUT] = power
        if abs(power - target) < BACK:
            x[k, at.ACTIVE] = 0.0
    return float(power)


@njit(cache=True, forceinline=True, error_model="numpy")
def rated(p: Array, r: int, x: Array, k: int, wanted: float) -> float:
    """Return the power within the rates of change. [pu]"""
    if x[k, at.FRESH] == 0.0:
        before = x[k, at.P_WANTED]
        wanted = min(max(wanted, before - p[r, at.FALL]), before + p[r, at.RISE])
    x[k, at.P_WANTED] = wanted
    return wanted


@njit(cache=True, forceinline=True, error_model="numpy")
def wanted(  # noqa: PLR0913  a kernel takes its quantities one by one
    p: Array, r: int, x: Array, k: int, v: float, dev: float, available: float, limit: float
) -> float:
    """Return the active power an inverter in service wants to give. [pu]"""
    by_limit = limited(p, r, x, k, limit)
    by_voltage = volt_watt(p, r, x, k, v)
    offer = x[k, at.P_OUT] if x[k, at.STATUS] == at.ENTERING else available
    by_droop = droop(p, r, x, k, dev, min(offer, by_limit, by_voltage), available)
    x[k, at.SOFT] = min(x[k, at.SOFT] + p[r, at.ENTER_RISE], 1.1)
    if x[k, at.ACTIVE] > 0.0:
        power = min(available, by_voltage, by_droop)
    else:
        power = min(available, by_voltage, by_limit, x[k, at.SOFT])
    if x[k, at.SOFT] > 1.0 + at.JUST:
        x[k, at.DONE] = 1.0
    return rated(p, r, x, k, max(min(power, 1.0), 0.0))
