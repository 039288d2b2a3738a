"""Lag: the exact response to an input that is straight between steps, whatever the step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from simulators.inverters.standard.lag import RESPONSE, THROUGH, Weights, weights


def follow(w: Weights, inputs: np.ndarray) -> list[float]:
    y = u = 0.0
    out = []
    for now in inputs:
        y = w.old * y + w.before * u + w.now * now
        u = now
        out.append(y)
    return out


@pytest.mark.parametrize("step_s", [0.05, 0.5, 2.0])
def test_it_is_the_solution_of_its_equation_for_a_broken_line(step_s):
    inputs = np.array([0.0, 1.0, -0.5, -0.5, 2.0, 0.3])
    times = step_s * np.arange(len(inputs) + 1)
    line = np.concatenate([[0.0], inputs])
    solution = solve_ivp(
        lambda t, y: (np.interp(t, times, line) - y) * RESPONSE / 5.0, (0.0, times[-1]), [0.0],
        t_eval=times[1:], rtol=1e-10, atol=1e-12, max_step=step_s / 20,
    )  # fmt: skip
    assert follow(weights(5.0, step_s), inputs) == pytest.approx(solution.y[0], abs=1e-8)


@given(response_s=st.floats(0.0, 100.0), step_s=st.floats(1e-3, 100.0))
def test_a_constant_input_is_kept_and_no_step_makes_it_swing(response_s, step_s):
    w = weights(response_s, step_s)
    assert sum(w) == pytest.approx(1.0, abs=1e-12)
    assert all(0.0 <= part <= 1.0 for part in w)


def test_nine_tenths_of_a_step_are_there_after_the_response_time():
    w = weights(5.0, 0.01)
    assert follow(w, np.ones(500))[-1] == pytest.approx(0.9, abs=2e-3)


def test_what_settles_within_half_a_step_passes_through():
    assert weights(RESPONSE * 0.49, 1.0) == THROUGH
    assert weights(RESPONSE * 0.51, 1.0) != THROUGH


@pytest.mark.parametrize("x", [0.02, 0.1, 0.5])
def test_the_bilinear_rule_departs_from_the_exact_one_by_a_thirtieth_of_the_steps_square(x):
    exact, bilinear = (
        follow(weights(RESPONSE, x, rule), np.ones(round(5 / x))) for rule in ("exact", "bilinear")
    )
    apart = np.abs(np.subtract(exact, bilinear)).max()
    assert x**2 / 40 < apart < x**2 / 10
