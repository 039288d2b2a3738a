"""The island's sub-steps beside SciPy: how far a frequency held for 10 ms is from the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gridmodel.neighbourhood import Neighbourhood
from tests.simulators.inverters.street import F0, Street

S_KVA, DROOP = 60.0, 0.01
#: What the sub-steps of 10 ms promise of the frequency. [Hz]
BOUND_HZ = 0.01


def apart(network: Neighbourhood, substep_s: float, inertia_s: float, damping_pu: float) -> float:
    """Return the greatest distance from SciPy's frequency after a step of load. [Hz]"""
    anchor = {"s_kva": S_KVA, "droop_pu": DROOP, "filter_s": 0.1, "inertia_s": inertia_s}
    run = Street(
        network, anchor, 20.0, soc_pu=0.91, load_damping_pu=damping_pu, period_s=0.02,
        substep_s=substep_s,
    )  # fmt: skip
    run.until(30.0)
    before = run.dev_hz
    sent = [run.step(load_kw=32.0) for _ in range(100)]
    found = np.array([out["f_hz"] for out in sent]) - F0
    shift = run.part._config.anchor.shift.at(0.91)

    def target(filtered: float) -> float:
        return shift - DROOP * F0 * filtered / S_KVA

    def rates(_: float, y: np.ndarray) -> list[float]:
        filtered, swinging = y
        dev = swinging if inertia_s else target(filtered)
        power = 32.0 * (1.0 + damping_pu * dev / F0)
        swing = (target(filtered) - dev) / (2 * inertia_s * DROOP) if inertia_s else 0.0
        return [(power - filtered) / 0.1, swing]

    held = (shift - before) * S_KVA / (DROOP * F0)
    times = 0.02 * np.arange(1, 101)
    truth = solve_ivp(rates, (0.0, 2.0), [held, before], "DOP853", times, rtol=1e-10, atol=1e-12)
    wanted = truth.y[1] if inertia_s else target(truth.y[0])
    return float(np.abs(found - wanted).max())


@pytest.mark.parametrize("inertia_s", [0.0, 1.0])
@pytest.mark.parametrize("damping_pu", [0.0, 1.0, 5.0])
def test_substeps_of_ten_milliseconds_stay_within_their_bound(street, inertia_s, damping_pu):
    assert apart(street, 0.01, inertia_s, damping_pu) <= BOUND_HZ


@pytest.mark.parametrize("damping_pu", [0.0, 1.0])
def test_without_inertia_and_damping_they_are_exact(street, damping_pu):
    found = apart(street, 0.01, 0.0, damping_pu)
    assert found <= (1e-9 if damping_pu == 0.0 else 1e-3)


def test_half_the_substep_is_half_the_distance(street):
    distances = [apart(street, h, 1.0, 5.0) for h in (0.01, 0.005, 0.0025)]
    assert distances[1] / distances[0] == pytest.approx(0.5, abs=0.1)
    assert distances[2] / distances[1] == pytest.approx(0.5, abs=0.1)
