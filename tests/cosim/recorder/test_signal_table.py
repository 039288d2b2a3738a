"""Rows are safe while they are written, and whole when they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.recorder.layout import Layout, layout, part_names
from cosim.recorder.signal_table import SignalTable, layout_of, rows_of
from gridmodel.federate import Signal

SIGNALS = (
    Signal("p_kw", (2,), labels=("a", "b")),
    Signal("f_hz"),
    Signal("on", (2, 3), bool, labels=("a", "b"), columns=("x", "y", "z")),
    Signal("state", (), int),
)


def row(k: int) -> dict:
    on = np.array([[k % 2, 0, 1], [1, 1, k % 3 == 0]], dtype=bool)
    return {"p_kw": np.array([k, -k], float), "f_hz": 50.0 + k, "on": on, "state": k % 7}


def read(stem: Path) -> list[tuple]:
    rows = []
    for batch in rows_of(stem):
        for r in batch.to_pylist():
            rows.append((r["t_us"], *r["p_kw"], *r["f_hz"], *r["on"], *r["state"]))
    return rows


def expected(ks: range) -> list[tuple]:
    return [(10 * k, k, -k, 50.0 + k, *row(k)["on"].ravel().tolist(), k % 7) for k in ks]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 4096, 5000, 9000])
def test_rows_are_read_back_while_the_table_is_open_and_after(tmp_path, count):
    stem = tmp_path / "table"
    table = SignalTable(stem, layout(SIGNALS))
    for k in range(count):
        table.write(10 * k, row(k))
    assert read(stem) == expected(range(count))  # as after a kill: nothing was closed
    table.close()
    assert read(stem) == expected(range(count))
    assert not stem.with_suffix(".tail").exists()


def test_a_signal_that_is_not_sent_keeps_its_last_value_over_chunk_borders(tmp_path):
    table = SignalTable(tmp_path / "t", layout(SIGNALS))
    table.write(0, row(5))
    for k in range(1, 10_000):
        table.write(10 * k, {"state": k})
    table.close()
    last = read(tmp_path / "t")[-1]
    assert last == (99_990, *expected(range(5, 6))[0][1:-1], 9999)


def test_a_table_that_was_cut_within_a_chunk_is_whole_up_to_the_one_before(tmp_path):
    stem = tmp_path / "t"
    table = SignalTable(stem, layout(SIGNALS))
    for k in range(9000):
        table.write(10 * k, row(k))
    table.abandon()
    whole = stem.with_suffix(".arrow").read_bytes()
    stem.with_suffix(".arrow").write_bytes(whole[:-100])
    rows = read(stem)
    assert rows[:4096] == expected(range(4096))
    assert [r[0] for r in rows] == sorted({r[0] for r in rows})  # none twice


@settings(max_examples=30)
@given(chunks=st.integers(0, 2), extra=st.integers(0, 200))
def test_a_kill_between_writing_a_chunk_and_emptying_the_tail_doubles_nothing(
    tmp_path_factory, chunks, extra
):
    stem = tmp_path_factory.mktemp("t") / "t"
    table = SignalTable(stem, layout(SIGNALS))
    rows = table._layout.chunk_rows
    count = chunks * rows + extra
    for k in range(count):
        table.write(10 * k, row(k))
    if table._at:
        at = table._at
        table._flush()  # now stream and tail hold the same rows
        table._at = at
    table.abandon()
    assert read(stem) == expected(range(count))


def test_a_rarer_record_keeps_the_first_row_of_each_time(tmp_path):
    table = SignalTable(tmp_path / "t", layout([Signal("f_hz")]), every_us=1000)
    for t_us in range(0, 5000, 300):
        table.write(t_us, {"f_hz": float(t_us)})
    table.close()
    times = [r["t_us"] for batch in rows_of(tmp_path / "t") for r in batch.to_pylist()]
    assert times == [0, 1200, 2400, 3600, 4800]


def test_a_layout_survives_as_text():
    plan = layout(SIGNALS)
    assert Layout.from_json(plan.to_json()) == plan


def test_columns_are_named_by_signal_element_and_column():
    assert part_names(SIGNALS[0]) == ("p_kw.a", "p_kw.b")
    assert part_names(SIGNALS[2])[:3] == ("on.a.x", "on.a.y", "on.a.z")
    assert part_names(SIGNALS[1]) == ("f_hz",)


def test_an_empty_array_is_not_recorded():
    assert layout([Signal("p_kw", (0,))]).columns == ()


def test_units_go_with_the_columns():
    field = layout(SIGNALS).table_schema().field("p_kw.a")
    assert field.metadata[b"unit"] == b"kW"
    assert field.type == pa.float64()


def test_the_layout_tells_since_when_a_signal_was_sent(tmp_path):
    table = SignalTable(tmp_path / "t", layout(SIGNALS), every_us=1000)
    table.write(0, {"f_hz": 50.0})
    table.write(70, {"state": 2})  # its row is left out; that it was sent is not
    since = {c.name: c.since_us for c in layout_of(tmp_path / "t").columns}
    assert since == {"p_kw": None, "f_hz": 0, "on": None, "state": 70}
    table.close()
