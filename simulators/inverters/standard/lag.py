"""Lag: a first-order response, exact for an input that is straight between two steps.

With x = h / tau,

    y' = e y + b0 u + b1 u',   e = exp(-x),   b1 = 1 - (1 - e) / x,   b0 = (1 - e) / x - e

is the solution of tau dy/dt = u - y over a step of h in which the input goes straight from u
to u'. There is no limit to the step. The bilinear rule, which EPRI's OpenDER uses, is there
for comparisons: it departs from the solution by about x^2 / 30 of a step of the input.

A lag that settles within half a step (tau < h / 2) passes its input through, in both.
"""

from __future__ import annotations

from math import expm1
from typing import Literal, NamedTuple

#: Response time (90 % of a step) over time constant: ln(10), rounded as OpenDER has it.
RESPONSE = 2.3
Rule = Literal["exact", "bilinear"]


class Weights(NamedTuple):
    """Weights of the old output, the old input and the new input."""

    old: float
    before: float
    now: float


THROUGH = Weights(0.0, 0.0, 1.0)


def weights(response_s: float, step_s: float, rule: Rule = "exact") -> Weights:
    """Return the weights of a lag for a length of step.

    Parameters
    ----------
    response_s : float
        Time to 90 % of a step. [s]
    step_s : float
        Length of the step. [s]
    rule : {"exact", "bilinear"}
        How it is integrated.

    Examples
    --------
    >>> weights(0.0, 1.0)
    Weights(old=0.0, before=0.0, now=1.0)
    >>> round(sum(weights(5.0, 1.0)), 12)
    1.0
    """
    return of_time_constant(response_s / RESPONSE, step_s, rule)


def of_time_constant(tau_s: float, step_s: float, rule: Rule = "exact") -> Weights:
    """Return the weights of a lag given by its time constant. [s]"""
    if 2.0 * tau_s < step_s:
        return THROUGH
    x = step_s / tau_s
    if rule == "bilinear":
        return Weights((2.0 - x) / (2.0 + x), x / (2.0 + x), x / (2.0 + x))
    gone = -expm1(-x)
    return Weights(1.0 - gone, gone / x - (1.0 - gone), 1.0 - gone / x)
