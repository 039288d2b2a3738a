"""Switching: tap changers and capacitors inside the batch, each scenario with its own.

The rules are those of OpenDSS's RegControl and CapControl in its static mode, so that both
come to the same taps: after each solution every control looks at what it measures; of
those that want to act, the ones with the shortest delay do; a tap changer goes seven tenths
of the way it thinks it needs, at least one step and at most its limit. Then the flow is
solved again, until nobody wants to act.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.plan import Plan, Work
from simulators.power_flow.rows import LANES, inner
from simulators.power_flow.switches import Banks, Regulators, Switches

Real = NDArray[np.float64]
Index = NDArray[np.int64]

_NEVER = 1e30
#: Two delays that differ by less are the same. [s]
_SAME_S = 1e-9


@inner()
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


@inner()
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


@inner()
def _flow(s: Banks, plan: Plan, work: Work, c: int, k: int) -> tuple[float, float]:
    """Return the current on the relay [A] and the reactive power [kvar] of a branch."""
    b = s.branch[c]
    amps, kvar = 0.0, 0.0
    for n in range(plan.to_first[b], plan.to_first[b] + plan.to_count[b]):
        re, im = work.j_re[n, k], work.j_im[n, k]
        amps = max(amps, np.sqrt(re * re + im * im) * s.per_a[c])
        kvar += (work.v_im[n, k] * re - work.v_re[n, k] * im) / 1e3
    return amps, kvar


class Moves(NamedTuple):
    """What the controls of each lane have done, and room for what they want."""

    sections: Index  # connected sections of each capacitor, (n_capacitor, LANES)
    opened: NDArray[np.bool_]  # whether it was switched off in this search
    want: Real
    turn: Index
    wait_s: Real


def moves_of(s: Switches) -> Moves:
    """Return the room for a network's controls."""
    count, banks = len(s.regulators.slot), len(s.banks.mode)
    return Moves(
        np.zeros((banks, LANES), np.int64), np.zeros((banks, LANES), np.bool_),
        np.zeros(count), np.zeros(banks, np.int64), np.zeros(banks),
    )  # fmt: skip


@inner()
def act(s: Switches, plan: Plan, work: Work, m: Moves, k: int, hour: float) -> bool:
    """Let the controls of a lane with the shortest delay act.

    Parameters
    ----------
    m : Moves
        Changed in place, as the ratios in ``work`` are.
    k : int
        The lane.
    hour : float
        Time of day. [h]

    Returns
    -------
    bool
        Whether anything was moved.
    """
    first_s = _NEVER
    for t in range(len(m.want)):
        m.want[t] = _wants_tap(s.regulators, work, t, k)
        if m.want[t] != 0.0:
            first_s = min(first_s, s.regulators.delay_s[t])
    for c in range(len(m.turn)):
        m.turn[c] = _wants_section(s.banks, plan, work, c, k, m.sections[c, k], hour)
        m.wait_s[c] = _wait_s(s.banks, c, m.turn[c], m.opened[c, k])
        first_s = min(first_s, m.wait_s[c])
    if first_s == _NEVER:
        return False
    _move_taps(s.regulators, work, m.want, first_s + _SAME_S, k)
    for c in range(len(m.turn)):
        if m.wait_s[c] <= first_s + _SAME_S:
            m.sections[c, k] += m.turn[c]
            m.opened[c, k] = m.opened[c, k] or m.turn[c] < 0
    connect(s.banks, work, m.sections, k)
    return True


@inner()
def _wait_s(s: Banks, c: int, turn: int, opened: bool) -> float:
    """Return how long a capacitor waits before it switches. [s]"""
    if turn == 0:
        return _NEVER
    if turn < 0:
        return float(s.off_s[c])
    return float(s.on_s[c] + (s.dead_s[c] if opened else 0.0))


@inner()
def _move_taps(s: Regulators, work: Work, want: Real, until_s: float, k: int) -> None:
    """Move the tap changers whose delay is over."""
    for t in range(len(want)):
        if want[t] != 0.0 and s.delay_s[t] <= until_s:
            slot = s.slot[t]
            tap = min(max(work.tap_pu[slot, k] + want[t], s.low_pu[t]), s.high_pu[t])
            work.tap_pu[slot, k], work.untap_pu[slot, k] = tap, 1.0 / tap


@inner()
def connect(s: Banks, work: Work, sections: Index, k: int) -> None:
    """Set the reactive power of the capacitors of a lane."""
    for c in range(len(s.mode)):
        for n in range(s.first[c], s.first[c + 1]):
            work.q_var[s.element[n], k] = s.q_var[n] * sections[c, k]
            work.p_w[s.element[n], k] = s.p_w[n] * sections[c, k]
