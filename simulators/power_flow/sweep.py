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

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.power_flow.compiled import EXPONENT, Compiled
from simulators.power_flow.curves import Curves
from simulators.power_flow.rows import (
    LANES,
    LOW_PU,
    add,
    copy,
    difference,
    following,
    giving_way,
    lowest,
    minus,
    passed_one,
    passed_three,
    plus,
    power,
    put,
    raised,
    scale,
)

Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: Below this voltage no load draws constant power: no answer is lost, and none runs away. [pu]
_LEAST_PU = 0.1


class Plan(NamedTuple):
    """What a sweep needs of a compiled network, in the form compiled code takes it."""

    node_count: int
    base_v: Real
    kind: Index
    to_first: Index
    to_count: Index
    from_first: Index
    from_row: Index
    tap_from: Index
    tap_to: Index
    z_first: Index
    m_first: Index
    z_re: Real
    z_im: Real
    m_re: Real
    m_im: Real
    n_re: Real
    n_im: Real
    shunt_row: Index
    shunt_column: Index
    shunt_re: Real
    shunt_im: Real
    shunt_tap: Index
    i: Index
    j: Index
    v0_v: Real
    kind_first: Index  # where elements of each kind begin
    zip_pu: Real
    ramp: NDArray[np.bool_]
    power_pu: Real  # shares of constant power
    low_v2: Real
    high_v2: Real
    cut_i: Index
    cut_j: Index
    close_re: Real  # currents that close the cuts, over the voltage across them [S]
    close_im: Real
    curves: Curves


def plan_of(compiled: Compiled, close_s: NDArray[np.complex128], curves: Curves) -> Plan:
    """Return the plan of a sweep.

    Parameters
    ----------
    compiled : Compiled
        The network.
    close_s : ndarray of complex, shape (n_cut, n_cut)
        Inverse of the impedance seen at the cuts. [S]
    curves : Curves
        What follows or holds the voltage.
    """
    c, e = compiled, compiled.elements
    count = c.node_count
    # One row of zeros for the earth behind the nodes, then the sources' fixed voltages.
    row = np.where(c.from_node < 0, count - c.from_node, c.from_node)
    earth = np.where(e.j < 0, count, e.j)
    kinds = np.searchsorted(e.kind, np.arange(EXPONENT + 2)).astype(np.int64)
    low = np.maximum(e.v_min_pu, _LEAST_PU) ** 2 * e.v0_v**2
    cuts = [(loop.i, loop.j) for loop in c.loops]
    empty = np.zeros(0, np.int64)
    return Plan(
        count, c.base_v, c.kind, c.to_first, c.to_count, c.from_first, row, c.tap_from, c.tap_to,
        c.z_first, c.m_first, *_parts(c.z), *_parts(c.m), *_parts(c.n),
        c.shunt_row, c.shunt_column, *_parts(c.shunt_y), c.shunt_tap,
        e.i, earth, e.v0_v, kinds, e.zip_pu, e.ramp,
        np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0]), low, e.v_max_pu**2 * e.v0_v**2,
        np.concatenate([empty, *(i for i, _ in cuts)]),
        np.concatenate([empty, *(j for _, j in cuts)]), *_parts(close_s), curves,
    )  # fmt: skip


def _parts(values: NDArray[np.complex128]) -> tuple[Real, Real]:
    return np.ascontiguousarray(values.real), np.ascontiguousarray(values.imag)


class Work(NamedTuple):
    """What a sweep works on; the last axis are the lanes."""

    v_re: Real  # nodes, the earth, the sources
    v_im: Real
    j_re: Real  # current taken at and below each of them [A]
    j_im: Real
    close_re: Real  # currents across the cuts [A]
    close_im: Real
    p_w: Real  # injection of each element at rated voltage [W]
    q_var: Real
    tap_pu: Real  # ratio of each tap changer; the last row is 1: none
    untap_pu: Real  # 1 over it
    free_p_w: Real  # of the elements in Curves, as the voltage would leave them [W]
    free_q_var: Real


