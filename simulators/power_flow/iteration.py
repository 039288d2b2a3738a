"""Iteration: sweeps until no voltage changes any more."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.power_flow.following import follow
from simulators.power_flow.plan import Plan, Work
from simulators.power_flow.rows import LANES, inlaid, inner
from simulators.power_flow.sweep import close, downwards, sweep

Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: A change of voltage that ends the search of a scenario as hopeless. [pu]
_HOPELESS_PU = 1e3
#: A change of voltage that is none but for rounding. [pu]
_STILL_PU = 1e-15


@inlaid()
def iterate(plan: Plan, work: Work, change: Real) -> None:
    """Sweep once; say how far the voltages, and what follows them, were from done.

    Parameters
    ----------
    change : ndarray, shape (LANES,)
        Takes the square of the greatest change. [pu^2]
    """
    change[:] = 0.0
    sweep(plan, work)
    downwards(plan, work, change)
    if len(plan.cut_i):
        close(plan, work, change)
    if len(plan.curves.s_va):
        follow(plan.curves, plan, work, change)


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
        iterate(plan, work, change)
        done = True
        for k in range(LANES):
            history[iteration, k] = np.sqrt(change[k])
            if change[k] <= limit:
                if took[k] < 0 and not lost[k]:
                    took[k] = iteration + 1
            else:
                took[k] = -1
                done = False
                if hopeless(change[k]):
                    lost[k] = True
                    give_up(plan, work, k)
        if done:
            break
    return took


@inlaid()
def hopeless(change: float) -> bool:
    """Return whether a lane has run away."""
    return not change <= _HOPELESS_PU**2


@inner()
def give_up(plan: Plan, work: Work, k: int) -> None:
    """Take the load off a lane that runs away, so that it does no harm to others."""
    for e in range(len(work.p_w)):
        work.p_w[e, k], work.q_var[e, k] = 0.0, 0.0
    for c in range(len(work.close_re)):
        work.close_re[c, k], work.close_im[c, k] = 0.0, 0.0
    for n in range(plan.node_count):
        work.v_re[n, k], work.v_im[n, k] = plan.base_v[n], 0.0


@njit(cache=True)
def unloaded(plan: Plan, work: Work, passes: int) -> None:
    """Find the voltages with nothing but shunts and the currents across the cuts."""
    change = np.zeros(LANES)
    for _ in range(passes):
        change[:] = 0.0
        sweep(plan, work)
        downwards(plan, work, change)
        if change.max() < _STILL_PU**2:
            break
