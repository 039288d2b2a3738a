"""Sub-steps: an embedded Runge-Kutta pair whose error stays below a bound for each second.

Dormand and Prince, 5(4), doi:10.1016/0771-050X(80)90013-3. A step is taken if its error
estimate, in units of each state's tolerance, is at most the step's length in seconds; so a
second adds no more than one tolerance, and droop forgets faster than that. Currents, limits and
PV see no delay: nothing is held over a sub-step.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.inverters.forming.bus import Complex
from simulators.inverters.forming.motion import rates

Array = NDArray[np.float64]

#: Extremes are looked for at the sub-steps' ends, so none is longer.
LONGEST_S = 0.02
SHORTEST_S = 1e-7
_STAGES = 7
_A = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
_C = np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1])
#: Fifth-order weights less those of fourth order.
_E = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


@njit(cache=True, error_model="numpy")
def trial(  # noqa: PLR0913  a kernel takes its quantities one by one
    t: float,
    h: float,
    flat: Array,
    a: Array,
    sets: Array,
    pv: Array,
    held: Array,
    tolerance: Array,
    k: Array,
    new: Array,
    current: Complex,
    seen: Array,
) -> float:
    """Try a step; return its error in tolerances per second.

    ``k`` has room for the stages' rates, its first row holds those at ``t``; ``new`` receives
    the states after the step, ``seen`` what a look at the street then gives.
    """
    for stage in range(1, _STAGES):
        new[:] = flat
        for before in range(stage):
            if _A[stage, before] != 0.0:
                new += h * _A[stage, before] * k[before]
        rates(t + _C[stage] * h, new, a, sets, pv, held, k[stage], current, seen)
    worst = 0.0
    for i in range(flat.shape[0]):
        error = 0.0
        for stage in range(_STAGES):
            error += _E[stage] * k[stage, i]
        if not abs(error) < np.inf:
            return 1e300
        worst = max(worst, abs(error) / tolerance[i])
    return float(worst)


@njit(cache=True, error_model="numpy")
def length(h: float, error: float) -> float:
    """Return the next step's length after an error in tolerances per second. [s]"""
    if not error < 1e12:
        return float(max(0.1 * h, SHORTEST_S))
    grown = h * min(max(0.9 * (1.0 / max(error, 1e-12)) ** 0.25, 0.2), 4.0)
    return float(min(max(grown, SHORTEST_S), LONGEST_S))


@njit(cache=True, error_model="numpy")
def advance(  # noqa: PLR0913  a kernel takes its quantities one by one
    span: float,
    h: float,
    flat: Array,
    a: Array,
    sets: Array,
    pv: Array,
    held: Array,
    tolerance: Array,
    thresholds: Array,
    exactly_s: float,
    t_from: float,
    extremes: Array,
) -> tuple[float, float, int, int]:
    """Advance until the span's end, or until the frequency passes a threshold.

    Parameters
    ----------
    span : float
        Where to stop at the latest, in the interval's time. [s]
    h : float
        Length of the first step to try. [s]
    flat : ndarray
        States; changed.
    thresholds : ndarray
        Frequencies minus nominal that end the advance when passed, either way. [pu]
    exactly_s : float
        How exactly the passing is found. [s]
    t_from : float
        Time within the interval to start from. [s]
    extremes : ndarray, shape (3,)
        Lowest and highest frequency so far, and greatest rate of change; changed.
        [pu, pu, pu/s]

    Returns
    -------
    t : float
        Time reached. [s]
    h : float
        Length to try next. [s]
    passed : int
        Index of the threshold passed; -1 if none, -2 if the steps became too short.
    count : int
        Steps taken.
    """
    size = flat.shape[0]
    k = np.zeros((_STAGES, size))
    new, current, seen = np.zeros(size), np.zeros(a.shape[0], np.complex128), np.zeros(4)
    t, count = t_from, 0
    rates(t, flat, a, sets, pv, held, k[0], current, seen)
    dev = seen[0]
    while t < span - 1e-12:
        step = min(h, span - t)
        error = trial(t, step, flat, a, sets, pv, held, tolerance, k, new, current, seen)
        if not error <= 1.0:  # not a number is no step either
            if step > SHORTEST_S:
                h = length(step, error)
                continue
            if not error * step <= 1.0:  # at a kink a second's share cannot be kept, a step's can
                return t, h, -2, count
        h = length(step, error)
        passed = _passed(thresholds, dev, seen[0])
        if passed >= 0 and step > exactly_s:
            low, high = 0.0, step
            while high - low > exactly_s:
                step = 0.5 * (low + high)
                trial(t, step, flat, a, sets, pv, held, tolerance, k, new, current, seen)
                if _passed(thresholds, dev, seen[0]) >= 0:
                    high = step
                else:
                    low = step
            step = high
            trial(t, step, flat, a, sets, pv, held, tolerance, k, new, current, seen)
            passed = _passed(thresholds, dev, seen[0])
        extremes[2] = max(extremes[2], abs(seen[0] - dev) / step)
        flat[:] = new
        k[0] = k[_STAGES - 1]  # the last stage stands where the next step begins
        t += step
        count += 1
        dev = seen[0]
        extremes[0], extremes[1] = min(extremes[0], dev), max(extremes[1], dev)
        if passed >= 0:
            return t, h, passed, count
    return t, h, -1, count


@njit(cache=True, error_model="numpy")
def _passed(thresholds: Array, before: float, after: float) -> int:
    """Return the first threshold between two frequencies; -1 if there is none."""
    for i in range(thresholds.shape[0]):
        if (before < thresholds[i]) != (after < thresholds[i]):
            return i
    return -1
