"""The simulation's end of the line to a node: late answers, repeated ones, and death."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.hil import live_node
from cosim.hil.arrivals import ArrivalWriter
from cosim.hil.live_node import LiveNode
from cosim.node.messages import Answer, Farewell, Hello, Start
from gridmodel.errors import BorderError, RunError
from tests.cosim.hil.lines import FakeLine, answer_to, ask, prompt

NAME = "nodes.house_03"


class Bench:
    """A live node on a line that a test answers."""

    def __init__(self, folder: Path, speak, deadline_s: float | None = None) -> None:
        self.deaths: list[tuple[str, str, int]] = []
        self.node = LiveNode(NAME, deadline_s, lambda *death: self.deaths.append(death))
        self.line = FakeLine(speak)
        self.path = folder / "arrivals" / "n.jsonl"
        self.node.open(self.line, Start(0, None), ArrivalWriter(self.path), 1.0)

    def figures(self) -> dict[str, float]:
        return {kpi.name: kpi.value for kpi in self.node.kpis()}


@pytest.fixture
def bench(tmp_path):
    """Makes benches, and ends them."""
    made = []

    def make(speak, deadline_s: float | None = None) -> Bench:
        made.append(Bench(tmp_path, speak, deadline_s))
        return made[-1]

    yield make
    for one in made:
        one.node.end(0)


def test_a_stepped_node_is_waited_for_and_answers(bench):
    live = bench(prompt)
    assert [a.number for a in live.node.ask(ask(1))] == [1]
    assert live.figures()["asked_count"] == 1
    assert live.figures()["late_answer_count"] == 0
    assert live.figures()["round_trip_max_ms"] > 0.0


def test_a_late_answer_is_counted_and_comes_with_the_next_step(bench):
    slow: list = []

    def speak(word):
        slow.append(answer_to(word))
        return slow[-2:] if len(slow) > 1 else []  # the first one comes with the second

    live = bench(speak, deadline_s=0.0)
    assert live.node.ask(ask(1, 10)) == []
    assert [a.number for a in live.node.ask(ask(2, 20))] == [1, 2]
    assert live.figures()["late_answer_count"] == 1
    assert not live.node.gone


def test_an_answer_that_comes_twice_counts_once(bench):
    live = bench(lambda word: [answer_to(word), answer_to(word)])
    live.node.ask(ask(1))
    assert [a.number for a in live.node.ask(ask(2))] == [2]


def test_a_question_is_repeated_when_its_answer_was_lost(bench, monkeypatch):
    monkeypatch.setattr(live_node, "REPEAT_S", 0.0)
    heard = []

    def speak(word):
        heard.append(word.number)
        return [answer_to(word)] if len(heard) > 2 else []

    live = bench(speak)
    assert [a.number for a in live.node.ask(ask(1))] == [1]
    assert heard == [1, 1, 1]
    assert live.figures()["repeated_count"] == 2


def test_a_stepped_node_that_falls_silent_is_gone(bench, monkeypatch):
    monkeypatch.setattr(live_node, "SILENCE_S", 0.01)
    live = bench(lambda word: [])
    assert live.node.ask(ask(1, 7)) == []
    assert "did not answer" in live.node.gone
    assert live.deaths == [(NAME, live.node.gone, 7)]
    assert live.figures()["node_lost_count"] == 1


def test_in_real_time_one_late_answer_is_no_death_but_long_silence_is(bench, monkeypatch):
    live = bench(lambda word: [], deadline_s=0.0)
    live.node.ask(ask(1))
    assert not live.node.gone
    monkeypatch.setattr(live_node, "SILENCE_S", -1.0)
    live.node.ask(ask(2))
    assert "nothing was heard" in live.node.gone


def test_a_node_whose_line_breaks_is_gone_and_never_asked_again(bench):
    live = bench(lambda word: None)
    assert live.node.ask(ask(1, 5)) == []
    assert "gone" in live.node.gone
    asked = len(live.line.sent)
    assert live.node.ask(ask(2, 6)) == ()
    assert len(live.line.sent) == asked
    assert len(live.deaths) == 1


def test_a_node_that_says_goodbye_leaves_its_contacts(bench):
    live = bench(lambda word: [Farewell("told to end by SIGTERM", {"normal": False})])
    (last,) = live.node.ask(ask(1))
    assert last.relays == {"normal": False}
    assert "SIGTERM" in live.node.gone


def test_what_a_node_did_on_its_own_is_taken_and_counted(bench):
    live = bench(prompt)
    live.line.put(Answer(0, 3, {"normal": False}, own=True))
    answers = live.node.ask(ask(1))
    assert [(a.own, a.relays) for a in answers] == [(True, {"normal": False}), (False, {})]
    assert live.figures()["own_step_count"] == 1


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        (Hello("nodes.house_04", "edge_node", (), (), False), "'nodes.house_04' answered"),
        (Hello(NAME, "edge_node", (), (), False, version=99), "speaks version 99"),
        (Farewell("no such pin"), "ended at once: no such pin"),
    ],
)
def test_a_wrong_node_is_refused(hello, words):
    line = FakeLine(prompt)
    line.put(hello)
    with pytest.raises(BorderError, match=words):
        LiveNode(NAME, None, lambda *_: None).open(line, Start(0, None), None, 1.0)  # type: ignore[arg-type]


def test_a_node_that_never_answers_is_told_by_its_name(monkeypatch):
    line = FakeLine(prompt)
    line.send = lambda data: None  # type: ignore[method-assign]
    with pytest.raises(BorderError, match=r"nodes\.house_03.*did not answer within 0\.05 s"):
        LiveNode(NAME, None, lambda *_: None).open(line, Start(0, None), None, 0.05)  # type: ignore[arg-type]


def test_its_state_cannot_be_saved_and_the_text_says_what_can(bench):
    live = bench(prompt)
    for act in (live.node.snapshot, lambda: live.node.restore(None)):
        with pytest.raises(RunError, match="hil --replay"):
            act()


def test_the_end_is_told_and_the_record_closed(bench):
    live = bench(prompt)
    live.node.ask(ask(1))
    live.node.end(9)
    assert live.line.sent[-1].kind == "end"
    assert live.line.closed
    assert '"statistics"' in live.path.read_text().splitlines()[-1]


def test_a_node_whose_process_has_ended_is_not_waited_for(bench, monkeypatch):
    monkeypatch.setattr(live_node, "REPEAT_S", 0.0)
    live = bench(lambda word: [])
    live.node._ended = lambda: True
    assert live.node.ask(ask(1)) == []
    assert "process has ended" in live.node.gone
