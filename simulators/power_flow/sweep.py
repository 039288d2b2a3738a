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

from functools import partial
from typing import NamedTuple

import numpy as np
from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager
from numpy.typing import NDArray

from simulators.power_flow.compiled import EXPONENT, Compiled

Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: Scenarios side by side.
LANES = 16
#: Below this voltage no load draws constant power: no answer is lost, and none runs away. [pu]
_LEAST_PU = 0.1
#: Voltage at and below which a load that gives way to low voltage is its rated impedance. [pu]
LOW_PU = 0.5
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
    ramp: NDArray[np.bool_]
    power_pu: Real  # shares of constant power
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
        e.i, earth, e.v0_v, kinds, e.zip_pu, e.ramp,
        np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0]), low, e.v_max_pu**2 * e.v0_v**2,
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


class _NoAlias(CompilerBase):
    """Compiles a function whose arrays never overlap where it writes.

    Without that promise LLVM does not put lanes side by side: 3 times slower, measured on a
    feeder of 1,000 buses.
    """

    def define_pipelines(self) -> list[PassManager]:
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]  # type: ignore[no-untyped-call]


_FAST = {"contract", "nsz", "nnan", "ninf"}
_rows = partial(njit, cache=True, fastmath=_FAST, pipeline_class=_NoAlias)


@_rows()
def _lowest(re: Real, im: Real) -> float:
    """Return the least square of a voltage."""
    least = re[0] * re[0] + im[0] * im[0]
    for k in range(LANES):
        least = min(least, re[k] * re[k] + im[k] * im[k])
    return float(least)


@_rows()
def _power(  # noqa: PLR0913 - rows, not settings
    re: Real, im: Real, j_re: Real, j_im: Real, p: Real, q: Real, low: float, high: float
) -> None:
    """Take the current of constant power between a node and the earth."""
    for k in range(LANES):
        w = 1.0 / min(max(re[k] * re[k] + im[k] * im[k], low), high)
        j_re[k] -= (p[k] * re[k] + q[k] * im[k]) * w
        j_im[k] -= (p[k] * im[k] - q[k] * re[k]) * w


@_rows()
def _following(  # noqa: PLR0913
    re: Real, im: Real, p: Real, q: Real, of: Real, limits: tuple[float, float, float],
    a: Real, b: Real,
) -> None:  # fmt: skip
    """Find the current of power that is a polynomial of the voltage."""
    unit, low, high = limits
    for k in range(LANES):
        square = min(max(re[k] * re[k] + im[k] * im[k], low), high)
        u2 = square * unit
        u = np.sqrt(u2)
        x = p[k] * (of[0] * u2 + of[1] * u + of[2]) / square
        y = q[k] * (of[3] * u2 + of[4] * u + of[5]) / square
        a[k] = x * re[k] + y * im[k]
        b[k] = x * im[k] - y * re[k]


@_rows()
def _raised(  # noqa: PLR0913
    re: Real, im: Real, p: Real, q: Real, of: Real, limits: tuple[float, float, float],
    a: Real, b: Real,
) -> None:  # fmt: skip
    """Find the current of power that is the voltage to an exponent."""
    unit, low, high = limits
    for k in range(LANES):
        square = min(max(re[k] * re[k] + im[k] * im[k], low), high)
        u2 = square * unit
        above = re[k] * re[k] + im[k] * im[k] > high  # there as constant power: Load.pas
        x = p[k] * (1.0 if above else u2 ** (0.5 * of[0])) / square
        y = q[k] * (1.0 if above else u2 ** (0.5 * of[3])) / square
        a[k] = x * re[k] + y * im[k]
        b[k] = x * im[k] - y * re[k]


@_rows()
def _giving_way(  # noqa: PLR0913
    re: Real, im: Real, p: Real, q: Real, of: Real, limits: tuple[float, float, float],
    a: Real, b: Real,
) -> None:  # fmt: skip
    """Find the current below the least voltage, in the lanes that are there.

    The current of constant power goes from its value at the least voltage straight to that
    of the rated impedance at half of rated voltage, that of constant current likewise; an
    exponent counts as constant power. So do OpenDSS's loads (Load.pas).
    """
    unit, low, _ = limits
    least = np.sqrt(low * unit)
    for k in range(LANES):
        square = re[k] * re[k] + im[k] * im[k]
        if square >= low:
            continue
        u = max(np.sqrt(square * unit), 1e-9)
        way = max(u - LOW_PU, 0.0) / (least - LOW_PU)
        of_power = (0.5 + (1.0 / least - 0.5) * way) / u if u > LOW_PU else 1.0
        of_current = (0.5 + 0.5 * way) / u if u > LOW_PU else 1.0
        x = p[k] * unit * (of[0] + of[1] * of_current + of[2] * of_power)
        y = q[k] * unit * (of[3] + of[4] * of_current + of[5] * of_power)
        a[k] = x * re[k] + y * im[k]
        b[k] = x * im[k] - y * re[k]


