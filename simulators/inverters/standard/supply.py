"""Supply: is voltage and frequency such that it may run, must ride through, must trip, may enter.

Timers count the steps in which a condition holds, the first included. Of conditions that hold
at once the stricter one counts: cease to energize, momentary cessation, permissive, mandatory.
"""

from __future__ import annotations

from numba import njit

from simulators.inverters.standard import layout as at
from simulators.inverters.standard.layout import Array


@njit(cache=True, forceinline=True, error_model="numpy")
def _ran_out(x: Array, k: int, timer: int, beyond: bool, time_s: float, h: float) -> bool:
    """Advance a timer; return whether its condition has held for its time."""
    if not beyond:
        x[k, timer] = 0.0
        return False
    x[k, timer] += h
    return bool(x[k, timer] >= time_s - at.JUST)


@njit(cache=True, forceinline=True, error_model="numpy")
def must_trip(  # noqa: PLR0913  a kernel takes its quantities one by one
    p: Array, r: int, x: Array, k: int, v_low: float, v_high: float, dev: float, h: float
) -> bool:
    """Advance the clearing timers; return whether one has run out."""
    beyond = v_high > p[r, at.OV] or v_low < p[r, at.UV] or dev > p[r, at.OF] or -dev > p[r, at.UF]
    if not beyond and x[k, at.TIMING] == 0.0:
        return False
    x[k, at.TIMING] = 1.0 if beyond else 0.0  # one more step clears the timers
    out = False
    for n in range(2):
        out |= _ran_out(x, k, at.T_OV + n, v_high > p[r, at.OV + n], p[r, at.OV_S + n], h)
        out |= _ran_out(x, k, at.T_OF + n, dev > p[r, at.OF + n], p[r, at.OF_S + n], h)
        out |= _ran_out(x, k, at.T_UF + n, -dev > p[r, at.UF + n], p[r, at.UF_S + n], h)
    for n in range(3):
        out |= _ran_out(x, k, at.T_UV + n, v_low < p[r, at.UV + n], p[r, at.UV_S + n], h)
    return out


@njit(cache=True, forceinline=True, error_model="numpy")
def ride_through(p: Array, r: int, v_low: float, v_high: float, dev: float) -> int:
    """Return the mode that voltage and frequency ask for."""
    if v_low < p[r, at.CEASE_UV] or v_high > p[r, at.CEASE_OV]:
        return at.CEASED
    if v_low <= p[r, at.MOM_UV] or v_high > p[r, at.MOM_OV]:
        return at.MOMENTARY
    if dev > p[r, at.FREE_OF] or -dev > p[r, at.FREE_UF]:
        return at.FREE
    if v_low < p[r, at.PERM_UV] or v_high > p[r, at.PERM_OV]:
        return at.PERMISSIVE
    if (
        v_low < p[r, at.MAND_UV]
        or v_high > p[r, at.MAND_OV]
        or dev >= p[r, at.MAND_OF]
        or -dev >= p[r, at.MAND_UF]
    ):
        return at.MANDATORY
    return at.CONTINUOUS


@njit(cache=True, forceinline=True, error_model="numpy")
def may_enter(  # noqa: PLR0913  a kernel takes its quantities one by one
    p: Array,
    r: int,
    x: Array,
    k: int,
    v_low: float,
    v_high: float,
    dev: float,
    permit: bool,
    h: float,
) -> bool:
    """Advance the enter-service timer; return whether it has run out."""
    good = (
        permit
        and v_low >= p[r, at.ENTER_V_LOW]
        and v_high <= p[r, at.ENTER_V_HIGH]
        and -p[r, at.ENTER_LOW] <= dev <= p[r, at.ENTER_HIGH]
    )
    return _ran_out(x, k, at.T_ENTER, good, p[r, at.ENTER_S], h)


@njit(cache=True, forceinline=True, error_model="numpy")
def determine(  # noqa: PLR0913  a kernel takes its quantities one by one
    p: Array,
    r: int,
    x: Array,
    k: int,
    v_low: float,
    v_high: float,
    dev: float,
    rocof: float,
    mean_v: float,
    permit: bool,
    h: float,
) -> int:
    """Return an inverter's status after this step's voltage and frequency."""
    status = int(x[k, at.STATUS])
    trip = must_trip(p, r, x, k, v_low, v_high, dev, h)
    trip |= abs(rocof) > p[r, at.ROCOF] or mean_v > p[r, at.MEAN_V] or not permit
    if status == at.TRIPPED:
        entered = may_enter(p, r, x, k, v_low, v_high, dev, permit, h)
        if trip or not entered:
            return at.TRIPPED
        x[k, at.DONE] = 0.0
    elif trip:
        x[k, at.TRIPS] += 1.0
        x[k, at.T_ENTER] = 0.0
        return at.TRIPPED
    mode = ride_through(p, r, v_low, v_high, dev)
    if mode == at.CONTINUOUS and x[k, at.DONE] == 0.0:
        return at.ENTERING
    return mode
