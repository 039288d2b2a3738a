"""Collisions: bands of frequency that mean two things, found and cured by the advice."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulators.inverters.check import CheckFile, read_check, traps_of
from simulators.inverters.grid_codes import GRID_CODES
from simulators.inverters.grid_forming import AnchorConfig
from simulators.inverters.traps import Trap, collisions

GOOD = {"house": "a", "s_kva": 60.0, "droop_pu": 0.01}


def found(code: str, relays: dict[str, float] | None = None, **anchor: Any) -> list[Trap]:
    settings = AnchorConfig.model_validate(GOOD | anchor, strict=False)
    return collisions(settings, {code: GRID_CODES[code]}, relays or {}, 50.0)


def checked(**data: Any) -> list[Trap]:
    file, rules, faults = read_check(data, lambda path: "file")
    assert not faults
    assert file is not None
    return traps_of(file, rules)


def test_the_off_grid_set_and_a_small_droop_do_not_collide():
    assert found("sma_off_grid", {"heating": 1.0}) == []


@pytest.mark.parametrize(
    ("code", "anchor", "figures"),
    [
        # facts, 1.10: 5 % swings 2.5 Hz and meets the shift band, 51 to 52 Hz
        ("sma_off_grid", {"droop_pu": 0.05}, ("52.5 Hz", "51 Hz", "droop_pu <= 0.02")),
        ("vde_ar_n_4105_2011", {}, ("50.5 Hz", "50.2 Hz", "droop_pu <= 0.004")),
        (
            "ieee_1547_2018_b_iii",
            {"droop_pu": 0.002},
            ("50.1 Hz", "50.036 Hz", "droop_pu <= 0.0007"),
        ),
    ],
)
def test_a_droop_that_reaches_into_the_shift_band_throttles_for_nothing(code, anchor, figures):
    texts = [trap.text for trap in found(code, **anchor) if "throttles from" in trap.text]
    assert len(texts) == 1
    for figure in figures:
        assert figure in texts[0]


def test_pv_that_has_tripped_stays_out_while_the_anchor_charges():
    (text,) = (trap.text for trap in found("vde_ar_n_4105_2011") if "stays out" in trap.text)
    assert "50.05 Hz" in text
    assert "10% of its rating" in text


@pytest.mark.parametrize(
    ("shift", "droop_pu", "side"),
    [
        ({"max_hz": 4.2}, 0.01, "54.7 Hz"),  # SMA trips at 54.5 Hz
        ({"min_hz": 4.2}, 0.01, "45.3 Hz"),
    ],
)
def test_a_shift_and_droop_that_together_trip_the_street_are_found(shift, droop_pu, side):
    (trap,) = found("sma_off_grid", shift=shift, droop_pu=droop_pu)
    assert trap.found == side
    assert trap.kind == "collision"


@pytest.mark.parametrize(
    ("under_hz", "words"),
    [
        (0.4, "battery is not empty"),  # the droop alone is there at 80 % of the rating
        (5.1, "sheds nothing"),  # 1.4 Hz of shift, 0.5 of droop and 3 of the limiter: 4.9
        (4.6, "made the want greater"),  # the off-grid set trips at 4.5 Hz
    ],
)
def test_a_relay_where_it_does_no_good_is_found(under_hz, words):
    texts = [trap.text for trap in found("sma_off_grid", {"heating": under_hz})]
    assert any(words in text for text in texts)


@given(droop_pu=st.floats(0.001, 0.05), code=st.sampled_from(sorted(GRID_CODES)))
def test_who_takes_the_advice_on_the_droop_is_not_warned_of_it_again(droop_pu, code):
    texts = [trap.text for trap in found(code, droop_pu=droop_pu) if "throttles from" in trap.text]
    assume(texts)
    enough = float(re.search(r"droop_pu <= ([\d.e-]+?)\.$", texts[0])[1])  # type: ignore[index]
    again = found(code, droop_pu=enough)
    assert not any("throttles from" in trap.text for trap in again)


@given(shift_hz=st.floats(4.0, 6.0), droop_pu=st.floats(0.001, 0.02))
def test_who_takes_the_advice_on_the_shift_is_not_warned_of_it_again(shift_hz, droop_pu):
    shift = {"max_hz": shift_hz}
    traps = [t for t in found("sma_off_grid", shift=shift, droop_pu=droop_pu) if "reach" in t.text]
    assume(traps)
    enough = float(re.search(r"max_hz <= ([\d.]+?)\.$", traps[0].text)[1])  # type: ignore[index]
    cured, still = (
        found("sma_off_grid", shift={"max_hz": hz}, droop_pu=droop_pu) for hz in (enough, 0.0)
    )
    assert cured == still


@pytest.mark.parametrize(
    ("adjust", "words"),
    [
        ({"enter_service": {"high_hz": 1.6}}, "come and go"),
        ({"enter_service": {"low_hz": 2.6}}, "come and go"),
        ({"enter_service": {"v_high_pu": 1.3}}, "come and go"),
        ({"enter_service": {"v_low_pu": 0.7}}, "come and go"),
        ({"volt_watt": {"enabled": True, "p_pu": [1.0, 0.2]}}, "cannot throttle it further"),
        ({"volt_watt": {"enabled": True, "v_pu": [1.1, 1.4]}}, "before it has throttled"),
    ],
)
def test_what_collides_within_one_inverter_is_found(adjust, words):
    kinds = {"roof": {"rules": "vde_ar_n_4105_2018", "adjust": adjust}}
    assert sum(words in trap.text for trap in checked(inverters=kinds)) == 1


def test_a_published_set_does_not_collide_with_itself():
    kinds = {"roof": {"rules": "sma_off_grid"}}
    assert checked(inverters=kinds) == []


def test_a_steeper_slope_cures_what_a_grid_code_cannot():
    plain, steep = (
        checked(inverters={"roof": {"rules": "vde_ar_n_4105_2018", "adjust": adjust}})
        for adjust in ({}, {"frequency_droop": {"over_droop_pu": 0.025}})
    )
    assert [trap.found for trap in plain] == ["48%"]
    assert steep == []


def test_every_fault_of_a_file_is_told_at_once():
    data = {
        "inverters": {
            "a": {"rules": "sma_of_grid"},
            "b": {"rules": "sma_off_grid", "adjust": {"trip": {"over_h": [1.0, 2.0]}}},
        },
    }  # fmt: skip
    _, _, faults = read_check(data, lambda path: "/".join(map(str, path)))
    assert [fault.where for fault in faults] == [
        "inverters/a/rules",
        "inverters/b/adjust/trip/over_h",
    ]
    assert "Did you mean 'sma_off_grid'" in faults[0].advice
    assert "Did you mean 'over_hz'" in faults[1].advice


def test_a_file_that_is_no_check_is_refused_with_its_keys():
    file, _, faults = read_check({"inverter": {}}, lambda path: "file")
    assert file is None
    assert any("inverters" in fault.advice or "inverters" in fault.key for fault in faults)
    assert CheckFile.model_fields["inverters"].is_required()
