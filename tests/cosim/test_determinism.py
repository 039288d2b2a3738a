"""The same scenario and seed give the same bytes, whatever else is going on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cosim.run import RunOptions, run
from cosim.scenario.build import load
from tests.conftest import ROOT, STREET

EVENTS = """events:
  - {t_h: 0.1, target: grid, kind: outage}
  - {t_h: 0.2, target: nodes, kind: crash, node: house_05, for_min: 2}
"""


def window(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """The street's scenario, cut to half an hour with the blackout in it."""
    text = (STREET / "scenario.yaml").read_text()
    head, _, tail = text.partition("events:\n")
    body = head + EVENTS + "report:" + tail.partition("\nreport:")[2]
    for old, new in (
        ("duration_h: 48", "duration_h: 0.5"),
        ("T00:00:00+02:00", "T18:30:00+02:00"),
        ("network.json", str(STREET / "network.json")),
        ("profiles.parquet", str(STREET / "profiles.parquet")),
        *changes,
    ):
        assert old in body, old
        body = body.replace(old, new)
    path = tmp_path / "window.yaml"
    path.write_text(body)
    return path


def record(folder: Path) -> dict[str, bytes]:
    """All recorded bytes of a run, by file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_two_processes_with_different_hash_seeds_record_the_same_bytes(tmp_path):
    path = window(tmp_path)
    records = []
    for number in ("1", "4242"):
        out = tmp_path / number
        command = [sys.executable, "-m", "cosim", "run", str(path), "--quiet", "--out", str(out)]
        environment = {**os.environ, "PYTHONHASHSEED": number}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        (folder,) = out.iterdir()
        records.append(record(folder))
    assert len(records[0]) == 14
    assert records[0] == records[1]


def test_a_federate_that_nobody_reads_changes_no_other_byte(tmp_path):
    plain = run(load(window(tmp_path)), RunOptions(tmp_path / "plain")).folder
    extra = "  onlooker: {model: sky}\n  a_second_grid: {model: public_grid}\n"
    changed = window(tmp_path, ("  # what checks\n", extra))
    more = run(load(changed), RunOptions(tmp_path / "more")).folder
    before, after = record(plain), record(more)
    added = {"signals/onlooker.parquet", "signals/a_second_grid.parquet"}
    assert set(after) - set(before) == added
    assert {name: data for name, data in after.items() if name not in added} == before


def test_another_seed_gives_another_run(tmp_path):
    first = run(load(window(tmp_path)), RunOptions(tmp_path / "a")).folder
    second = run(load(window(tmp_path), ["seed=2"]), RunOptions(tmp_path / "b")).folder
    name = "signals/households.parquet"
    assert (first / name).read_bytes() != (second / name).read_bytes()


def test_a_street_resumed_from_a_snapshot_has_the_bytes_of_the_whole(tmp_path):
    path = window(tmp_path)
    whole = run(load(path), RunOptions(tmp_path / "whole"))
    every = 5 * 60_000_000
    cut = RunOptions(tmp_path / "cut", until_us=4 * every, snapshot_every_us=every)
    begun = run(load(path), cut).folder
    for at in (every, 2 * every, 3 * every):  # before, in and after the blackout
        resumed = run(load(path), RunOptions(tmp_path / "rest"), None, (begun, at))
        assert record(resumed.folder) == record(whole.folder), at
        assert resumed.kpis == whole.kpis
