"""Messages are safe while they are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.recorder.message_table import MessageTable, content_of, content_text, messages_of
from gridmodel.federate import Message


def message(k: int) -> Message:
    return Message(k + 5, "frame", {"n": k, "frame": bytes([k % 256]), "to": (1, "x", None)})


def read(stem) -> list[int]:
    rows = [row for batch in messages_of(stem) for row in batch.to_pylist()]
    for row in rows:
        number = row["sequence"]
        frame = bytes([number % 256])
        assert content_of(row["data"]) == {"n": number, "frame": frame, "to": (1, "x", None)}
        assert json.loads(row["data"])["frame"] == {"hex": frame.hex()}
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


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_whatever_a_message_may_carry_is_read_back_with_its_types(data):
    again = content_of(content_text(data))
    assert again == data
    assert repr(again) == repr(data)  # 1 is not True, 1.0 is not 1
