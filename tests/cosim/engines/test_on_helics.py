"""Partitions over HELICS give the bytes of one process, and no fault leaves them hanging."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cosim import run_folder, snapshots
from cosim.engines.helics_border import HelicsBroker, free_port
from cosim.run import DONE, FAILED, INTERRUPTED, RunOptions, run
from cosim.scenario.build import load
from tests.conftest import ROOT
from tests.in_time import again_if_late, assert_in_time

pytest.importorskip("helics")

S = 1_000_000
TWO = """\
feedertwin: 1
name: two
duration_h: 1
stall_timeout_s: 4
federates:
  a:
    model: scripted
    period_s: 1
    inputs: {y_kw: {}}
    outputs: {x_kw: {shape: [3]}}
    hears: [in]
    says: [{port: out, t_s: 5, after_s: 0.5, hops: 3, count: 3}, {port: out, t_s: 7, hops: 2}]
    answers: {in: {port: out}}
  b:
    model: scripted
    period_s: 2
    inputs: {x_kw: {shape: [3]}}
    outputs: {y_kw: {}}
    hears: [in]
    answers: {in: {port: out, after_s: 1}}
    DRILL
  c: {model: scripted, first_s: null, hears: [in], inputs: {y_kw: {}}, outputs: {on: {dtype: bool}}}
links:
  - a.x_kw -> b.x_kw
  - {link: b.y_kw -> a.y_kw, delayed: true}
  - {link: b.y_kw -> c.y_kw, delayed: true}
  - a.out -> b.in
  - {link: b.out -> a.in, delayed: true}
  - b.out -> c.in
