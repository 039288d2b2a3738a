"""Switching: tap changers and capacitors inside the batch, each scenario with its own.

The rules are those of OpenDSS's RegControl and CapControl in its static mode, so that both
come to the same taps: after each solution every control looks at what it measures; of
those that want to act, the ones with the shortest delay do; a tap changer goes seven tenths
of the way it thinks it needs, at least one step and at most its limit. Then the flow is
solved again, until nobody wants to act.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.power_flow.iteration import solve
from simulators.power_flow.rows import LANES
from simulators.power_flow.sweep import Plan, Work
from simulators.power_flow.switches import Banks, Regulators, Switches

Real = NDArray[np.float64]
Index = NDArray[np.int64]

_NEVER = 1e30
#: Two delays that differ by less are the same. [s]
_SAME_S = 1e-9


@njit(cache=True)
def _wants_tap(s: Regulators, work: Work, t: int, k: int) -> float:
    """Return the change of ratio a tap changer wants in a lane. [pu]"""
    i, j = s.i[t], s.j[t]
    re = (work.v_re[i, k] - work.v_re[j, k]) * s.per_v[t]
    im = (work.v_im[i, k] - work.v_im[j, k]) * s.per_v[t]
    re -= s.drop_re[t] * work.j_re[i, k] - s.drop_im[t] * work.j_im[i, k]
    im -= s.drop_re[t] * work.j_im[i, k] + s.drop_im[t] * work.j_re[i, k]
    missing = s.v_set[t] - np.sqrt(re * re + im * im)
    if abs(missing) <= s.half_band[t]:
        return 0.0
    steps = np.rint(missing / s.per_step[t])
    tap = work.tap_pu[s.slot[t], k]
    if steps > 0.0 and tap >= s.high_pu[t] - 1e-9:
        return 0.0
    if steps < 0.0 and tap <= s.low_pu[t] + 1e-9:
        return 0.0
    if steps == 0.0:
        return 0.0
    # Seven tenths of the way, one step at least: RegControl's AtLeastOneTap.
    count = max(np.trunc(0.7 * abs(steps * s.step_pu[t]) / s.step_pu[t]), 1.0)
    return float(np.sign(steps) * min(count, s.most[t]) * s.step_pu[t])


@njit(cache=True)
def _wants_section(s: Banks, plan: Plan, work: Work, c: int, k: int, on: int, hour: float) -> int:
    """Return whether a capacitor wants one section more (1), one less (-1) or neither."""
    i, j = s.i[c], s.j[c]
    re, im = work.v_re[i, k] - work.v_re[j, k], work.v_im[i, k] - work.v_im[j, k]
    volts = np.sqrt(re * re + im * im) * s.per_v[c]
    more = on < s.sections[c]
    if s.override[c] and s.mode[c] != 0:
        if on == 0 and volts < s.low[c]:
            return 1
        if on > 0 and volts > s.high[c]:
            return -1
    if s.mode[c] == 3:
        day = s.on[c] <= hour < s.off[c]
        if s.off[c] <= s.on[c]:
            day = hour >= s.on[c] or hour < s.off[c]
        return 1 if day and more else (-1 if not day and on > 0 else 0)
    if s.mode[c] == 0:  # low switches on
        measured, on_at, off_at = -volts, -s.on[c], -s.off[c]
    else:
        amps, kvar = _flow(s, plan, work, c, k)
        measured, on_at, off_at = (amps if s.mode[c] == 1 else kvar), s.on[c], s.off[c]
    if on > 0 and measured < off_at:
        return -1
    return 1 if more and measured > on_at else 0


@njit(cache=True)
def _flow(s: Banks, plan: Plan, work: Work, c: int, k: int) -> tuple[float, float]:
    """Return the current on the relay [A] and the reactive power [kvar] of a branch."""
    b = s.branch[c]
    amps, kvar = 0.0, 0.0
    for n in range(plan.to_first[b], plan.to_first[b] + plan.to_count[b]):
        re, im = work.j_re[n, k], work.j_im[n, k]
        amps = max(amps, np.sqrt(re * re + im * im) * s.per_a[c])
        kvar += (work.v_im[n, k] * re - work.v_re[n, k] * im) / 1e3
    return amps, kvar


@njit(cache=True)
def act(
    s: Switches, plan: Plan, work: Work, sections: Index, opened: NDArray[np.bool_], hours: Real
) -> NDArray[np.bool_]:
    """Let the controls with the shortest delay act, lane by lane.

    Parameters
    ----------
    sections : ndarray of int, shape (n_capacitor, LANES)
        Connected sections; changed in place, as the ratios in ``work`` are.
    opened : ndarray of bool, shape (n_capacitor, LANES)
        Which have been switched off in this search.
    hours : ndarray, shape (LANES,)
        Time of day. [h]

    Returns
    -------
    ndarray of bool, shape (LANES,)
        Whether anything was moved.
    """
    moved = np.zeros(LANES, np.bool_)
    want, turn = np.zeros(len(s.regulators.slot)), np.zeros(len(s.banks.mode), np.int64)
    wait_s = np.zeros(len(turn))
    for k in range(LANES):
        first_s = _NEVER
        for t in range(len(want)):
            want[t] = _wants_tap(s.regulators, work, t, k)
            if want[t] != 0.0:
                first_s = min(first_s, s.regulators.delay_s[t])
        for c in range(len(turn)):
            turn[c] = _wants_section(s.banks, plan, work, c, k, sections[c, k], hours[k])
            wait_s[c] = _wait_s(s.banks, c, turn[c], opened[c, k])
            first_s = min(first_s, wait_s[c])
        if first_s < _NEVER:
            moved[k] = True
            _move_taps(s.regulators, work, want, first_s + _SAME_S, k)
            for c in range(len(turn)):
                if wait_s[c] <= first_s + _SAME_S:
                    sections[c, k] += turn[c]
                    opened[c, k] = opened[c, k] or turn[c] < 0
            _connect(s.banks, work, sections, k)
    return moved


@njit(cache=True)
def _wait_s(s: Banks, c: int, turn: int, opened: bool) -> float:
    """Return how long a capacitor waits before it switches. [s]"""
    if turn == 0:
        return _NEVER
    if turn < 0:
        return float(s.off_s[c])
    return float(s.on_s[c] + (s.dead_s[c] if opened else 0.0))


@njit(cache=True)
def _move_taps(s: Regulators, work: Work, want: Real, until_s: float, k: int) -> None:
    """Move the tap changers whose delay is over."""
    for t in range(len(want)):
        if want[t] != 0.0 and s.delay_s[t] <= until_s:
            slot = s.slot[t]
            tap = min(max(work.tap_pu[slot, k] + want[t], s.low_pu[t]), s.high_pu[t])
            work.tap_pu[slot, k], work.untap_pu[slot, k] = tap, 1.0 / tap


@njit(cache=True)
def _connect(s: Banks, work: Work, sections: Index, k: int) -> None:
    """Set the reactive power of the capacitors of a lane."""
    for c in range(len(s.mode)):
        for n in range(s.first[c], s.first[c + 1]):
            work.q_var[s.element[n], k] = s.q_var[n] * sections[c, k]
            work.p_w[s.element[n], k] = s.p_w[n] * sections[c, k]


@njit(cache=True)
def settle(
    s: Switches, plan: Plan, work: Work, sections: Index, hours: Real,
    limits: tuple[float, int, int], history: Real,
) -> tuple[Index, Real]:  # fmt: skip
    """Solve, and let controls act, until nobody wants to.

    Parameters
    ----------
    limits : (float, int, int)
        Tolerance of the voltages [pu], most iterations, most actions.

    Returns
    -------
    ndarray of int, shape (LANES,)
        Solutions each lane took; -1: no voltages, -2: the controls hunt.
    ndarray, shape (LANES,)
        Greatest change of a voltage in its last iteration. [pu]
    """
    tolerance_pu, most, most_actions = limits
    opened = np.zeros((len(s.banks.mode), LANES), np.bool_)
    found = np.zeros(LANES, np.int64)
    for k in range(LANES):
        _connect(s.banks, work, sections, k)
    for turn in range(most_actions + 1):
        history[:] = 0.0
        took = solve(plan, work, tolerance_pu, most, history)
        moved = act(s, plan, work, sections, opened, hours)
        for k in range(LANES):
            if took[k] < 0:
                found[k] = -1
            elif moved[k]:
                found[k] = -2
            elif found[k] <= 0:
                found[k] = turn + 1
        if not moved.any():
            break
    done = 0
    while done + 1 < most and history[done + 1].max() > 0.0:
        done += 1
    return found, history[done].copy()
