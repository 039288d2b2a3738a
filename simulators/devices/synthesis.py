"""From quarter-hours to seconds: values below the profile's step that keep its energy.

Two layers. The *base* is the derivative of the monotone cubic (Fritsch and Carlson,
1980, doi:10.1137/0717021) through the cumulated energy: continuous, never of the wrong
sign, and with exactly the quarter-hour's mean. The *shape* multiplies the base with a
positive random factor and is scaled so that the quarter-hour's energy is unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


def base(before: Array, now: Array, after: Array, count: int) -> Array:
    """Return the smooth course within one step.

    Parameters
    ----------
    before, now, after : ndarray, shape (n,)
        Means of three consecutive steps of n series.
    count : int
        Values wanted within the step.

    Returns
    -------
    ndarray, shape (n, count)
        Means over equal parts of the step; their mean is ``now``.
    """
    start, end = _slope(before, now), _slope(now, after)
    s = np.linspace(0.0, 1.0, count + 1)
    # Cumulated energy as a cubic Hermite polynomial of the step, E(0) = 0, E(1) = now.
    energy = (
        np.outer(start, s * (1 - s) ** 2)
        + np.outer(end, s**2 * (s - 1))
        + np.outer(now, s**2 * (3 - 2 * s))
    )
    return np.diff(energy, axis=1) * count


def _slope(left: Array, right: Array) -> Array:
    """Return the power at the border of two steps: the harmonic mean, 0 if signs differ."""
    product = left * right
    total = np.where(product > 0, left + right, 1.0)
    return np.where(product > 0, 2 * product / total, 0.0)


def keep_energy(course: Array, shape: Array) -> Array:
    """Return ``course`` times ``shape``, scaled so that each row keeps its sum."""
    product = course * shape
    total = product.sum(axis=1)
    scale = np.divide(course.sum(axis=1), total, out=np.ones_like(total), where=total != 0)
    kept: Array = product * scale[:, None]
    return kept


@njit(cache=True)
def _ornstein_uhlenbeck(state: Array, decay: Array, noise: Array) -> Array:
    """Run n first-order processes of unit variance over the columns of ``noise``."""
    n, count = noise.shape
    path = np.empty((n, count))
    for row in range(n):
        a = decay[row]
        b = np.sqrt(1.0 - a * a)
        x = state[row]
        for column in range(count):
            x = a * x + b * noise[row, column]
            path[row, column] = x
        state[row] = x
    return path


@dataclass
class Flicker:
    """Positive, mean-reverting random factors: the exponential of Ornstein-Uhlenbeck paths.

    Parameters
    ----------
    sigma : ndarray, shape (n,)
        Standard deviation of the logarithm.
    tau_s : ndarray, shape (n,)
        Correlation time. [s]
    """

    sigma: Array
    tau_s: Array
    state: Array = field(init=False)

    def __post_init__(self) -> None:
        self.state = np.zeros(len(self.sigma))

    def draw(self, rng: np.random.Generator, count: int, step_s: float = 1.0) -> Array:
        """Return factors, shape (n, count)."""
        noise = rng.standard_normal((len(self.sigma), count))
        path = _ornstein_uhlenbeck(self.state, np.exp(-step_s / self.tau_s), noise)
        return np.exp(self.sigma[:, None] * path)


def runs(rng: np.random.Generator, n: int, count: int, idle: float = 0.05) -> Array:
    """Return one appliance run a row: 1 while it runs, ``idle`` beside it.

    The run lasts a fifth to the whole of the step and lies anywhere in it.
    """
    length = rng.integers(max(count // 5, 1), count + 1, n)
    begin = (rng.random(n) * (count - length + 1)).astype(np.int64)
    columns = np.arange(count)
    inside = (columns >= begin[:, None]) & (columns < (begin + length)[:, None])
    return np.where(inside, 1.0, idle)
