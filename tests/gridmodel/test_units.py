"""A public name ends in its unit, and instants are whole microseconds."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import UnitError
from gridmodel.units import UNITS, microseconds, seconds, unit_of


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("p_kw", "kW"),  # the plain case
        ("households_q_kvar", "kvar"),  # a name of several words
        ("rocof_max_hz_per_s", "Hz/s"),  # the longest ending wins, not "s"
        ("r_ohm_per_km", "ohm/km"),  # nor "km"
        ("droop_percent_per_hz", "%/Hz"),  # nor "hz"
        ("trip_count", ""),  # a count has no unit
        ("kw", "kW"),  # nothing but the ending
    ],
)
def test_a_name_has_the_unit_of_its_longest_known_ending(name, symbol):
    assert unit_of(name) == symbol


@pytest.mark.parametrize("suffix", UNITS)
def test_no_ending_hides_a_longer_one(suffix):
    assert unit_of(f"anything_{suffix}") == UNITS[suffix]


@pytest.mark.parametrize(
    "name",
    [
        "power",  # no unit at all
        "p_KW",  # units are written in lower case
        "pkw",  # the unit must be a word of its own
        "p_kw_total",  # the unit must come last
        "",  # nothing
    ],
)
def test_a_name_without_a_unit_is_refused_with_the_endings_there_are(name):
    with pytest.raises(UnitError, match=rf"'{name}' does not end in a unit; .*kw, kwh"):
        unit_of(name)


@given(t_us=st.integers(-(2**51), 2**51))
def test_an_instant_survives_the_way_to_seconds_and_back(t_us):
    assert microseconds(seconds(t_us)) == t_us


@pytest.mark.parametrize(
    ("t_s", "t_us"),
    [
        (1.5, 1_500_000),  # plain
        (0.1 + 0.2, 300_000),  # 0.30000000000000004 in binary
        (1e-7, 0),  # less than half a step
        (6e-7, 1),  # more than half a step
        (-0.25, -250_000),  # before the start
    ],
)
def test_seconds_become_the_nearest_microsecond(t_s, t_us):
    assert microseconds(t_s) == t_us


@pytest.mark.parametrize("t_s", [nan, inf, -inf])
def test_a_time_that_is_not_finite_is_refused(t_s):
    with pytest.raises(ValueError, match=r"(?i)nan|inf"):
        microseconds(t_s)
