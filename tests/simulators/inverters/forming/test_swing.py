"""Swing of a street: closed forms, SciPy at tight tolerance, and the error bound."""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from simulators.inverters.forming.former import GridFormer
from simulators.inverters.forming.street import FormedStreet, PvGroup, Relay
from simulators.inverters.grid_codes import GRID_CODES

F0, S_KVA, STEP_KW = 50.0, 60.0, 30.0
STEP_PU = STEP_KW / S_KVA
TOLERANCE_HZ = 1e-4


def street(former: dict[str, Any] | None = None, **more: Any) -> FormedStreet:
    """Return an idle street of one former, with a load that can be switched on."""
    one = GridFormer.model_validate({"s_kva": S_KVA, "filter_s": 0.1} | (former or {}))
    made = FormedStreet([one], {"base": 0.0, "step": 0.0}, F0, **more)
    made.settle(10.0)
    return made


def course(made: FormedStreet, times: list[float]) -> list[float]:
    """Return the frequency at times after the load came on."""
    made.loads_kw["step"] = STEP_KW
    found, t = [], 0.0
    for until in times:
        made.advance(until - t)
        t = until
        found.append(made.f_hz)
    return found


TIMES = [0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0, 3.0]


@given(droop=st.floats(0.002, 0.05), filter_s=st.floats(0.01, 1.0))
@settings(max_examples=25)
def test_droop_behind_a_filter_falls_as_one_exponential_to_its_steady_state(droop, filter_s):
    found = course(street({"droop_pu": droop, "filter_s": filter_s}), TIMES)
    wanted = [F0 - droop * F0 * STEP_PU * (1 - exp(-t / filter_s)) for t in TIMES]
    assert found == pytest.approx(wanted, abs=TOLERANCE_HZ)


@pytest.mark.parametrize(
    ("droop", "filter_s", "rate_hz_per_s"),
    [
        # facts, 1.10: f0 dP / 2 H with H = T / (2 mp); the defaults are H = 0.5 s
        (0.01, 0.01, 25.0),
        (0.01, 0.062, 4.03),
        (0.02, 0.1, 5.0),
    ],
)
def test_the_rate_right_after_a_step_is_that_of_the_equivalent_inertia(
    droop, filter_s, rate_hz_per_s
):
    made = street({"droop_pu": droop, "filter_s": filter_s})
    former = made.formers[0]
    assert F0 * STEP_PU / (2 * former.equivalent_inertia_s) == pytest.approx(rate_hz_per_s, 1e-2)
    before = made.f_hz
    after = course(made, [1e-4])[0]
    assert (before - after) / 1e-4 == pytest.approx(rate_hz_per_s, rel=1e-2)


@pytest.mark.parametrize("droop", [0.005, 0.01, 0.03])
def test_a_droop_with_filter_is_a_machine_of_h_equal_t_over_two_mp(droop):
    filter_s = 0.2
    plain = street({"droop_pu": droop, "filter_s": filter_s})
    machine = street(
        {"droop_pu": droop, "filter_s": 1e-3, "inertia_s": (filter_s - 1e-3) / (2 * droop)}
    )
    assert course(machine, TIMES) == pytest.approx(course(plain, TIMES), abs=5e-3 * droop * F0)


def test_a_machine_falls_at_first_by_its_inertia_alone():
    made = street({"inertia_s": 20.0, "filter_s": 1e-3})
    before = made.f_hz
    after = course(made, [0.02])[0]
    assert (before - after) / 0.02 == pytest.approx(F0 * STEP_PU / (2 * 20.0), rel=0.1)


@given(damping=st.floats(0.0, 5.0), droop=st.floats(0.005, 0.05))
@settings(max_examples=20)
def test_load_that_follows_frequency_lessens_the_fall_as_the_closed_form_says(damping, droop):
    made = street({"droop_pu": droop}, damping_pu=damping)
    wanted = F0 - F0 * droop * STEP_PU / (1 + droop * damping * STEP_PU)
    assert course(made, [5.0])[0] == pytest.approx(wanted, abs=TOLERANCE_HZ)


@pytest.mark.parametrize("gain", [0.5, 2.0, 5.0])
def test_secondary_control_gives_the_nadir_of_the_closed_form_and_brings_frequency_back(gain):
    filter_s, droop = 0.1, 0.01
    made = street(secondary_per_s=gain)
    made.loads_kw["step"] = STEP_KW
    passage = made.advance(20.0 / gain)
    # dev' = -k dev - (mp p / T) exp(-t/T): two exponentials
    at = log(gain * filter_s) / (gain - 1 / filter_s)
    size = droop * F0 * STEP_PU / filter_s / (gain - 1 / filter_s)
    nadir = F0 - size * (exp(-at / filter_s) - exp(-gain * at))
    assert passage.f_min_hz == pytest.approx(nadir, abs=2 * TOLERANCE_HZ)
    assert made.f_hz == pytest.approx(F0, abs=1e-3)
    assert made.p_kw[0] == pytest.approx(STEP_KW)


