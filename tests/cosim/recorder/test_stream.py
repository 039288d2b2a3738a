"""A stream on a disk that fills ends with a whole batch; nothing is lost for being late."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cosim.recorder.layout import layout
from cosim.recorder.message_table import MessageTable, messages_of
from cosim.recorder.signal_table import SignalTable, rows_of
from cosim.recorder.stream import Stream
from gridmodel.errors import RecordError
from gridmodel.federate import Message, Signal

SCHEMA = pa.schema([pa.field("x", pa.int64())])


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """The system refuses what goes beyond, after it has taken what fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def batch(first: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(np.arange(first, first + 1000))], schema=SCHEMA)


def test_a_batch_that_finds_room_for_a_piece_is_cut_off_and_nothing_follows_it(tmp_path: Path):
    path = tmp_path / "x.arrow"
    stream = Stream(path, SCHEMA)
    stream.write(batch(0))
    with no_file_longer_than(12_000), pytest.raises(OSError) as caught:  # noqa: PT011  the errno
        stream.write(batch(1000))
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(OSError, match=r"."):  # there is room again, but a piece lies before
        stream.write(batch(2000))
    stream.abandon()
    with path.open("rb") as file:
        found = pa.ipc.open_stream(file).read_next_batch()
        assert found["x"].to_pylist() == list(range(1000))
        assert file.read() == b""


def test_a_full_disk_loses_no_row_and_names_federate_and_instant(tmp_path: Path):
    stem = tmp_path / "meter"
    table = SignalTable(stem, layout((Signal("v_v", (100,)),)))
    values = np.random.default_rng(0).normal(size=(3000, 100))
    accepted = 0

    def write_all() -> None:
        nonlocal accepted
        for accepted, value in enumerate(values):
            table.write(accepted, {"v_v": value})

    with no_file_longer_than(1_500_000), pytest.raises(RecordError, match="'meter'") as caught:
        write_all()
    assert f"at t = {accepted / 1e6:.6f} s" in str(caught.value)
    with pytest.raises(OSError, match=r"."):  # there is room now, and still it writes no more
        table.close()
    table.abandon()
    batches = list(rows_of(stem))
    times = np.concatenate([b.column("t_us").to_numpy() for b in batches])
    assert times.tolist() == list(range(accepted))
    last = batches[-1].column("v_v")[-1].values.to_numpy()
    assert last.tolist() == values[accepted - 1].tolist()


def test_a_full_disk_loses_no_message(tmp_path: Path):
    stem = tmp_path / "messages"
    table = MessageTable(stem)
    accepted = 0

    def write_all() -> None:
        nonlocal accepted
        for accepted in range(1000):
            message = Message(accepted, "word", {"n": accepted})
            table.write("a", "out", accepted, accepted, message)

    with no_file_longer_than(30_000), pytest.raises(OSError) as caught:  # noqa: PT011  the errno
        write_all()
    assert caught.value.errno == errno.EFBIG
    table.abandon()
    found = [row for b in messages_of(stem) for row in b.column("sent_t_us").to_pylist()]
    assert found == list(range(accepted))
    assert 100 < accepted < 1000
