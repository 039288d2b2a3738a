"""Rate of change of frequency after a step of load: droop behind a filter is a machine."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gridmodel.neighbourhood import Neighbourhood
from tests.simulators.bench import kpi
from tests.simulators.inverters.street import F0, Street

S_KVA = 60.0
H_S = 0.01  # sub-step, and here the exchange too


def stepped(
    network: Neighbourhood, step_kw: float, anchor: dict[str, Any], **settings: Any
) -> tuple[Street, list[dict[str, Any]]]:
    """Return an idle island after a step of load, and what it sent each 10 ms."""
    settings = {"load_damping_pu": 0.0, "period_s": H_S, "substep_s": H_S} | settings
    run = Street(network, {"s_kva": S_KVA} | anchor, **settings)
    run.until(0.2)
    return run, [run.step(load_kw=step_kw) for _ in range(60)]


droops = st.floats(0.002, 0.05)
filters_s = st.floats(0.01, 2.0)
steps_kw = st.floats(-60.0, 60.0)


@given(droop=droops, filter_s=filters_s, step_kw=steps_kw)
def test_frequency_follows_the_exponential_of_a_machine_without_damping(
    street, droop, filter_s, step_kw
):
    _, sent = stepped(street, step_kw, {"droop_pu": droop, "filter_s": filter_s})
    t_s = H_S * np.arange(1, 61)
    final = -droop * F0 * step_kw / S_KVA
    expected = F0 + final * (1 - np.exp(-t_s / filter_s))
    assert [out["f_hz"] for out in sent] == pytest.approx(expected.tolist(), abs=1e-9)


@given(droop=droops, filter_s=filters_s, step_kw=steps_kw, window=st.sampled_from([1, 2, 5, 10]))
def test_the_reported_rate_is_the_greatest_difference_over_the_window(
    street, droop, filter_s, step_kw, window
):
    anchor = {"droop_pu": droop, "filter_s": filter_s}
    run, sent = stepped(street, step_kw, anchor, rocof_window_s=window * H_S)
    f_hz = [F0] * window + [out["f_hz"] for out in sent]
    over_window = np.abs(np.subtract(f_hz[window:], f_hz[:-window])) / (window * H_S)
    assert [out["rocof_hz_per_s"] for out in sent] == pytest.approx(over_window.tolist(), abs=1e-7)
    # which is greatest in the window that begins with the step
    lag = 1 - exp(-window * H_S / filter_s)
    worst = droop * F0 * abs(step_kw) / S_KVA * lag / (window * H_S)
    assert kpi(run.part, "rocof_max_hz_per_s") == pytest.approx(worst, abs=1e-7)


@given(droop=droops, filter_s=st.floats(0.5, 2.0), step_kw=st.floats(5.0, 60.0))
def test_right_after_the_step_it_falls_like_a_machine_with_h_of_t_over_two_droops(
    street, droop, filter_s, step_kw
):
    anchor = {"droop_pu": droop, "filter_s": filter_s}
    run, sent = stepped(street, step_kw, anchor, rocof_window_s=H_S)
    h_s = filter_s / (2 * droop)
    assert run.part._config.anchor.equivalent_inertia_s == pytest.approx(h_s)
    swing = F0 * step_kw / S_KVA / (2 * h_s)  # the swing equation
    # over the first 10 ms it has bent by half of 10 ms / T
    assert sent[0]["rocof_hz_per_s"] == pytest.approx(swing, rel=0.011)
    assert sent[0]["f_hz"] < F0


@pytest.mark.parametrize(
    ("filter_s", "f_nominal_hz", "rocof_hz_per_s"),
    [
        # facts, 1.10: mp 0.01 and a step of half the rating, over a window of 1 ms
        (0.01, 50.0, 25.0),  # REGFM_A1's defaults
        (0.01, 60.0, 30.0),
        (0.0625, 50.0, 4.0),  # what SMA's set bears
    ],
)
def test_factory_settings_reach_the_published_rates(street, filter_s, f_nominal_hz, rocof_hz_per_s):
    network = street.model_copy(update={"f_nominal_hz": f_nominal_hz})
    anchor = {"droop_pu": 0.01, "filter_s": filter_s}
    run, _ = stepped(network, 0.5 * S_KVA, anchor, substep_s=0.001, rocof_window_s=0.001)
    bent = (1 - exp(-0.001 / filter_s)) / (0.001 / filter_s)  # within the first ms
    found = kpi(run.part, "rocof_max_hz_per_s")
    assert found == pytest.approx(bent * rocof_hz_per_s, rel=1e-6)


@given(droop=droops, filter_s=st.floats(0.02, 0.3), inertia_s=st.floats(0.5, 10.0))
def test_virtual_inertia_and_filter_are_two_lags_in_a_row(street, droop, filter_s, inertia_s):
    anchor = {"droop_pu": droop, "filter_s": filter_s, "inertia_s": inertia_s}
    _, sent = stepped(street, 30.0, anchor, substep_s=0.001)
    swing_s = 2 * droop * inertia_s
    t_s = H_S * np.arange(1, 61)
    final = -droop * F0 * 0.5
    assume(abs(swing_s - filter_s) > 0.02 * filter_s)  # or the formula below is 0/0
    lags = (filter_s * np.exp(-t_s / filter_s) - swing_s * np.exp(-t_s / swing_s)) / (
        filter_s - swing_s
    )
    expected = F0 + final * (1 - lags)
    # the second lag takes the first as held over 1 ms
    late_hz = 1e-3 * abs(final) / max(filter_s, swing_s, 1e-3)
    assert [out["f_hz"] for out in sent] == pytest.approx(expected.tolist(), abs=late_hz)


@pytest.mark.parametrize("inertia_s", [0.5, 3.0, 10.0])
def test_more_inertia_makes_the_frequency_slower(street, inertia_s):
    anchor = {"droop_pu": 0.01, "filter_s": 0.02}
    slow, fast = (
        kpi(stepped(street, 30.0, anchor | {"inertia_s": h})[0].part, "rocof_max_hz_per_s")
        for h in (inertia_s, inertia_s / 2)
    )
    assert slow < fast


@pytest.mark.parametrize(
    ("window_s", "rate_hz_per_s", "trips"),
    [
        # SMA's set trips at 4 Hz/s, over whatever window its inverters measure
        (0.02, 3.6, False),
        (0.02, 4.4, True),
        (0.02, 9.0, True),
        (0.1, 3.6, False),
        (0.1, 4.4, True),
        (0.01, 4.4, True),  # a window of one sub-step
    ],
)
def test_plants_trip_on_the_rate_that_is_reported(street, window_s, rate_hz_per_s, trips):
    # A filter of 1 s and a steep droop: a slope that stays straight for 0.2 s. Too little sun
    # for a trip to show in the frequency.
    droop, filter_s = 0.2, 1.0
    step_kw = rate_hz_per_s * filter_s / (droop * F0) * S_KVA
    run = Street(
        street, {"s_kva": S_KVA, "droop_pu": droop, "filter_s": filter_s, "peak_pu": 5.0},
        sun_kw=(1e-3,) * 4, load_damping_pu=0.0, period_s=H_S, rocof_window_s=window_s,
        battery_kw=1e4, grid_code="sma_off_grid",
    )  # fmt: skip
    run.until(0.2)
    for _ in range(12):
        run.step(load_kw=step_kw)
    reported = kpi(run.part, "rocof_max_hz_per_s")
    assert reported == pytest.approx(rate_hz_per_s, rel=0.06)
    assert (reported > 4.0) == trips
    assert (kpi(run.part, "pv_trip_count") > 0) == trips
