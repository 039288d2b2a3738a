"""Traps: settings that put the lights out are named before the run, with numbers that hold."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gridmodel.neighbourhood import Neighbourhood
from tests.simulators.bench import kpi
from tests.simulators.inverters.street import Street, island


def warnings(
    network: Neighbourhood,
    anchor: dict[str, Any] | None = None,
    f_hz: float = 50.0,
    **settings: Any,
) -> tuple[str, ...]:
    """Return what a street's user is told before the run; an anchor of 60 kVA."""
    network = network.model_copy(update={"f_nominal_hz": f_hz})
    return island(network, {"s_kva": 60.0} | (anchor or {}), **settings).warnings()


@pytest.mark.parametrize(
    "anchor",
    [
        {},  # the defaults: SMA's off-grid set, filter 100 ms
        {"filter_s": 0.07},  # 3.6 Hz/s
        {"filter_s": 0.01, "inertia_s": 3.0},  # inertia instead of the filter
        {"shift": {"max_hz": 3.0}},  # further than needed
    ],
)
def test_good_settings_are_not_warned_of(street, anchor):
    assert warnings(street, anchor) == ()


def test_a_short_filter_is_no_trap_for_plants_that_do_not_mind_the_rate_of_change(street):
    fast, slow = (
        warnings(street, {"filter_s": filter_s}, grid_code="vde_ar_n_4105_2011")
        for filter_s in (0.01, 1.0)
    )
    assert fast == slow


@pytest.mark.parametrize(
    ("grid_code", "f_hz", "numbers"),
    [
        # facts, 1.9: what is left at the trip threshold, where that is, how long it stays off
        ("vde_ar_n_4105_2011", 50.0, ("48%", "51.5 Hz", "60 s")),
        ("ieee_1547_2018_b_iii", 60.0, ("61%", "61.2 Hz", "300 s")),
        ("ieee_1547_2018_b_iii", 50.0, ("61%", "51.2 Hz", "300 s")),
    ],
)
def test_pv_that_frequency_cannot_bring_to_zero_is_a_trap(street, grid_code, f_hz, numbers):
    (text,) = warnings(street, grid_code=grid_code, f_hz=f_hz)
    assert grid_code in text
    assert "limit cycle" in text
    for number in numbers:
        assert number in text


def test_one_plant_of_many_is_enough_for_the_trap(street):
    (text,) = warnings(street, grid_code_by_plant={"pv_3": "vde_ar_n_4105_2011"})
    assert "vde_ar_n_4105_2011" in text
    assert "48%" in text


def test_settings_that_no_plant_has_are_no_trap(street):
    every = dict.fromkeys(street.pv_names, "sma_off_grid")
    assert warnings(street, grid_code="vde_ar_n_4105_2011", grid_code_by_plant=every) == ()


def test_each_set_is_warned_of_once(street):
    found = warnings(
        street, grid_code="vde_ar_n_4105_2011",
        grid_code_by_plant={"pv_1": "ieee_1547_2018_b_iii", "pv_2": "ieee_1547_2018_b_iii"},
    )  # fmt: skip
    assert sorted(text.split("set to ")[1].split()[0] for text in found) == [
        "ieee_1547_2018_b_iii", "vde_ar_n_4105_2011"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("max_hz", "left", "enough"),
    [
        # an anchor that does not go to the end of SMA's slope, 50 + 2 Hz
        (1.5, "50%", "2 Hz"),
        (1.2, "80%", "2 Hz"),
        (0.8, "100%", "2 Hz"),
    ],
)
def test_an_anchor_that_shifts_too_little_is_a_trap(street, max_hz, left, enough):
    (text,) = warnings(street, {"shift": {"max_hz": max_hz}})
    assert f"{50 + max_hz:g} Hz at most" in text
    assert f"still gives {left}" in text
    assert f"anchor.shift.max_hz to {enough}" in text


@pytest.mark.parametrize(
    ("anchor", "f_hz", "numbers"),
    [
        # facts, 1.10: half the rating at once, at first and over 20 ms; the limit
        ({"filter_s": 0.01}, 50.0, ("H = 0.5 s", "25 Hz/s", "10.8 Hz/s", "20 ms", "4 Hz/s")),
        ({"filter_s": 0.01}, 60.0, ("H = 0.5 s", "30 Hz/s", "13.0 Hz/s", "20 ms", "4 Hz/s")),
        ({"filter_s": 0.05}, 50.0, ("H = 2.5 s", "5 Hz/s", "4.1 Hz/s", "20 ms", "4 Hz/s")),
        ({"filter_s": 0.05, "droop_pu": 0.02}, 50.0, ("0.02 pu", "H = 1.2 s", "10 Hz/s")),
    ],
)
def test_an_anchor_faster_than_its_plants_bear_is_a_trap(street, anchor, f_hz, numbers):
    (text,) = warnings(street, anchor, f_hz)
    assert "sma_off_grid trips" in text
    for number in numbers:
        assert number in text


