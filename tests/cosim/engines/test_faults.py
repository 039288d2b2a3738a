"""The fault matrix: every fault on every engine ends the run soon, by name, with its record.

Each run is a process of its own, as a user starts it. What commits the fault writes down
when; the three seconds are counted from there to the end of the process. A hang becomes
visible when ``stall_timeout_s`` is over.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cosim import run_folder
from cosim.run import DONE, FAILED, INTERRUPTED
from tests.cosim.engines.drills import (
    PATIENCE_S,
    Drill,
    Outcome,
    drill,
    foreign,
    listening,
    quiet_ring,
    ring,
)
from tests.cosim.engines.test_on_helics import assert_same_bytes
from tests.in_time import again_if_late, assert_in_time

pytest.importorskip("helics")
pytest.importorskip("mosaik")
pytestmark = [pytest.mark.slow, again_if_late]

S = 1_000_000
STALL_S = 5.0  # a busy machine starts processes slowly
ENGINES = ["in_process", "mosaik", "helics"]
every_engine = pytest.mark.parametrize("engine", ENGINES)


def times(folder: Path, name: str) -> list[int]:
    found: list[int] = pq.read_table(folder / "signals" / f"{name}.parquet")["t_us"].to_pylist()
    return found


def assert_ended(outcome: Outcome, *, t_s: str = "20.000000", hang_s: float = 0.0) -> None:
    """The run ended in time, by name and instant, whole, and nothing of it is left."""
    assert outcome.code == FAILED, outcome.said
    assert f"federate 'b' at t = {t_s} s" in outcome.said
    assert outcome.left == []
    assert outcome.folder is not None
    assert (outcome.about["exit"], outcome.about["t_us"]) == (FAILED, 20 * S)
    assert "federate 'b'" in str(outcome.about["status"])
    assert not (outcome.folder / "live").exists()
    assert set(times(outcome.folder, "a")) >= {k * S for k in range(20)}  # b is asked at 20 s
    assert (outcome.folder / "report.html").exists()
    assert outcome.after_s is not None
    assert_in_time(outcome.after_s, hang_s=hang_s)


FAULTS = [
    # what it does at 20 s, a word of the text
    ("raise", "ZeroDivisionError: a drill"),
    ("exit", "SystemExit: 3"),
    ("nan", "'y_kw' is nan"),
    ("shape", "declared is one float"),
    ("port", "undeclared ports"),
    ("backwards", "not after"),
    ("numpy_int", "whole number of us"),
]


@every_engine
@pytest.mark.parametrize(("how", "text"), FAULTS)
def test_a_federate_that_fails_ends_the_run(tmp_path, engine, how, text):
    outcome = Drill(tmp_path, ring(drill(how)), engine).outcome()
    assert_ended(outcome)
    assert text in outcome.said
    assert times(outcome.folder, "b")[-1] < 20 * S


@every_engine
@pytest.mark.parametrize("how", ["hang", "spin"])
def test_a_federate_that_loops_for_ever_ends_the_run_after_stall_timeout(tmp_path, engine, how):
    fault = drill(how) if how == "hang" else "deed: {t_s: 20, how: spin}"
    outcome = Drill(tmp_path, ring(fault, stall_s=STALL_S), engine).outcome()
    assert_ended(outcome, hang_s=STALL_S)
    assert "stall_timeout_s" in outcome.said


FOREIGN_FAULTS = [
    # what a simulator in a process of its own does, a word of the text
    ("raise", "ValueError: p_kw is NaN"),
    ("exit", "exit code 3"),
    ("kill", "SIGKILL"),
    ("stop", "stall_timeout_s"),
    ("hang", "stall_timeout_s"),
    ("text", "a number is asked"),
    ("numpy_int", "int64 is not JSON"),
]


@every_engine
@pytest.mark.parametrize(("how", "text"), FOREIGN_FAULTS)
def test_a_simulator_in_a_process_of_its_own_that_fails_ends_the_run(tmp_path, engine, how, text):
    hangs = how in ("stop", "hang")
    outcome = Drill(tmp_path, foreign(how, STALL_S if hangs else 30.0), engine).outcome()
    assert_ended(outcome, hang_s=STALL_S if hangs else 0.0)
    assert text in outcome.said


@pytest.mark.parametrize(("how", "text"), [("kill", "SIGKILL"), ("stop", "is stopped")])
def test_a_partition_that_is_killed_or_stopped_ends_the_run(tmp_path, how, text):
    stall_s = STALL_S if how == "stop" else 30.0
    run = Drill(tmp_path, ring(drill(how), stall_s=stall_s), "helics")
    run.fault_s()
    ports = run.ports()
    assert ports
    outcome = run.outcome()
    assert_ended(outcome, hang_s=STALL_S if how == "stop" else 0.0)
    assert text in outcome.said
    assert not ports & listening()
    assert times(outcome.folder, "b")[-1] < 20 * S


@pytest.mark.parametrize("engine", ["in_process", "mosaik"])
def test_a_run_that_is_killed_in_a_step_can_be_recovered_to_that_step(tmp_path, engine):
    run = Drill(tmp_path, ring(drill("kill")), engine)
    outcome = run.outcome()
    assert (outcome.code, outcome.left) == (-signal.SIGKILL, [])
    assert "rows recovered" in run.recover()
    assert outcome.about["status"] == "killed, recovered"
    assert times(outcome.folder, "a")[-1] in (19_500_000, 20 * S)  # before b in the same instant
    assert times(outcome.folder, "b")[-1] == 19 * S
    assert pq.read_table(outcome.folder / "messages.parquet").num_rows > 30


@every_engine
def test_a_run_whose_own_process_is_killed_leaves_no_process_and_a_record(tmp_path, engine):
    run = Drill(tmp_path, ring(hours=10.0), engine)
    wait_until_it_steps(run)
    ports = run.ports()
    assert bool(ports) == (engine == "helics")
    run.end()
    killed_s = time.monotonic()
    while (run.processes() or ports & listening()) and time.monotonic() < killed_s + PATIENCE_S:
        time.sleep(0.01)
    gone_s = time.monotonic()
    assert run.processes() == []
    assert not ports & listening()
    run.recover()
    assert run.folder is not None
    whole = reference(tmp_path / "whole")
    for name in "ab":
        found = times(run.folder, name)
        assert len(found) > 10
        assert found == times(whole, name)[: len(found)]
    assert_in_time(gone_s - killed_s)


@pytest.mark.parametrize("engine", ["in_process", "mosaik"])
def test_a_run_that_was_stopped_longer_than_stall_timeout_goes_on(tmp_path, engine):
    run = Drill(tmp_path, ring(drill("stop"), hours=0.0056, stall_s=1.0), engine)
    run.fault_s()
    time.sleep(4.0)
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGCONT)
    while run.process.poll() is None:  # its later steps stop it again
        time.sleep(0.02)
        run.process.send_signal(signal.SIGCONT)
    outcome = run.outcome()
    assert outcome.code == DONE, outcome.said
    assert times(outcome.folder, "a")[-1] >= 20 * S


@pytest.mark.parametrize(
    ("engine", "stall_s"), [("in_process", 1.0), ("mosaik", 1.0), ("helics", STALL_S)]
)
def test_a_step_that_waits_for_the_compiler_is_no_stall(tmp_path, engine, stall_s):
    deed = f"deed: {{t_s: 20, how: spin, compile_s: {2.5 * stall_s}}}"
    outcome = Drill(tmp_path, ring(deed, hours=0.0056, stall_s=stall_s), engine).outcome()
    assert outcome.code == DONE, outcome.said
    assert times(outcome.folder, "b")[-1] == 20 * S


@pytest.mark.parametrize("engine", ["in_process", "mosaik"])
def test_a_step_that_keeps_pythons_lock_for_ever_ends_the_process(tmp_path, engine):
    run = Drill(tmp_path, ring("deed: {t_s: 20, how: grip}", stall_s=1.0), engine)
    outcome = run.outcome()  # counted in processor time, so no limit in seconds here
    assert (outcome.code, outcome.left) == (FAILED, [])
    assert "kept Python to itself" in outcome.said
    assert "stamped.py" in (outcome.folder / "stall.txt").read_text()
    run.recover()
    assert times(outcome.folder, "b")[-1] == 19 * S


def test_a_partition_that_keeps_pythons_lock_is_named(tmp_path):
    text = ring("deed: {t_s: 20, how: grip}", stall_s=STALL_S)
    outcome = Drill(tmp_path, text, "helics").outcome()
    assert_ended(outcome, hang_s=STALL_S)
    assert "did not come back" in outcome.said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if shutil.which("mount") is None or os.geteuid() != 0 or subprocess.run(
        command, capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@every_engine
def test_a_disk_that_fills_ends_the_run(tmp_path, small_disk, engine):
    fault = f"deed: {{t_s: 20, how: fill, path: {small_disk / 'ballast'}}}"
    run = Drill(tmp_path, ring(fault, hours=10.0), engine, out=small_disk / "runs")
    outcome = run.outcome()
    assert (outcome.code, outcome.left) == (FAILED, []), outcome.said
    assert "the disk is full, for the record of federate" in outcome.said
    assert outcome.about["exit"] == FAILED
    assert "the disk is full" in outcome.about["status"]
    (small_disk / "ballast").unlink()
    run.recover()
    t_us = outcome.about["t_us"]
    for name in "ab":
        found = times(outcome.folder, name)
        assert found == sorted(set(found))
        assert t_us - found[-1] <= S  # to the failing instant
    sent = pq.read_table(outcome.folder / "messages.parquet")["sent_t_us"].to_pylist()
    assert t_us - sent[-1] <= S
    assert_in_time(outcome.after_s)


@every_engine
def test_a_federate_that_fails_on_a_full_disk_is_still_told(tmp_path, small_disk, engine):
    fault = f"deed: {{t_s: 20, how: fill, path: {small_disk / 'ballast'}}}\n    {drill('raise')}"
    outcome = Drill(tmp_path, ring(fault), engine, out=small_disk / "runs").outcome()
    assert (outcome.code, outcome.left) == (FAILED, [])
    assert "federate 'b' at t = 20.000000 s: ZeroDivisionError" in outcome.said
    assert "ZeroDivisionError" in outcome.about["status"]


def wait_until_it_steps(run: Drill) -> None:
    """Wait until some rows of both parts are in their tails."""
    while run.process.poll() is None:
        folder = run.folder
        tails = [folder / "live" / f"{name}.tail" for name in "ab"] if folder else []
        if tails and all(t.exists() and any(t.read_bytes()[:2000]) for t in tails):
            break
        time.sleep(0.01)
    time.sleep(0.3)


def reference(folder: Path, hours: float = 10.0) -> Path:
    """Return the record of an undisturbed run."""
    folder.mkdir()
    outcome = Drill(folder, ring(hours=hours), "in_process").outcome()
    assert outcome.code == DONE, outcome.said
    assert outcome.folder is not None
    return outcome.folder


@every_engine
def test_an_interrupt_at_any_instant_ends_the_run_whole(tmp_path, engine):
    chance = random.Random(engine)
    late_s = chance.uniform(0.3, 3.0)
    plan = [(0.0, ring), (chance.uniform(0.0, 0.3), ring), (late_s, ring), (late_s, quiet_ring)]
    took_s = 0.0
    for number, (after_s, text) in enumerate(plan):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = Drill(folder, text(hours=100.0), engine)
        while run.folder is None and run.process.poll() is None:
            time.sleep(0.002)
        time.sleep(after_s)
        run.process.send_signal(signal.SIGINT)
        begun_s = time.monotonic()
        outcome = run.outcome()
        took_s = max(took_s, time.monotonic() - begun_s)
        assert (outcome.code, outcome.left) == (INTERRUPTED, []), outcome.said
        t_us = outcome.about["t_us"]
        assert outcome.about["exit"] == INTERRUPTED
        assert f"interrupted at t = {t_us / 1e6:g} s" in outcome.said
        assert not (outcome.folder / "live").exists()
        for name in "ab" if t_us else "":  # or there may be no table yet
            assert times(outcome.folder, name)[-1] < t_us <= times(outcome.folder, name)[-1] + S
    assert_in_time(took_s)


@every_engine
@pytest.mark.parametrize("text", [ring, quiet_ring])
def test_an_interrupt_ends_a_run_that_waits_for_the_clock(tmp_path, engine, text):
    run = Drill(tmp_path, text(hours=100.0), engine, "--real-time", "1000")
    while run.folder is None and run.process.poll() is None:
        time.sleep(0.01)
    time.sleep(3.0)
    run.process.send_signal(signal.SIGINT)
    begun_s = time.monotonic()
    outcome = run.outcome()
    took_s = time.monotonic() - begun_s
    assert (outcome.code, outcome.left) == (INTERRUPTED, []), outcome.said
    assert_in_time(took_s)


@every_engine
def test_two_runs_at_once_do_not_meet_and_one_that_dies_does_not_touch_the_other(tmp_path, engine):
    whole = reference(tmp_path / "whole", 0.05)
    out = tmp_path / "runs"
    runs = []
    for name, text in (("one", ring(hours=0.05)), ("other", ring(hours=0.05)),
                       ("dying", ring(drill("kill"), hours=0.05))):  # fmt: skip
        (tmp_path / name).mkdir()
        runs.append(Drill(tmp_path / name, text, engine, out=out))
    outcomes = [run.outcome() for run in runs]
    died = FAILED if engine == "helics" else -signal.SIGKILL
    assert [outcome.code for outcome in outcomes] == [DONE, DONE, died]
    assert [outcome.left for outcome in outcomes] == [[], [], []]
    folders = list(run_folder.runs(out))
    assert len(folders) == 3
    done = [folder for folder in folders if run_folder.read_run(folder)["exit"] == DONE]
    assert len(done) == 2
    for folder in done:
        assert_same_bytes(whole, folder)


def test_a_federate_that_fails_leaves_what_it_had_in_its_hands(tmp_path):
    for engine in ENGINES:
        (tmp_path / engine).mkdir()
        outcome = Drill(tmp_path / engine, ring(drill("raise")), engine).outcome()
        failure = json.loads((outcome.folder / "failure.json").read_text())
        assert (failure["federate"], failure["t_us"]) == ("b", 20 * S)
        assert set(failure["inputs"]) == {"x_kw"}
