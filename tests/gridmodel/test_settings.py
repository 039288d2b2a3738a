"""What a person writes is checked whole, and every fault says what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, nan
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le
from pydantic import Field, ValidationError

from gridmodel.settings import Settings, dotted, faults_of, near, parse


class Cable(Settings):
    name: str
    length_km: Annotated[float, Ge(0.0)] = Field(1.0, description="length between its ends")
    ampacity_a: float = Field(description="continuous current a conductor may carry")


class Street(Settings):
    title: str = ""
    house_count: Annotated[int, Ge(1)] = 1
    soc_pu: Annotated[float, Ge(0.0), Le(1.0)] = 0.5
    earthing: Literal["tn_s", "tn_c", "tt"] = "tn_s"
    shared: bool = False
    share_pu: tuple[float, float, float] = (1.0, 0.0, 0.0)
    feeder: Cable | None = None
    cables: tuple[Cable, ...] = ()
    spares: Mapping[str, Cable] = {}


def faults(data, above=()):
    """Return the faults of a block, found at a place that repeats its path."""
    with pytest.raises(ValidationError) as error:
        parse(Street, data)
    return faults_of(error.value, Street, lambda path: f"file:{dotted(path)}", above)


def only(data):
    found = faults(data)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    "data",
    [
        {},  # every key has a default
        {"soc_pu": 1},  # a whole number where a fraction may stand
        {"share_pu": [0.5, 0.25, 0.25]},  # a YAML list is a tuple
        {"feeder": None},  # what may be left out may be null
        {"cables": [{"name": "a", "ampacity_a": 79.0}]},  # a list of blocks
    ],
)
def test_what_a_person_means_is_taken(data):
    street = parse(Street, data)
    assert Street.model_validate(street.model_dump()) == street


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError, match="frozen"):
        parse(Street, {}).soc_pu = 0.7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "key", "problem", "advice"),
    [
        # a typo, at the top
        ({"soc": 0.5}, "soc", "there is no key 'soc' here.", "Did you mean 'soc_pu'?"),
        # nothing like it: what there is
        ({"zzz": 1}, "zzz", "there is no key 'zzz' here.", "Known are cables, earthing, "),
        # a typo inside a block
        (
            {"feeder": {"name": "a", "ampacity_a": 1.0, "lenght_km": 1.0}},
            "feeder.lenght_km", "there is no key 'lenght_km' here.", "Did you mean 'length_km'?",
        ),
        # a typo inside the second block of a list
        (
            {"cables": [
                {"name": "a", "ampacity_a": 1.0},
                {"name": "b", "ampacity_a": 1.0, "lenght_km": 1.0},
            ]},
            "cables[1].lenght_km", "there is no key 'lenght_km' here.", "Did you mean 'length_km'?",
        ),
        # a typo inside a block that has a name of its own
        (
            {"spares": {"red": {"name": "a", "ampacity_a": 1.0, "lenght_km": 1.0}}},
            "spares.red.lenght_km", "there is no key 'lenght_km' here.",
            "Did you mean 'length_km'?",
        ),
        # a key that is missing says what it is
        (
            {"feeder": {"name": "a"}},
            "feeder.ampacity_a", "is missing.",
            "It is the continuous current a conductor may carry.",
        ),
        # likewise in a list
        (
            {"cables": [{"name": "a"}]},
            "cables[0].ampacity_a", "is missing.",
            "It is the continuous current a conductor may carry.",
        ),
        # a missing key without a description
        ({"feeder": {"ampacity_a": 1.0}}, "feeder.name", "is missing.", ""),
        # a tuple too short
        ({"share_pu": [0.5, 0.5]}, "share_pu[2]", "is missing.", ""),
        # not a number
        ({"soc_pu": nan}, "soc_pu", "NaN was given.", "Allowed is a finite number."),
        ({"soc_pu": inf}, "soc_pu", "Infinity was given.", "Allowed is a finite number."),
        ({"share_pu": [1.0, -inf, 0.0]}, "share_pu[1]", "-Infinity was given.",
         "Allowed is a finite number."),
        # wrong types
        ({"soc_pu": "0.5"}, "soc_pu", '"0.5" was given.', "Allowed is a valid number."),
        ({"soc_pu": True}, "soc_pu", "true was given.", "Allowed is a valid number."),
        ({"soc_pu": None}, "soc_pu", "null was given.", "Allowed is a valid number."),
        ({"house_count": 1.5}, "house_count", "1.5 was given.", "Allowed is a valid integer."),
        ({"house_count": True}, "house_count", "true was given.", "Allowed is a valid integer."),
        ({"title": 7}, "title", "7 was given.", "Allowed is a valid string."),
        ({"shared": "yes"}, "shared", '"yes" was given.', "Allowed is a valid boolean."),
        ({"shared": 1}, "shared", "1 was given.", "Allowed is a valid boolean."),
        ({"cables": {"name": "a"}}, "cables", '{"name": "a"} was given.', "Allowed is a valid "),
        ({"feeder": [1]}, "feeder", "[1] was given.", "Allowed is an object."),
        # out of range, at both ends
        ({"soc_pu": -0.1}, "soc_pu", "-0.1 was given.", "Allowed is greater than or equal to 0."),
        ({"soc_pu": 1.1}, "soc_pu", "1.1 was given.", "Allowed is less than or equal to 1."),
        ({"house_count": 0}, "house_count", "0 was given.",
         "Allowed is greater than or equal to 1."),
        # a choice that is not one, near and far
        ({"earthing": "tn-s"}, "earthing", '"tn-s" was given.',
         "Allowed is 'tn_s', 'tn_c' or 'tt'. Did you mean 'tn_s'?"),
        ({"earthing": "none"}, "earthing", '"none" was given.',
         "Allowed is 'tn_s', 'tn_c' or 'tt'."),
        ({"earthing": 3}, "earthing", "3 was given.", "Allowed is 'tn_s', 'tn_c' or 'tt'."),
        # not a block at all
        ([1], "", "[1] was given.", "Allowed is an object."),
        (None, "", "null was given.", "Allowed is an object."),
        # a long value is cut
        ({"house_count": "x" * 100}, "house_count", '"' + "x" * 56 + "... was given.",
         "Allowed is a valid integer."),
    ],
)  # fmt: skip
def test_a_fault_names_place_key_value_and_what_is_allowed(data, key, problem, advice):
    fault = only(data)
    assert (fault.where, fault.key, fault.problem) == (f"file:{key}", key, problem)
    assert fault.advice.startswith(advice) if advice.endswith(" ") else fault.advice == advice


def test_all_faults_come_at_once():
    data = {
        "soc_pu": 2,
        "tilte": "x",
        "feeder": {"name": 3, "length_km": nan},
        "cables": [{"name": "a", "ampacity_a": 1}, {"name": "b", "ampacity_a": "1"}],
    }
    assert {fault.key for fault in faults(data)} == {
        "soc_pu",
        "tilte",
        "feeder.name",
        "feeder.length_km",
        "feeder.ampacity_a",
        "cables[1].ampacity_a",
    }


def test_a_block_that_stands_deeper_in_a_document_says_so():
    (fault,) = faults({"cables": [{"name": "a"}]}, above=("federates", "street", 2))
    assert fault.key == "federates.street[2].cables[0].ampacity_a"
    assert fault.where == f"file:{fault.key}"


@pytest.mark.parametrize(
    ("given", "known", "text"),
    [
        ("batery", ["battery", "island"], "Did you mean 'battery'?"),  # a typo
        ("pv", ["grid", "battery"], "Known are battery, grid."),  # sorted
        ("pv", [], ""),  # nothing to offer
        # a port of a known part: that part's ports only
        ("island.temperature_c", ["island.f_hz", "grid.f_hz"], "Known are island.f_hz."),
        # many: the first fifteen
        ("pv", [f"q{k:02}" for k in range(16)],
         "Known are " + ", ".join(f"q{k:02}" for k in range(15)) + ", ...."),
        # just so many: all
        ("pv", [f"q{k:02}" for k in range(15)],
         "Known are " + ", ".join(f"q{k:02}" for k in range(15)) + "."),
    ],
)  # fmt: skip
def test_a_name_that_is_not_known_is_answered_with_the_nearest_or_with_all(given, known, text):
    assert near(given, known) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),  # the document itself
        (("federates", "lora", "modem"), "federates.lora.modem"),
        (("events", 2, "t_h"), "events[2].t_h"),
        (("matrix", 1, 0), "matrix[1][0]"),
    ],
)
def test_a_path_is_written_with_dots_and_brackets(path, text):
    assert dotted(path) == text