def test_both_traps_are_found_at_once(street):
    found = warnings(
        street, {"filter_s": 0.01}, grid_code="vde_ar_n_4105_2011",
        grid_code_by_plant={"pv_1": "sma_off_grid"},
    )  # fmt: skip
    assert len(found) == 2
    assert "48%" in found[0]
    assert "25 Hz/s" in found[1]


@given(droop=st.floats(0.002, 0.05), filter_s=st.floats(0.005, 1.0))
def test_an_anchor_is_warned_of_exactly_when_a_machine_of_its_inertia_would_be_too_fast(
    street, droop, filter_s
):
    at_once = 50.0 * 0.5 * 2 * droop / (2 * filter_s)  # f0 dP / 2 H
    assume(abs(at_once - 4.0) > 1e-6)
    found = warnings(street, {"droop_pu": droop, "filter_s": filter_s})
    assert bool(found) == (at_once > 4.0)


@given(droop=st.floats(0.002, 0.05), filter_s=st.floats(0.005, 0.06), inertia_s=st.floats(0.0, 2.0))
def test_who_takes_the_advice_on_the_filter_is_not_warned_again(street, droop, filter_s, inertia_s):
    anchor = {"droop_pu": droop, "filter_s": filter_s, "inertia_s": inertia_s}
    found = warnings(street, anchor)
    assume(found)
    enough_s = float(re.search(r"filter_s >= ([\d.]+),", found[0])[1])
    assert warnings(street, anchor | {"filter_s": enough_s}) == ()


@given(droop=st.floats(0.002, 0.05), filter_s=st.floats(0.005, 0.06))
def test_who_takes_the_advice_on_inertia_is_not_warned_again(street, droop, filter_s):
    anchor = {"droop_pu": droop, "filter_s": filter_s}
    found = warnings(street, anchor)
    assume(found)
    enough_s = float(re.search(r"inertia_s >= ([\d.e+]+?)\.?$", found[0])[1])
    assert warnings(street, anchor | {"inertia_s": enough_s}) == ()


@pytest.mark.parametrize("max_hz", [0.8, 1.5])
def test_who_takes_the_advice_on_the_shift_is_not_warned_again(street, max_hz):
    (text,) = warnings(street, {"shift": {"max_hz": max_hz}})
    enough_hz = float(re.search(r"max_hz to ([\d.]+) Hz", text)[1])
    assert warnings(street, {"shift": {"max_hz": enough_hz}}) == ()


@given(droop=st.floats(0.005, 0.03), filter_s=st.floats(0.01, 0.1))
def test_the_rate_that_is_foretold_is_the_rate_that_comes(street, droop, filter_s):
    anchor = {"droop_pu": droop, "filter_s": filter_s}
    found = warnings(street, anchor)
    assume(found)
    foretold = float(re.search(r"and ([\d.]+) Hz/s over", found[0])[1])
    run = Street(street, {"s_kva": 60.0} | anchor, load_damping_pu=0.0)
    run.until(2.0)
    run.step(load_kw=30.0)
    assert kpi(run.part, "rocof_max_hz_per_s") == pytest.approx(foretold, abs=0.06)


def test_the_limit_cycle_that_is_foretold_comes_and_stays_away_with_good_settings(street):
    # Much sun, a full battery, 10 minutes.
    trips = {}
    for code in ("vde_ar_n_4105_2011", "sma_off_grid"):
        run = Street(
            street, {"s_kva": 60.0, "filter_s": 0.2}, 5.0, (18.0, 10.0, 9.0, 5.0), soc_pu=0.96,
            grid_code=code,
        )  # fmt: skip
        run.until(600.0)
        trips[code] = kpi(run.part, "pv_trip_count")
    assert trips["vde_ar_n_4105_2011"] >= 4
    assert trips["sma_off_grid"] == 0


def test_the_least_power_is_a_key_figure(street):
    figures = {
        code: kpi(island(street, grid_code=code), "pv_least_pu")
        for code in ("vde_ar_n_4105_2011", "ieee_1547_2018_b_iii", "sma_off_grid")
    }
    assert figures == pytest.approx(
        {"vde_ar_n_4105_2011": 0.48, "ieee_1547_2018_b_iii": 0.612, "sma_off_grid": 0.0}
    )