@_rows()
def _difference(to: Real, one: Real, other: Real) -> None:
    for k in range(LANES):
        to[k] = one[k] - other[k]


@_rows()
def _plus(to: Real, add: Real) -> None:
    for k in range(LANES):
        to[k] += add[k]


@_rows()
def _minus(to: Real, take: Real) -> None:
    for k in range(LANES):
        to[k] -= take[k]


@_rows()
def _add(  # noqa: PLR0913
    to_re: Real, to_im: Real, x: float, y: float, re: Real, im: Real, r1: Real, r2: Real
) -> None:
    """Add a complex factor times a row, times two ratios, to a row."""
    for k in range(LANES):
        ratio = r1[k] * r2[k]
        to_re[k] += ratio * (x * re[k] - y * im[k])
        to_im[k] += ratio * (x * im[k] + y * re[k])


@_rows()
def _scale(to: Real, by: Real) -> None:
    for k in range(LANES):
        to[k] *= by[k]


@_rows()
def _copy(to: Real, row: Real) -> None:
    for k in range(LANES):
        to[k] = row[k]


@_rows()
def _passed_one(  # noqa: PLR0913
    re: Real, im: Real, v_re: Real, v_im: Real, z_re: Real, z_im: Real, at: int,
    re0: Real, im0: Real, change: Real, unit: float,
) -> None:  # fmt: skip
    """Take a voltage down a line of one conductor."""
    x0, y0 = z_re[at], z_im[at]
    for k in range(LANES):
        a = re[k] - (x0 * re0[k] - y0 * im0[k])
        b = im[k] - (x0 * im0[k] + y0 * re0[k])
        c, d = a - v_re[k], b - v_im[k]
        change[k] = max(change[k], (c * c + d * d) * unit)
        v_re[k], v_im[k] = a, b


@_rows()
def _passed_three(  # noqa: PLR0913
    re: Real, im: Real, v_re: Real, v_im: Real, z_re: Real, z_im: Real, at: int,
    re0: Real, im0: Real, re1: Real, im1: Real, re2: Real, im2: Real, change: Real, unit: float,
) -> None:  # fmt: skip
    """Take the voltage of one of three conductors down a line."""
    x0, x1, x2 = z_re[at], z_re[at + 1], z_re[at + 2]
    y0, y1, y2 = z_im[at], z_im[at + 1], z_im[at + 2]
    for k in range(LANES):
        a = re[k] - (x0 * re0[k] - y0 * im0[k])
        a = a - (x1 * re1[k] - y1 * im1[k]) - (x2 * re2[k] - y2 * im2[k])
        b = im[k] - (x0 * im0[k] + y0 * re0[k])
        b = b - (x1 * im1[k] + y1 * re1[k]) - (x2 * im2[k] + y2 * re2[k])
        c, d = a - v_re[k], b - v_im[k]
        change[k] = max(change[k], (c * c + d * d) * unit)
        v_re[k], v_im[k] = a, b


@_rows()
def _put(v_re: Real, v_im: Real, re: Real, im: Real, change: Real, unit: float) -> None:
    """Put a new voltage in place, and note the greatest change."""
    for k in range(LANES):
        a, b = re[k] - v_re[k], im[k] - v_im[k]
        change[k] = max(change[k], (a * a + b * b) * unit)
        v_re[k], v_im[k] = re[k], im[k]


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
        if e < first[1] and j == earth and not (ramp and _lowest(v_re[i], v_im[i]) < low):
            _power(v_re[i], v_im[i], j_re[i], j_im[i], p_w[e], q_var[e], low, high)
            continue
        _difference(re, v_re[i], v_re[j])
        _difference(im, v_im[i], v_im[j])
        limits = (1.0 / (plan.v0_v[e] * plan.v0_v[e]), low, high)
        if e < first[2]:
            _following(re, im, p_w[e], q_var[e], plan.zip_pu[e], limits, a, b)
        else:
            _raised(re, im, p_w[e], q_var[e], plan.zip_pu[e], limits, a, b)
        if ramp and _lowest(re, im) < low:
            of = plan.zip_pu[e] if e < first[2] else plan.power_pu
            _giving_way(re, im, p_w[e], q_var[e], of, limits, a, b)
        _minus(j_re[i], a)
        _minus(j_im[i], b)
        if j != earth:
            _plus(j_re[j], a)
            _plus(j_im[j], b)


