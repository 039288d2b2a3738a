"""Rule sets: every value with its clause, the published figures, changes that are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from gridmodel.errors import PluginError
from simulators.inverters.standard.rule_sets import adjusted, merged, names, rule_set
from simulators.inverters.standard.rules import OFF, Rules

#: What a set says of itself is no value of the standard.
ABOUT = {"title", "source", "f_nominal_hz"}


def leaves(block: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in block.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


@pytest.mark.parametrize("name", names())
def test_every_value_that_a_set_gives_bears_its_clause(name):
    found = rule_set(name)
    given = set(leaves(found.rules.model_dump(exclude_unset=True)))
    assert given - ABOUT == set(found.clauses)
    assert all(len(clause) >= 3 for clause in found.clauses.values())


@pytest.mark.parametrize("name", names())
def test_a_set_leaves_no_trip_and_no_enter_service_value_to_chance(name):
    clauses = rule_set(name).clauses
    model = Rules.model_fields
    for block in ("trip", "enter_service"):
        fields = set(model[block].annotation.model_fields)  # type: ignore[union-attr]
        given = {key.split(".")[1] for key in clauses if key.startswith(f"{block}.")}
        assert fields - given <= {"rocof_hz_per_s", "mean_v_pu", "mean_s"}


@pytest.mark.parametrize(
    ("name", "over_v", "over_s", "under_v", "under_s"),
    [
        # IEEE 1547-2018, tables 11 to 13
        ("ieee_1547_2018_b_i", (1.1, 1.2), (2.0, 0.16), (0.7, 0.45), (2.0, 0.16)),
        ("ieee_1547_2018_b_ii", (1.1, 1.2), (2.0, 0.16), (0.7, 0.45), (10.0, 0.16)),
        ("ieee_1547_2018_b_iii", (1.1, 1.2), (13.0, 0.16), (0.88, 0.5), (21.0, 2.0)),
    ],
)
@pytest.mark.parametrize("normal", ["a", "b"])
def test_voltage_trips_are_those_of_the_abnormal_category(
    name, over_v, over_s, under_v, under_s, normal
):
    trip = rule_set(name.replace("_b_", f"_{normal}_")).rules.trip
    assert (trip.over_v_pu, trip.over_v_s) == (over_v, over_s)
    assert (trip.under_v_pu[:2], trip.under_v_s[:2]) == (under_v, under_s)


def test_normal_categories_differ_in_reactive_power_alone():
    a, b = (rule_set(f"ieee_1547_2018_{one}_iii").rules for one in "ab")
    assert a.reactive.volt_var.v_pu == (0.9, 1.0, 1.0, 1.1)
    assert a.reactive.volt_var.q_pu == (0.25, 0.0, 0.0, -0.25)
    assert b.reactive.volt_var.v_pu == (0.92, 0.98, 1.02, 1.08)
    assert a.capability.q_absorb_pu == 0.25
    same = {"capability": None, "reactive": None, "title": ""}
    assert a.model_copy(update=same) == b.model_copy(update=same)


@pytest.mark.parametrize(
    ("name", "zero_hz"),
    [
        # facts, 1.9: where the whole slope ends
        ("ieee_1547_2018_b_iii", 60.0 + 3.036),
        ("vde_ar_n_4105_2011", 52.7),
        ("as_nzs_4777_2_2020_a", 52.0),
        ("sma_off_grid", 52.0),
    ],
)
def test_the_slope_of_frequency_droop_ends_where_it_is_published_to_end(name, zero_hz):
    rules = rule_set(name).rules
    end = rules.frequency_droop.over_start_hz + 1 / rules.over_slope_pu_per_hz
    assert rules.f_nominal_hz + end == pytest.approx(zero_hz)


def test_a_set_based_on_another_keeps_its_clauses():
    clauses = rule_set("ieee_1547_2018_a_i").clauses
    assert clauses["trip.under_v_s"].endswith("table 11")
    assert clauses["trip.under_v_pu"].endswith("table 12")
    assert "category A" in clauses["reactive.volt_var.q_pu"]


def test_a_value_taken_over_says_of_which_set_it_is():
    origins = rule_set("ul_1741_sa_rule_21").origins
    assert origins["trip.under_hz"] == "ul_1741_sa_rule_21"
    assert origins["ride_through.cease_s"] == "ieee_1547_2018_b_iii"
    assert origins.keys() == rule_set("ul_1741_sa_rule_21").clauses.keys()


def test_no_value_of_an_edition_bears_a_clause_of_the_one_before():
    old, new = (rule_set(f"vde_ar_n_4105_{year}") for year in (2011, 2018))
    assert set(new.origins.values()) == {"vde_ar_n_4105_2018"}
    assert not [text for text in new.clauses.values() if "2011" in text]
    same = {key for key in new.clauses if new.clauses[key] == old.clauses.get(key)}
    assert {key.partition(".")[0] for key in same} <= {
        "enter_service",
        "frequency_droop",
        "volt_watt",
    }
    assert "from memory" in new.rules.source


def test_a_typo_in_a_sets_name_is_met_with_the_right_one():
    with pytest.raises(PluginError, match="Did you mean 'vde_ar_n_4105_2018'"):
        rule_set("vde_ar_n_4105_2008")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"trip": {"over_v": [1.1, 1.2]}}, "over_v"),
        ({"trip": {"over_v_pu": [1.2, 1.1]}}, "nearer"),
        ({"trip": {"under_v_pu": [0.5, 0.8, -1.0]}}, "nearer"),
        ({"reactive": {"volt_var": {"q_pu": [-0.4, 0.0, 0.0, 0.4]}}}, "must not rise"),
        ({"reactive": {"volt_var": {"v_pu": [0.9, 1.1, 1.0, 1.2]}}}, "must not fall"),
        ({"volt_watt": {"v_pu": [1.1, 1.05]}}, "must not fall"),
        ({"capability": {"q_from_p_pu": 0.5}}, "q_full_from_p_pu"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        adjusted(rule_set("ieee_1547_2018_b_iii").rules, changes)


def test_a_change_changes_what_it_names_and_nothing_else():
    rules = rule_set("ieee_1547_2018_b_iii").rules
    changed = adjusted(rules, {"volt_watt": {"enabled": True}})
    assert changed.volt_watt.enabled
    assert adjusted(changed, {"volt_watt": {"enabled": False}}) == rules
    assert rules.trip.rocof_hz_per_s == OFF


def test_blocks_are_laid_over_each_other_and_lists_are_replaced_whole():
    assert merged({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}}) == {
        "a": {"b": 1, "c": [3]}, "d": 1,
    }  # fmt: skip
