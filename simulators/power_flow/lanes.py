"""Lanes: many scenarios, or the hours of a year, dealt out to the lanes of a sweep.

Independent scenarios go block by block. A year whose taps remember goes as sixteen parts
of it side by side, each hour begun with the taps the one before left. No lane waits for
another: as soon as its voltages have settled its controls act, and in a year its next hour
begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.power_flow.following import set_free
from simulators.power_flow.iteration import give_up, hopeless, iterate
from simulators.power_flow.plan import Plan, Work
from simulators.power_flow.rows import LANES, inlaid, inner, put, put_at, take, take_at
from simulators.power_flow.switches import Switches
from simulators.power_flow.switching import Moves, act, connect, moves_of

Real = NDArray[np.float64]
Index = NDArray[np.int64]


class Given(NamedTuple):
    """What the scenarios are.

    ``scale_p`` and ``scale_q`` have the shape (n_owner, n_scenario), ``hour`` (n_scenario,).
    """

    start_re: Real  # voltages to begin from [V]
    start_im: Real
    owner: Index  # of each element
    p_w: Real  # injection of each element at a multiplier of 1 [W]
    q_var: Real
    scale_p: Real
    scale_q: Real
    hour: Real  # time of day [h]


def some_of(given: Given, some: slice) -> Given:
    """Return some of the scenarios, in arrays of their own."""
    p, q = given.scale_p, given.scale_q
    own_p = np.ascontiguousarray(p[:, some])
    own_q = own_p if q is p else np.ascontiguousarray(q[:, some])
    hour = np.ascontiguousarray(given.hour[some])
    return given._replace(scale_p=own_p, scale_q=own_q, hour=hour)


class Found(NamedTuple):
    """What comes out, one column a scenario."""

    v_re: Real
    v_im: Real
    solutions: Index  # -1: no voltages, -2: the controls hunt
    left_pu: Real
    tap_pu: Real
    sections: Index


class Lanes(NamedTuple):
    """How far each lane is."""

    hour: Real
    iterations: Index  # since the last action
    turns: Index  # solutions so far
    took: Index  # 0: under way, else as in Found
    left_pu: Real
    change: Real


def lanes() -> Lanes:
    """Return lanes that have nothing to do."""
    one, other, third = (np.zeros(LANES, np.int64) for _ in range(3))
    return Lanes(np.zeros(LANES), one, other, third, np.zeros(LANES), np.zeros(LANES))


def batch(
    s: Switches, plan: Plan, work: Work, given: Given, tap_pu: Real,
    limits: tuple[float, int, int], found: Found,
) -> None:  # fmt: skip
    """Solve independent scenarios, each from the same taps.

    Parameters
    ----------
    tap_pu : ndarray, shape (n_tap,)
        Ratios every scenario begins with. [pu]
    limits : (float, int, int)
        Tolerance of the voltages [pu], most iterations, most actions of controls.
    """
    _batch(s, plan, work, given, tap_pu, limits, found, lanes(), moves_of(s))


def march(
    s: Switches, plan: Plan, work: Work, given: Given, parts: tuple[Index, Index, Real, Index],
    limits: tuple[float, int, int], found: Found,
) -> None:  # fmt: skip
    """Solve hours in their order, several parts of a year side by side.

    Parameters
    ----------
    parts : (first, last, tap_pu, sections)
        Hours of each lane, (LANES,), the last not included; the state each begins with,
        (n_tap, LANES) and (n_capacitor, LANES). A part ends early once it comes to a state
        that ``found`` has already for the same hour: what follows is known.
    """
    _march(s, plan, work, given, parts, limits, found, lanes(), moves_of(s))


@inlaid()
def _go_on(
    s: Switches, plan: Plan, work: Work, limits: tuple[float, int, int], lane: Lanes, m: Moves
) -> bool:
    """Iterate once, and let the controls of the lanes act whose voltages have settled.

    Returns whether a lane is under way still.
    """
    under_way = False
    tolerance_pu, most, most_actions = limits
    controlled = len(m.want) + len(m.turn) > 0
    iterate(plan, work, lane.change)
    for k in range(LANES):
        if lane.took[k] != 0:
            continue
        lane.iterations[k] += 1
        solved = lane.change[k] <= tolerance_pu * tolerance_pu
        if hopeless(lane.change[k]):
            give_up(plan, work, k)
            lane.took[k] = -1
        elif solved or lane.iterations[k] == most:
            moved = controlled and act(s, plan, work, m, k, lane.hour[k])
            lane.turns[k] += 1
            if moved and lane.turns[k] <= most_actions:
                lane.iterations[k] = 0
            elif not solved:
                lane.took[k] = -1
            else:
                lane.took[k] = -2 if moved else lane.turns[k]
        lane.left_pu[k] = np.sqrt(lane.change[k])
        work.live[0, k] = 1.0 if lane.took[k] == 0 else 0.0  # or its neighbours would show
        under_way = under_way or lane.took[k] == 0
    return under_way


@inlaid()
def _start(work: Work, lane: Lanes, m: Moves, k: int, hour: float) -> None:
    lane.hour[k], lane.iterations[k], lane.turns[k], lane.took[k] = hour, 0, 0, 0
    work.live[0, k] = 1.0
    for c in range(len(m.opened)):
        m.opened[c, k] = False


@njit(cache=True)
def _batch(  # noqa: PLR0913
    s: Switches, plan: Plan, work: Work, given: Given, tap_pu: Real,
    limits: tuple[float, int, int], found: Found, lane: Lanes, m: Moves,
) -> None:  # fmt: skip
    count = given.scale_p.shape[1]
    for first in range(0, count, LANES):
        _begin_block(s, plan, work, given, tap_pu, first)
        for k in range(LANES):
            for c in range(len(m.sections)):
                m.sections[c, k] = s.banks.sections_on[c]
            if len(m.turn):
                connect(s.banks, work, m.sections, k)
            _start(work, lane, m, k, given.hour[min(first + k, count - 1)])
        while _go_on(s, plan, work, limits, lane, m):
            pass
        _keep_block(work, found, lane, m, first)
    put(work.live, 0, 1.0)


@inlaid()
def _begin_block(
    s: Switches, plan: Plan, work: Work, given: Given, tap_pu: Real, first: int
) -> None:
    """Give all lanes their loads, and the voltages without load."""
    count = given.scale_p.shape[1]
    if first + LANES <= count:
        for e in range(len(given.owner)):
            o = given.owner[e]
            put(work.p_w, e, given.p_w[e] * take_at(given.scale_p, o, first))
            put(work.q_var, e, given.q_var[e] * take_at(given.scale_q, o, first))
    for k in range(LANES):
        if first + LANES > count:  # what is left over repeats the last scenario
            _load(given, work, k, min(first + k, count - 1))
        if len(plan.curves.s_va):
            set_free(plan.curves, work, k)
    for n in range(plan.node_count):
        put(work.v_re, n, given.start_re[n])
        put(work.v_im, n, given.start_im[n])
    for t in range(len(tap_pu)):
        put(work.tap_pu, t, tap_pu[t])
        put(work.untap_pu, t, 1.0 / tap_pu[t])
    for c in range(len(work.close_re)):
        put(work.close_re, c, 0.0)
        put(work.close_im, c, 0.0)


@inlaid()
def _keep_block(work: Work, found: Found, lane: Lanes, m: Moves, first: int) -> None:
    """Write down what all lanes came to."""
    width = min(LANES, found.v_re.shape[1] - first)
    for n in range(found.v_re.shape[0]):
        if width == LANES:
            put_at(found.v_re, n, first, take(work.v_re, n))
            put_at(found.v_im, n, first, take(work.v_im, n))
            continue
        for k in range(width):
            found.v_re[n, first + k], found.v_im[n, first + k] = work.v_re[n, k], work.v_im[n, k]
    for k in range(width):
        _keep_state(work, found, lane, m, k, first + k)


@inlaid()
def _keep_state(work: Work, found: Found, lane: Lanes, m: Moves, k: int, at: int) -> None:
    for t in range(found.tap_pu.shape[0]):
        found.tap_pu[t, at] = work.tap_pu[t, k]
    for c in range(found.sections.shape[0]):
        found.sections[c, at] = m.sections[c, k]
    found.solutions[at], found.left_pu[at] = lane.took[k], lane.left_pu[k]


@inner()
def _load(given: Given, work: Work, k: int, at: int) -> None:
    """Give a lane the loads of a scenario."""
    for e in range(len(given.owner)):
        o = given.owner[e]
        work.p_w[e, k] = given.p_w[e] * given.scale_p[o, at]
        work.q_var[e, k] = given.q_var[e] * given.scale_q[o, at]


@inner()
def _begin(given: Given, plan: Plan, work: Work, k: int) -> None:
    """Set the voltages of a lane to those without load."""
    for n in range(plan.node_count):
        work.v_re[n, k], work.v_im[n, k] = given.start_re[n], given.start_im[n]
    for c in range(len(work.close_re)):
        work.close_re[c, k], work.close_im[c, k] = 0.0, 0.0


@njit(cache=True)
def _march(  # noqa: PLR0913
    s: Switches, plan: Plan, work: Work, given: Given, parts: tuple[Index, Index, Real, Index],
    limits: tuple[float, int, int], found: Found, lane: Lanes, m: Moves,
) -> None:  # fmt: skip
    first, last, tap_pu, on = parts
    at, busy = first.copy(), 0
    for k in range(LANES):
        for c in range(len(m.sections)):
            m.sections[c, k] = on[c, k]
        for t in range(len(tap_pu)):
            work.tap_pu[t, k], work.untap_pu[t, k] = tap_pu[t, k], 1.0 / tap_pu[t, k]
        _begin(given, plan, work, k)
        at[k] = min(at[k], given.scale_p.shape[1] - 1)
        _hour(s, plan, work, given, lane, m, k, at[k])
        if first[k] >= last[k]:
            lane.took[k], work.live[0, k] = -1, 0.0
            at[k] = last[k]  # nothing of it is written down
        else:
            busy += 1
    while busy > 0:
        _go_on(s, plan, work, limits, lane, m)
        for k in range(LANES):
            if lane.took[k] == 0 or at[k] >= last[k]:
                continue
            known = _keep(work, found, lane, m, k, at[k])
            at[k] = last[k] if known else at[k] + 1
            if at[k] == last[k]:
                busy -= 1
                continue
            if lane.took[k] < 0:
                _begin(given, plan, work, k)
            _hour(s, plan, work, given, lane, m, k, at[k])
    put(work.live, 0, 1.0)


@inner()
def _keep(work: Work, found: Found, lane: Lanes, m: Moves, k: int, at: int) -> bool:
    """Write down what a lane came to; return whether the state was known."""
    known = found.solutions[at] != 0 and _same(work, m.sections, found, k, at)
    for n in range(found.v_re.shape[0]):
        found.v_re[n, at], found.v_im[n, at] = work.v_re[n, k], work.v_im[n, k]
    _keep_state(work, found, lane, m, k, at)
    return bool(known)


@inner()
def _hour(  # noqa: PLR0913
    s: Switches, plan: Plan, work: Work, given: Given, lane: Lanes, m: Moves, k: int, at: int
) -> None:
    """Begin an hour in a lane, with voltages and taps as they are."""
    _load(given, work, k, at)
    set_free(plan.curves, work, k)
    connect(s.banks, work, m.sections, k)
    _start(work, lane, m, k, given.hour[at])


@inner()
def _same(work: Work, sections: Index, found: Found, k: int, at: int) -> bool:
    for t in range(found.tap_pu.shape[0]):
        if abs(found.tap_pu[t, at] - work.tap_pu[t, k]) > 1e-9:
            return False
    for c in range(len(sections)):  # noqa: SIM110 - compiled code has no generators
        if found.sections[c, at] != sections[c, k]:
            return False
    return True
