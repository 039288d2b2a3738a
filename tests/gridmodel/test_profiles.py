"""Profiles are cut to the run, step by step, with a neighbour on either side."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import ScenarioError
from gridmodel.ingest.profiles import read_profiles

STEP_S = 900
ROWS = 96
START = datetime(2016, 5, 24, tzinfo=UTC)
START_S = START.timestamp()
META = {"start_utc": START.isoformat(), "step_s": str(STEP_S)}


def write(path, columns, meta=META):
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table.replace_schema_metadata(meta), path)
    return path


@pytest.fixture(scope="session")
def day(tmp_path_factory):
    """A day whose values are the numbers of their steps, and their negatives."""
    rows = np.arange(ROWS, dtype=np.float64)
    path = tmp_path_factory.mktemp("profiles") / "day.parquet"
    return write(path, {"row_pu": rows, "minus_row_pu": -rows})


@pytest.mark.parametrize(
    ("start_s", "duration_s", "rows"),
    [
        # whole steps in the middle: the steps before and after come along
        (4 * STEP_S, 3 * STEP_S, [3, 4, 5, 6, 7]),
        # a run that begins and ends within steps has both of them whole
        (4.5 * STEP_S, STEP_S, [3, 4, 5, 6]),
        # a run shorter than a step
        (4 * STEP_S, 1.0, [3, 4, 5]),
        # at the start of the file the first value is repeated
        (0, STEP_S, [0, 0, 1]),
        # at its end the last value is
        ((ROWS - 1) * STEP_S, STEP_S, [94, 95, 95]),
        # the whole file
        (0, ROWS * STEP_S, [0, *range(ROWS), 95]),
    ],
)
def test_values_are_those_of_the_run_and_of_its_neighbours(day, start_s, duration_s, rows):
    found = read_profiles(day, ["row_pu"], START_S + start_s, duration_s)
    assert found.step_s == STEP_S
    assert found.values["row_pu"].tolist() == rows


@given(start_s=st.integers(0, 80_000), duration_s=st.integers(1, 6_000))
def test_the_value_at_every_instant_is_the_one_whose_step_holds_it(day, start_s, duration_s):
    found = read_profiles(day, ["row_pu"], START_S + start_s, duration_s)
    values = found.values["row_pu"]
    begin_s = start_s - start_s % STEP_S  # of the step that holds the start
    for t_s in (start_s, start_s + duration_s // 2, start_s + duration_s - 1):
        assert values[1 + (t_s - begin_s) // STEP_S] == t_s // STEP_S


def test_a_name_may_be_asked_for_twice_and_several_at_once(day):
    found = read_profiles(day, ["row_pu", "minus_row_pu", "row_pu"], START_S, STEP_S)
    assert set(found.values) == {"row_pu", "minus_row_pu"}
    assert (found.values["row_pu"] == -found.values["minus_row_pu"]).all()


def test_only_what_was_asked_for_is_read(day):
    assert set(read_profiles(day, ["minus_row_pu"], START_S, STEP_S).values) == {"minus_row_pu"}


def test_the_start_of_the_file_may_be_in_any_time_zone(tmp_path):
    meta = {"start_utc": "2016-05-24T02:00:00+02:00", "step_s": str(STEP_S)}
    path = write(tmp_path / "zone.parquet", {"row_pu": np.arange(8.0)}, meta)
    found = read_profiles(path, ["row_pu"], START_S + STEP_S, STEP_S)
    assert found.values["row_pu"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("start_s", "duration_s"),
    [
        (0, ROWS * STEP_S + 1),  # one second too long
        ((ROWS - 1) * STEP_S, 2 * STEP_S),  # ends a step too late
        (-1, STEP_S),  # begins a second too early
        (ROWS * STEP_S, STEP_S),  # begins where the file ends
        (365 * 86_400, STEP_S),  # the wrong year
    ],
)
def test_a_run_that_the_file_does_not_cover_is_refused(day, start_s, duration_s):
    with pytest.raises(ScenarioError, match=r"the profiles cover 24 h from 2016-05-24T00:00:00"):
        read_profiles(day, ["row_pu"], START_S + start_s, duration_s)


def test_all_unknown_names_come_at_once_with_a_hint(day):
    with pytest.raises(ScenarioError) as error:
        read_profiles(day, ["row", "row_pu", "sunshine"], START_S, STEP_S)
    assert [(fault.key, fault.advice) for fault in error.value.faults] == [
        ("row", "Did you mean 'row_pu'?"),
        ("sunshine", "Known are minus_row_pu, row_pu."),
    ]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), None])
def test_a_value_that_is_not_finite_is_refused_with_its_profile(bad, tmp_path):
    path = write(tmp_path / "bad.parquet", {"good_pu": [1.0] * 4, "bad_pu": [1.0, bad, 1.0, 1.0]})
    with pytest.raises(ScenarioError, match=r"bad_pu: holds a value that is not finite"):
        read_profiles(path, ["good_pu", "bad_pu"], START_S, 4 * STEP_S)


def test_a_bad_value_far_from_the_run_does_no_harm(tmp_path):
    path = write(tmp_path / "bad.parquet", {"row_pu": [0.0, 1.0, 2.0, float("nan")]})
    found = read_profiles(path, ["row_pu"], START_S + STEP_S, STEP_S)
    assert found.values["row_pu"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 but not really", b"a,b\n1,2\n"])
def test_a_file_that_is_missing_or_not_parquet_is_named(content, tmp_path):
    path = tmp_path / "profiles.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError, match="cannot be read") as error:
        read_profiles(path, ["row_pu"], START_S, STEP_S)
    assert error.value.faults[0].where == str(path)


@pytest.mark.parametrize(
    "meta",
    [
        None,  # some other program's file
        {"step_s": "900"},  # no start
        {"start_utc": START.isoformat()},  # no step
        {"start_utc": "May", "step_s": "900"},  # a start that is no instant
        {"start_utc": START.isoformat(), "step_s": "0"},  # a step that is none
    ],
)
def test_a_file_that_does_not_say_when_it_begins_and_steps_is_refused(meta, tmp_path):
    path = write(tmp_path / "bare.parquet", {"row_pu": [0.0, 1.0]}, meta)
    with pytest.raises(ScenarioError) as error:
        read_profiles(path, ["row_pu"], START_S, STEP_S)
    assert error.value.faults[0].where == str(path)
