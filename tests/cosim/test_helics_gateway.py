"""Outside HELICS federates, unmodified from the wheel, join a scenario exactly in value and time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cosim.run import DONE, FAILED, RunOptions, run
from cosim.scenario.build import load
from gridmodel.errors import MissingExtraError, ScenarioError
from tests.conftest import ROOT

pytest.importorskip("helics")

PLAYER = """\
#second topic type value
0.5 pv/power double 1500.0
1.25 pv/power double 2500.0
3 pv/power double -500.5
7.000001 pv/power double 0.1
"""
SCENARIO = """\
feedertwin: 1
name: outside
duration_h: 0.0028
stall_timeout_s: 8
federates:
  world:
    model: helics
    outside_count: 2
    start:
      - [helics_player, player.txt, --name, player, --coretype, zmq,
         --broker, 127.0.0.1, --brokerport, "{port}", --stop, 10s]
      - [helics_recorder, recorder.txt, --name, recorder, --coretype, zmq,
         --broker, 127.0.0.1, --brokerport, "{port}", --stop, 10s, --output, recorded.txt]
    subscriptions: {p_kw: {key: pv/power, scale: SCALE}}
    publications: {load_kw: {key: street/load, scale: -0.5}}
  load: {model: scripted, period_s: 2, outputs: {p_kw: {values: [-1, -2, -3.5, -4, -5.25]}}}
  sink: {model: scripted, period_s: 1, inputs: {p_kw: {}}, outputs: {y_kw: {}}}
links:
  - load.p_kw -> world.load_kw
  - world.p_kw -> sink.p_kw
"""


def scenario(tmp_path: Path, scale: float = 1.0, old: str = "", new: str = ""):
    (tmp_path / "player.txt").write_text(PLAYER)
    (tmp_path / "recorder.txt").write_text("tag street/load\n")
    text = SCENARIO.replace("SCALE", str(scale))
    assert old in text
    (tmp_path / "s.yaml").write_text(text.replace(old, new) if old else text)
    return load(tmp_path / "s.yaml")


def children() -> set[str]:
    found: set[str] = set()
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found |= set(path.read_text().split())
    return found


@pytest.mark.parametrize("scale", [1.0, -0.001])
def test_what_a_player_plays_arrives_exactly_in_value_and_time(tmp_path, scale):
    result = run(scenario(tmp_path, scale), RunOptions(tmp_path / "runs"))
    assert result.code == DONE, result.reason
    rows = pq.read_table(result.folder / "signals" / "world.parquet").to_pylist()
    played = [(500_000, 1500.0), (1_250_000, 2500.0), (3_000_000, -500.5), (7_000_001, 0.1)]
    assert [(row["t_us"], row["p_kw"]) for row in rows] == [(t, v * scale) for t, v in played]


def test_what_we_publish_a_recorder_records_exactly_in_value_and_time(tmp_path):
    result = run(scenario(tmp_path), RunOptions(tmp_path / "runs"))
    assert result.code == DONE, result.reason
    lines = (tmp_path / "recorded.txt").read_text().splitlines()[1:]
    found = [(float(line.split()[0]), float(line.split()[-1].strip('"'))) for line in lines]
    # HELICS writes what is said at the start as said a nanosecond later.
    assert found == [(1e-9, 2.0), (2.0, 4.0), (4.0, 7.0), (6.0, 8.0), (8.0, 10.5)]


def test_an_outside_federate_that_fails_ends_the_run_by_its_name(tmp_path):
    before = children()
    broken = scenario(tmp_path, old="recorder.txt, --name", new="--no-such-option, --name")
    result = run(broken, RunOptions(tmp_path / "runs"))
    assert result.code == FAILED
    assert "'world' at t = 0.000000 s" in result.reason
    assert "helics_recorder ended with code" in result.reason
    assert children() <= before


WRONG = [
    # what is changed, to what, and what is said
    ("pv/power, scale", "pv/powr, scale", "nobody publishes 'pv/powr'. Did you mean 'pv/power'?"),
    ("[helics_player,", "[helics_playr,", "start: there is no command 'helics_playr'"),
    ("outside_count: 2", "outside_count: 3\n    join_within_s: 5",
     "2 of 3 outside federates joined within 5 s (outside_count, join_within_s)"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "text"), WRONG)
def test_a_federation_that_cannot_come_about_ends_the_run_with_the_reason(tmp_path, old, new, text):
    before = children()
    result = run(scenario(tmp_path, old=old, new=new), RunOptions(tmp_path / "runs"))
    assert result.code == FAILED
    assert "'world' at t = 0.000000 s" in result.reason
    assert text in result.reason
    assert children() <= before


def test_a_value_that_nobody_has_to_publish_keeps_its_first_value(tmp_path):
    old, new = "{key: pv/power, scale: 1.0}", "{key: pv/none, initial: 4.5, optional: true}"
    result = run(scenario(tmp_path, old=old, new=new), RunOptions(tmp_path / "runs"))
    assert result.code == DONE, result.reason
    assert pq.read_table(result.folder / "signals" / "world.parquet").num_rows == 0
    sink = pq.read_table(result.folder / "signals" / "sink.parquet")
    assert sink.num_rows == 11


def test_a_run_that_ends_itself_for_a_stall_leaves_no_outside_process(tmp_path):
    """HELICS waits in compiled code for one that never joins: the process has to be ended."""
    scenario(tmp_path, old="outside_count: 2", new="outside_count: 3")
    text = (tmp_path / "s.yaml").read_text()
    (tmp_path / "s.yaml").write_text(text.replace("stall_timeout_s: 8", "stall_timeout_s: 2"))
    words = [sys.executable, "-m", "cosim", "run", str(tmp_path / "s.yaml"), "--quiet"]
    ended = subprocess.run(  # its pipe stays open as long as a process of its lives
        words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == FAILED, ended.stderr
    assert "'world' at t = 0.000000 s: its step did not end within 2 s" in ended.stderr


def test_a_broker_that_is_no_address_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="broker: 'localhost' is no host:port"):
        scenario(tmp_path, old="outside_count: 2", new="outside_count: 2\n    broker: localhost")


def test_without_helics_the_part_that_needs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "helics", None)
    with pytest.raises(MissingExtraError, match=r"'world' \(model helics\) needs an extra: pip"):
        scenario(tmp_path)


def test_outside_federates_cannot_be_saved(tmp_path):
    result = run(scenario(tmp_path), RunOptions(tmp_path / "runs", snapshot_every_us=1_000_000))
    assert result.code == FAILED
    assert "--snapshot-every" in result.reason


def test_a_run_longer_than_helics_is_exact_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="days are more than HELICS keeps exact"):
        scenario(tmp_path, old="duration_h: 0.0028", new="duration_h: 2.0e6")
