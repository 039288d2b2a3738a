"""Sine in integers: the same bits from Python, numpy and numba on every machine.

A library's sine may differ in its last bit from machine to machine, and one bit may
decide which code a converter gives.
"""

from __future__ import annotations

from math import factorial, pi

import numpy as np
from numpy.typing import NDArray

#: A full turn of the phase, and the value of one.
TURN, ONE = 1 << 32, 1 << 30


def _series() -> tuple[int, ...]:
    """Return Taylor's coefficients of sin(pi/2 x), times `ONE`, highest order first."""
    terms, power = [], pi / 2
    for k in range(7):
        terms.append(round((-1) ** k * power / factorial(2 * k + 1) * ONE))
        power *= (pi / 2) * (pi / 2)
    return tuple(reversed(terms))


_SERIES = _series()


def sine(phase: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sine of phases, right to 5e-9.

    Parameters
    ----------
    phase : ndarray of int64
        Angle, `TURN` to a turn; whole turns do not matter.

    Returns
    -------
    ndarray of int64
        Sine times `ONE`.
    """
    # Distance from the crest, up to half a turn; a quarter of a turn away is the zero.
    crest = np.abs(((phase + TURN // 4) & (TURN - 1)) - TURN // 2)
    x = TURN // 4 - crest
    square = (x * x) >> 30
    total = np.full_like(x, _SERIES[0])
    for term in _SERIES[1:]:
        total = term + ((total * square) >> 30)
    return np.asarray((x * total) >> 30)