def work_for(compiled: Compiled, curves: Curves) -> Work:
    """Return empty arrays to work on."""
    rows = compiled.node_count + 1 + len(compiled.fixed_v)
    cuts = sum(len(loop.i) for loop in compiled.loops)
    elements = len(compiled.elements.i)
    shapes = [rows] * 4 + [cuts] * 2 + [elements] * 2
    taps = (np.ones((len(compiled.taps) + 1, LANES)) for _ in range(2))
    free = (np.zeros((len(curves.element), LANES)) for _ in range(2))
    work = Work(*(np.zeros((k, LANES)) for k in shapes), *taps, *free)
    work.v_re[compiled.node_count + 1 :] = compiled.fixed_v.real[:, None]
    work.v_im[compiled.node_count + 1 :] = compiled.fixed_v.imag[:, None]
    return work


@njit(cache=True)
def _take_elements(plan: Plan, work: Work) -> None:
    """Take the current of everything connected between two nodes."""
    v_re, v_im, j_re, j_im, p_w, q_var = (
        work.v_re, work.v_im, work.j_re, work.j_im, work.p_w, work.q_var
    )  # fmt: skip
    re, im, a, b = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    earth = plan.node_count
    first = plan.kind_first
    for e in range(first[0], first[3]):
        i, j, low, high = plan.i[e], plan.j[e], plan.low_v2[e], plan.high_v2[e]
        ramp = plan.ramp[e] and low * (1.0 / plan.v0_v[e] ** 2) > LOW_PU * LOW_PU
        if e < first[1] and j == earth and not (ramp and lowest(v_re[i], v_im[i]) < low):
            power(v_re[i], v_im[i], j_re[i], j_im[i], p_w[e], q_var[e], low, high)
            continue
        difference(re, v_re[i], v_re[j])
        difference(im, v_im[i], v_im[j])
        limits = (1.0 / (plan.v0_v[e] * plan.v0_v[e]), low, high)
        if e < first[2]:
            following(re, im, p_w[e], q_var[e], plan.zip_pu[e], limits, a, b)
        else:
            raised(re, im, p_w[e], q_var[e], plan.zip_pu[e], limits, a, b)
        if ramp and lowest(re, im) < low:
            of = plan.zip_pu[e] if e < first[2] else plan.power_pu
            giving_way(re, im, p_w[e], q_var[e], of, limits, a, b)
        minus(j_re[i], a)
        minus(j_im[i], b)
        if j != earth:
            plus(j_re[j], a)
            plus(j_im[j], b)


@njit(cache=True)
def _take_rest(plan: Plan, work: Work) -> None:
    """Take the current of shunts, and of what closes loops."""
    v_re, v_im, j_re, j_im, untap = work.v_re, work.v_im, work.j_re, work.j_im, work.untap_pu
    for s in range(len(plan.shunt_row)):
        a, b = plan.shunt_row[s], plan.shunt_column[s]
        r1, r2 = untap[plan.shunt_tap[s, 0]], untap[plan.shunt_tap[s, 1]]
        g, h = plan.shunt_re[s], plan.shunt_im[s]
        add(j_re[a], j_im[a], g, h, v_re[b], v_im[b], r1, r2)
    for c in range(len(plan.cut_i)):
        i, j = plan.cut_i[c], plan.cut_j[c]
        plus(j_re[i], work.close_re[c])
        plus(j_im[i], work.close_im[c])
        minus(j_re[j], work.close_re[c])
        minus(j_im[j], work.close_im[c])


