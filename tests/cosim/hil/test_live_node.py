"""The simulation's end of the line to a node: late answers, repeated ones, and death."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from cosim.hil import live_node
from cosim.hil.arrivals import ArrivalWriter
from cosim.hil.live_node import LiveNode
from cosim.lines.messages import Answer, Ask, Farewell, Hello, Start, encode
from gridmodel.control import Alarm
from gridmodel.errors import BorderError, RunError
from gridmodel.ports import ReceivedFrame
from tests.cosim.hil.lines import FakeLine, answer_to, ask, prompt

NAME = "nodes.house_03"


class Bench:
    """A live node on a line that a test answers."""

    def __init__(self, folder: Path, speak, deadline_s: float | None = None) -> None:
        self.deaths: list[tuple[str, str, int]] = []
        self.warnings: list[str] = []
        self.node = LiveNode(
            NAME, deadline_s, lambda *death: self.deaths.append(death), warn=self.warnings.append
        )
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


def test_one_late_answer_after_a_minute_without_questions_is_no_death(bench, monkeypatch):
    now_s = [1000.0]
    monkeypatch.setattr(live_node, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    live = bench(lambda word: [], deadline_s=0.0)
    for number in (1, 2, 3):  # each answer comes while nobody is looking
        now_s[0] += 60.0
        live.node.ask(ask(number))
        assert not live.node.gone
        live.line.put(Answer(number, 0, {}))
    live.node.ask(ask(4))
    assert not live.node.gone  # its third answer has just come
    now_s[0] += 60.0
    live.node.ask(ask(5))
    assert live.node.gone == "nothing was heard of it for 60.0 s"
    assert live.figures()["late_arrival_count"] == 3


def test_a_node_whose_line_breaks_is_gone_and_never_asked_again(bench):
    live = bench(lambda word: None)
    assert live.node.ask(ask(1, 5)) == []
    assert "gone" in live.node.gone
    asked = len(live.line.sent)
    assert live.node.ask(ask(2, 6)) == ()
    assert len(live.line.sent) == asked
    assert len(live.deaths) == 1


def test_a_node_that_says_goodbye_leaves_its_contacts(bench):
    live = bench(lambda word: [Farewell("told to end by SIGTERM", {"normal": False, "pump": True})])
    (last,) = live.node.ask(ask(1))
    assert last.relays == {"normal": False}
    assert "SIGTERM" in live.node.gone


def test_what_a_node_did_on_its_own_is_taken_and_counted(bench):
    live = bench(prompt)
    live.line.put(Answer(0, 3, {"normal": False}, own=True))
    answers = live.node.ask(ask(1))
    assert [(a.own, a.relays) for a in answers] == [(True, {"normal": False}), (False, {})]
    assert live.figures()["own_step_count"] == 1


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


NOISE = [
    b"",
    b"hello?",
    b'["Ask",[]]',
    b'["Answer",{"number":1,"t_us":0,"kpis":[],"sent":[4],"wake_us":"soon"},""]',
]


@pytest.mark.parametrize("noise", NOISE)
def test_noise_is_counted_and_the_question_goes_on_to_be_answered(bench, noise):
    live = bench(prompt)
    live.line.put(noise, noise)
    assert [a.number for a in live.node.ask(ask(1))] == [1]
    assert live.figures()["noise_count"] == 2
    assert not live.node.gone


@pytest.mark.parametrize(
    "changed",
    [
        {"relays": {"pump": False}},
        {"alarms": (Alarm("street", 200.0),)},
        {"number": 5},
    ],
    ids=["a relay it has not", "a meter it has not", "a question nobody asked"],
)
def test_an_answer_that_this_node_cannot_give_is_noise(bench, changed):
    live = bench(lambda word: [answer_to(word, **changed), answer_to(word)])
    (taken,) = live.node.ask(ask(1))
    assert (taken.number, taken.relays, taken.alarms) == (1, {}, ())
    assert live.figures()["noise_count"] == 1


class NoisyLine(FakeLine):
    """A line on which somebody never stops to talk."""

    def receive(self, wait_s: float | None) -> bytes | None:
        return super().receive(wait_s) or b"noise"


@pytest.mark.parametrize("deadline_s", [None, 0.0], ids=["stepped", "real time"])
def test_a_node_that_only_talks_noise_is_dead_when_the_silence_is_too_long(
    tmp_path, monkeypatch, deadline_s
):
    deaths: list[tuple[str, str, int]] = []
    node = LiveNode(NAME, deadline_s, lambda *death: deaths.append(death))
    line = NoisyLine(lambda word: [])
    node.open(line, Start(0, None), ArrivalWriter(tmp_path / "arrivals" / "n.jsonl"), 1.0)
    monkeypatch.setattr(live_node, "SILENCE_S", 0.05)
    for number in range(1, 2000):
        assert node.ask(ask(number)) in ([], ())
    assert "not answer" in node.gone or "nothing was heard" in node.gone
    assert len(deaths) == 1
    assert node.statistics.noise > 0
    node.end(0)


def test_words_of_another_session_are_dropped_and_counted(bench):
    live = bench(prompt)
    live.line.put(
        encode(Answer(1, 0, {"normal": False}), "of a dead run"),
        encode(Farewell("it ended"), "of a dead run"),
    )
    (taken,) = live.node.ask(ask(1))
    assert taken.relays == {}
    assert not live.node.gone
    assert live.node.statistics.stray == 2


def test_each_simulation_has_its_own_session_and_the_record_none(bench):
    one, other = bench(prompt), bench(prompt)
    assert len(one.line.session) == 8
    assert one.line.session != other.line.session
    other.node.ask(ask(1))
    assert other.line.session not in other.path.read_text()
    assert '["Answer",{"number":1,' in other.path.read_text()


def test_a_late_answer_has_no_round_trip_as_nobody_saw_it_come(bench):
    said: list = []

    def speak(word):
        said.append(answer_to(word))
        return said[-2:] if len(said) > 1 else []

    live = bench(speak, deadline_s=0.0)
    live.node.ask(ask(1, 10))
    live.node.ask(ask(2, 20))
    assert len(live.node.statistics.round_trips_ms) == 1
    assert live.figures()["late_arrival_count"] == 1


def test_a_second_node_that_answers_later_is_told_too(bench):
    live = bench(prompt)
    live.line.put(Hello(NAME, "edge_node", (), (), False, place="pi-2, process 7"))
    live.node.ask(ask(1))
    assert "two nodes answer to the name" in live.node.gone


class SlowLine(FakeLine):
    """A line that has a pace."""

    def seconds(self, count: int) -> float:
        return count * 10 / 9600


@pytest.mark.parametrize(("deadline_s", "told"), [(0.05, 1), (5.0, 0), (None, 0)])
def test_a_line_too_slow_for_the_deadline_is_told_once_with_the_figures(tmp_path, deadline_s, told):
    warnings: list[str] = []
    node = LiveNode(NAME, deadline_s, lambda *_: None, warn=warnings.append)
    node.open(SlowLine(prompt), Start(0, 1.0), ArrivalWriter(tmp_path / "a" / "n.jsonl"), 1.0)
    for number in (1, 2):
        node.ask(ask(number))
    node.end(0)
    assert len(warnings) == told
    for text in warnings:
        assert "bytes, which take" in text
        assert "a step waits 50 ms" in text


def test_a_node_that_takes_nothing_any_more_is_gone(bench):
    live = bench(prompt)

    def full(data: bytes) -> None:
        raise BorderError("the other end does not take what is sent to it, 3 s long")

    live.line.send = full
    assert live.node.ask(ask(1, 7)) == []
    assert "does not take" in live.node.gone
    assert live.deaths == [(NAME, live.node.gone, 7)]


def test_frames_of_a_question_that_was_lost_go_with_the_next_one(bench):
    live = bench(lambda word: [answer_to(word)] if word.number > 1 else [], deadline_s=0.0)
    frames = tuple(ReceivedFrame(k, bytes([k]), -90.0, 5.0) for k in range(3))
    for number, own in ((1, frames[:1]), (2, frames[1:2]), (3, frames[2:])):
        live.node.ask(Ask(number, "step", 10 * number, frames=own))
    assert [word.frames for word in live.line.sent[1:]] == [frames[:1], frames[:2], frames[2:]]
    assert "frames" not in live.path.read_text()
