"""A run: how it ends, what it leaves, what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cosim import run_folder, snapshots
from cosim.run import (
    DONE,
    FELL_SHORT,
    INTERRUPTED,
    RunOptions,
    run,
)
from gridmodel.errors import MissingExtraError, RunError
from gridmodel.federate import Inputs, Kpi, Signal
from tests.conftest import ROOT, STREET
from tests.cosim.parts import Part, counter, watcher
from tests.cosim.scenarios import scenario

S = 1_000_000


def parts():
    return {"source": counter(S), "sink": watcher(S)}


LINK = "source.n_kw -> sink.x_kw"


class Scored(Part):
    """A part with a key figure: how often it stepped."""

    def kpis(self):
        return (Kpi("step_count", self.memory.get("n", 0), "steps"),)


def scored() -> Scored:
    part = counter(S)
    return Scored(part._behaviour, part.inputs, part.outputs, period_us=S)


def test_a_run_leaves_signals_report_graph_and_what_it_was(tmp_path: Path):
    result = run(scenario(parts(), LINK, hours=0.01, seed=7), RunOptions(tmp_path))
    assert (result.code, result.reason, result.t_us) == (DONE, "done", 36 * S)
    left = sorted(path.name for path in result.folder.iterdir())
    assert left == ["graph.svg", "messages.parquet", "report.html", "run.json", "signals"]
    about = run_folder.read_run(result.folder)
    assert (about["seed"], about["exit"], about["status"]) == (7, 0, "done")
    assert about["instants"] == 36
    assert about["resolved"]["seed"] == 7
    table = pq.read_table(result.folder / "signals" / "source.parquet")
    assert table["n_kw"].to_pylist() == [float(k) for k in range(1, 37)]
    assert table.schema.field("n_kw").metadata[b"unit"] == b"kW"


@pytest.mark.parametrize(
    ("bound", "code"),
    [
        ({"min": 36}, DONE),
        ({"max": 36}, DONE),
        ({"min": 36.5}, FELL_SHORT),
        ({"max": 35}, FELL_SHORT),
        ({"min": 0, "max": 35}, FELL_SHORT),
    ],
)
def test_an_expectation_that_falls_short_is_exit_code_1(tmp_path, bound, code):
    judged = scenario({"source": scored()}, hours=0.01, expect={"source.step_count": bound})
    result = run(judged, RunOptions(tmp_path))
    assert result.code == code
    assert [s.name for s in result.shortfalls] == ["source.step_count"] * (code == FELL_SHORT)
    page = (result.folder / "report.html").read_text()
    assert ("fell short" in page) == (code == FELL_SHORT)


def test_two_runs_that_start_in_one_second_get_two_folders(tmp_path):
    first = run(scenario(parts(), LINK, hours=0.001), RunOptions(tmp_path))
    second = run(scenario(parts(), LINK, hours=0.001), RunOptions(tmp_path))
    assert first.folder != second.folder
    assert len(list(run_folder.runs(tmp_path))) == 2
    assert run_folder.find(tmp_path, second.folder.name) == second.folder


def test_a_run_that_does_not_exist_is_named_with_what_does(tmp_path):
    folder = run(scenario(parts(), LINK, hours=0.001), RunOptions(tmp_path)).folder
    with pytest.raises(RunError, match=f"Did you mean '{folder.name}'"):
        run_folder.find(tmp_path, folder.name[:-1] + "X")
    with pytest.raises(RunError, match="no run in"):
        run_folder.find(tmp_path / "empty", "last")


def test_an_interrupt_ends_at_a_border_with_a_report(tmp_path):
    def pressed(part: Part, t_us: int, inputs: Inputs):
        if t_us == 60 * S:
            os.kill(os.getpid(), signal.SIGINT)
        return {"n_kw": 1.0}, t_us + S

    source = Part(pressed, outputs=[Signal("n_kw")], period_us=S)
    result = run(scenario({"source": source, "sink": watcher(S)}, LINK), RunOptions(tmp_path))
    assert result.code == INTERRUPTED
    assert 60 * S < result.t_us <= 61 * S
    rows = pq.read_table(result.folder / "signals" / "source.parquet").num_rows
    assert rows == result.t_us // S  # all of the instants before the border, none after
    assert "interrupted" in (result.folder / "report.html").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_on_a_signal_with_code_130_and_a_report(tmp_path, number):
    command = [sys.executable, "-m", "cosim", "run", str(STREET / "scenario.yaml")]
    process = subprocess.Popen(
        [*command, "--quiet", "--out", str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and not list(tmp_path.glob("*/live/*.arrow")):
        time.sleep(0.1)
    time.sleep(1.0)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert "interrupted at t =" in said
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "run.json").read_text())["exit"] == INTERRUPTED
    assert (folder / "report.html").exists()
    assert not (folder / "live").exists()


def test_a_resumed_run_has_the_bytes_of_the_whole(tmp_path):
    whole = run(scenario(parts(), LINK, hours=0.1), RunOptions(tmp_path / "a"))
    options = RunOptions(tmp_path / "b", until_us=200 * S, snapshot_every_us=60 * S)
    cut = run(scenario(parts(), LINK, hours=0.1), options)
    assert snapshots.instants(cut.folder) == [60 * S, 120 * S, 180 * S]
    at = snapshots.newest_at(cut.folder, 130 * S)
    assert at == 120 * S
    resumed = run(
        scenario(parts(), LINK, hours=0.1), RunOptions(tmp_path / "c"), None, (cut.folder, at)
    )
    assert resumed.start_us == 120 * S
    for name in ("signals/source.parquet", "messages.parquet"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_run_without_a_snapshot_cannot_be_resumed_and_says_how(tmp_path):
    folder = run(scenario(parts(), LINK, hours=0.01), RunOptions(tmp_path)).folder
    with pytest.raises(RunError, match="--snapshot-every"):
        snapshots.newest_at(folder, None)


def test_what_is_not_recorded_is_not_there_and_what_is_rarer_is_rarer(tmp_path):
    record = {"skip": ["sink"], "every_s": {"source": 10}}
    result = run(scenario(parts(), LINK, hours=0.01, record=record), RunOptions(tmp_path))
    assert [p.name for p in (result.folder / "signals").iterdir()] == ["source.parquet"]
    table = pq.read_table(result.folder / "signals" / "source.parquet")
    assert table["t_us"].to_pylist() == [0, 10 * S, 20 * S, 30 * S]


def test_a_run_whose_engine_is_not_installed_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "helics", None)  # as if it were not there
    begun = scenario(parts(), LINK, deploy={"partitions": {"all": ["source", "sink"]}})
    with pytest.raises(MissingExtraError, match=r"feedertwin\[helics\]"):
        run(begun, RunOptions(tmp_path, engine="helics"))
    assert list(tmp_path.iterdir()) == []
