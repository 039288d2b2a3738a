"""A node's frame journal: whole after a kill, bounded, written rarely, and off by default."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.node.assembly import assemble
from cosim.node.config import read_config
from cosim.node.journal import BATCH_BYTES, BATCH_US, FrameJournal, JournaledRadio, older
from gridmodel.errors import RecordError, ScenarioError
from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.record import Event, FrameRecord, from_journal, to_journal
from gridmodel.wire.unsealing import Unsealer
from tests.cosim.node.test_node_config import WHOLE, written

MIB = 1 << 20
SIMULATED = WHOLE.replace("body: emulated, chip: mcp3208", "body: simulated").replace(
    "radio: {body: emulated, chip_select: 1}", "radio: {body: simulated}"
)


class Clock:
    """A clock that a test moves."""

    now_us = 0

    def __call__(self) -> int:
        return self.now_us


def heard(t_us: int, data: bytes = bytes(20)) -> ReceivedFrame:
    return ReceivedFrame(t_us, data, -101.5, 7.25)


def test_it_tells_starts_and_frames_in_their_order_with_the_signal_report(tmp_path):
    path = tmp_path / "deep" / "frames.pb"
    journal = FrameJournal(path, MIB, lambda: 0)
    journal.sent(5, b"out")
    journal.heard(heard(9, b"in"))
    journal.close()
    FrameJournal(path, MIB, lambda: 0).close()
    found = from_journal(path.read_bytes())
    assert (found.broken_count, found.cut_bytes) == (0, 0)
    start, out, back, again = found.records
    assert (start.event, again.event) == (Event.STARTED, Event.STARTED)
    assert start.wall_ms <= again.wall_ms
    assert (out.t_us, out.event, out.frame, out.rssi_dbm) == (5, Event.SENT, b"out", None)
    assert (back.t_us, back.event, back.frame) == (9, Event.HEARD, b"in")
    assert (back.rssi_dbm, back.snr_db) == (-101.5, 7.25)


def test_entries_wait_until_they_fill_a_batch_or_have_waited_long(tmp_path):
    clock, path = Clock(), tmp_path / "frames.pb"
    journal = FrameJournal(path, MIB, clock)
    start_bytes = path.stat().st_size
    entry_bytes = len(to_journal([FrameRecord(0, Event.HEARD, bytes(20), -101.5, 7.25)]))
    for count in range(BATCH_BYTES // entry_bytes):
        assert path.stat().st_size == start_bytes, count
        journal.heard(heard(0))
        journal.look()
    journal.heard(heard(0))
    journal.look()
    full = path.stat().st_size
    assert full >= start_bytes + BATCH_BYTES
    journal.heard(heard(0))
    clock.now_us = BATCH_US - 1
    journal.look()
    assert path.stat().st_size == full
    clock.now_us = BATCH_US
    journal.look()
    assert path.stat().st_size == full + entry_bytes
    journal.close()


def test_an_hour_of_a_frame_a_second_takes_at_most_a_write_a_minute_and_one_a_batch(tmp_path):
    clock, path, sizes = Clock(), tmp_path / "frames.pb", set()
    journal = FrameJournal(path, MIB, clock)
    for second in range(3600):
        clock.now_us = second * 1_000_000
        journal.heard(heard(clock.now_us))
        journal.look()
        sizes.add(path.stat().st_size)
    journal.close()
    written_bytes = path.stat().st_size
    assert 30 < len(sizes) <= 1 + 60 + written_bytes // BATCH_BYTES


def test_beyond_its_limit_the_older_half_goes(tmp_path):
    path, most = tmp_path / "frames.pb", 64 * 1024
    journal = FrameJournal(path, most, lambda: 0)
    total = 0
    for number in range(6000):
        journal.heard(heard(number))
        if number % 200 == 0:
            journal.flush()
            total = path.stat().st_size + (
                older(path).stat().st_size if older(path).exists() else 0
            )
            assert total <= most
    journal.close()
    assert total > 0.4 * most
    kept = [
        record.t_us
        for part in (older(path), path)
        for record in from_journal(part.read_bytes()).records
    ]
    assert kept == list(range(kept[0], 6000))
    assert {file.name for file in tmp_path.iterdir()} == {"frames.pb", "frames.pb.1"}


@pytest.mark.parametrize("tail", [b"\x30\x08\x05", bytes(100), b"\xff" * 7])
def test_what_was_cut_off_in_mid_write_goes_at_the_next_start(tmp_path, tail):
    path = tmp_path / "frames.pb"
    journal = FrameJournal(path, MIB, lambda: 0)
    journal.sent(1, b"one")
    journal.close()
    with path.open("ab") as file:
        file.write(tail)
    assert from_journal(path.read_bytes()).cut_bytes == len(tail)
    journal = FrameJournal(path, MIB, lambda: 0)
    journal.sent(2, b"two")
    journal.close()
    found = from_journal(path.read_bytes())
    assert [record.frame for record in found.records] == [None, b"one", None, b"two"]
    assert found.cut_bytes == 0


KILLED = """
import sys
from pathlib import Path
from cosim.node.journal import FrameJournal
journal = FrameJournal(Path(sys.argv[1]), 65536, lambda: 0)
print("on", flush=True)
number = 0
while True:
    number += 1
    journal.sent(number, number.to_bytes(4, "big") * 30)
