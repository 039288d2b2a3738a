"""Sweep: the forward-backward sweep of sixteen scenarios side by side, in compiled code.

Per iteration: the current of everything connected (from the voltages), currents added up
from the leaves to the sources, voltages taken down from the sources to the leaves
(Shirmohammadi et al., IEEE Trans. Power Systems 3(2), 1988; Cheng and Shirmohammadi, ibid.
10(2), 1995, for three phases). Loops that were cut open are closed by compensation
currents through the impedance seen at the cuts. The scenarios stand side by side in the
last axis of every array, so that one instruction serves several of them; the order of
operations does not depend on what stands beside, so results do not either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.compiled import PASS
from simulators.power_flow.plan import (
    LAW_IMPEDANCE,
    LAW_POLYNOMIAL,
    LAW_POWER,
    LAW_RAISED,
    Plan,
    Work,
)
from simulators.power_flow.rows import (
    LANES,
    LOW_PU,
    any_below,
    greatest,
    inlaid,
    inner,
    least,
    outer,
    put,
    root,
    spliced,
    take,
    where,
)

Real = NDArray[np.float64]
Index = NDArray[np.int64]


@spliced()
def _take_plain(plan: Plan, work: Work) -> None:
    """Begin the currents with those of constant power to the earth."""
    for r in plan.bare:
        put(work.j_re, r, 0.0)
        put(work.j_im, r, 0.0)
    for n in range(len(plan.first) + len(plan.further)):
        more = n >= len(plan.first)
        e = plan.further[n - len(plan.first)] if more else plan.first[n]
        i, low = plan.i[e], plan.low_v2[e]
        re, im = take(work.v_re, i), take(work.v_im, i)
        p, q = take(work.p_w, e), take(work.q_var, e)
        square = re * re + im * im
        per = -1.0 / least(greatest(square, low), plan.high_v2[e])
        a, b = (p * re + q * im) * per, (p * im - q * re) * per
        if plan.ramp[e] and any_below(square, low):
            put(work.own_re, 0, -1.0 * a)
            put(work.own_im, 0, -1.0 * b)
            _give_way(plan, work, e, True)
            a, b = -1.0 * take(work.own_re, 0), -1.0 * take(work.own_im, 0)
        if more:
            a, b = a + take(work.j_re, i), b + take(work.j_im, i)
        put(work.j_re, i, a)
        put(work.j_im, i, b)


@spliced()
def _take_others(plan: Plan, work: Work) -> None:
    """Take the current of all other elements."""
    for n in range(len(plan.other)):
        e, law = plan.other[n], plan.law[n]
        i, j, low, unit = plan.i[e], plan.j[e], plan.low_v2[e], 1.0 / plan.v0_v[e] ** 2
        re, im = take(work.v_re, i) - take(work.v_re, j), take(work.v_im, i) - take(work.v_im, j)
        x, y = take(work.p_w, e), take(work.q_var, e)
        square = re * re + im * im
        if law == LAW_IMPEDANCE:
            x, y = x * (plan.zip_pu[e, 0] * unit), y * (plan.zip_pu[e, 3] * unit)
        else:
            held = least(greatest(square, low), plan.high_v2[e])
            if law == LAW_POLYNOMIAL:
                u2 = held * unit
                u = root(u2)
                x = x * (plan.zip_pu[e, 0] * u2 + plan.zip_pu[e, 1] * u + plan.zip_pu[e, 2])
                y = y * (plan.zip_pu[e, 3] * u2 + plan.zip_pu[e, 4] * u + plan.zip_pu[e, 5])
            per = 1.0 / held
            x, y = x * per, y * per
        a, b = x * re + y * im, x * im - y * re
        if law == LAW_RAISED or (plan.ramp[e] and any_below(square, low)):
            put(work.own_re, 0, a)
            put(work.own_im, 0, b)
            if law == LAW_RAISED:
                _raise(plan, work, e)
            if plan.ramp[e]:
                _give_way(plan, work, e, law in (LAW_POWER, LAW_RAISED))
            a, b = take(work.own_re, 0), take(work.own_im, 0)
        put(work.j_re, i, take(work.j_re, i) - a)
        put(work.j_im, i, take(work.j_im, i) - b)
        put(work.j_re, j, take(work.j_re, j) + a)
        put(work.j_im, j, take(work.j_im, j) + b)


@inner()
def _raise(plan: Plan, work: Work, e: int) -> None:
    """Find the current of power that is the voltage to an exponent."""
    i, j, low, high = plan.i[e], plan.j[e], plan.low_v2[e], plan.high_v2[e]
    for k in range(LANES):
        re, im = work.v_re[i, k] - work.v_re[j, k], work.v_im[i, k] - work.v_im[j, k]
        square = re * re + im * im
        held = min(max(square, low), high)
        x, y = work.p_w[e, k] / held, work.q_var[e, k] / held
        if square <= high:  # above as constant power: Load.pas
            u = np.sqrt(held) / plan.v0_v[e]
            x, y = x * u ** plan.zip_pu[e, 0], y * u ** plan.zip_pu[e, 3]
        work.own_re[0, k], work.own_im[0, k] = x * re + y * im, x * im - y * re


@inner()
def _give_way(plan: Plan, work: Work, e: int, power: bool) -> None:
    """Find the current below the least voltage, in the lanes that are there.

    The current of constant power goes from its value at the least voltage straight to that
    of the rated impedance at half of rated voltage, that of constant current likewise; an
    exponent counts as constant power. So do OpenDSS's loads (Load.pas).
    """
    i, j, low, unit = plan.i[e], plan.j[e], plan.low_v2[e], 1.0 / plan.v0_v[e] ** 2
    least_pu, of = np.sqrt(low * unit), plan.zip_pu[e]
    for k in range(LANES):
        re, im = work.v_re[i, k] - work.v_re[j, k], work.v_im[i, k] - work.v_im[j, k]
        square = re * re + im * im
        if square >= low:
            continue
        u = max(np.sqrt(square * unit), 1e-9)
        way = max(u - LOW_PU, 0.0) / (least_pu - LOW_PU)
        x, y = work.p_w[e, k] * unit, work.q_var[e, k] * unit
        of_power = (0.5 + (1.0 / least_pu - 0.5) * way) / u if u > LOW_PU else 1.0
        of_current = (0.5 + 0.5 * way) / u if u > LOW_PU else 1.0
        if power:
            x, y = x * of_power, y * of_power
        else:
            x *= of[0] + of[1] * of_current + of[2] * of_power
            y *= of[3] + of[4] * of_current + of[5] * of_power
        work.own_re[0, k], work.own_im[0, k] = x * re + y * im, x * im - y * re


@spliced()
def _take_rest(plan: Plan, work: Work) -> None:
    """Take the current of shunts, and of what closes loops."""
    v_re, v_im, j_re, j_im, untap = work.v_re, work.v_im, work.j_re, work.j_im, work.untap_pu
    for r in range(plan.node_count):
        if plan.shunt_first[r] == plan.shunt_first[r + 1]:
            continue
        a, b = take(j_re, r), take(j_im, r)
        for s in range(plan.shunt_first[r], plan.shunt_first[r + 1]):
            re, im = take(v_re, plan.shunt_column[s]), take(v_im, plan.shunt_column[s])
            a = a + (plan.shunt_re[s] * re - plan.shunt_im[s] * im)
            b = b + (plan.shunt_re[s] * im + plan.shunt_im[s] * re)
        put(j_re, r, a)
        put(j_im, r, b)
    for s in range(plan.tapped_first, len(plan.shunt_row)):
        r, column = plan.shunt_row[s], plan.shunt_column[s]
        ratio = take(untap, plan.shunt_tap[s, 0]) * take(untap, plan.shunt_tap[s, 1])
        re, im = take(v_re, column) * ratio, take(v_im, column) * ratio
        put(j_re, r, take(j_re, r) + (plan.shunt_re[s] * re - plan.shunt_im[s] * im))
        put(j_im, r, take(j_im, r) + (plan.shunt_re[s] * im + plan.shunt_im[s] * re))
    for c in range(len(plan.cut_i)):
        a, b = take(work.close_re, c), take(work.close_im, c)
        i, j = plan.cut_i[c], plan.cut_j[c]
        put(j_re, i, take(j_re, i) + a)
        put(j_im, i, take(j_im, i) + b)
        put(j_re, j, take(j_re, j) - a)
        put(j_im, j, take(j_im, j) - b)


@spliced()
def _upwards(plan: Plan, work: Work) -> None:
    """Add currents up, from the leaves to the sources."""
    j_re, j_im, tap, untap = work.j_re, work.j_im, work.tap_pu, work.untap_pu
    for b in range(len(plan.kind) - 1, -1, -1):
        to, count, begin = plan.to_first[b], plan.to_count[b], plan.from_first[b]
        if plan.kind[b] == PASS:
            for c in range(count):
                r = plan.from_row[begin + c]
                put(j_re, r, take(j_re, r) + take(j_re, to + c))
                put(j_im, r, take(j_im, r) + take(j_im, to + c))
            continue
        for c in range(count):
            up = take(tap, plan.tap_to[to + c])
            re, im = take(j_re, to + c) * up, take(j_im, to + c) * up
            for s in range(begin, plan.from_first[b + 1]):
                at = plan.m_first[b] + (s - begin) * count + c
                x, y = plan.n_re[at], plan.n_im[at]
                if x != 0.0 or y != 0.0:
                    r, down = plan.from_row[s], take(untap, plan.tap_from[s])
                    put(j_re, r, take(j_re, r) + (x * re - y * im) * down)
                    put(j_im, r, take(j_im, r) + (x * im + y * re) * down)


@inlaid()
def downwards(plan: Plan, work: Work, change: Real) -> None:
    """Take voltages down, from the sources to the leaves; note the greatest change. [pu^2]"""
    v_re, v_im, j_re, j_im = work.v_re, work.v_im, work.j_re, work.j_im
    z_re, z_im = plan.z_re, plan.z_im
    most, live = take(change, 0), take(work.live, 0)
    for branch in range(len(plan.kind)):
        to, count = plan.to_first[branch], plan.to_count[branch]
        at, begin = plan.z_first[branch], plan.from_first[branch]
        if plan.kind[branch] != PASS:
            _transform(plan, work, branch)
            begin = 0
        for r in range(count):
            if plan.kind[branch] == PASS:
                row = plan.from_row[begin + r]
                a, b = take(v_re, row), take(v_im, row)
                for c in range(count):
                    re, im = take(j_re, to + c), take(j_im, to + c)
                    a = a - (z_re[at] * re - z_im[at] * im)
                    b = b - (z_re[at] * im + z_im[at] * re)
                    at += 1
            else:
                a, b = take(work.own_re, r), take(work.own_im, r)
            re, im = take(v_re, to + r), take(v_im, to + r)
            da, db = a - re, b - im
            most = greatest(most, (da * da + db * db) * plan.per_v2[to + r])
            put(v_re, to + r, where(live, a, re))
            put(v_im, to + r, where(live, b, im))
    put(change, 0, most)


@spliced()
def _transform(plan: Plan, work: Work, branch: int) -> None:
    """Find the voltages that transformers leave at the nodes they feed."""
    to, count = plan.to_first[branch], plan.to_count[branch]
    begin, end = plan.from_first[branch], plan.from_first[branch + 1]
    at, at_m = plan.z_first[branch], plan.m_first[branch]
    for r in range(count):
        a, b = 0.0 * take(work.v_re, to), 0.0 * take(work.v_im, to)
        for s in range(begin, end):
            x, y = plan.m_re[at_m], plan.m_im[at_m]
            at_m += 1
            if x != 0.0 or y != 0.0:
                row, down = plan.from_row[s], take(work.untap_pu, plan.tap_from[s])
                re, im = take(work.v_re, row) * down, take(work.v_im, row) * down
                a, b = a + (x * re - y * im), b + (x * im + y * re)
        for c in range(to, to + count):
            x, y = plan.z_re[at], plan.z_im[at]
            at += 1
            if x != 0.0 or y != 0.0:
                below = take(work.tap_pu, plan.tap_to[c])
                re, im = take(work.j_re, c) * below, take(work.j_im, c) * below
                a, b = a - (x * re - y * im), b - (x * im + y * re)
        own = take(work.tap_pu, plan.tap_to[to + r])
        put(work.own_re, r, a * own)
        put(work.own_im, r, b * own)


@inlaid()
def close(plan: Plan, work: Work, change: Real) -> None:
    """Correct the currents across the cuts by the voltages that are left there."""
    v_re, v_im, close_re, close_im = work.v_re, work.v_im, work.close_re, work.close_im
    for c in range(len(plan.cut_i)):
        i, j = plan.cut_i[c], plan.cut_j[c]
        unit = 1.0 / (plan.base_v[i] * plan.base_v[i])
        for k in range(LANES):
            a, b = v_re[i, k] - v_re[j, k], v_im[i, k] - v_im[j, k]
            change[k] = max(change[k], (a * a + b * b) * unit)
            for d in range(len(plan.cut_i)):
                x, y = plan.close_re[d, c], plan.close_im[d, c]
                close_re[d, k] += x * a - y * b
                close_im[d, k] += x * b + y * a


@outer()
def sweep(plan: Plan, work: Work) -> None:
    """Take all currents from the voltages and add them up."""
    _take_plain(plan, work)
    _take_others(plan, work)
    _take_rest(plan, work)
    _upwards(plan, work)
