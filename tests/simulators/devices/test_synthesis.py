"""Synthesis: seconds within a quarter-hour that keep its energy."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulators.devices import synthesis

powers_kw = st.one_of(st.just(0.0), st.floats(1e-3, 100.0))
three_steps = arrays(np.float64, (3, 4), elements=powers_kw)
signed_steps = arrays(
    np.float64, (3, 4), elements=st.one_of(powers_kw, powers_kw.map(lambda p: -p))
)
counts = st.sampled_from([1, 2, 15, 900])


@given(steps=signed_steps, count=counts)
def test_base_keeps_the_mean_of_every_step(steps, count):
    course = synthesis.base(*steps, count)
    assert course.shape == (4, count)
    assert course.mean(axis=1) == pytest.approx(steps[1], rel=1e-12, abs=1e-12)


@given(steps=signed_steps, count=counts)
def test_base_never_has_the_other_sign_than_its_step(steps, count):
    course = synthesis.base(*steps, count)
    rounding = 1e-12 * (1 + np.abs(steps).max()) * count
    assert (course * np.sign(steps[1])[:, None] >= -rounding).all()
    assert np.abs(course[steps[1] == 0.0]).max(initial=0.0) <= rounding


@given(
    four=arrays(np.float64, (4, 3), elements=st.one_of(powers_kw, powers_kw.map(lambda p: -p))),
)
def test_base_is_continuous_over_the_border_of_two_steps(four):
    count = 9000  # a jump of the course itself would not shrink with the width of a value
    left = synthesis.base(*four[:3], count)
    right = synthesis.base(*four[1:], count)
    steepest = 20.0 * np.abs(four).max() / count  # bound of the slope of the cubic's derivative
    assert np.abs(right[:, 0] - left[:, -1]).max() <= steepest + 1e-9


def test_base_of_a_steady_power_is_that_power():
    steady = np.array([3.0, 0.0])
    assert synthesis.base(steady, steady, steady, 10) == pytest.approx(
        np.repeat(steady[:, None], 10, axis=1), abs=1e-14
    )


@given(
    course=arrays(np.float64, (3, 20), elements=powers_kw),
    shape=arrays(np.float64, (3, 20), elements=st.floats(0.01, 20.0)),
)
def test_keep_energy_keeps_the_sum_of_every_row_and_the_proportions_of_the_product(course, shape):
    kept = synthesis.keep_energy(course, shape)
    assert kept.sum(axis=1) == pytest.approx(course.sum(axis=1), rel=1e-12, abs=0)
    product = course * shape  # same proportions: every pair has a zero cross product
    assert kept * product[:, :1] == pytest.approx(kept[:, :1] * product, rel=1e-9, abs=1e-9)


def test_keep_energy_leaves_a_dark_row_dark():
    kept = synthesis.keep_energy(np.zeros((1, 4)), np.full((1, 4), 2.0))
    assert kept.tolist() == [[0.0] * 4]


def test_flicker_has_its_spread_and_its_correlation_time():
    sigma, tau_s, step_s = 0.4, 30.0, 2.0
    flicker = synthesis.Flicker(np.array([sigma]), np.array([tau_s]))
    path = np.log(flicker.draw(np.random.default_rng(7), 200_000, step_s))[0]
    # About 200,000 x 2 s / (2 x 30 s) = 6,700 independent values: 1 % and 3 % are two sigmas.
    assert path.mean() == pytest.approx(0.0, abs=0.03 * sigma)
    assert path.std() == pytest.approx(sigma, rel=0.03)
    lag = round(tau_s / step_s)
    correlation = np.corrcoef(path[:-lag], path[lag:])[0, 1]
    assert correlation == pytest.approx(np.exp(-1.0), abs=0.03)


@pytest.mark.parametrize("far", [-4.0, 4.0])  # standard deviations
def test_flicker_returns_to_its_mean(far):
    n, tau_s = 20_000, 60.0
    flicker = synthesis.Flicker(np.full(n, 0.3), np.full(n, tau_s))
    flicker.state[:] = far
    path = np.log(flicker.draw(np.random.default_rng(3), 120, 1.0)) / 0.3
    assert path[:, 59].mean() == pytest.approx(far * np.exp(-1.0), abs=0.03)  # after one tau
    assert path[:, 119].mean() == pytest.approx(far * np.exp(-2.0), abs=0.03)


def test_flicker_of_no_spread_is_one():
    flicker = synthesis.Flicker(np.zeros(3), np.full(3, 10.0))
    assert (flicker.draw(np.random.default_rng(1), 50) == 1.0).all()


def test_two_draws_of_flicker_continue_one_path():
    whole = synthesis.Flicker(np.array([0.5]), np.array([20.0]))
    parts = synthesis.Flicker(np.array([0.5]), np.array([20.0]))
    one, two = np.random.default_rng(5), np.random.default_rng(5)
    path = whole.draw(one, 100)
    pieces = np.concatenate([parts.draw(two, 37), parts.draw(two, 63)], axis=1)
    assert pieces.tobytes() == path.tobytes()


def test_a_copy_of_flicker_and_its_stream_continues_as_the_original():
    flicker = synthesis.Flicker(np.full(4, 0.5), np.full(4, 20.0))
    rng = np.random.default_rng(5)
    flicker.draw(rng, 33)
    twin, twin_rng = copy.deepcopy((flicker, rng))
    assert twin.draw(twin_rng, 40).tobytes() == flicker.draw(rng, 40).tobytes()


def lengths_of_runs(seed: int, count: int) -> np.ndarray:
    """Return the lengths of the runs of 20 rows; each row must have exactly one."""
    rows = synthesis.runs(np.random.default_rng(seed), 20, count, idle=0.05)
    assert set(np.unique(rows).tolist()) <= {0.05, 1.0}
    on = rows == 1.0
    assert ((np.diff(on.astype(int), axis=1, prepend=0) == 1).sum(axis=1) == 1).all()
    return on.sum(axis=1)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(5, 900))
def test_an_appliance_runs_once_a_row_for_a_fifth_to_the_whole_of_the_step(seed, count):
    length = lengths_of_runs(seed, count)
    assert (length >= count // 5).all()
    assert (length <= count).all()


@pytest.mark.parametrize("count", [1, 3, 4])  # steps of 900, 300 and 225 s
def test_an_appliance_runs_once_a_row_in_coarse_steps_too(count):
    assert (lengths_of_runs(0, count) >= 1).all()


def test_runs_begin_and_end_anywhere_in_the_step():
    on = synthesis.runs(np.random.default_rng(2), 5000, 50) == 1.0
    assert on.any(axis=0).all()
    assert {int(n) for n in on.sum(axis=1)} == set(range(10, 51))
