"""What a node keeps survives a power cut at any point of a write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.errors import RecordError
from gridmodel.wire.counter_store import RealDisk
from hardware_bridges.storage.file import FileStorage
from hardware_bridges.storage.simulated import SimulatedStorage


class PowerCutError(Exception):
    """The lights go out."""


class ShakyDisk:
    """Files in memory; the power goes after so many operations, in the middle of a write."""

    def __init__(self, operations: int, torn: int) -> None:
        self.files: dict[str, bytes] = {}
        self.operations, self.torn = operations, torn

    def _step(self) -> bool:
        self.operations -= 1
        return self.operations < 0

    def read(self, path: Path) -> bytes:
        if path.name not in self.files:
            raise FileNotFoundError(path)
        return self.files[path.name]

    def write(self, path: Path, data: bytes) -> None:
        if self._step():
            self.files[path.name] = data[: self.torn]
            raise PowerCutError
        self.files[path.name] = data

    def rename(self, old: Path, new: Path) -> None:
        if self._step():
            raise PowerCutError
        self.files[new.name] = self.files.pop(old.name)

    def synchronise(self, folder: Path) -> None:
        if self._step():
            raise PowerCutError


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=8), st.integers(0, 24), st.data())
def test_after_a_power_cut_there_is_the_newest_or_the_one_before(tmp_path_factory, states, k, data):
    disk = ShakyDisk(k, data.draw(st.integers(0, 40)))
    folder = tmp_path_factory.getbasetemp()
    storage = FileStorage(folder, disk)
    saved: bytes | None = None
    tried: bytes | None = None
    try:
        for state in states:
            tried = state
            storage.save(state)
            saved = state
    except PowerCutError:
        pass
    disk.operations = 1000
    again = FileStorage(folder, disk)
    assert again.load() in (saved, tried)
    again.save(b"on it goes")
    assert FileStorage(folder, disk).load() == b"on it goes"


@given(st.binary(min_size=1, max_size=60), st.integers(0, 1))
def test_a_spoilt_slot_is_outweighed_by_the_other(tmp_path_factory, noise, slot):
    disk = ShakyDisk(1000, 0)
    folder = tmp_path_factory.getbasetemp()
    storage = FileStorage(folder, disk)
    storage.save(b"one")
    storage.save(b"two")
    disk.files[f"kept.{slot}"] = noise
    assert FileStorage(folder, disk).load() == b"two"


def test_a_disk_that_refuses_is_told_and_the_old_state_stays(tmp_path):
    class Full(RealDisk):
        def write(self, path: Path, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    FileStorage(tmp_path).save(b"old")
    with pytest.raises(RecordError, match="No space left"):
        FileStorage(tmp_path, Full()).save(b"new")
    assert FileStorage(tmp_path).load() == b"old"


def test_a_new_node_has_kept_nothing(tmp_path):
    assert FileStorage(tmp_path / "fresh").load() is None


def test_a_process_killed_while_it_saves_leaves_a_state_that_is_whole(tmp_path):
    program = (
        "import sys; from pathlib import Path;"
        "from hardware_bridges.storage.file import FileStorage;"
        "s = FileStorage(Path(sys.argv[1])); n = 0\n"
        "while True:\n n += 1; s.save(n.to_bytes(4, 'big') * 500); print(n, flush=True)"
    )
    for wait_s in (0.05, 0.11, 0.23):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait_s)
        os.kill(process.pid, signal.SIGKILL)
        told = [int(line) for line in process.stdout.read().split(b"\n")[:-1] if line]
        process.stdout.close()
        process.wait()
        found = FileStorage(tmp_path).load()
        assert found is not None
        number = int.from_bytes(found[:4], "big")
        assert found == number.to_bytes(4, "big") * 500
        assert number >= max(told, default=1)  # what it said was saved is


def test_a_simulated_flash_counts_its_writes():
    terminal = Terminal("house", flash=True)
    storage = SimulatedStorage(terminal)
    assert storage.load() is None
    storage.save(b"a")
    storage.save(b"b")
    assert (storage.load(), terminal.write_count) == (b"b", 2)
