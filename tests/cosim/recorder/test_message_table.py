"""Messages are safe while they are written."""

from __future__ import annotations

import json

import pytest

from cosim.recorder.message_table import MessageTable, messages_of
from gridmodel.federate import Message


def message(k: int) -> Message:
    return Message(k + 5, "frame", {"n": k, "frame": bytes([k % 256]), "to": (1, "x", None)})


def read(stem) -> list[int]:
    rows = [row for batch in messages_of(stem) for row in batch.to_pylist()]
    for row in rows:
        data = json.loads(row["data"])
        assert data == {
            "n": row["sequence"],
            "frame": f"{row['sequence'] % 256:02x}",
            "to": [1, "x", None],
        }
        assert (row["sender"], row["port"], row["kind"]) == ("radio", "out", "frame")
        assert row["t_us"] == row["sent_t_us"] + 5
    return [row["sequence"] for row in rows]


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 3000])
def test_messages_are_read_back_while_the_table_is_open_and_after(tmp_path, count):
    table = MessageTable(tmp_path / "m")
    for k in range(count):
        table.write("radio", "out", k, k, message(k))
    assert read(tmp_path / "m") == list(range(count))
    table.close()
    assert read(tmp_path / "m") == list(range(count))


def test_a_journal_cut_within_a_message_ends_before_it(tmp_path):
    table = MessageTable(tmp_path / "m")
    for k in range(10):
        table.write("radio", "out", k, k, message(k))
    table.abandon()
    journal = (tmp_path / "m").with_suffix(".journal")
    journal.write_bytes(journal.read_bytes()[:-3])
    assert read(tmp_path / "m") == list(range(9))
