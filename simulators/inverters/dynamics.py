"""Dynamics of the street between two exchanges: one kernel over anchor and PV fleet.

Within a sub-step the loads are held, the frequency is held for the inverters, and the
anchor takes what is left over: power balance is algebraic, frequency and limits are
states. Quantities that are reported as means are averaged over the sub-steps.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gridmodel.codes import Side
from simulators.inverters import grid_following as gfl
from simulators.inverters import grid_forming as gfm

Array = NDArray[np.float64]

# Compiled code compares plain integers.
NOWHERE, GRID, ISLAND = map(int, Side)

# What is held over an interval.
LOAD_ISLAND_KW, LOAD_GRID_KW, LOSS_ISLAND_KW, LOSS_GRID_KW, GIVE_KW, TAKE_KW = range(6)
P_SET_KW, SHIFT_HZ, SYNC, SLIP_HZ, GRID_ALIVE, GRID_DEV_HZ, DAMPING = range(6, 13)
HELD = 13
# What an interval gives: means first.
M_ANCHOR_KW, M_GRID_KW, M_SUPPLY_ISLAND, M_SUPPLY_GRID, M_LOSS_KW = range(5)
M_PV_KW, ROCOF, F_MIN, F_MAX, PV_SWITCHED = range(5, 10)
RESULTS = 10


@njit(cache=True)
def _demand_factor(v_pu: float, dev_hz: float, f_nominal: float, damping: float) -> float:
    """Return load over nominal load: frequency damping, and impedance below 0.9 pu."""
    part = 1.0 if v_pu >= 0.9 else (v_pu / 0.9) ** 2
    return part * (1.0 + damping * dev_hz / f_nominal)


@njit(cache=True)
def interval(  # noqa: PLR0912, PLR0913, C901  one loop, kept whole so that it compiles to one
    count: int,
    h: float,
    a: Array,
    x: Array,
    table: Array,
    fleet: Array,
    available_kw: Array,
    place: NDArray[np.int64],
    held: Array,
    past_hz: Array,
    pv_mean_kw: Array,
    result: Array,
) -> None:
    """Advance anchor and fleet by ``count`` sub-steps of ``h`` seconds.

    Parameters
    ----------
    a, x : ndarray
        Anchor's parameters and state (`grid_forming`).
    table, fleet : ndarray
        PV fleet's parameters and state (`grid_following`).
    available_kw : ndarray, shape (n,)
        What the panels offer. [kW]
    place : ndarray, shape (n,)
        Where each plant is connected.
    held : ndarray, shape (HELD,)
        What is constant over the interval.
    past_hz : ndarray, shape (k,)
        Ring of the last k + 1 frequency deviations, for the rate of change over k
        sub-steps; the last one is the present one. [Hz]
    pv_mean_kw : ndarray, shape (n,)
        Receives the plants' mean power. [kW]
    result : ndarray, shape (RESULTS,)
        Receives the means and extremes, and whether a plant went in or out of service.
    """
    n = table.shape[0]
    f0 = a[gfm.F_NOMINAL]
    alive = held[GRID_ALIVE] > 0.0
    window_s = h * (past_hz.shape[0] - 1)
    result[:] = 0.0
    pv_mean_kw[:] = 0.0
    result[F_MIN], result[F_MAX] = 1e9, -1e9
    for _ in range(count):
        mode = x[gfm.MODE]
        formed = mode == gfm.STARTING or mode == gfm.FORMING
        dev = x[gfm.DEV_HZ] if formed else held[GRID_DEV_HZ]
        rocof = (dev - past_hz[0]) / window_s if formed else 0.0
        island_good = formed and x[gfm.V_PU] > 0.85
        pv_island = pv_grid = 0.0
        for k in range(n):
            at_grid = place[k] == GRID
            here = alive if at_grid else (place[k] == ISLAND and island_good)
            ran = fleet[k, gfl.RUNNING]
            power = gfl.advance(
                table,
                fleet,
                k,
                available_kw[k],
                here,
                held[GRID_DEV_HZ] if at_grid else dev,
                0.0 if at_grid else rocof,
                h,
            )
            pv_mean_kw[k] += power
            if fleet[k, gfl.RUNNING] != ran:
                result[PV_SWITCHED] = 1.0
            if at_grid:
                pv_grid += power
            else:
                pv_island += power
        if formed:
            factor = _demand_factor(x[gfm.V_PU], dev, f0, held[DAMPING])
            loss = held[LOSS_ISLAND_KW]
            x[gfm.P_KW] = held[LOAD_ISLAND_KW] * factor + loss - pv_island
            if gfm.overloaded(a, x, held[GIVE_KW], held[TAKE_KW], h):
                x[gfm.MODE] = gfm.TRIPPED
                x[gfm.V_PU] = 0.0
                x[gfm.P_KW] = 0.0
                x[gfm.STOPS] += 1.0
                # The panels fed this sub-step before the voltage fell; take it back.
                for k in range(n):
                    if place[k] == ISLAND:
                        pv_mean_kw[k] -= fleet[k, gfl.P_KW]
            else:
                result[M_SUPPLY_ISLAND] += factor
                result[M_LOSS_KW] += loss
                set_hz = held[SHIFT_HZ]
                if held[SYNC] > 0.0:  # cancel the droop and slip past the grid
                    droop = a[gfm.DROOP] * f0 * x[gfm.P_FILTERED_KW] / a[gfm.S_KVA]
                    set_hz = held[GRID_DEV_HZ] + held[SLIP_HZ] + droop
                gfm.advance_frequency(a, x, set_hz, held[GIVE_KW], held[TAKE_KW])
                if mode == gfm.STARTING:
                    x[gfm.V_PU] = min(x[gfm.V_PU] + a[gfm.START_PU], 1.0)
                    if x[gfm.V_PU] >= 1.0:
                        x[gfm.MODE] = gfm.FORMING
                x[gfm.ANGLE_DEG] += 360.0 * x[gfm.DEV_HZ] * h
                result[F_MIN] = min(result[F_MIN], x[gfm.DEV_HZ])
                result[F_MAX] = max(result[F_MAX], x[gfm.DEV_HZ])
                result[ROCOF] = max(result[ROCOF], abs(x[gfm.DEV_HZ] - past_hz[1]) / window_s)
        elif mode == gfm.FOLLOWING and alive:
            wanted = min(max(held[P_SET_KW], -held[TAKE_KW]), held[GIVE_KW])
            x[gfm.P_KW] += (wanted - x[gfm.P_KW]) * a[gfm.LAG_FOLLOW]
        else:
            x[gfm.P_KW] = 0.0
        for k in range(past_hz.shape[0] - 1):
            past_hz[k] = past_hz[k + 1]
        past_hz[-1] = x[gfm.DEV_HZ] if formed else held[GRID_DEV_HZ]
        result[M_ANCHOR_KW] += x[gfm.P_KW]
        if alive:
            factor = _demand_factor(1.0, held[GRID_DEV_HZ], f0, held[DAMPING])
            following = x[gfm.P_KW] if mode == gfm.FOLLOWING else 0.0
            result[M_SUPPLY_GRID] += factor
            result[M_LOSS_KW] += held[LOSS_GRID_KW]
            result[M_GRID_KW] += (
                held[LOAD_GRID_KW] * factor + held[LOSS_GRID_KW] - pv_grid - following
            )
    if count > 0:
        pv_mean_kw /= count
        result[M_PV_KW] = pv_mean_kw.sum() * count
        result[:ROCOF] /= count
