"""``feedertwin inverter sets``: values a person can read, clauses of the right document."""

from __future__ import annotations

import pytest

from cosim.cli.inverter_sets import readable, told_clause
from simulators.inverters.standard.rule_sets import names, rule_set
from tests.cosim.test_cli import cli


def shown(name: str) -> dict[str, str]:
    values = rule_set(name).rules.model_dump(mode="json")
    return {key: readable(key, values) for key in rule_set(name).clauses}


@pytest.mark.parametrize("name", names())
def test_no_value_is_shown_as_the_number_that_stands_for_none(name):
    for key, text in shown(name).items():
        words = text.split(", ")
        assert not {"1e+09", "1000000000.0"} & set(words), key
        assert not ("-1" in words and key.endswith("v_pu")), key


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("trip.over_v_pu", "1.15, none"),
        ("trip.over_v_s", "0.1, -"),  # nothing to clear
        ("trip.under_v_pu", "0.8, none, none"),
        ("trip.under_v_s", "0.1, -, -"),
        ("trip.under_hz", "2.5, none"),
        ("trip.under_hz_s", "0.1, -"),
        ("ride_through.momentary_under_v_pu", "none"),
        ("frequency_droop.under_start_hz", "none"),
        ("frequency_droop.enabled", "yes"),
        ("reactive.watt_var.q_pu", "0, 0, -0.436"),
        ("trip.mean_s", "600"),
        ("reactive.mode", "watt_var"),
    ],
)
def test_a_threshold_that_is_never_passed_is_none_and_has_no_clearing_time(key, text):
    assert shown("vde_ar_n_4105_2011")[key] == text


def test_a_rate_without_a_bound_is_unlimited_and_a_full_absorption_is_a_number():
    assert readable("rates.rise_percent_per_min", {"rates": {"rise_percent_per_min": 1e9}}) == (
        "unlimited"
    )
    assert readable("constant_q.q_pu", {"constant_q": {"q_pu": -1.0}}) == "-1"


def test_a_clause_of_another_document_says_so_and_one_of_its_own_does_not():
    mixed, own = rule_set("ul_1741_sa_rule_21"), rule_set("ieee_1547_2018_a_i")
    assert told_clause(mixed, "ride_through.cease_s") == "IEEE 1547-2018, 6.4.2, tables 14 and 15"
    assert told_clause(mixed, "trip.under_hz").startswith("Rule 21")
    assert told_clause(own, "trip.under_v_pu") == "6.4.1, table 12"


def test_the_command_shows_where_a_set_is_from_and_how_none_is_written():
    said = " ".join(cli("inverter", "sets", "vde_ar_n_4105_2018").stdout.split())
    assert "all of it from memory of the rule and not compared with a copy" in said
    assert "2011" not in said
    assert "1.25, none" in said
    assert "none and unlimited: 1e9 in a file" in said


def test_the_scenario_and_the_set_of_one_code_bear_one_name():
    warned = cli("validate", "street_island/grid_code_pv").stderr
    assert "vde_ar_n_4105_2011" in " ".join(warned.split())
    assert "VDE-AR-N 4105:2011-08" in cli("inverter", "sets", "vde_ar_n_4105_2011").stdout