@njit(cache=True)
def _upwards(plan: Plan, work: Work) -> None:
    """Add currents up, from the leaves to the sources."""
    j_re, j_im, tap, untap = work.j_re, work.j_im, work.tap_pu, work.untap_pu
    for b in range(len(plan.kind) - 1, -1, -1):
        to, count = plan.to_first[b], plan.to_count[b]
        begin, sources = plan.from_first[b], plan.from_first[b + 1] - plan.from_first[b]
        if plan.kind[b] == 0:
            for c in range(count):
                r = plan.from_row[begin + c]
                plus(j_re[r], j_re[to + c])
                plus(j_im[r], j_im[to + c])
            continue
        for c in range(count):
            up = tap[plan.tap_to[to + c]]
            for r in range(sources):
                at = plan.m_first[b] + r * count + c
                x, y = plan.n_re[at], plan.n_im[at]
                if x != 0.0 or y != 0.0:
                    row, down = plan.from_row[begin + r], untap[plan.tap_from[begin + r]]
                    add(j_re[row], j_im[row], x, y, j_re[to + c], j_im[to + c], up, down)


@njit(cache=True)
def downwards(plan: Plan, work: Work, change: Real) -> None:
    """Take voltages down, from the sources to the leaves; note the greatest change. [pu^2]"""
    v_re, v_im, j_re, j_im = work.v_re, work.v_im, work.j_re, work.j_im
    z_re, z_im = plan.z_re, plan.z_im
    re, im = np.empty(LANES), np.empty(LANES)
    for b in range(len(plan.kind)):
        to, count, begin = plan.to_first[b], plan.to_count[b], plan.from_first[b]
        passes = plan.kind[b] == 0
        for r in range(count):
            node, at = to + r, plan.z_first[b] + r * count
            unit = 1.0 / (plan.base_v[node] * plan.base_v[node])
            if passes and count == 3:
                row = plan.from_row[begin + r]
                passed_three(
                    v_re[row], v_im[row], v_re[node], v_im[node], z_re, z_im, at,
                    j_re[to], j_im[to], j_re[to + 1], j_im[to + 1], j_re[to + 2], j_im[to + 2],
                    change, unit,
                )  # fmt: skip
            elif passes and count == 1:
                row = plan.from_row[begin + r]
                passed_one(
                    v_re[row], v_im[row], v_re[node], v_im[node], z_re, z_im, at,
                    j_re[to], j_im[to], change, unit,
                )  # fmt: skip
            else:
                _transformed(plan, work, b, r, re, im)
                put(v_re[node], v_im[node], re, im, change, unit)


@njit(cache=True)
def _transformed(plan: Plan, work: Work, b: int, r: int, re: Real, im: Real) -> None:
    """Find the voltage transformers, or a line, leave at one of their nodes."""
    v_re, v_im, j_re, j_im = work.v_re, work.v_im, work.j_re, work.j_im
    tap, untap = work.tap_pu, work.untap_pu
    to, count = plan.to_first[b], plan.to_count[b]
    begin, sources = plan.from_first[b], plan.from_first[b + 1] - plan.from_first[b]
    one, own = tap[-1], tap[plan.tap_to[to + r]]
    if plan.kind[b] == 0:
        copy(re, v_re[plan.from_row[begin + r]])
        copy(im, v_im[plan.from_row[begin + r]])
        sources = 0
    else:
        difference(re, one, one)  # 0
        difference(im, one, one)
    for c in range(sources):
        at = plan.m_first[b] + r * sources + c
        x, y = plan.m_re[at], plan.m_im[at]
        if x != 0.0 or y != 0.0:
            row, down = plan.from_row[begin + c], untap[plan.tap_from[begin + c]]
            add(re, im, x, y, v_re[row], v_im[row], down, one)
    for c in range(count):
        at = plan.z_first[b] + r * count + c
        x, y = plan.z_re[at], plan.z_im[at]
        if x != 0.0 or y != 0.0:
            below = tap[plan.tap_to[to + c]]
            add(re, im, -x, -y, j_re[to + c], j_im[to + c], below, one)
    scale(re, own)
    scale(im, own)


@njit(cache=True)
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


@njit(cache=True)
def sweep(plan: Plan, work: Work) -> None:
    """Take all currents from the voltages and add them up."""
    work.j_re[:] = 0.0
    work.j_im[:] = 0.0
    _take_elements(plan, work)
    _take_rest(plan, work)
    _upwards(plan, work)
