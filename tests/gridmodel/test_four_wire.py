"""Four-wire impedances: what the matrix of a cable with earth return must be."""

from __future__ import annotations

from math import exp, log, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.four_wire import CONDUCTOR_DISTANCE_M, series_ohm_per_km
from gridmodel.neighbourhood import LineCode

A = np.exp(2j * pi / 3)
#: Fortescue's transformation: zero, positive, negative sequence.
SEQUENCES = np.array([[1, 1, 1], [1, A**2, A], [1, A, A**2]])


def cable(r: float, x: float) -> LineCode:
    """Return a kind of cable."""
    return LineCode(name="cable", r_ohm_per_km=r, x_ohm_per_km=x, ampacity_a=270.0)


def by_sequence(phases: np.ndarray) -> np.ndarray:
    """Return a three-phase matrix in symmetrical components, zero sequence first."""
    return np.linalg.inv(SEQUENCES) @ phases @ SEQUENCES


def without_neutral(z: np.ndarray) -> np.ndarray:
    """Return the phases' matrix of a neutral grounded at both ends (Kron)."""
    return z[:3, :3] - np.outer(z[:3, 3], z[3, :3]) / z[3, 3]


resistances = st.floats(0.0, 5.0)
reactances = st.floats(0.01, 0.5)
frequencies = st.sampled_from([16.7, 50.0, 60.0])
cables = st.tuples(resistances, reactances, frequencies)


@given(of=cables, grounded=st.booleans())
def test_positive_and_negative_sequence_are_those_of_the_data_sheet(of, grounded):
    r, x, f_hz = of
    z = series_ohm_per_km(cable(r, x), f_hz)
    sequences = by_sequence(without_neutral(z) if grounded else z[:3, :3])
    assert sequences[1, 1] == pytest.approx(r + 1j * x, abs=1e-9)
    assert sequences[2, 2] == pytest.approx(r + 1j * x, abs=1e-9)
    coupling = sequences - np.diag(np.diag(sequences))
    assert np.abs(coupling).max() < 1e-9  # a balanced current makes no unbalanced drop


@given(of=cables)
def test_a_loop_of_two_conductors_has_twice_the_impedance_of_one_and_no_earth_in_it(of):
    r, x, f_hz = of
    z = series_ohm_per_km(cable(r, x), f_hz)
    for one in range(4):
        for other in set(range(4)) - {one}:
            loop = z[one, one] + z[other, other] - z[one, other] - z[other, one]
            assert loop == pytest.approx(2 * (r + 1j * x), abs=1e-9)


@given(of=cables, order=st.permutations(range(4)))
def test_no_conductor_differs_from_another(of, order):
    r, x, f_hz = of
    z = series_ohm_per_km(cable(r, x), f_hz)
    assert np.array_equal(z, z.T)
    assert np.array_equal(z[np.ix_(order, order)], z)


@given(of=cables, currents=st.lists(st.floats(-100, 100), min_size=8, max_size=8))
def test_no_current_gains_power_on_its_way(of, currents):
    r, x, f_hz = of
    z = series_ohm_per_km(cable(r, x), f_hz)
    i = np.array(currents[:4]) + 1j * np.array(currents[4:])
    assert (i.conj() @ z @ i).real >= r * np.vdot(i, i).real * (1 - 1e-12) - 1e-9


@pytest.mark.parametrize(
    ("f_hz", "earth_ohm_per_km"),
    [
        # pi^2 f 1e-4; Kersting has 0.09530 ohm a mile at 60 Hz
        (50.0, 0.04935),
        (60.0, 0.09530 / 1.609344),
    ],
)
def test_a_current_that_returns_by_earth_meets_its_resistance(f_hz, earth_ohm_per_km):
    # abs: Kersting rounds to four figures
    z = series_ohm_per_km(cable(0.2, 0.08), f_hz)
    assert z[0, 0].real == pytest.approx(0.2 + earth_ohm_per_km, abs=2e-5)
    assert z[0, 1].real == pytest.approx(earth_ohm_per_km, abs=2e-5)
    sequences = by_sequence(z[:3, :3])
    assert sequences[0, 0].real == pytest.approx(0.2 + 3 * earth_ohm_per_km, abs=6e-5)


@pytest.mark.parametrize(
    ("r", "x"),
    [
        # cables of a low-voltage street, 60 Hz
        (0.2067, 0.0804),  # NAYY 4x150
        (0.642, 0.083),  # NAYY 4x50
        (1.91, 0.094),  # NYY 4x10
    ],
)
def test_the_terms_are_carsons_as_kersting_has_them_in_feet_and_miles(r, x):
    # Kersting, Distribution System Modeling and Analysis, equations 4.41 and 4.42:
    # 60 Hz, 100 ohm m, impedances in ohm per mile, distances in feet.
    feet, miles = 1 / 0.3048, 1.609344
    gmr = CONDUCTOR_DISTANCE_M * exp(-x / (2 * pi * 60 * 2e-4))
    own = r * miles + 0.09530 + 0.12134j * (log(1 / (gmr * feet)) + 7.93402)
    mutual = 0.09530 + 0.12134j * (log(1 / (CONDUCTOR_DISTANCE_M * feet)) + 7.93402)
    z = series_ohm_per_km(cable(r, x), 60.0) * miles
    assert z[0, 0] == pytest.approx(own, rel=2e-4)
    assert z[0, 1] == pytest.approx(mutual, rel=2e-4)
