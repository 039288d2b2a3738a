"""Random federations, cut at random, record the bytes of one process, over real HELICS."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cosim import snapshots
from cosim.run import RunOptions
from tests.cosim.engines.random_federations import TICKS, built, scenarios
from tests.cosim.engines.test_same_bytes import H, record_of

pytest.importorskip("helics")

#: Each example starts two or three processes, so there are few of them.
FEW = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def cut(draw: st.DrawFn):
    """A scenario in two or three partitions."""
    data = draw(scenarios(most=8))
    names = sorted(data["federates"])
    count = min(draw(st.integers(2, 3)), len(names))
    places = [f"p{k}" for k in range(count)]
    home = places + [draw(st.sampled_from(places)) for _ in names[count:]]
    home = draw(st.permutations(home))
    data["deploy"] = {
        "partitions": {
            place: [name for name, at in zip(names, home, strict=True) if at == place]
            for place in places
        }
    }
    return data


@pytest.mark.slow
@FEW
@given(data=cut(), snapshot_tick=st.integers(1, TICKS - 1))
def test_random_partitions_record_the_same_bytes_and_go_on_from_a_snapshot(data, snapshot_tick):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = record_of(built(folder, data), RunOptions(folder / "a"))
        every_us = max(round(snapshot_tick * data["duration_h"] * H / TICKS), 1)
        options = RunOptions(folder / "b", engine="helics", snapshot_every_us=every_us)
        assert record_of(built(folder, data), options) == wanted
        begun = next((folder / "b").iterdir())
        for at_us in snapshots.instants(begun)[:1]:
            resumed = RunOptions(folder / "c")
            assert record_of(built(folder, data), resumed, (begun, at_us)) == wanted


@pytest.mark.slow
def test_a_year_of_quarter_hours_reaches_its_end_with_the_same_bytes(tmp_path):
    (tmp_path / "year.yaml").write_text(
        """\
feedertwin: 1
name: year
duration_h: 8784
federates:
  a: {model: scripted, period_s: 900, inputs: {y_kw: {}}, outputs: {x_kw: {shape: [3]}}}
  b: {model: scripted, period_s: 43200, inputs: {x_kw: {shape: [3]}}, outputs: {y_kw: {}}}
links:
  - a.x_kw -> b.x_kw
  - {link: b.y_kw -> a.y_kw, delayed: true}
deploy: {partitions: {left: [a], right: [b]}}
"""
    )
    from cosim.scenario.build import load

    path = tmp_path / "year.yaml"
    wanted = record_of(load(path), RunOptions(tmp_path / "a"))
    assert record_of(load(path), RunOptions(tmp_path / "b", engine="helics")) == wanted
