"""Whatever the engine, the same scenario records the same bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim import snapshots
from cosim.cli.arguments import scenario_path
from cosim.run import DONE, FELL_SHORT, RunOptions, run
from cosim.scenario import bundled
from cosim.scenario.build import Scenario, load
from tests.cosim.engines.random_federations import TICKS, built, scenarios

REFERENCE = "in_process"
ENGINES = ["mosaik"]
H = 3_600_000_000
LONG = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def record(folder: Path) -> dict[str, bytes]:
    """All recorded bytes of a run, by file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def record_of(scenario: Scenario, options: RunOptions, *earlier: Any) -> dict[str, bytes]:
    """The bytes a run records."""
    result = run(scenario, options, None, *earlier)
    assert result.code in (DONE, FELL_SHORT), result.reason
    return record(result.folder)


@pytest.mark.parametrize("engine", ENGINES)
@settings(LONG, max_examples=40)
@given(data=scenarios())
def test_random_federations_record_the_same_bytes(engine, data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = record_of(built(folder, data), RunOptions(folder / "a", engine=REFERENCE))
        assert record_of(built(folder, data), RunOptions(folder / "b", engine=engine)) == wanted


@pytest.mark.parametrize("engine", ENGINES)
@settings(LONG, max_examples=20)
@given(data=scenarios(most=8), cut=st.integers(1, TICKS - 1), there=st.booleans())
def test_a_snapshot_of_one_engine_goes_on_on_another(engine, data, cut, there):
    first, second = (engine, REFERENCE) if there else (REFERENCE, engine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = record_of(built(folder, data), RunOptions(folder / "a", engine=REFERENCE))
        every_us = max(1, round(cut * data["duration_h"] * H / TICKS))
        options = RunOptions(folder / "b", snapshot_every_us=every_us, engine=first)
        begun = run(built(folder, data), options).folder
        for at_us in snapshots.instants(begun)[:2]:
            options = RunOptions(folder / "c", engine=second)
            assert record_of(built(folder, data), options, (begun, at_us)) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "hours"), [("mosaik", 2.0), ("helics", 0.3)])
@pytest.mark.parametrize("name", bundled.names())
def test_every_bundled_scenario_records_the_same_bytes(name, engine, hours, tmp_path):
    # Around the blackout, from a snapshot so that the day before is run once.
    path, begin = scenario_path(name), round(18.6 * H)
    end = begin + round(hours * H)
    if load(path).duration_us < begin:  # it is short: the whole of it
        wanted = record_of(load(path), RunOptions(tmp_path / "a"))
        assert record_of(load(path), RunOptions(tmp_path / "b", engine=engine)) == wanted
        return
    first = RunOptions(tmp_path / "day", until_us=begin + 1, snapshot_every_us=begin)
    day = run(load(path), first).folder
    assert snapshots.instants(day)[-1] == begin
    wanted = record_of(load(path), RunOptions(tmp_path / "a", until_us=end), (day, begin))
    options = RunOptions(tmp_path / "b", until_us=end, engine=engine)
    assert record_of(load(path), options, (day, begin)) == wanted