@njit(cache=True)
def _take_rest(plan: Plan, work: Work) -> None:
    """Take the current of shunts, and of what closes loops."""
    v_re, v_im, j_re, j_im, untap = work.v_re, work.v_im, work.j_re, work.j_im, work.untap_pu
    for s in range(len(plan.shunt_row)):
        a, b = plan.shunt_row[s], plan.shunt_column[s]
        r1, r2 = untap[plan.shunt_tap[s, 0]], untap[plan.shunt_tap[s, 1]]
        g, h = plan.shunt_re[s], plan.shunt_im[s]
        _add(j_re[a], j_im[a], g, h, v_re[b], v_im[b], r1, r2)
    for c in range(len(plan.cut_i)):
        i, j = plan.cut_i[c], plan.cut_j[c]
        _plus(j_re[i], work.close_re[c])
        _plus(j_im[i], work.close_im[c])
        _minus(j_re[j], work.close_re[c])
        _minus(j_im[j], work.close_im[c])


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
                _plus(j_re[r], j_re[to + c])
                _plus(j_im[r], j_im[to + c])
            continue
        for c in range(count):
            up = tap[plan.tap_to[to + c]]
            for r in range(sources):
                at = plan.m_first[b] + r * count + c
                x, y = plan.n_re[at], plan.n_im[at]
                if x != 0.0 or y != 0.0:
                    row, down = plan.from_row[begin + r], untap[plan.tap_from[begin + r]]
                    _add(j_re[row], j_im[row], x, y, j_re[to + c], j_im[to + c], up, down)


@njit(cache=True)
def _downwards(plan: Plan, work: Work, change: Real) -> None:
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
                _passed_three(
                    v_re[row], v_im[row], v_re[node], v_im[node], z_re, z_im, at,
                    j_re[to], j_im[to], j_re[to + 1], j_im[to + 1], j_re[to + 2], j_im[to + 2],
                    change, unit,
                )  # fmt: skip
            elif passes and count == 1:
                row = plan.from_row[begin + r]
                _passed_one(
                    v_re[row], v_im[row], v_re[node], v_im[node], z_re, z_im, at,
                    j_re[to], j_im[to], change, unit,
                )  # fmt: skip
            else:
                _transformed(plan, work, b, r, re, im)
                _put(v_re[node], v_im[node], re, im, change, unit)


@njit(cache=True)
def _transformed(plan: Plan, work: Work, b: int, r: int, re: Real, im: Real) -> None:
    """Find the voltage transformers, or a line, leave at one of their nodes."""
    v_re, v_im, j_re, j_im = work.v_re, work.v_im, work.j_re, work.j_im
    tap, untap = work.tap_pu, work.untap_pu
    to, count = plan.to_first[b], plan.to_count[b]
    begin, sources = plan.from_first[b], plan.from_first[b + 1] - plan.from_first[b]
    one, own = tap[-1], tap[plan.tap_to[to + r]]
    if plan.kind[b] == 0:
        _copy(re, v_re[plan.from_row[begin + r]])
        _copy(im, v_im[plan.from_row[begin + r]])
        sources = 0
    else:
        _difference(re, one, one)  # 0
        _difference(im, one, one)
    for c in range(sources):
        at = plan.m_first[b] + r * sources + c
        x, y = plan.m_re[at], plan.m_im[at]
        if x != 0.0 or y != 0.0:
            row, down = plan.from_row[begin + c], untap[plan.tap_from[begin + c]]
            _add(re, im, x, y, v_re[row], v_im[row], down, one)
    for c in range(count):
        at = plan.z_first[b] + r * count + c
        x, y = plan.z_re[at], plan.z_im[at]
        if x != 0.0 or y != 0.0:
            below = tap[plan.tap_to[to + c]]
            _add(re, im, -x, -y, j_re[to + c], j_im[to + c], below, one)
    _scale(re, own)
    _scale(im, own)


@njit(cache=True)
def _close(plan: Plan, work: Work, change: Real) -> None:
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
                    _give_up(plan, work, k)
        if done:
            break
    return took


@njit(cache=True)
def _give_up(plan: Plan, work: Work, k: int) -> None:
    """Take the load off a lane that runs away, so that it does no harm to others."""
    work.p_w[:, k], work.q_var[:, k] = 0.0, 0.0
    work.close_re[:, k], work.close_im[:, k] = 0.0, 0.0
    work.v_re[: plan.node_count, k] = plan.base_v
    work.v_im[: plan.node_count, k] = 0.0


@njit(cache=True)
def unloaded(plan: Plan, work: Work, passes: int) -> None:
    """Find the voltages with nothing but shunts and the currents across the cuts."""
    change = np.zeros(LANES)
    for _ in range(passes):
        sweep(plan, work)
        _downwards(plan, work, change)
