"""Following: inverters on their volt-var and volt-watt curves, machines at their voltage.

Settled, not in time: in every iteration each goes a part of the way from where it is to
where its curve wants it at the present voltage, until nothing moves any more. The part
depends on how strongly the network answers, so that neighbours do not chase each other
(a damped fixed point). IEEE 1547-2018 5.3.3 (volt-var) and 5.4.2 (volt-watt).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.curves import Curves
from simulators.power_flow.plan import Plan, Work
from simulators.power_flow.rows import LANES, inner

Real = NDArray[np.float64]


@inner()
def _on_curve(x: float, first: int, last: int, at: Real, value: Real) -> float:
    """Return the value of a curve; beyond its ends it goes on level."""
    if x <= at[first]:
        return float(value[first])
    for n in range(first + 1, last):
        if x <= at[n]:
            share = (x - at[n - 1]) / max(at[n] - at[n - 1], 1e-12)
            return float(value[n - 1] + share * (value[n] - value[n - 1]))
    return float(value[last - 1])


@inner()
def _voltage_pu(c: Curves, plan: Plan, work: Work, m: int, k: int) -> float:
    """Return the mean voltage at the phases of an inverter. [pu]"""
    total, count = 0.0, c.first[m + 1] - c.first[m]
    for n in range(c.first[m], c.first[m + 1]):
        e = c.element[n]
        i, j = plan.i[e], plan.j[e]
        re, im = work.v_re[i, k] - work.v_re[j, k], work.v_im[i, k] - work.v_im[j, k]
        total += np.sqrt(re * re + im * im) / plan.v0_v[e]
    return float(total / count)


@inner()
def _wanted(c: Curves, m: int, v: float, p: float, q: float) -> tuple[float, float]:
    """Return the power an inverter's curves want at a voltage: p [W] and q [var]."""
    s = c.s_va[m]
    if c.p_first[m + 1] > c.p_first[m]:
        p = min(p, s * _on_curve(v, c.p_first[m], c.p_first[m + 1], c.p_v, c.p_pu))
    if c.q_first[m + 1] > c.q_first[m]:
        share = _on_curve(v, c.q_first[m], c.q_first[m + 1], c.q_v, c.q_pu)
        q = share * (np.sqrt(max(s * s - p * p, 0.0)) if c.of_available[m] else s)
    if p * p + q * q > s * s:
        if c.keep_p[m]:
            q = np.sign(q) * np.sqrt(max(s * s - p * p, 0.0))
        else:
            q = min(max(q, -s), s)
            p = np.sign(p) * np.sqrt(max(s * s - q * q, 0.0))
    return p, q


@inner()
def follow(c: Curves, plan: Plan, work: Work, change: Real) -> None:
    """Move every inverter and machine towards what the voltage asks of it.

    Parameters
    ----------
    change : ndarray, shape (LANES,)
        Raised to the square of the greatest way that was left, of rating.
    """
    for m in range(len(c.s_va)):
        begin, end = c.first[m], c.first[m + 1]
        for k in range(LANES):
            if work.live[0, k] == 0.0:
                continue
            v = _voltage_pu(c, plan, work, m, k)
            p_now, q_now, p, q = 0.0, 0.0, 0.0, 0.0
            for n in range(begin, end):
                p_now += work.p_w[c.element[n], k]
                q_now += work.q_var[c.element[n], k]
                p += work.free_p_w[n, k]
                q += work.free_q_var[n, k]
            if c.v_set[m] > 0.0:
                wish = q_now + c.gain[m] * (c.v_set[m] - v)
                p, q = p_now, min(max(wish, c.q_low[m]), c.q_high[m])
            else:
                p, q = _wanted(c, m, v, p, q)
            left = max(abs(p - p_now), abs(q - q_now)) / c.s_va[m]
            change[k] = max(change[k], left * left)
            p_now += c.damping[m] * (p - p_now)
            q_now += c.damping[m] * (q - q_now)
            for n in range(begin, end):
                work.p_w[c.element[n], k] = p_now / (end - begin)
                work.q_var[c.element[n], k] = q_now / (end - begin)


@inner()
def set_free(c: Curves, work: Work, k: int) -> None:
    """Note what the inverters of a lane could do if the voltage were of no concern."""
    for n in range(len(c.element)):
        work.free_p_w[n, k] = work.p_w[c.element[n], k]
        work.free_q_var[n, k] = work.q_var[c.element[n], k]
