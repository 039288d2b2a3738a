"""Traces of decisions, and how two of them are held to each other."""

from __future__ import annotations

from cosim.hil.trace import Decision, TracedProgram, compare_traces
from gridmodel.control import Terminal

OPEN, CLOSED = Decision(10, "relay normal", "open"), Decision(20, "relay normal", "closed")


class Program:
    """Opens a contact, changes its state and sends a frame at each step."""

    alarms: tuple = ()
    wake_us = state = 0

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.settings: dict = {}

    def step(self, now_us: int) -> None:
        self.state += 1
        self.wake_us = now_us + 5
        self.terminal.relays["normal"] = not self.terminal.relays["normal"]
        self.terminal.sent.append((b"\xab", 1000))

    def boot(self, now_us: int) -> None:
        self.state = 0


def test_everything_a_program_does_is_noted_with_its_instant():
    terminal, trace = Terminal("house", relays={"normal": True}), []
    program = TracedProgram(Program(terminal), terminal, trace)
    program.step(10)
    assert trace == [Decision(10, "state", "1"), OPEN, Decision(10, "frame", "ab")]
    assert (program.wake_us, program.state) == (15, 1)


def test_frames_that_were_there_before_are_not_this_steps():
    terminal, trace = Terminal("house", relays={"normal": True}), []
    terminal.sent.append((b"old", 1))
    TracedProgram(Program(terminal), terminal, trace).step(10)
    assert [d.value for d in trace if d.what == "frame"] == ["ab"]


def test_equal_traces_are_equal_and_any_difference_is_seen():
    assert compare_traces([OPEN, CLOSED], [OPEN, CLOSED]).equal
    assert not compare_traces([OPEN], [OPEN._replace(t_us=11)]).equal
    assert not compare_traces([OPEN], [OPEN._replace(value="closed")]).equal
    assert not compare_traces([OPEN], [OPEN, CLOSED]).equal
    assert not compare_traces([OPEN, CLOSED], [OPEN]).equal


def test_a_decision_repeated_counts_as_often_as_it_was_taken():
    found = compare_traces([OPEN], [OPEN, OPEN])
    assert (found.same, found.extra) == (1, [OPEN])


def test_what_came_late_is_told_with_how_late():
    found = compare_traces([OPEN, CLOSED], [OPEN, CLOSED._replace(t_us=25)], slack_us=10)
    assert found.shifted == [(CLOSED, 5)]
    assert found.first == "+0.005 ms: 0.000020 s relay normal closed"


def test_the_first_difference_is_the_earliest_of_all_kinds():
    found = compare_traces([OPEN, CLOSED], [Decision(5, "frame", "00")])
    assert found.first == "only in the second: 0.000005 s frame 00"