deploy: {partitions: {left: [a, c], right: [b]}}
"""


def scenario(tmp_path: Path, drill: str = ""):
    path = tmp_path / "two.yaml"
    path.write_text(TWO.replace("DRILL", f"drill: {{{drill}}}" if drill else ""))
    return load(path)


def go(tmp_path: Path, until_s: float = 60.0, engine: str = "helics", drill: str = "", **options):
    chosen = RunOptions(tmp_path / engine, round(until_s * S), engine=engine, **options)
    return run(scenario(tmp_path, drill), chosen)


def assert_same_bytes(one: Path, other: Path) -> None:
    tables = sorted(path.relative_to(one) for path in one.rglob("*.parquet"))
    assert tables == sorted(path.relative_to(other) for path in other.rglob("*.parquet"))
    for table in tables:
        assert (one / table).read_bytes() == (other / table).read_bytes(), table


def assert_nothing_left(before: set[int]) -> None:
    """No process of ours outlives a run."""
    assert children() <= before


def children() -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found |= {int(n) for n in path.read_text().split()}
    return found


def test_two_partitions_record_the_bytes_of_one_process(tmp_path):
    plain, parted = go(tmp_path, engine="in_process"), go(tmp_path)
    assert (plain.code, parted.code) == (DONE, DONE)
    assert_same_bytes(plain.folder, parted.folder)
    assert {k: v.value for k, v in plain.kpis.items()} == {
        k: v.value for k, v in parted.kpis.items()
    }
    assert list(plain.kpis) == list(parted.kpis)


@pytest.mark.slow
def test_a_snapshot_of_partitions_is_one_of_a_process_and_either_goes_on_on_the_other(tmp_path):
    whole = go(tmp_path, engine="in_process")
    parted = go(tmp_path, 30.0, snapshot_every_us=7 * S)
    assert snapshots.instants(parted.folder) == [7 * S, 14 * S, 21 * S, 28 * S]
    for engine, at_us in (("in_process", 14 * S), ("helics", 7 * S)):
        options = RunOptions(tmp_path / f"on_{engine}", 60 * S, engine=engine)
        resumed = run(scenario(tmp_path), options, resume_from=(parted.folder, at_us))
        assert resumed.code == DONE, resumed.reason
        assert_same_bytes(whole.folder, resumed.folder)


DRILLS = [
    # what it does at 21 s (its next step is at 22 s), and a word of the text
    ("raise", "ZeroDivisionError: a drill"),
    ("exit", "SystemExit: 3"),
    ("nan", "'y_kw' is nan"),
    ("backwards", "not after"),
    ("numpy_int", "whole number of us"),
    ("shape", "declared is one float"),
    ("port", "undeclared ports"),
    ("kill", "SIGKILL"),
]


@pytest.mark.slow
@again_if_late
@pytest.mark.parametrize(("how", "text"), DRILLS)
def test_a_fault_in_a_partition_ends_the_run_with_federate_and_instant(tmp_path, how, text):
    before = children()
    began = time.monotonic()
    result = go(tmp_path, drill=f"t_s: 21, how: {how}")
    took_s = time.monotonic() - began
    assert result.code == FAILED
    assert "'b' at t = 22.000000 s" in result.reason
    assert text in result.reason
    assert run_folder.read_run(result.folder)["exit"] == FAILED
    assert pq.read_table(result.folder / "signals" / "b.parquet")["t_us"][-1].as_py() >= 20 * S
    assert_nothing_left(before)
    assert_in_time(took_s, limit_s=10.0)  # HELICS alone takes 24 s to notice a kill


@pytest.mark.slow
@again_if_late
@pytest.mark.parametrize(("how", "text"), [("hang", "did not come back"), ("stop", "is stopped")])
def test_a_hang_ends_the_run_within_the_stall_timeout(tmp_path, how, text):
    before = children()
    result = go(tmp_path, drill=f"t_s: 21, how: {how}")
    assert result.code == FAILED
    assert "'b' at t = 22.000000 s" in result.reason
    assert text in result.reason
    assert_in_time(result.wall_s, limit_s=6.0, hang_s=4.0)  # with the start of processes
    assert_nothing_left(before)


@pytest.mark.slow
def test_an_interrupt_ends_all_partitions_at_a_border(tmp_path):
    before, over = children(), threading.Event()

    def press() -> None:
        """Interrupt the run some time after both parts have begun to step."""
        tails = [f"helics/*/live/{name}.tail" for name in "ab"]
        while not over.wait(0.02):
            found = [path for tail in tails for path in tmp_path.glob(tail)]
            with contextlib.suppress(OSError):  # the run is over
                if len(found) == 2 and all(any(path.read_bytes()[:2000]) for path in found):
                    over.wait(0.5)
                    os.kill(os.getpid(), signal.SIGINT)
                    return

    # One that comes when the run is over shall not end all tests.
    held = signal.signal(signal.SIGINT, lambda *_: None)
    finger = threading.Thread(target=press)
    finger.start()
    try:
        result = go(tmp_path, 3600.0)
    finally:
        over.set()
        finger.join()
        signal.signal(signal.SIGINT, held)
    assert result.code == INTERRUPTED, result.reason
    last = [
        pq.read_table(result.folder / "signals" / f"{name}.parquet")["t_us"][-1].as_py()
        for name in "ab"
    ]
    assert abs(last[0] - last[1]) <= 2 * S
    assert_nothing_left(before)


@pytest.mark.slow
def test_two_runs_at_once_do_not_meet(tmp_path):
    code = (
        "import sys; from pathlib import Path; from cosim.run import *; "
        "from cosim.scenario.build import load; "
        "r = run(load(Path(sys.argv[1])), RunOptions(Path(sys.argv[2]), 60_000_000, "
        "engine='helics')); print(r.folder); sys.exit(r.code)"
    )
    scenario(tmp_path)
    path = str(tmp_path / "two.yaml")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, path, str(tmp_path / str(k))],
            stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )
        for k in range(2)
    ]  # fmt: skip
    folders = [Path(process.communicate(timeout=60)[0].strip()) for process in runs]
    assert [process.returncode for process in runs] == [DONE, DONE]
    assert_same_bytes(*folders)


def test_a_port_that_is_taken_is_named():
    from cosim.engines.helics_border import HelicsBroker, free_port
    from gridmodel.errors import BorderError

    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(BorderError, match=f"port {port}"):
            HelicsBroker(1, port)


@pytest.mark.slow
def test_partitions_with_different_scenarios_refuse_each_other(tmp_path):
    from cosim.engines.helics_border import HelicsBroker, free_port
    from cosim.engines.partition_process import PartitionJob

    scenario(tmp_path)
    broker = HelicsBroker(2, free_port())
    processes = []
    for name, overrides in (("left", ()), ("right", ("federates.a.period_s=3",))):
        folder = tmp_path / name
        (folder / "parts").mkdir(parents=True)
        job = PartitionJob(
            name, str(tmp_path / "two.yaml"), overrides, broker.address, str(folder), 60 * S
        )
        command = [sys.executable, "-m", "cosim.engines.partition_process", job.to_json()]
        processes.append(subprocess.Popen(command, cwd=ROOT))
    codes = [process.wait(timeout=30) for process in processes]
    broker.close(100)
    assert all(code != DONE for code in codes)
    reports = [(tmp_path / n / "parts" / f"{n}.json").read_text() for n in ("left", "right")]
    assert any("different scenarios or versions" in text for text in reports)


def test_a_host_without_free_ports_ends_the_run_with_the_reason(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr("cosim.engines.helics_border._PORTS", (port, port + 1))
        result = go(tmp_path)
    assert result.code == FAILED
    assert "free ports" in result.reason
    assert "cannot be written" not in result.reason


def test_a_broker_that_python_lets_go_late_takes_no_other_with_it():
    """Two runs of one process may meet the same port, and HELICS the same address in memory."""
    port = free_port()
    first = HelicsBroker(2, port)
    first.close(100)
    second = HelicsBroker(2, port)
    del first
    assert second.connected()
    assert second.joined() == 0
    second.close(100)
    HelicsBroker(2, port).close(100)