"""


def test_a_journal_whose_writer_is_killed_is_a_whole_row_of_entries(tmp_path):
    for turn in range(3):
        path = tmp_path / str(turn) / "frames.pb"
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "on\n"
        while not older(path).exists():
            assert child.poll() is None
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        FrameJournal(path, 65536, lambda: 0).close()
        rows = [
            record
            for part in (older(path), path)
            for record in from_journal(part.read_bytes()).records
        ]
        sent = [record.t_us for record in rows if record.event == Event.SENT]
        assert len(sent) > 100
        assert sent == list(range(sent[0], sent[0] + len(sent)))
        assert rows[-1].event == Event.STARTED
        assert from_journal(path.read_bytes()).cut_bytes == 0


def test_a_disk_that_refuses_costs_entries_and_stops_nobody(tmp_path, monkeypatch, capsys):
    path = tmp_path / "frames.pb"
    journal = FrameJournal(path, MIB, lambda: 0)
    journal.sent(1, b"one")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[: len(data) // 2]))
    journal.flush()
    journal.sent(2, b"two")
    journal.flush()
    monkeypatch.undo()
    journal.sent(3, b"three")
    journal.close()
    assert journal.lost_count == 2
    assert capsys.readouterr().err.count("are lost: the disk is full") == 1
    found = from_journal(path.read_bytes())
    assert [record.frame for record in found.records] == [None, b"three"]
    assert (found.broken_count, found.cut_bytes) == (0, 0)


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="frame journal cannot be written"):
        FrameJournal(tmp_path / "file" / "frames.pb", MIB, lambda: 0)
    with pytest.raises(RecordError):
        assemble(read_config(written(tmp_path, SIMULATED + "journal: file/frames.pb\n")))


class Picky:
    """A radio that takes every other frame."""

    def __init__(self) -> None:
        self.count = 0

    def send(self, now_us: int, data: bytes) -> SendResult:
        self.count += 1
        return SendResult(self.count % 2 == 1, 50_000)

    def receive(self) -> None:
        return None


def test_a_frame_the_radio_did_not_take_is_not_noted(tmp_path):
    journal = FrameJournal(tmp_path / "frames.pb", MIB, lambda: 0)
    radio = JournaledRadio(Picky(), journal)
    for number in range(4):
        radio.send(number, bytes([number + 1]))
    assert radio.receive() is None
    journal.close()
    found = from_journal((tmp_path / "frames.pb").read_bytes()).records
    assert [record.t_us for record in found if record.event == Event.SENT] == [0, 2]


def test_a_node_keeps_no_journal_unless_it_is_told_to(tmp_path):
    assert read_config(written(tmp_path)).journal is None
    with pytest.raises(ScenarioError, match="journal_kib"):
        read_config(written(tmp_path, WHOLE + "journal_kib: 1\n"))


def ran(folder: Path, more: str) -> set[str]:
    """Run a node for some steps; return what it has loaded of protobuf."""
    path = written(folder, SIMULATED + "seed: 7\n" + more)
    code = f"""
import sys
from pathlib import Path
from cosim.node.assembly import assemble
from cosim.node.config import read_config
from gridmodel.ports import Measurement, ReceivedFrame
node = assemble(read_config(Path({str(path)!r})))
terminal = node.bench.terminal
node.clock.start(0, None)
node.runner.boot(0)
for _ in range(4):
    now_us = node.runner.wake_us
    node.clock.set(now_us)
    terminal.readings["supply"] = Measurement(now_us, 230.0, 2.0, -0.46, 50.0)
    terminal.received.append(ReceivedFrame(now_us, bytes(20), -90.0, 5.0))
    node.runner.step(now_us)
    for after in node.bench.after:
        after()
node.close()
print(*(name for name in sys.modules if name.startswith("google.protobuf")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_node_notes_what_it_sends_sealed_and_what_it_hears_whoever_it_is_of(tmp_path):
    assert ran(tmp_path, "journal: frames.pb\n")
    found = from_journal((tmp_path / "frames.pb").read_bytes()).records
    sent = [record.frame for record in found if record.event == Event.SENT]
    assert sent
    unsealer = Unsealer.of_seed(7, 0)
    for frame in sent:
        assert isinstance(frame, bytes)
        opened = unsealer.open(frame)
        assert (opened.source, opened.kind.name) == (3, "TELEMETRY")
        assert opened.values["v_v"] == pytest.approx(230.0, abs=0.11)
    assert [record.frame for record in found if record.event == Event.HEARD] == [bytes(20)] * 4


def test_without_a_journal_a_node_loads_no_protobuf(tmp_path):
    assert ran(tmp_path, "") == set()
    assert not (tmp_path / "frames.pb").exists()
