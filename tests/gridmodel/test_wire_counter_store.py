"""No power cut, torn write or spoiled copy makes a sender use a number twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gridmodel.errors import FrameError, RecordError
from gridmodel.wire.counter_store import STEP, CounterStore, RealDisk
from gridmodel.wire.frames import FrameKind
from gridmodel.wire.seal import Sealer
from tests.conftest import ROOT

FOLDER = Path("state")
PATH, COPY = FOLDER / "counter", FOLDER / "counter.copy"


class PowerCut(BaseException):
    """The machine is dead."""


class Flash:
    """A disk that loses what was not synchronised when the power goes.

    ``now`` is what a program sees, ``safe`` what a power cut leaves for certain; names
    that changed since the folder was synchronised come out as either.
    """

    def __init__(self) -> None:
        self.now: dict[Path, bytes] = {}
        self.safe: dict[Path, bytes] = {}
        self.cut_after: int | None = None
        self.broken = False

    def _step(self) -> None:
        if self.broken:
            raise OSError("no space left on device")
        if self.cut_after is not None:
            if self.cut_after == 0:
                raise PowerCut
            self.cut_after -= 1

    def read(self, path: Path) -> bytes:
        if path not in self.now:
            raise FileNotFoundError(path)
        return self.now[path]

    def write(self, path: Path, data: bytes) -> None:
        self.now[path] = data[: len(data) // 2]  # a cut now leaves it torn
        self._step()
        self.now[path] = data
        self._step()
        self.safe[path] = data

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        self.now[new] = self.now.pop(old)
        self._step()

    def synchronise(self, folder: Path) -> None:
        self._step()
        self.safe = dict(self.now)
        self._step()

    def lose_power(self, luck: random.Random) -> None:
        """Keep of each changed name one state or the other, or rubbish of a torn file."""
        after = {}
        for path in sorted(self.now.keys() | self.safe.keys()):
            states = [disk.get(path) for disk in (self.now, self.safe)]
            kept = luck.choice(states)
            if kept is not None:
                after[path] = kept
        self.now, self.safe, self.cut_after = after, dict(after), None


def spoil(data: bytes, how: int) -> bytes | None:
    """Return a copy as a bad sector leaves it."""
    ways = [None, b"", data[:-1], bytes(len(data)), data + b"\0"]
    if how < len(ways):
        return ways[how]
    at = how % len(data)
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def test_numbers_go_up_by_one_while_the_power_stays_and_256_cost_one_write():
    flash = Flash()
    store = CounterStore.create(PATH, flash)
    writes = []
    flash_write = flash.write
    flash.write = lambda path, data: (writes.append(path), flash_write(path, data))
    assert [store.take() for _ in range(3 * STEP)] == list(range(1, 3 * STEP + 1))
    assert len(writes) == 3 * 2
    assert STEP == 256


def test_a_boot_goes_on_beyond_everything_that_may_have_been_used():
    flash = Flash()
    store = CounterStore.create(PATH, flash)
    used = [store.take() for _ in range(STEP + 1)]
    assert CounterStore(PATH, flash).take() == 2 * STEP + 1 > max(used)


@pytest.mark.parametrize("cut_after", range(20))
@pytest.mark.parametrize("seed", range(8))
def test_a_power_cut_at_any_step_of_a_write_repeats_no_number(cut_after, seed):
    flash, luck = Flash(), random.Random(seed)
    used = 0
    store = CounterStore.create(PATH, flash)
    for _ in range(3):
        flash.cut_after = cut_after
        try:
            for _ in range(STEP + 2):
                number = store.take()
                assert number > used
                used = number
        except PowerCut:
            pass
        flash.lose_power(luck)
        store = CounterStore(PATH, flash)
    assert store.take() > used


@pytest.mark.parametrize("copy", [PATH, COPY])
@pytest.mark.parametrize("how", range(17))
def test_one_spoiled_copy_is_outweighed_by_the_other(copy, how):
    flash = Flash()
    store = CounterStore.create(PATH, flash)
    used = max(store.take() for _ in range(3 * STEP + 7))
    left = spoil(flash.now.pop(copy), how)
    if left is not None:
        flash.now[copy] = left
    store = CounterStore(PATH, flash)
    assert store.take() == 4 * STEP + 1 > used
    assert flash.now[PATH] == flash.now[COPY]


@pytest.mark.parametrize("copy", [PATH, COPY])
def test_a_copy_that_a_lying_disk_brought_back_from_the_past_is_outweighed(copy):
    flash = Flash()
    store = CounterStore.create(PATH, flash)
    store.take()
    old = flash.now[copy]
    used = max(store.take() for _ in range(3 * STEP))
    flash.now[copy] = old
    assert CounterStore(PATH, flash).take() > used


def test_a_counter_of_which_nothing_is_left_is_not_begun_anew():
    flash = Flash()
    with pytest.raises(FrameError, match="new keys or a new epoch"):
        CounterStore(PATH, flash)
    CounterStore.create(PATH, flash)
    flash.now[PATH] = flash.now[COPY] = b"rubbish"
    with pytest.raises(FrameError, match="neither this counter nor its copy"):
        CounterStore(PATH, flash)


@pytest.mark.parametrize("left", [PATH, COPY])
def test_a_counter_that_exists_is_not_made_again(left):
    flash = Flash()
    CounterStore.create(PATH, flash).take()
    flash.now = {left: flash.now[left]}
    with pytest.raises(RecordError, match="would repeat numbers"):
        CounterStore.create(PATH, flash)


def test_a_full_disk_stops_the_sender_before_a_number_is_used_and_not_for_ever():
    flash = Flash()
    store = CounterStore.create(PATH, flash)
    for _ in range(STEP):
        store.take()
    flash.broken = True
    for _ in range(3):
        with pytest.raises(RecordError, match="no space left"):
            store.take()
    flash.broken = False
    assert store.take() == STEP + 1


def test_a_sealer_takes_its_numbers_from_the_store():
    flash = Flash()
    CounterStore.create(PATH, flash)
    values = {"allowed_mask": 7, "valid_s": 60, "reason": 0}
    frames = []
    for _ in range(3):  # boots
        sealer = Sealer(1, bytes(16), source=CounterStore(PATH, flash))
        frames += [sealer.seal(FrameKind.ORDER, 2, values) for _ in range(2)]
    assert [frame[3:5].hex() for frame in frames] == ["0001", "0002", "0101", "0102", "0201", "0202"]  # fmt: skip


class Life(RuleBasedStateMachine):
    """A node's life: frames, power cuts at any step, bad sectors, full disks."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.flash, self.luck = Flash(), random.Random(seed)
        self.store = CounterStore.create(PATH, self.flash)
        self.used, self.dead = 0, False

    @rule(count=st.integers(1, 600))
    def send(self, count: int) -> None:
        try:
            for _ in range(count):
                number = self.store.take()
                assert number > self.used, "a number was used twice"
                self.used = number
        except PowerCut:
            self._boot()
        except RecordError:
            assert self.flash.broken

    @rule(steps=st.integers(0, 20))
    def power_will_go(self, steps: int) -> None:
        self.flash.cut_after = steps

    @rule()
    def power_goes(self) -> None:
        self._boot()

    @rule()
    def disk_is_full_or_not(self) -> None:
        self.flash.broken = not self.flash.broken

    @rule(copy=st.sampled_from([PATH, COPY]), how=st.integers(0, 16))
    def a_sector_goes_bad_and_the_node_boots(self, copy: Path, how: int) -> None:
        """Spoil one of two good copies: a second fault before the next write is beyond it."""
        self.flash.broken = False
        self.flash.cut_after = None
        for _ in range(STEP + 1):  # both copies are good again after a write
            self.used = self.store.take()
        left = spoil(self.flash.now.pop(copy), how)
        if left is not None:
            self.flash.now[copy] = left
        self.flash.safe = dict(self.flash.now)
        self.store = CounterStore(PATH, self.flash)
        for _ in range(STEP + 1):
            number = self.store.take()
            assert number > self.used, "a number was used twice"
            self.used = number

    def _boot(self) -> None:
        self.flash.lose_power(self.luck)
        self.store = CounterStore(PATH, self.flash)

    @invariant()
    def a_boot_now_would_repeat_nothing(self) -> None:
        if hasattr(self, "flash"):
            assert CounterStore(PATH, self.flash)._last >= self.used


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@given(data=st.binary(max_size=14), other=st.binary(max_size=14))
def test_any_rubbish_in_both_files_is_refused_and_not_believed(data, other):
    flash = Flash()
    flash.now = {PATH: data, COPY: other}
    with pytest.raises(FrameError):
        CounterStore(PATH, flash)


