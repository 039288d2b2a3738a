"""Inverter scale: values in the steps in which an inverter tells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.inverter_scale import INT16_MAX, InverterScale, from_raw, to_raw
from gridmodel.ports import InverterState


@pytest.mark.parametrize(
    ("p_rated_kw", "p_kw", "seen_kw"),
    [
        (5.0, 1.2344, 1.234),  # a house battery tells watts
        (5.0, -1.2346, -1.235),
        (60.0, 59.996, 60.0),  # 60 kW with its overload need steps of 10 W
        (60.0, -0.004, 0.0),
        (5.0, 99.0, 32.767),  # beyond the type: held at its end, not wrapped round
        (5.0, -99.0, -32.767),
    ],
)
def test_power_is_told_in_the_rating_s_steps(p_rated_kw, p_kw, seen_kw):
    scale = InverterScale.for_rating(p_rated_kw, 10.0)
    assert scale.seen(InverterState(p_kw, 0.5, 1.0, 10.0)).p_kw == seen_kw


@given(st.floats(0.1, 500.0), st.floats(0.1, 2000.0), st.floats(-2.0, 2.0), st.floats(0.0, 1.0))
def test_what_was_seen_is_seen_again_unchanged(p_rated_kw, e_kwh, part, soc_pu):
    scale = InverterScale.for_rating(p_rated_kw, e_kwh)
    once = scale.seen(InverterState(part * p_rated_kw, soc_pu, p_rated_kw, e_kwh))
    assert scale.seen(once) == once
    assert abs(once.p_kw - part * p_rated_kw) <= 10**scale.w_power / 2e3 * (1 + 1e-9)
    assert abs(once.soc_pu - soc_pu) <= 0.5e-4 * (1 + 1e-9)


@given(st.integers(-INT16_MAX, INT16_MAX), st.integers(-6, 6))
def test_an_integer_survives_the_way_to_a_value_and_back(raw, power):
    assert to_raw(from_raw(raw, power), power, INT16_MAX, -INT16_MAX) == raw


def test_a_rating_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="inf is no rating"):
        InverterScale.for_rating(float("inf"), 10.0)
