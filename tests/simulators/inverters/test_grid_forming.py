"""Grid-forming inverter: droop, filter, shift, limiter and trips, one law at a time."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulators.inverters import grid_forming as gfm
from simulators.inverters.grid_forming import AnchorConfig, FrequencyShift

F0, S_KVA = 50.0, 60.0
HUGE_KW = 1e6


class Anchor:
    """The anchor alone, its power given."""

    def __init__(self, h: float = 0.01, rated_kw: float = 60.0, **settings: Any) -> None:
        self.config = AnchorConfig(house="house_02", s_kva=S_KVA, **settings)
        self.h = h
        self.p = gfm.parameters(self.config, F0, h)
        self.p[gfm.RATED_KW] = rated_kw
        self.x = np.zeros(gfm.STATES)

    def go(
        self, t_s: float, p_kw: float, shift: float = 0.0, give: float = HUGE_KW,
        take: float = HUGE_KW,
    ) -> list[float]:  # fmt: skip
        """Let time pass; return the deviation after each sub-step. [Hz]"""
        self.x[gfm.P_KW] = p_kw
        devs = []
        for _ in range(round(t_s / self.h)):
            gfm.advance_frequency(self.p, self.x, shift, give, take)
            devs.append(float(self.x[gfm.DEV_HZ]))
        return devs

    def stops_after_s(self, p_kw: float, give: float, take: float, most_s: float) -> float:
        """Return how long it bears a power; infinity if for ever."""
        self.x[gfm.P_KW] = p_kw
        for k in range(round(most_s / self.h)):
            if gfm.overloaded(self.p, self.x, give, take, self.h):
                return k * self.h
        return float("inf")


droops = st.floats(0.001, 0.05)
lags_s = st.floats(0.01, 1.0)
powers = st.floats(-60.0, 60.0)
substeps = st.sampled_from([0.001, 0.005, 0.01])


@given(droop=droops, filter_s=lags_s, p_kw=powers, h=substeps)
def test_frequency_falls_to_its_droop_as_the_filters_exponential(droop, filter_s, p_kw, h):
    anchor = Anchor(h, droop_pu=droop, filter_s=filter_s)
    devs = anchor.go(0.3, p_kw)
    t_s = h * np.arange(1, len(devs) + 1)
    expected = -droop * F0 * p_kw / S_KVA * (1 - np.exp(-t_s / filter_s))
    assert devs == pytest.approx(expected.tolist(), abs=1e-9)


def test_rated_power_lowers_the_frequency_by_the_droop():
    assert Anchor(droop_pu=0.01).go(5.0, S_KVA)[-1] == pytest.approx(-0.5, abs=1e-9)
    assert Anchor(droop_pu=0.01).go(5.0, -S_KVA)[-1] == pytest.approx(0.5, abs=1e-9)
    assert Anchor(droop_pu=0.05).go(5.0, S_KVA)[-1] == pytest.approx(-2.5, abs=1e-9)


@given(h_s=st.floats(0.1, 10.0), droop=droops, filter_s=st.floats(0.02, 0.3), p_kw=powers)
def test_filter_and_virtual_inertia_act_as_the_sum_of_their_inertias(h_s, droop, filter_s, p_kw):
    # Two lags in a row: the mean delay of the step is the sum of both, 2 mp (H + T / 2 mp).
    anchor = Anchor(0.001, droop_pu=droop, filter_s=filter_s, inertia_s=h_s)
    delay_s = 2 * droop * anchor.config.equivalent_inertia_s
    devs = np.array(anchor.go(15 * (delay_s + 0.1), p_kw))
    final = -droop * F0 * p_kw / S_KVA
    lacking = float(np.sum(final - devs)) * anchor.h
    assert lacking == pytest.approx(final * delay_s, rel=0.03, abs=0.003 * abs(final) + 1e-12)


@pytest.mark.parametrize(
    ("droop_pu", "filter_s", "inertia_s", "h_s"),
    [
        # facts, 1.10: H = T / (2 mp)
        (0.01, 0.01, 0.0, 0.5),  # REGFM_A1's defaults
        (0.01, 0.0625, 0.0, 3.125),  # enough for 4 Hz/s
        (0.01, 0.1, 0.0, 5.0),  # ours
        (0.05, 0.01, 0.0, 0.1),  # a steeper droop has less
        (0.01, 0.01, 2.0, 2.5),  # virtual inertia adds
    ],
)
def test_a_droop_behind_a_filter_is_a_machine(droop_pu, filter_s, inertia_s, h_s):
    config = AnchorConfig(
        house="h", s_kva=60.0, droop_pu=droop_pu, filter_s=filter_s, inertia_s=inertia_s
    )
    assert config.equivalent_inertia_s == pytest.approx(h_s)


@pytest.mark.parametrize(
    ("filter_s", "f_nominal_hz", "rocof_hz_per_s"),
    [
        # facts, 1.10: a step of half the rating at mp 0.01
        (0.01, 50.0, 25.0),
        (0.01, 60.0, 30.0),
        (0.0625, 50.0, 4.0),
    ],
)
def test_the_first_rate_of_change_is_that_of_a_machine(filter_s, f_nominal_hz, rocof_hz_per_s):
    config = AnchorConfig(house="h", s_kva=60.0, droop_pu=0.01, filter_s=filter_s)
    assert config.initial_rocof_hz_per_s(0.5, f_nominal_hz) == pytest.approx(rocof_hz_per_s)


@pytest.mark.parametrize(
    ("soc_pu", "shift_hz"),
    [
        # 2 Hz up between 88 and 95 %, 1.4 Hz down between 12 and 7 %
        (0.5, 0.0),
        (0.88, 0.0),
        (0.915, 1.0),
        (0.95, 2.0),
        (1.0, 2.0),
        (0.12, 0.0),
        (0.095, -0.7),
        (0.07, -1.4),
        (0.0, -1.4),
    ],
)
def test_the_shift_tells_the_state_of_charge(soc_pu, shift_hz):
    assert FrequencyShift().at(soc_pu) == pytest.approx(shift_hz, abs=1e-9)


@given(a=st.floats(0.0, 1.0), b=st.floats(0.0, 1.0))
def test_a_fuller_battery_never_shifts_lower(a, b):
    low, high = sorted((a, b))
    assert FrequencyShift().at(low) <= FrequencyShift().at(high)


@pytest.mark.parametrize(
    "band",
    [
        {"soc_low_pu": 0.9},  # low and full overlap
        {"soc_full_pu": 0.8},  # full before the rise begins
        {"soc_empty_pu": 0.2},  # empty before low
    ],
)
def test_bands_out_of_order_are_refused(band):
    with pytest.raises(ValidationError, match="soc_empty_pu < soc_low_pu"):
        FrequencyShift(**band)


@given(
    course=st.lists(
        st.tuples(st.floats(-5.0, 5.0), powers, st.floats(0.0, 60.0), st.integers(1, 50)),
        min_size=1, max_size=10,
    ),
    slew=st.floats(0.1, 3.0),
)  # fmt: skip
def test_the_set_point_moves_no_faster_than_its_slew_rate(course, slew):
    anchor = Anchor(slew_hz_per_s=slew)
    sets = [0.0]
    for shift, p_kw, limit, count in course:
        for _ in range(count):
            anchor.go(anchor.h, p_kw, shift, give=limit, take=limit)
            sets.append(float(anchor.x[gfm.SET_HZ]))
    assert np.abs(np.diff(sets)).max() <= slew * anchor.h * (1 + 1e-9) + 1e-12


def test_a_shift_is_reached_at_the_slew_rate():
    devs = Anchor(slew_hz_per_s=0.5).go(5.0, 0.0, shift=2.0)
    assert devs[99] == pytest.approx(0.5)  # after a second
    assert devs[-1] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("p_kw", "sign"),
    [
        # against 40 kW either way
        (-42.0, 1),  # too much charge: frequency rises for PV to throttle
        (42.0, -1),  # too much discharge: frequency falls for load to be shed
    ],
)
def test_beyond_what_the_battery_bears_the_limiter_goes_on_moving_the_frequency(p_kw, sign):
    anchor = Anchor(droop_pu=1e-4)  # the droop itself hardly shows
    devs = anchor.go(10.0, p_kw, give=40.0, take=40.0)
    excess_pu = (42.0 - 0.97 * 40.0) / S_KVA
    # 5 % of nominal for rated power as soon as the filter knows, and 10 % a second
    at_1_s, at_5_s, at_10_s = (sign * devs[k] for k in (99, 499, 999))
    assert F0 * excess_pu * 0.05 < at_1_s < F0 * excess_pu * 0.15
    assert at_5_s - at_1_s == pytest.approx(F0 * excess_pu * 0.1 * 4.0, rel=0.01)
    assert at_10_s - at_5_s == pytest.approx(F0 * excess_pu * 0.1 * 5.0, rel=0.01)


@given(p_kw=st.floats(-38.7, 38.7))
def test_within_what_the_battery_bears_the_limiter_does_nothing(p_kw):
    free, bound = Anchor(), Anchor()
    assert bound.go(2.0, p_kw, give=40.0, take=40.0) == free.go(2.0, p_kw)


def test_the_limiter_lets_go_when_the_excess_is_over():
    anchor = Anchor(droop_pu=1e-4)
    anchor.go(5.0, -45.0, take=40.0)
    assert anchor.go(60.0, -20.0, take=40.0)[-1] == pytest.approx(0.0, abs=2e-3)


@pytest.mark.parametrize(
    ("p_kw", "limiter_max_hz"),
    [
        # 20 kW is what the battery bears
        (-60.0, 3.0),  # the default
        (60.0, 0.5),  # a tight one, the other way
    ],
)
def test_the_limiter_shifts_by_its_greatest_shift_at_most(p_kw, limiter_max_hz):
    anchor = Anchor(droop_pu=1e-9, limiter_max_hz=limiter_max_hz)
    devs = np.array(anchor.go(60.0, p_kw, give=20.0, take=20.0))
    assert np.abs(devs).max() <= limiter_max_hz + 1e-6
    assert np.abs(devs[-1]) == pytest.approx(limiter_max_hz, abs=1e-6)


@pytest.mark.parametrize(
    ("p_kw", "give_kw", "take_kw", "stops_s"),
    [
        # anchor of 60 kVA, battery rated 50 kW: what it bears now, and for how long
        (49.0, 50.0, 50.0, float("inf")),  # within the battery's rating
        (54.0, 50.0, 50.0, float("inf")),  # 108 %: within its overload
        (56.0, 50.0, 50.0, 10.0),  # 112 %: trips in time
        (-56.0, 50.0, 50.0, 10.0),  # the same for charging
        (91.0, 50.0, 50.0, 0.0),  # beyond the peak of 90 kW: at once
        (-91.0, 50.0, 50.0, 0.0),
        (10.0, 9.0, 50.0, 0.0),  # nearly empty: the battery gives no more
        (-10.0, 50.0, 9.0, 0.0),  # nearly full
        (10.0, 50.0, 0.0, float("inf")),  # full, but asked to give
        (-10.0, 0.0, 50.0, float("inf")),  # empty, but asked to take
        (0.0, 0.0, 0.0, float("inf")),  # nothing is asked of it
    ],
)
def test_the_anchor_gives_up_on_more_than_it_bears(p_kw, give_kw, take_kw, stops_s):
    anchor = Anchor(rated_kw=50.0)
    found = anchor.stops_after_s(p_kw, give_kw, take_kw, 30.0)
    assert found == pytest.approx(stops_s, abs=2.5 * anchor.h)


def test_the_overload_timer_begins_anew_after_a_rest():
    anchor = Anchor(rated_kw=50.0)
    for _ in range(5):
        assert anchor.stops_after_s(56.0, 50.0, 50.0, 9.0) == float("inf")
        assert anchor.stops_after_s(50.0, 50.0, 50.0, 0.01) == float("inf")


def test_exponential_lags_do_not_depend_on_the_sub_step():
    coarse = Anchor(0.01, filter_s=0.05).go(0.2, 40.0)
    fine = Anchor(0.001, filter_s=0.05).go(0.2, 40.0)
    assert coarse == pytest.approx(fine[9::10], abs=1e-12)
    assert coarse[4] == pytest.approx(-0.01 * F0 * 40.0 / S_KVA * (1 - exp(-1.0)))
