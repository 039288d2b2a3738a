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

Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: Scenarios side by side.
LANES = 16
#: Below this voltage no load draws constant power: no answer is lost, and none runs away. [pu]
_LEAST_PU = 0.1
#: A change of voltage that ends the search of a scenario as hopeless. [pu]
_HOPELESS_PU = 1e3


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
    low_v2: Real
    high_v2: Real
    cut_i: Index
    cut_j: Index
    close_re: Real  # currents that close the cuts, over the voltage across them [S]
    close_im: Real


def plan_of(compiled: Compiled, close_s: NDArray[np.complex128]) -> Plan:
    """Return the plan of a sweep.

    Parameters
    ----------
    compiled : Compiled
        The network.
    close_s : ndarray of complex, shape (n_cut, n_cut)
        Inverse of the impedance seen at the cuts. [S]
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
        e.i, earth, e.v0_v, kinds, e.zip_pu, low, e.v_max_pu**2 * e.v0_v**2,
        np.concatenate([empty, *(i for i, _ in cuts)]),
        np.concatenate([empty, *(j for _, j in cuts)]), *_parts(close_s),
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


def work_for(compiled: Compiled) -> Work:
    """Return empty arrays to work on."""
    rows = compiled.node_count + 1 + len(compiled.fixed_v)
    cuts = sum(len(loop.i) for loop in compiled.loops)
    elements = len(compiled.elements.i)
    shapes = [rows] * 4 + [cuts] * 2 + [elements] * 2
    taps = (np.ones((len(compiled.taps) + 1, LANES)) for _ in range(2))
    work = Work(*(np.zeros((k, LANES)) for k in shapes), *taps)
    work.v_re[compiled.node_count + 1 :] = compiled.fixed_v.real[:, None]
    work.v_im[compiled.node_count + 1 :] = compiled.fixed_v.imag[:, None]
    return work


@njit(cache=True, fastmath={"contract", "nsz"})
def _take_power(plan: Plan, work: Work, first: int, last: int) -> None:
    """Take the current of elements of constant power."""
    v_re, v_im, j_re, j_im, _, _, p_w, q_var, _, _ = work
    for e in range(first, last):
        i, j, low, high = plan.i[e], plan.j[e], plan.low_v2[e], plan.high_v2[e]
        for k in range(LANES):
            re, im = v_re[i, k] - v_re[j, k], v_im[i, k] - v_im[j, k]
            w = 1.0 / min(max(re * re + im * im, low), high)
            a = (p_w[e, k] * re + q_var[e, k] * im) * w
            b = (p_w[e, k] * im - q_var[e, k] * re) * w
            j_re[i, k] -= a
            j_im[i, k] -= b
            j_re[j, k] += a
            j_im[j, k] += b


@njit(cache=True, fastmath={"contract", "nsz"})
def _take_zip(plan: Plan, work: Work, first: int, last: int, exponent: bool) -> None:
    """Take the current of elements that follow the voltage."""
    v_re, v_im, j_re, j_im, _, _, p_w, q_var, _, _ = work
    for e in range(first, last):
        i, j, low, high = plan.i[e], plan.j[e], plan.low_v2[e], plan.high_v2[e]
        s = plan.zip_pu[e]
        unit = 1.0 / (plan.v0_v[e] * plan.v0_v[e])
        for k in range(LANES):
            re, im = v_re[i, k] - v_re[j, k], v_im[i, k] - v_im[j, k]
            square = min(max(re * re + im * im, low), high)
            u2 = square * unit
            if exponent:
                of_p, of_q = u2 ** (0.5 * s[0]), u2 ** (0.5 * s[3])
            else:
                u = np.sqrt(u2)
                of_p, of_q = s[0] * u2 + s[1] * u + s[2], s[3] * u2 + s[4] * u + s[5]
            p, q = p_w[e, k] * of_p / square, q_var[e, k] * of_q / square
            a, b = p * re + q * im, p * im - q * re
            j_re[i, k] -= a
            j_im[i, k] -= b
            j_re[j, k] += a
            j_im[j, k] += b


@njit(cache=True, fastmath={"contract", "nsz"})
def _add(  # noqa: PLR0913 - rows, not settings
    to_re: Real, to_im: Real, x: float, y: float, re: Real, im: Real, r1: Real, r2: Real
) -> None:
    """Add a complex factor times a row, times two ratios, to a row."""
    for k in range(LANES):
        ratio = r1[k] * r2[k]
        to_re[k] += ratio * (x * re[k] - y * im[k])
        to_im[k] += ratio * (x * im[k] + y * re[k])


@njit(cache=True, fastmath={"contract", "nsz"})
def _take_rest(plan: Plan, work: Work) -> None:
    """Take the current of shunts, and of what closes loops."""
    v_re, v_im, j_re, j_im, close_re, close_im, _, _, _, untap = work
    for s in range(len(plan.shunt_row)):
        a, b = plan.shunt_row[s], plan.shunt_column[s]
        r1, r2 = untap[plan.shunt_tap[s, 0]], untap[plan.shunt_tap[s, 1]]
        g, h = plan.shunt_re[s], plan.shunt_im[s]
        _add(j_re[a], j_im[a], g, h, v_re[b], v_im[b], r1, r2)
    for c in range(len(plan.cut_i)):
        i, j = plan.cut_i[c], plan.cut_j[c]
        for k in range(LANES):
            j_re[i, k] += close_re[c, k]
            j_im[i, k] += close_im[c, k]
            j_re[j, k] -= close_re[c, k]
            j_im[j, k] -= close_im[c, k]


@njit(cache=True, fastmath={"contract", "nsz"})
def _upwards(plan: Plan, work: Work) -> None:
    """Add currents up, from the leaves to the sources."""
    _, _, j_re, j_im, _, _, _, _, tap, untap = work
    for b in range(len(plan.kind) - 1, -1, -1):
        to, count = plan.to_first[b], plan.to_count[b]
        begin, sources = plan.from_first[b], plan.from_first[b + 1] - plan.from_first[b]
        if plan.kind[b] == 0:
            for c in range(count):
                r = plan.from_row[begin + c]
                for k in range(LANES):
                    j_re[r, k] += j_re[to + c, k]
                    j_im[r, k] += j_im[to + c, k]
            continue
        for c in range(count):
            up = tap[plan.tap_to[to + c]]
            for r in range(sources):
                at = plan.m_first[b] + r * count + c
                x, y = plan.n_re[at], plan.n_im[at]
                if x != 0.0 or y != 0.0:
                    row, down = plan.from_row[begin + r], untap[plan.tap_from[begin + r]]
                    _add(j_re[row], j_im[row], x, y, j_re[to + c], j_im[to + c], up, down)


@njit(cache=True, fastmath={"contract", "nsz"})
def _downwards(plan: Plan, work: Work, change: Real) -> None:
    """Take voltages down, from the sources to the leaves; note the greatest change. [pu^2]"""
    v_re, v_im = work.v_re, work.v_im
    new_re, new_im = np.empty(LANES), np.empty(LANES)
    for b in range(len(plan.kind)):
        to = plan.to_first[b]
        for r in range(plan.to_count[b]):
            if plan.kind[b] == 0:
                _passed(plan, work, b, r, new_re, new_im)
            else:
                _transformed(plan, work, b, r, new_re, new_im)
            unit = 1.0 / (plan.base_v[to + r] * plan.base_v[to + r])
            for k in range(LANES):
                a, d = new_re[k] - v_re[to + r, k], new_im[k] - v_im[to + r, k]
                change[k] = max(change[k], (a * a + d * d) * unit)
                v_re[to + r, k], v_im[to + r, k] = new_re[k], new_im[k]


@njit(cache=True, fastmath={"contract", "nsz"})
def _passed(plan: Plan, work: Work, b: int, r: int, new_re: Real, new_im: Real) -> None:
    """Find the voltage a line leaves at one of its conductors."""
    v_re, v_im, j_re, j_im = work.v_re, work.v_im, work.j_re, work.j_im
    to, count = plan.to_first[b], plan.to_count[b]
    row = plan.from_row[plan.from_first[b] + r]
    for k in range(LANES):
        new_re[k], new_im[k] = v_re[row, k], v_im[row, k]
    for c in range(count):
        at = plan.z_first[b] + r * count + c
        x, y = plan.z_re[at], plan.z_im[at]
        for k in range(LANES):
            new_re[k] -= x * j_re[to + c, k] - y * j_im[to + c, k]
            new_im[k] -= x * j_im[to + c, k] + y * j_re[to + c, k]


@njit(cache=True, fastmath={"contract", "nsz"})
def _transformed(plan: Plan, work: Work, b: int, r: int, new_re: Real, new_im: Real) -> None:
    """Find the voltage transformers leave at one of their nodes."""
    v_re, v_im, j_re, j_im, _, _, _, _, tap, untap = work
    to, count = plan.to_first[b], plan.to_count[b]
    begin, sources = plan.from_first[b], plan.from_first[b + 1] - plan.from_first[b]
    one, own = tap[-1], tap[plan.tap_to[to + r]]
    new_re[:], new_im[:] = 0.0, 0.0
    for c in range(sources):
        at = plan.m_first[b] + r * sources + c
        x, y = plan.m_re[at], plan.m_im[at]
        if x != 0.0 or y != 0.0:
            row, down = plan.from_row[begin + c], untap[plan.tap_from[begin + c]]
            _add(new_re, new_im, x, y, v_re[row], v_im[row], down, one)
    for c in range(count):
        at = plan.z_first[b] + r * count + c
        x, y = plan.z_re[at], plan.z_im[at]
        if x != 0.0 or y != 0.0:
            below = tap[plan.tap_to[to + c]]
            _add(new_re, new_im, -x, -y, j_re[to + c], j_im[to + c], below, one)
    for k in range(LANES):
        new_re[k] *= own[k]
        new_im[k] *= own[k]


@njit(cache=True, fastmath={"contract", "nsz"})
def _close(plan: Plan, work: Work, change: Real) -> None:
    """Correct the currents across the cuts by the voltages that are left there."""
    v_re, v_im, _, _, close_re, close_im, _, _, _, _ = work
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
    first = plan.kind_first
    _take_power(plan, work, first[0], first[1])
    _take_zip(plan, work, first[1], first[2], False)
    _take_zip(plan, work, first[2], first[3], True)
    _take_rest(plan, work)
    _upwards(plan, work)


@njit(cache=True)
def solve(plan: Plan, work: Work, tolerance_pu: float, most: int, history: Real) -> Index:
    """Sweep until no voltage changes by more than a tolerance.

    Parameters
    ----------
    plan, work : Plan, Work
        The network and the state; begins from the voltages in ``work``.
    tolerance_pu : float
        Greatest change of a voltage, of nominal, in the last iteration. [pu]
    most : int
        Most iterations.
    history : ndarray, shape (most, LANES)
        Takes the greatest change of each iteration. [pu]

    Returns
    -------
    ndarray of int, shape (LANES,)
        Iterations each lane took; -1: it did not get there. Its voltages are those of its
        last iteration, or, where it ran away, without load.
    """
    took = np.full(LANES, -1, np.int64)
    lost = np.zeros(LANES, np.bool_)
    change = np.empty(LANES)
    limit = tolerance_pu * tolerance_pu
    for iteration in range(most):
        sweep(plan, work)
        change[:] = 0.0
        _downwards(plan, work, change)
        if len(plan.cut_i):
            _close(plan, work, change)
        done = True
        for k in range(LANES):
            history[iteration, k] = np.sqrt(change[k])
            if change[k] <= limit:
                if took[k] < 0 and not lost[k]:
                    took[k] = iteration + 1
            else:
                took[k] = -1
                done = False
                if change[k] > _HOPELESS_PU**2 or not np.isfinite(change[k]):
                    lost[k] = True
                    work.p_w[:, k], work.q_var[:, k] = 0.0, 0.0
                    work.close_re[:, k], work.close_im[:, k] = 0.0, 0.0
                    work.v_re[: plan.node_count, k] = plan.base_v
                    work.v_im[: plan.node_count, k] = 0.0
        if done:
            break
    return took


@njit(cache=True)
def solve_all(
    plan: Plan,
    work: Work,
    start: tuple[Real, Real],
    load: tuple[Index, Real, Real],
    scale: tuple[Real, Real],
    limits: tuple[float, int],
    out: tuple[Real, Real, Index, Real],
) -> None:
    """Solve any number of scenarios, block by block.

    Parameters
    ----------
    start : (ndarray, ndarray), shape (n_node,)
        Voltages to begin from, real and imaginary. [V]
    load : (owner, p_w, q_var), shape (n_element,)
        Whose the elements are, and their injection at a multiplier of 1.
    scale : (ndarray, ndarray), shape (n_owner, n_scenario)
        Multipliers of p and q.
    limits : (float, int)
        Tolerance [pu] and most iterations.
    out : (re, im, took, left)
        Takes voltages (n_node, n_scenario), iterations (n_scenario,) and the change in the
        last one (n_scenario,) [pu].
    """
    owner, p_w, q_var = load
    scale_p, scale_q = scale
    out_re, out_im, took, left = out
    tolerance_pu, most = limits
    count = scale_p.shape[1]
    history = np.zeros((most, LANES))
    for first in range(0, count, LANES):
        lanes = min(LANES, count - first)
        for e in range(len(owner)):
            o = owner[e]
            for k in range(LANES):
                at = first + min(k, lanes - 1)  # what is left over repeats the last scenario
                work.p_w[e, k] = p_w[e] * scale_p[o, at]
                work.q_var[e, k] = q_var[e] * scale_q[o, at]
        for n in range(plan.node_count):
            for k in range(LANES):
                work.v_re[n, k], work.v_im[n, k] = start[0][n], start[1][n]
        work.close_re[:], work.close_im[:] = 0.0, 0.0
        found = solve(plan, work, tolerance_pu, most, history)
        for k in range(lanes):
            took[first + k] = found[k]
            left[first + k] = history[max(found.max(), 1) - 1 if found.min() > 0 else most - 1, k]
        for n in range(plan.node_count):
            for k in range(lanes):
                out_re[n, first + k], out_im[n, first + k] = work.v_re[n, k], work.v_im[n, k]


@njit(cache=True)
def unloaded(plan: Plan, work: Work, passes: int) -> None:
    """Find the voltages with nothing but shunts and the currents across the cuts."""
    change = np.zeros(LANES)
    for _ in range(passes):
        sweep(plan, work)
        _downwards(plan, work, change)
