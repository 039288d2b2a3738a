"""Compaction: the same bytes however the rows arrived."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cosim.recorder.compact import compact, layout_in, live_batches
from cosim.recorder.layout import layout
from cosim.recorder.message_table import MessageTable
from cosim.recorder.signal_table import SignalTable
from gridmodel.federate import Message, Signal

SIGNALS = (Signal("p_kw", (3,)), Signal("on", (), bool))


def write(folder: Path, first: int, last: int) -> None:
    live = folder / "live"
    live.mkdir(parents=True, exist_ok=True)
    table = SignalTable(live / "part", layout(SIGNALS))
    messages = MessageTable(live / "_messages")
    if first:
        earlier = layout_in(folder.parent / "whole", "part")
        assert earlier is not None
        table.extend(live_batches(folder.parent / "whole", "part"), first, earlier)
        from cosim.recorder.compact import message_batches

        messages.extend(message_batches(folder.parent / "whole"), first)
    for k in range(first, last):
        table.write(k, {"p_kw": np.sin([k, k + 1, k + 2]), "on": k % 3 == 0})
        if k % 5 == 0:
            messages.write("part", "out", k, k, Message(k, "tick", {"k": k}))
    table.close()
    messages.close()


@pytest.mark.parametrize("cut", [1, 777, 16_384, 20_001])
def test_a_record_continued_from_an_earlier_run_has_the_bytes_of_the_whole(tmp_path, cut):
    write(tmp_path / "whole", 0, 40_000)
    assert compact(tmp_path / "whole") == 40_000
    write(tmp_path / "continued", cut, 40_000)
    compact(tmp_path / "continued")
    for name in ("signals/part.parquet", "messages.parquet"):
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "continued" / name).read_bytes() == whole


def test_nothing_live_is_left_and_a_second_time_does_nothing(tmp_path):
    write(tmp_path / "run", 0, 10)
    assert compact(tmp_path / "run") == 10
    assert not (tmp_path / "run" / "live").exists()
    assert compact(tmp_path / "run") == 0


def test_a_crash_within_compaction_can_be_made_good(tmp_path):
    write(tmp_path / "run", 0, 100)
    (tmp_path / "run" / "signals").mkdir()
    (tmp_path / "run" / "signals" / "part.part").write_bytes(b"half a file")
    assert compact(tmp_path / "run") == 100
    assert pq.read_table(tmp_path / "run" / "signals" / "part.parquet").num_rows == 100


def test_a_run_that_was_killed_at_its_start_or_in_compaction_can_be_recovered(tmp_path):
    write(tmp_path / "run", 0, 100)
    live = tmp_path / "run" / "live"
    for name in ("next.tail", "next.arrow", "next.part", "_messages-b.journal"):  # no layout yet
        (live / name).write_bytes(b"")
    (tmp_path / "run" / "live.done").mkdir()
    assert compact(tmp_path / "run") == 100
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "messages.parquet",
        "signals",
    ]


def test_a_layout_is_there_only_when_the_rest_of_its_table_is(tmp_path, monkeypatch):
    live = tmp_path / "live"
    live.mkdir()
    seen: list[list[str]] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        seen.append(sorted(p.name for p in live.iterdir()))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    SignalTable(live / "part", layout(SIGNALS)).abandon()
    assert seen == [["part.arrow", "part.part", "part.tail"]]
