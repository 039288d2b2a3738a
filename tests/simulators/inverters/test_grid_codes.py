"""Grid codes: the published figures, and how far frequency alone can throttle a plant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.errors import ScenarioError
from simulators.inverters.grid_codes import GRID_CODES, OFF, GridCode, least_power_pu, of_rules
from simulators.inverters.standard.rule_sets import names, rule_set
from tests.simulators.inverters.street import island

IEEE, VDE, SMA = (
    GRID_CODES[name] for name in ("ieee_1547_2018_b_iii", "vde_ar_n_4105_2011", "sma_off_grid")
)


@pytest.mark.parametrize(
    ("code", "f_nominal_hz", "f_hz", "power_pu"),
    [
        # facts, 1.9: what is left just below the trip threshold
        (IEEE, 60.0, 61.2, 0.612),  # OF1, which trips after 300 s
        (VDE, 50.0, 51.5, 0.48),
        (SMA, 50.0, 54.5, 0.0),
    ],
)
def test_at_its_trip_threshold_a_plant_still_gives(code, f_nominal_hz, f_hz, power_pu):
    power, distance = least_power_pu(code)
    assert power == pytest.approx(power_pu, abs=1e-9)
    assert f_nominal_hz + distance == pytest.approx(f_hz)


def test_at_its_second_threshold_an_ieee_plant_still_gives_a_third():
    until_of2 = IEEE.model_copy(update={"over_hz": (2.0, OFF)})
    assert least_power_pu(until_of2)[0] == pytest.approx(0.345, abs=5e-4)


@pytest.mark.parametrize(
    ("code", "shift_max_hz", "power_pu", "distance_hz"),
    [
        # an anchor that goes less far leaves more power
        (SMA, 2.0, 0.0, 2.0),  # just enough
        (SMA, 1.5, 0.5, 1.5),
        (SMA, 0.5, 1.0, 0.5),  # not even to the start
        (VDE, 0.7, 0.8, 0.7),
        (VDE, 5.0, 0.48, 1.5),  # beyond the trip nothing more is won
        (IEEE, 0.036, 1.0, 0.036),
    ],
)
def test_the_anchors_greatest_shift_bounds_the_throttling(
    code, shift_max_hz, power_pu, distance_hz
):
    assert least_power_pu(code, shift_max_hz) == pytest.approx((power_pu, distance_hz))


def test_the_steepest_slope_ieee_allows_cures_it_a_hair_above_the_threshold():
    # facts, 1.9: k 0.02 is zero at 61.236 Hz
    steep = IEEE.model_copy(update={"slope_pu_per_hz": 1 / (60 * 0.02), "over_hz": (2.0, OFF)})
    assert least_power_pu(steep, 1.236)[0] == pytest.approx(0.0, abs=1e-9)
    assert least_power_pu(steep, 1.230)[0] == pytest.approx(0.005, abs=1e-9)


@given(name=st.sampled_from(sorted(GRID_CODES)), a=st.floats(0.0, 6.0), b=st.floats(0.0, 6.0))
def test_a_greater_shift_never_leaves_more_power(name, a, b):
    less, more = (least_power_pu(GRID_CODES[name], shift)[0] for shift in sorted((a, b)))
    assert 0.0 <= more <= less <= 1.0


@pytest.mark.parametrize(
    ("code", "f_nominal_hz", "figures_hz"),
    [
        # facts, 1.9: start, slower and faster trip over and under, lowest and highest to enter
        (IEEE, 60.0, (60.036, 61.2, 62.0, 58.5, 56.5, 59.5, 60.1)),
        (VDE, 50.0, (50.2, 51.5, OFF, 47.5, -OFF, 47.5, 50.05)),
        (SMA, 50.0, (51.0, 54.5, OFF, 45.5, -OFF, 46.0, 50.9)),
    ],
)
def test_thresholds_are_the_published_frequencies(code, f_nominal_hz, figures_hz):
    distances = (
        code.start_hz, *code.over_hz, *(-hz for hz in code.under_hz), -code.enter_low_hz,
        code.enter_high_hz,
    )  # fmt: skip
    assert [f_nominal_hz + d for d in distances] == pytest.approx(figures_hz)


@pytest.mark.parametrize(
    ("code", "slope_pu_per_hz", "base", "response_s", "over_s", "delay_s"),
    [
        (IEEE, 0.3333, "rating", 5.0, (300.0, 0.16), 300.0),  # k = 0.05 at 60 Hz
        (VDE, 0.40, "crossing", 2.0, (0.1, 0.0), 60.0),  # trips within 0.2 s
        (SMA, 1.0, "crossing", 1.0, (0.1, 0.0), 10.0),  # f0 + 1 Hz to zero at f0 + 2 Hz
    ],
)
def test_slopes_and_times_are_the_published_ones(
    code, slope_pu_per_hz, base, response_s, over_s, delay_s
):
    assert code.slope_pu_per_hz == pytest.approx(slope_pu_per_hz, abs=5e-5)
    assert code.slope_base == base
    assert code.response_s == response_s
    assert code.over_s == over_s
    assert code.enter_delay_s == delay_s


def test_vde_plants_come_back_by_ten_percent_a_minute():
    assert 60.0 * VDE.return_pu_per_s == pytest.approx(0.10)
    assert 60.0 / VDE.enter_ramp_s == pytest.approx(0.10)


def test_only_the_off_grid_set_watches_the_rate_of_change():
    limits = {name: code.rocof_trip_hz_per_s for name, code in GRID_CODES.items()}
    assert limits.pop("sma_off_grid") == 4.0
    assert set(limits.values()) == {OFF}


@pytest.mark.parametrize("name", GRID_CODES)
def test_a_plant_may_enter_where_it_need_not_throttle_or_trip(name):
    code = GRID_CODES[name]
    assert code.enter_low_hz <= min(code.under_hz)
    assert code.enter_high_hz <= min(code.over_hz)
    if code.slope_base == "crossing":  # IEEE's 60.1 Hz lies above its 60.036 Hz
        assert code.enter_high_hz <= code.start_hz


def test_codes_bear_the_names_of_rule_sets_and_each_is_one():
    hysteresis = {"as_nzs_4777_2_2020_a"}  # power stays down on the way back: no `GridCode`
    assert set(GRID_CODES) == set(names()) - hysteresis
    assert len(GRID_CODES) == len(names()) - 1
    for name in GRID_CODES:
        assert GRID_CODES[name] == of_rules(rule_set(name).rules)


@pytest.mark.parametrize(
    ("old", "name"),
    [("ieee_1547_2018", "ieee_1547_2018_b_iii"), ("vde_ar_n_4105", "vde_ar_n_4105_2011")],
)
def test_spellings_of_older_scenarios_are_understood_and_not_listed(old, name):
    assert GRID_CODES[old] is GRID_CODES[name]
    assert old not in set(GRID_CODES)


def test_the_editions_of_vde_differ_where_a_plant_may_enter_again():
    new = GRID_CODES["vde_ar_n_4105_2018"]
    assert (VDE.enter_high_hz, new.enter_high_hz) == (0.05, 0.1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vde_ar_n_4105_2008", "Did you mean 'vde_ar_n_4105_2018'"),
        ("as_nzs_4777_2_2020_a", "has hysteresis"),
        ("as_nzs_4777_2_2020_a", "standard_inverters"),
    ],
)
def test_a_code_that_is_none_is_refused_with_what_to_take(street, name, told):
    for key, settings in {
        "grid_code": {"grid_code": name},
        "grid_code_by_plant.pv_1": {"grid_code_by_plant": {"pv_1": name}},
    }.items():
        with pytest.raises(ScenarioError, match=told) as caught:
            island(street, **settings)
        assert [fault.key for fault in caught.value.faults] == [key]


@pytest.mark.parametrize(
    "changed",
    [
        {"slope_base": "power"},  # neither rating nor crossing
        {"slope_pu_per_hz": 0.0},  # would never throttle
        {"response_s": 0.0},  # nothing is that fast
        {"over_hz": (1.5,)},  # two thresholds
        {"under_s": (-0.1, 0.0)},
        {"start": 0.2},  # a key without its unit is no key
    ],
)
def test_settings_no_code_can_have_are_refused(changed):
    with pytest.raises(ValidationError):
        GridCode(**(VDE.model_dump() | changed))
