"""Rows: arithmetic on the lanes of one node, the innermost loops of a sweep."""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager
from numpy.typing import NDArray

Real = NDArray[np.float64]

#: Scenarios side by side.
LANES = 16
#: Voltage at and below which a load that gives way to low voltage is its rated impedance. [pu]
LOW_PU = 0.5


class NoAlias(CompilerBase):
    """Compiles a function whose arrays never overlap where it writes.

    Without that promise LLVM does not put lanes side by side: 3 times slower, measured on a
    feeder of 1,000 buses.
    """

    def define_pipelines(self) -> list[PassManager]:
        """Return the usual passes, with the promise."""
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]  # type: ignore[no-untyped-call]


_FAST = {"contract", "nsz", "nnan", "ninf"}
_rows = partial(njit, cache=True, fastmath=_FAST, pipeline_class=NoAlias)


@_rows()
def lowest(re: Real, im: Real) -> float:
    """Return the least square of a voltage."""
    least = re[0] * re[0] + im[0] * im[0]
    for k in range(LANES):
        least = min(least, re[k] * re[k] + im[k] * im[k])
    return float(least)


@_rows()
def power(  # noqa: PLR0913 - rows, not settings
    re: Real, im: Real, j_re: Real, j_im: Real, p: Real, q: Real, low: float, high: float
) -> None:
    """Take the current of constant power between a node and the earth."""
    for k in range(LANES):
        w = 1.0 / min(max(re[k] * re[k] + im[k] * im[k], low), high)
        j_re[k] -= (p[k] * re[k] + q[k] * im[k]) * w
        j_im[k] -= (p[k] * im[k] - q[k] * re[k]) * w


@_rows()
def following(  # noqa: PLR0913
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
def raised(  # noqa: PLR0913
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
def giving_way(  # noqa: PLR0913
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
def difference(to: Real, one: Real, other: Real) -> None:
    """Put the difference of two rows into a row."""
    for k in range(LANES):
        to[k] = one[k] - other[k]


@_rows()
def plus(to: Real, add: Real) -> None:
    """Add a row to a row."""
    for k in range(LANES):
        to[k] += add[k]


@_rows()
def minus(to: Real, take: Real) -> None:
    """Subtract a row from a row."""
    for k in range(LANES):
        to[k] -= take[k]


@_rows()
def add(  # noqa: PLR0913
    to_re: Real, to_im: Real, x: float, y: float, re: Real, im: Real, r1: Real, r2: Real
) -> None:
    """Add a complex factor times a row, times two ratios, to a row."""
    for k in range(LANES):
        ratio = r1[k] * r2[k]
        to_re[k] += ratio * (x * re[k] - y * im[k])
        to_im[k] += ratio * (x * im[k] + y * re[k])


@_rows()
def scale(to: Real, by: Real) -> None:
    """Multiply a row by a row."""
    for k in range(LANES):
        to[k] *= by[k]


@_rows()
def copy(to: Real, row: Real) -> None:
    """Copy a row."""
    for k in range(LANES):
        to[k] = row[k]


@_rows()
def passed_one(  # noqa: PLR0913
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
def passed_three(  # noqa: PLR0913
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
def put(v_re: Real, v_im: Real, re: Real, im: Real, change: Real, unit: float) -> None:
    """Put a new voltage in place, and note the greatest change."""
    for k in range(LANES):
        a, b = re[k] - v_re[k], im[k] - v_im[k]
        change[k] = max(change[k], (a * a + b * b) * unit)
        v_re[k], v_im[k] = re[k], im[k]
