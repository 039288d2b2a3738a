"""Arrivals: a run again from what came."""

from __future__ import annotations

import pytest

from cosim.hil.arrivals import ArrivalWriter, RecordedNode
from cosim.hil.statistics import LineStatistics, percentiles
from cosim.lines.messages import Answer
from gridmodel.errors import RunError, ScenarioError
from tests.cosim.hil.lines import ask

FIRST = Answer(1, 10, {"normal": False}, ((b"\x01\x02", 41217),), 20, 3, (), 0.1, {"a_count": 2})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "arrivals" / "nodes.house_03.jsonl"
    writer = ArrivalWriter(path)
    writer.begin()
    writer.write(ask(1, 10), [FIRST], "", (0.0, 0.1))
    writer.write(ask(2, 20), [], "", (0.2, 0.3))
    writer.write(ask(3, 30), [], "the other end is gone", (0.4, 0.5))
    writer.close(LineStatistics(asked=3, late=1, lost=True, round_trips_ms=[1.5]))
    return path


def test_what_came_comes_again(path):
    node = RecordedNode(path)
    assert node.ask(ask(1, 10)) == [FIRST]
    assert node.ask(ask(2, 20)) == []
    assert not node.gone
    node.ask(ask(3, 30))
    assert node.gone == "the other end is gone"


def test_the_figures_are_those_of_the_recorded_run(path):
    figures = {kpi.name: kpi.value for kpi in RecordedNode(path).kpis()}
    assert (figures["asked_count"], figures["late_answer_count"]) == (3, 1)
    assert figures["round_trip_max_ms"] == 1.5


def test_a_question_that_was_not_asked_then_ends_the_run(path):
    node = RecordedNode(path)
    with pytest.raises(RunError, match="the scenario has changed since"):
        node.ask(ask(1, 11))


def test_where_the_record_ends_the_node_is_gone(path):
    node = RecordedNode(path)
    for number in (1, 2, 3):
        node.ask(ask(number, 10 * number))
    assert node.ask(ask(4, 40)) == ()
    assert node.gone == "the record ends here"


def test_a_replay_can_be_saved_and_goes_on_from_there(path):
    node, other = RecordedNode(path), RecordedNode(path)
    node.ask(ask(1, 10))
    other.restore(node.snapshot())
    assert other.ask(ask(2, 20)) == []


def test_a_whole_record_is_not_cut(path):
    assert RecordedNode(path).cut == ""


@pytest.mark.parametrize("after", ['"t_us":20', '"kind":"step"', '"answers":[]', '"answers":[]}'])
def test_a_record_cut_in_its_last_line_is_used_up_to_there_and_says_where_it_ends(path, after):
    text = path.read_text()
    second = text.index('"t_us":20') - 1
    path.write_text(text[: text.index(after, second) + len(after)])
    node = RecordedNode(path)
    assert node.ask(ask(1, 10)) == [FIRST]
    assert node.ask(ask(2, 20)) == ()
    assert node.gone == node.cut
    assert f"{path}: the record of 'nodes.house_03' was cut off" in node.cut
    assert "it ends at t = 0.000010 s, line 1" in node.cut
    assert node.statistics.asked == 1


def test_a_record_cut_after_an_inner_brace_is_read(path):
    text = path.read_text()
    path.write_text(text[: text.index("}") + 1])
    node = RecordedNode(path)
    assert node.ask(ask(1, 10)) == ()
    assert "it ends at t = 0.000000 s, line 0" in node.gone


@pytest.mark.parametrize(
    "line",
    ['{"t_us":20,"ki', "", "[]", '{"t_us":"20","kind":"step","answers":[]}', '{"t_us":20}',
     '{"t_us":20,"kind":"step","answers":[["Answer",{"number":"x"}]]}',
     '{"t_us":20,"kind":"step","answers":[["Farewell",{"why":"x"}]]}', '{"statistics":{"askd":1}}'],
)  # fmt: skip
def test_a_line_that_is_broken_in_the_middle_is_named(path, line):
    lines = path.read_text().splitlines()
    lines[1] = line
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ScenarioError, match=rf"{path}:2.*is broken"):
        RecordedNode(path)


def test_missing_arrivals_are_named(tmp_path):
    with pytest.raises(RunError, match=r"nodes\.house_04"):
        RecordedNode(tmp_path / "nodes.house_04.jsonl")


def test_percentiles_of_nothing_are_zero():
    assert percentiles([]) == (0.0, 0.0, 0.0)
    assert percentiles([1.0, 2.0, 3.0])[0::2] == (2.0, 3.0)
