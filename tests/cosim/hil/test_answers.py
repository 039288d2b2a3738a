"""Answers: each question is answered in time, late or never, and the report says how often."""

from __future__ import annotations

import json

import pytest

from cosim import run_folder
from cosim.hil.answers import answers_of, pace_of
from cosim.hil.arrivals import ArrivalWriter, file_of
from cosim.hil.live_node import LiveNode
from cosim.lines.messages import Answer, Farewell, Start
from tests.cosim.hil.lines import FakeLine, answer_to, ask

NAME = "nodes.house_03"


@pytest.fixture
def live(tmp_path):
    """Makes a live node on a line that a test answers."""

    def make(speak, deadline_s: float | None = 0.0) -> LiveNode:
        node = LiveNode(NAME, deadline_s, lambda *death: None)
        node.open(FakeLine(speak), Start(0, None), ArrivalWriter(file_of(tmp_path, NAME)), 1.0)
        return node

    return make


def counts(folder) -> tuple[int, int, int, int]:
    (node,) = answers_of(folder)
    return node.asked, node.in_time, node.late, node.missing


def test_each_question_is_in_time_late_or_missing(tmp_path, live):
    held: list = []

    def speak(word):  # 1 in time, 2 comes with 3, 4 never
        if word.number == 2:
            held.append(answer_to(word))
            return []
        return [] if word.number == 4 else [*held, answer_to(word)][-2:]

    node = live(speak)
    for number in (1, 2, 3, 4):
        node.ask(ask(number))
    assert counts(tmp_path) == (4, 2, 1, 1)
    node.end(0)
    assert counts(tmp_path) == (4, 2, 1, 1)  # a record that is closed has a line more
    late = {kpi.name: kpi.value for kpi in node.kpis()}
    assert (late["late_answer_count"], late["late_arrival_count"]) == (2, 1)


def test_round_trips_are_those_of_the_key_figures(tmp_path, live):
    node = live(lambda word: [answer_to(word)])
    for number in range(1, 30):
        node.ask(ask(number))
    figures = {kpi.name: kpi.value for kpi in node.kpis()}
    (told,) = answers_of(tmp_path)
    assert told.p50_ms == figures["round_trip_p50_ms"] > 0.0
    assert told.p99_ms == figures["round_trip_p99_ms"]
    assert told.max_ms == figures["round_trip_max_ms"]
    node.end(0)


def test_steps_by_its_own_clock_are_no_answers(tmp_path, live):
    own = Answer(0, 5, {}, own=True)
    node = live(lambda word: [own, answer_to(word)])
    node.ask(ask(1))
    node.end(0)
    assert counts(tmp_path) == (1, 1, 0, 0)
    assert answers_of(tmp_path)[0].own == 1


def test_a_last_word_is_no_answer(tmp_path, live):
    node = live(lambda word: [Farewell("told to end", {"normal": False})])
    node.ask(ask(1))
    node.end(0)
    assert counts(tmp_path) == (1, 0, 0, 1)
    assert "told to end" in answers_of(tmp_path)[0].gone


def test_a_record_that_was_cut_is_counted_up_to_there(tmp_path, live):
    node = live(lambda word: [answer_to(word)])
    node.ask(ask(1))
    node.ask(ask(2))
    path = file_of(tmp_path, NAME)
    path.write_text(path.read_text()[:-20])
    assert counts(tmp_path) == (1, 1, 0, 0)
    node.end(0)


@pytest.mark.parametrize("wish", [NAME, "house_03"])
def test_a_node_is_told_with_how_it_was_reached(tmp_path, live, wish):
    live(lambda word: [answer_to(word)]).end(0)
    run_folder.write_json(tmp_path / "outside.json", {"nodes": {wish: "emulated"}, "factor": None})
    assert answers_of(tmp_path)[0].how == "emulated"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"factor": None}, "Stepped: time stands still until the answer is there."),
        ({"factor": 0.5, "deadline_ms": 50.0}, "In real time, x 0.5. A step waits 50 ms."),
        ({"factor": 1.0}, "In real time, x 1."),  # a run from before deadlines were noted
    ],
)
def test_the_pace_is_told(tmp_path, told, words):
    (tmp_path / "outside.json").write_text(json.dumps({"nodes": {}, **told}))
    assert pace_of(tmp_path) == words


def test_a_run_with_all_nodes_inside_has_no_answers(tmp_path):
    assert answers_of(tmp_path) == []