SENDER = """
import sys
from pathlib import Path
from gridmodel.wire.counter_store import CounterStore
store = CounterStore(Path(sys.argv[1]))
while True:
    sys.stdout.buffer.write(b"%d\\n" % store.take())
    sys.stdout.buffer.flush()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
def test_a_process_that_is_killed_with_signal_9_repeats_no_number(tmp_path):
    path = tmp_path / "counter"
    CounterStore.create(path)
    last, luck = 0, random.Random(5)
    for _ in range(6):
        command = [sys.executable, "-c", SENDER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as sender:
            for _ in range(luck.randint(200, 1500)):
                number = int(sender.stdout.readline())
                assert number > last
                last = number
            os.kill(sender.pid, signal.SIGKILL)
            for line in sender.stdout:  # what it said before it heard
                if line.endswith(b"\n"):
                    assert int(line) > last
                    last = int(line)
        assert sender.returncode == -signal.SIGKILL
    assert CounterStore(path).take() > last


def test_two_processes_do_not_share_a_counter(tmp_path):
    path = tmp_path / "counter"
    store = CounterStore.create(path)
    assert store.take() == 1
    command = [sys.executable, "-c", SENDER, str(path)]
    other = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert other.returncode != 0
    assert "another process uses this counter" in other.stderr
    del store
    assert CounterStore(path).take() == STEP + 1


def test_a_counter_that_cannot_be_read_is_not_taken_for_a_fresh_one(tmp_path):
    class Unreadable(RealDisk):
        def read(self, path: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(RecordError, match="would repeat numbers"):
        CounterStore.create(tmp_path / "counter", Unreadable())
