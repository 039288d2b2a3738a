"""Lanes: many scenarios, or the hours of a year, dealt out to the lanes of a sweep.

Independent scenarios go block by block. A year whose taps remember goes as sixteen parts
of it side by side, each hour begun with the taps the one before left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.power_flow.following import set_free
from simulators.power_flow.rows import LANES
from simulators.power_flow.sweep import Plan, Work
from simulators.power_flow.switches import Switches
from simulators.power_flow.switching import settle

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


class Found(NamedTuple):
    """What comes out, one column a scenario."""

    v_re: Real
    v_im: Real
    solutions: Index  # -1: no voltages, -2: the controls hunt
    left_pu: Real
    tap_pu: Real
    sections: Index


@njit(cache=True)
def _load(given: Given, plan: Plan, work: Work, k: int, at: int) -> None:
    """Give a lane the loads of a scenario."""
    for e in range(len(given.owner)):
        o = given.owner[e]
        work.p_w[e, k] = given.p_w[e] * given.scale_p[o, at]
        work.q_var[e, k] = given.q_var[e] * given.scale_q[o, at]
    set_free(plan.curves, work, k)


@njit(cache=True)
def _begin(given: Given, plan: Plan, work: Work, k: int) -> None:
    """Set the voltages of a lane to those without load."""
    for n in range(plan.node_count):
        work.v_re[n, k], work.v_im[n, k] = given.start_re[n], given.start_im[n]
    work.close_re[:, k], work.close_im[:, k] = 0.0, 0.0


@njit(cache=True)
def _set_taps(work: Work, sections: Index, k: int, tap_pu: Real, on: Index) -> None:
    for t in range(len(tap_pu)):
        work.tap_pu[t, k], work.untap_pu[t, k] = tap_pu[t], 1.0 / tap_pu[t]
    for c in range(len(on)):
        sections[c, k] = on[c]


@njit(cache=True)
def _keep(  # noqa: PLR0913 - compiled code takes no keyword objects
    plan: Plan, work: Work, sections: Index, found: Found, k: int, at: int, took: int, left: float
) -> None:
    """Write down what a lane came to."""
    for n in range(plan.node_count):
        found.v_re[n, at], found.v_im[n, at] = work.v_re[n, k], work.v_im[n, k]
    for t in range(found.tap_pu.shape[0]):
        found.tap_pu[t, at] = work.tap_pu[t, k]
    for c in range(found.sections.shape[0]):
        found.sections[c, at] = sections[c, k]
    found.solutions[at], found.left_pu[at] = took, left


@njit(cache=True)
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
    count = given.scale_p.shape[1]
    history = np.zeros((limits[1], LANES))
    sections = np.zeros((len(s.banks.mode), LANES), np.int64)
    hours = np.zeros(LANES)
    for first in range(0, count, LANES):
        for k in range(LANES):
            at = min(first + k, count - 1)  # what is left over repeats the last scenario
            _load(given, plan, work, k, at)
            _begin(given, plan, work, k)
            _set_taps(work, sections, k, tap_pu, s.banks.sections_on)
            hours[k] = given.hour[at]
        took, left = settle(s, plan, work, sections, hours, limits, history)
        for k in range(min(LANES, count - first)):
            _keep(plan, work, sections, found, k, first + k, took[k], left[k])


@njit(cache=True)
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
    first, last, tap_pu, on = parts
    history = np.zeros((limits[1], LANES))
    sections = np.zeros((len(s.banks.mode), LANES), np.int64)
    hours = np.zeros(LANES)
    live = first < last
    for k in range(LANES):
        _begin(given, plan, work, k)
        _set_taps(work, sections, k, tap_pu[:, k], on[:, k])
    step = 0
    while live.any():
        for k in range(LANES):
            at = min(first[k] + step, given.scale_p.shape[1] - 1)
            _load(given, plan, work, k, at)
            hours[k] = given.hour[at]
        took, left = settle(s, plan, work, sections, hours, limits, history)
        for k in range(LANES):
            if not live[k]:
                continue
            at = first[k] + step
            known = found.solutions[at] != 0 and _same(work, sections, found, k, at)
            _keep(plan, work, sections, found, k, at, took[k], left[k])
            live[k] = at + 1 < last[k] and not known
            if took[k] < 0:
                _begin(given, plan, work, k)
        step += 1


@njit(cache=True)
def _same(work: Work, sections: Index, found: Found, k: int, at: int) -> bool:
    for t in range(found.tap_pu.shape[0]):
        if abs(found.tap_pu[t, at] - work.tap_pu[t, k]) > 1e-9:
            return False
    return bool((found.sections[:, at] == sections[:, k]).all())
