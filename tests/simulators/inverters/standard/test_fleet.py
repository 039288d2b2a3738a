"""Fleet: laws that hold for every rule set, and what OpenDER has no word for."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.inverters.standard import layout as at
from simulators.inverters.standard.fleet import Fleet
from simulators.inverters.standard.layout import Status
from simulators.inverters.standard.rule_sets import adjusted, names, rule_set

SETS = [rule_set(name).rules for name in names()]
MODES = ("constant_pf", "volt_var", "watt_var", "constant_q")
S_KVA = 10.0


def single(name: str, step_s: float = 0.1, **changes: Any) -> Fleet:
    return Fleet([adjusted(rule_set(name).rules, changes)], [0], [S_KVA], step_s)


def go(
    fleet: Fleet, seconds: float, v: float = 1.0, dev: float = 0.0, kw: float = S_KVA, **more: Any
) -> list[float]:
    """Step one inverter; return its powers."""
    powers = []
    for _ in range(round(seconds / fleet.step_s)):
        fleet.step([v], dev, [kw], **more)
        powers.append(float(fleet.p_kw[0]))
    return powers


courses = st.lists(
    st.tuples(
        st.floats(0.0, 1.4), st.floats(-4.0, 4.0), st.floats(0.0, 1.5), st.integers(1, 12)
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(
    course=courses, mode=st.sampled_from(MODES), priority=st.sampled_from(("active", "reactive"))
)
def test_power_is_never_negative_nor_more_than_sun_and_rating(course, mode, priority):
    changes = {
        "reactive": {
            "mode": mode,
            "constant_pf": {"power_factor_pu": 0.9},
            "constant_q": {"q_pu": -0.4},
        },
        "capability": {"priority": priority, "response_s": 0.0},
        "enter_service": {"delay_s": 0.5, "ramp_s": 2.0},
    }
    rules = [adjusted(one, changes) for one in SETS]
    n = len(rules)
    fleet = Fleet(rules, range(n), np.full(n, S_KVA), 0.25)
    for v, dev, sun, count in course:
        for _ in range(count):
            fleet.step(np.full(n, v), dev, np.full(n, sun * S_KVA))
            assert fleet.p_kw.min() >= 0.0
            assert fleet.p_kw.max() <= min(sun, 1.0) * S_KVA + 1e-9
            assert np.hypot(fleet.p_kw, fleet.q_kvar).max() <= S_KVA * (1 + 1e-9)
            off = fleet.status == Status.TRIPPED
            assert not fleet.p_kw[off].any()
            assert not fleet.q_kvar[off].any()


@given(course=courses, order=st.permutations(range(len(SETS))))
def test_each_inverter_minds_itself_in_whatever_order_they_stand(course, order):
    n = len(SETS)
    straight = Fleet(SETS, range(n), np.full(n, S_KVA), 0.25)
    mixed = Fleet(SETS, order, np.full(n, S_KVA), 0.25)
    for v, dev, sun, count in course:
        for _ in range(count):
            for fleet in (straight, mixed):
                fleet.step(np.full(n, v), dev, np.full(n, sun * S_KVA))
    assert np.array_equal(straight.p_kw[list(order)], mixed.p_kw)
    assert np.array_equal(straight.q_kvar[list(order)], mixed.q_kvar)


@given(course=courses)
def test_the_short_cut_for_calm_times_changes_nothing(course):
    quick = {"enter_service": {"delay_s": 0.5, "ramp_s": 1.0}}
    rules = [adjusted(one, quick) for one in SETS]
    n = len(rules)
    short, long = (Fleet(rules, range(n), np.full(n, S_KVA), 0.25) for _ in range(2))
    for v, dev, sun, count in course:
        for volts, hz in ((1.0, 0.0), (v, dev)):  # a while of calm before each disturbance
            for _ in range(count):
                long.state[:, at.CALM] = at.DISTURBED
                for fleet in (short, long):
                    fleet.step(np.full(n, volts), hz, np.full(n, sun * S_KVA))
                assert short.p_kw == pytest.approx(long.p_kw, abs=1e-9)
                assert short.q_kvar == pytest.approx(long.q_kvar, abs=1e-9)
                assert np.array_equal(short.status, long.status)


def test_one_set_serves_sixty_and_fifty_hertz_for_it_speaks_of_distances():
    at_60, at_50 = single("ieee_1547_2018_b_iii"), single("ieee_1547_2018_b_iii")
    assert go(at_60, 10.0, dev=60.5 - 60.0) == pytest.approx(go(at_50, 10.0, dev=50.5 - 50.0))


def test_hysteresis_keeps_power_down_until_the_release():
    fleet = single("as_nzs_4777_2_2020_a", volt_watt={"enabled": False})
    go(fleet, 1.0)
    low = go(fleet, 60.0, dev=1.0)[-1]
    assert low == pytest.approx(S_KVA * (1 - 0.75 / 1.75), rel=1e-3)
    assert go(fleet, 60.0, dev=0.5)[-1] == pytest.approx(low, rel=1e-3)  # back half way
    assert go(fleet, 60.0, dev=0.16)[-1] == pytest.approx(low, rel=1e-3)  # under the start
    rising = [low, *go(fleet, 60.0, dev=0.1)]
    assert max(np.diff(rising)) <= 0.1667 * S_KVA / 60 * 0.1 * (1 + 1e-9)
    assert rising[-1] == pytest.approx(low + 0.1667 * S_KVA, rel=0.02)


def test_without_hysteresis_power_goes_up_and_down_its_slope():
    fleet = single("vde_ar_n_4105_2011", reactive={"mode": "constant_pf"})
    go(fleet, 1.0)
    go(fleet, 30.0, dev=1.0)
    assert go(fleet, 30.0, dev=0.5)[-1] == pytest.approx(S_KVA * (1 - 0.4 * 0.3), rel=1e-3)


@pytest.mark.parametrize(
    ("share", "power_kw"),
    [
        (1.0, 10.0 * (1 - 0.4 * 0.5)),  # of the power at the crossing
        (0.5, 5.0 * (1 - 0.4 * 0.5)),
    ],
)
def test_the_slope_may_be_of_the_power_at_the_crossing(share, power_kw):
    fleet = single("vde_ar_n_4105_2011", reactive={"mode": "constant_pf"})
    go(fleet, 1.0, kw=share * S_KVA)
    assert go(fleet, 30.0, dev=0.7, kw=share * S_KVA)[-1] == pytest.approx(power_kw, rel=1e-3)


def test_a_high_mean_of_ten_minutes_trips_though_no_moment_would():
    fleet = single("vde_ar_n_4105_2018", 1.0)
    go(fleet, 600.0, v=1.05)
    powers = go(fleet, 600.0, v=1.14)
    # (600 - t) 1.05 + t 1.14 = 600 x 1.1 at t = 333 s
    tripped_after_s = powers.index(0.0)
    assert 333 <= tripped_after_s <= 340
    assert fleet.trip_count[0] == 1


def test_an_ieee_inverter_does_not_mind_the_mean():
    fleet = single("ieee_1547_2018_b_iii", 1.0)
    assert all(go(fleet, 1200.0, v=1.099))


@pytest.mark.parametrize(("rocof", "trips"), [(4.01, 1), (-4.01, 1), (3.99, 0)])
def test_a_fast_change_of_frequency_trips_the_off_grid_set(rocof, trips):
    fleet = single("sma_off_grid")
    go(fleet, 0.1, rocof_hz_per_s=rocof)
    assert fleet.trip_count[0] == trips


@pytest.mark.parametrize(
    ("v", "clearing_s"),
    [(0.85, 21.0), (0.65, 11.0), (0.45, 1.5), (1.15, 13.0), (1.25, 0.16)],
)
def test_rule_21_has_three_thresholds_below(v, clearing_s):
    fleet = single("ul_1741_sa_rule_21", 0.02)
    go(fleet, 1.0)
    for _ in range(2000):
        fleet.step([v], 0.0, [S_KVA])
        if fleet.trip_count[0]:
            break
    assert fleet.status_of(0) is Status.TRIPPED
    again = single("ul_1741_sa_rule_21", 0.02)
    go(again, 1.0)
    go(again, clearing_s - 0.02, v=v)
    assert again.status_of(0) is not Status.TRIPPED
    go(again, 0.04, v=v)
    assert again.status_of(0) is Status.TRIPPED


def test_extremes_of_the_phases_trip_though_their_mean_is_good():
    fleet = single("ieee_1547_2018_b_iii", 0.1)
    go(fleet, 22.0, extremes_pu=([0.8], [1.05]))
    assert fleet.status_of(0) is Status.TRIPPED


def test_who_loses_its_permission_trips_and_comes_back_with_it():
    fleet = single("ieee_1547_2018_b_iii", enter_service={"delay_s": 5.0, "ramp_s": 0.0})
    go(fleet, 1.0)
    assert not any(go(fleet, 20.0, permit=[False]))
    assert not any(go(fleet, 4.8))
    assert go(fleet, 0.4)[-1] > 0.0


def test_active_power_first_gives_reactive_power_what_is_left():
    fleet = single(
        "ieee_1547_2018_b_iii", reactive={"mode": "constant_q", "constant_q": {"q_pu": -0.6}},
        capability={"priority": "active", "q_absorb_pu": 0.6, "response_s": 0.0},
    )  # fmt: skip
    go(fleet, 1.0, kw=8.5)
    assert fleet.p_kw[0] == pytest.approx(8.5)
    assert fleet.q_kvar[0] == pytest.approx(-np.sqrt(10.0**2 - 8.5**2))
    go(fleet, 1.0, kw=10.0)  # not below what the code asks for
    assert fleet.q_kvar[0] == pytest.approx(-4.4)
    assert fleet.p_kw[0] == pytest.approx(np.sqrt(10.0**2 - 4.4**2))


def test_rates_bound_the_change_of_power():
    rates = {"rise_percent_per_min": 60.0, "fall_percent_per_min": 120.0}
    fleet = single("ieee_1547_2018_b_iii", 1.0, rates=rates, capability={"response_s": 0.0})
    go(fleet, 1.0, kw=5.0)
    assert go(fleet, 3.0, kw=10.0) == pytest.approx([5.1, 5.2, 5.3])
    assert go(fleet, 2.0, kw=0.0) == pytest.approx([5.1, 4.9])


def test_a_rated_power_below_the_apparent_power_is_the_base_of_active_power():
    rules = adjusted(rule_set("ieee_1547_2018_b_iii").rules, {"capability": {"response_s": 0.0}})
    fleet = Fleet([rules], [0], [10.0], 0.1, p_rated_kw=[8.0])
    assert go(fleet, 1.0, kw=9.0)[-1] == pytest.approx(8.0)
    assert go(fleet, 60.0, dev=0.636, kw=9.0)[-1] == pytest.approx(8.0 * 0.8, rel=1e-4)


def test_a_state_that_was_put_away_goes_on_as_if_nothing_had_been():
    fleet = single("ieee_1547_2018_b_iii", reactive={"mode": "volt_var"})
    go(fleet, 3.0, v=1.05, dev=0.4)
    put_away = pickle.loads(pickle.dumps(fleet.state))
    first = go(fleet, 5.0, v=1.06, dev=0.1)
    fleet.state = put_away
    assert go(fleet, 5.0, v=1.06, dev=0.1) == first


@pytest.mark.parametrize(
    ("which", "s_kva", "step_s"),
    [([0], [1.0, 2.0], 1.0), ([0], [0.0], 1.0), ([1], [1.0], 1.0), ([0], [1.0], 0.0)],
)
def test_a_fleet_that_cannot_be_is_refused(which, s_kva, step_s):
    with pytest.raises(ValueError, match=r"must (be|have)"):
        Fleet(SETS[:1], which, s_kva, step_s)
