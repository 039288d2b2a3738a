"""The integer sine: near the true one, and the same from numpy and numba."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from gridmodel.sine import ONE, TURN, sine

PHASES = np.concatenate(
    (
        np.random.default_rng(1).integers(-5 * TURN, 5 * TURN, 100_000),
        np.arange(-8, 9) * (TURN // 8),
    )
)


def test_it_is_the_sine():
    assert np.abs(sine(PHASES) / ONE - np.sin(2 * np.pi * PHASES / TURN)).max() < 5e-9


def test_it_is_odd_and_whole_turns_do_not_matter():
    assert np.abs(sine(-PHASES) + sine(PHASES)).max() <= 1  # a shift rounds down
    assert (sine(PHASES + 3 * TURN) == sine(PHASES)).all()


def test_numba_has_the_same_bits():
    assert (njit(sine)(PHASES) == sine(PHASES)).all()


@given(phase=st.integers(-(1 << 60), 1 << 60))
def test_its_square_and_the_cosines_make_one(phase):
    s, c = sine(np.array([phase, phase + TURN // 4])) / ONE
    assert abs(s * s + c * c - 1.0) < 2e-8
