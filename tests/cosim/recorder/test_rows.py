"""Rows are read forward, from anywhere."""

from __future__ import annotations

import pytest

from cosim.recorder.rows import Rows, messages
from cosim.run import RunOptions, run
from gridmodel.errors import RunError
from gridmodel.federate import Message, Messages, Signal
from tests.cosim.parts import Part
from tests.cosim.scenarios import scenario

S = 1_000_000
COUNT = 40_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    def talk(part: Part, t_us: int, inputs):
        return {"n_kw": t_us / S, "on": True, "out": [Message(t_us, "k", {})]}, t_us + S

    outputs = [Signal("n_kw"), Signal("on", (), bool), Messages("out")]
    parts = {name: Part(talk, outputs=outputs, period_us=S) for name in ("a", "b")}
    made = scenario(parts, hours=COUNT / 3600)
    return run(made, RunOptions(tmp_path_factory.mktemp("rows"))).folder


@pytest.mark.parametrize("steps", [[0, 1, 16_384, 16_385, COUNT], [39_999], [5, 5, 40_001]])
def test_rows_are_taken_up_to_an_instant_each_once(folder, steps):
    rows = Rows(folder, "a", {"n_kw"})
    taken = []
    for step in steps:
        block = rows.take(step * S)
        assert all(t < step * S for t in block.t_us)
        taken += block.values["n_kw"][:, 0].tolist()
    assert taken == [float(k) for k in range(min(steps[-1], COUNT))]
    rows.close()


@pytest.mark.parametrize("from_s", [0, 1, 16_383, 16_384, 16_385, 33_000, 39_999])
def test_reading_from_an_instant_has_the_row_before_it_and_all_after(folder, from_s):
    rows = Rows(folder, "a", {"n_kw"}, from_s * S)
    block = rows.take(from_s * S)
    if from_s:
        assert block.t_us[-1] == (from_s - 1) * S
    rest = rows.take(COUNT * S)
    assert rest.t_us.tolist() == [k * S for k in range(from_s, COUNT)]
    rows.close()


@pytest.mark.parametrize(("first", "last"), [(0, 3), (16_300, 16_500), (20_000, COUNT)])
def test_messages_of_a_span_are_all_there_and_no_others(folder, first, last):
    found = list(messages(folder, {"b"}, first * S, last * S))
    assert [t_us // S for batch in found for t_us in batch.sent_us] == list(range(first, last))
    assert [n for batch in found for n in batch.sequence] == list(range(first + 1, last + 1))
    assert {
        k for batch in found for k in zip(batch.sender, batch.port, batch.kind, strict=True)
    } == {("b", "out", "k")}


def test_a_part_without_a_table_has_no_rows(folder):
    rows = Rows(folder, "nobody")
    assert rows.known == ()
    assert len(rows.take(COUNT * S).t_us) == 0


def test_a_run_that_is_not_whole_is_to_be_recovered_first(tmp_path):
    (tmp_path / "live").mkdir()
    with pytest.raises(RunError, match="feedertwin recover"):
        Rows(tmp_path, "a")
