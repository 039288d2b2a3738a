"""Pull the plug: a killed run and a full disk leave a record that can be read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, STREET

RUN = [sys.executable, "-m", "cosim", "run", str(STREET / "scenario.yaml"), "--quiet"]


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cosim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_kill_9_loses_no_row_of_any_federate(tmp_path: Path):
    process = subprocess.Popen([*RUN, "--out", str(tmp_path)], cwd=ROOT)
    folder = None
    end = time.monotonic() + 120
    while time.monotonic() < end:  # until there are some rows of each part
        time.sleep(0.3)
        folder = next(iter(tmp_path.iterdir()), None)
        tails = list((folder / "live").glob("*.tail")) if folder is not None else []
        if tails and all(any(tail.read_bytes()) for tail in tails):
            time.sleep(2.5)
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert folder is not None
    answer = cli("recover", folder.name, "--out", str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert "rows recovered" in answer.stdout
    last = {}
    for path in (folder / "signals").glob("*.parquet"):
        times = pq.read_table(path)["t_us"].to_numpy()
        assert (times[1:] > times[:-1]).all(), path.name
        last[path.stem] = int(times[-1])
    # These step each second and send each time: no two are further apart than one second.
    each_second = [last[name] for name in ("grid", "households", "island", "meter")]
    assert min(each_second) > 60_000_000
    assert max(each_second) - min(each_second) <= 1_000_000
    run = json.loads((folder / "run.json").read_text())
    assert run["status"] == "killed, recovered"
    assert (folder / "report.html").exists()
    assert "nothing to recover" in cli("recover", folder.name, "--out", str(tmp_path)).stdout


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system with room for a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(place)]
    if shutil.which("mount") is None or os.geteuid() != 0 or subprocess.run(
        command, capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_reported_as_such_and_what_was_recorded_stays_readable(small_disk: Path):
    answer = cli("run", str(STREET / "scenario.yaml"), "--quiet", "--out", str(small_disk))
    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert "the disk is full" in answer.stdout + answer.stderr
    folder = next(small_disk.iterdir())
    bigger = small_disk.parent / "bigger"
    shutil.copytree(folder, bigger / folder.name)
    answer = cli("recover", folder.name, "--out", str(bigger))
    assert answer.returncode == 0, answer.stderr
    rows = pq.read_table(bigger / folder.name / "signals" / "island.parquet")["t_us"].to_numpy()
    assert len(rows) > 1000
    assert (rows[1:] > rows[:-1]).all()


def test_a_disk_that_is_full_from_the_start_is_reported_as_such(small_disk: Path):
    (small_disk / "ballast").write_bytes(bytes(13_900_000))
    answer = cli("run", str(STREET / "scenario.yaml"), "--quiet", "--out", str(small_disk))
    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert "the disk is full" in answer.stdout + answer.stderr