def rich(tolerance_hz: float) -> FormedStreet:
    """Return a street with everything: machine, droops, PV, limiter, damping, secondary."""
    formers = [
        GridFormer(s_kva=60.0, filter_s=0.05, inertia_s=0.5, line_x_pu=0.02, line_r_pu=0.02),
        GridFormer(s_kva=30.0, filter_s=0.1, droop_pu=0.02, virtual_x_pu=0.1),
        GridFormer(s_kva=15.0, filter_s=0.02, droop_pu=0.008, p_max_pu=0.5),
    ]
    pv = [
        PvGroup(GRID_CODES["vde_ar_n_4105_2011"], 30.0),
        PvGroup(GRID_CODES["sma_off_grid"], 10.0),
    ]
    made = FormedStreet(
        formers, {"base": 70.0, "step": 0.0}, F0, load_q_kvar=12.0, damping_pu=1.5, pv=pv,
        secondary_per_s=0.3, tolerance_hz=tolerance_hz,
    )  # fmt: skip
    made.settle(20.0)
    return made


@pytest.mark.parametrize("tolerance_hz", [1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("step_kw", [30.0, -60.0])
def test_the_frequency_stays_within_its_tolerance_of_scipys(tolerance_hz, step_kw):
    made = rich(tolerance_hz)
    made.loads_kw["step"] = step_kw
    start = made.states.copy()
    times = np.linspace(0.05, 6.0, 40)
    truth = solve_ivp(
        made.rates, (0.0, 6.0), start, "DOP853", times, rtol=1e-11, atol=1e-13, max_step=0.01
    )
    wanted = [made.frequency_of(t, y) for t, y in zip(truth.t, truth.y.T, strict=True)]
    found, t = [], 0.0
    for until in times:
        made.advance(until - t)
        t = until
        found.append(made.f_hz)
    assert np.abs(np.subtract(found, wanted)).max() <= tolerance_hz
    assert np.ptp(wanted) > 0.1  # it did swing


def test_a_smaller_tolerance_takes_more_substeps():
    counts = []
    for tolerance_hz in (1e-3, 1e-5):
        made = rich(tolerance_hz)
        made.loads_kw["step"] = 30.0
        counts.append(made.advance(5.0).substeps)
    assert counts[0] < counts[1] < 3000


def test_a_relay_opens_when_its_threshold_was_passed_for_its_delay():
    under_hz, delay_s, filter_s, droop = 0.1, 0.25, 0.1, 0.01
    made = street(relays=[Relay("step", under_hz, delay_s)])
    made.loads_kw["step"] = STEP_KW
    crossing = -filter_s * log(1 - under_hz / (droop * F0 * STEP_PU))
    passage = made.advance(2.0)
    ((load, at),) = passage.opened
    assert load == "step"
    assert at == pytest.approx(crossing + delay_s, abs=1e-4)
    assert made.p_kw[0] == pytest.approx(0.0, abs=1e-6)
    assert made.advance(5.0).opened == ()
    assert made.f_hz == pytest.approx(F0, abs=TOLERANCE_HZ)


def test_a_short_dip_opens_nothing_and_does_not_add_up():
    made = street(relays=[Relay("base", 0.1, 0.25)])
    for _ in range(5):
        made.loads_kw["step"] = STEP_KW
        assert made.advance(0.2).opened == ()
        made.loads_kw["step"] = 0.0
        made.advance(1.0)
    assert made.closed["base"]


def test_relays_open_in_the_order_of_their_thresholds_until_it_is_enough():
    one = GridFormer(s_kva=S_KVA, filter_s=0.1, droop_pu=0.02)
    loads = {"critical": 12.0, "normal": 12.0, "deferrable": 30.0, "step": 0.0}
    relays = [
        Relay("deferrable", 0.55, 0.1),
        Relay("normal", 0.7, 0.1),
        Relay("critical", 1.2, 0.1),
    ]
    made = FormedStreet([one], loads, F0, relays=relays)
    made.loads_kw |= {"deferrable": 0.0}
    made.settle(5.0)
    made.loads_kw |= {"deferrable": 30.0, "step": 12.0}
    opened = [load for load, _ in made.advance(5.0).opened]
    assert opened[0] == "deferrable"
    assert "critical" not in opened
    assert made.f_hz > F0 - 0.7


def test_pv_that_listens_takes_the_surplus_away():
    pv = [PvGroup(GRID_CODES["sma_off_grid"], 40.0)]
    shift = {"soc_start_pu": 0.8, "soc_full_pu": 0.9, "max_hz": 2.0}
    made = street({"shift": shift, "e_kwh": 100.0}, pv=pv, soc_pu=0.95)
    made.settle(30.0)
    assert made.pv_kw == pytest.approx(0.0, abs=0.5)
    assert made.f_hz == pytest.approx(52.0, abs=0.02)
