"""A program that is somewhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest

from cosim.lines.messages import Answer, Ask, Truth
from cosim.node.outside import LOOK_AGAIN_US, NEVER_US, OutsideProgram
from gridmodel.control import Alarm, Terminal
from gridmodel.federate import NodeSeat
from gridmodel.kpi import Kpi
from gridmodel.ports import InverterState, Measurement, ReceivedFrame
from gridmodel.wire.lora import Modem

READING = Measurement(5, 230.0, 1.0, -0.2, 50.0)


class Outside:
    """A node that answers what a test says."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.says: deque[Sequence[dict[str, Any]]] = deque()
        self.gone = ""

    def ask(self, ask: Ask) -> Sequence[Answer]:
        self.asked.append(ask)
        said = self.says.popleft() if self.says else [{}]
        return [Answer(**{"number": ask.number, "t_us": ask.t_us, "wake_us": 99} | s) for s in said]

    def kpis(self) -> tuple[Kpi, ...]:
        return (Kpi("late_answer_count", 4),)

    def snapshot(self) -> Any:
        return len(self.asked)

    def restore(self, state: Any) -> None:
        self.restored = state


@pytest.fixture
def terminal() -> Terminal:
    terminal = Terminal("house_03", relays={"normal": True, "tie": True})
    terminal.readings["supply"] = READING
    return terminal


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def program(terminal, outside) -> OutsideProgram:
    seat = NodeSeat("nodes", terminal, ("supply",), 3, (), Modem(), 0)
    return OutsideProgram(seat, outside, {"gain_pu": 2.0}, lambda: (Kpi("shed_count", 0),))


def test_everything_at_the_terminal_goes_out(program, terminal, outside):
    frame = ReceivedFrame(7, b"abc", -90.0, 5.0)
    terminal.received.append(frame)
    terminal.inverter = InverterState(1.0, 0.5, 2.0, 10.0)
    assert terminal.truth == {}  # the fleet is asked for it
    terminal.truth["supply"] = (231.0, 1.1, -0.25, 50.01)
    program.step(9)
    (asked,) = outside.asked
    assert (asked.kind, asked.t_us, asked.frames) == ("step", 9, (frame,))
    assert asked.readings == {"supply": READING}
    assert asked.truth == {"supply": Truth(231.0, 1.1, -0.25, 50.01)}
    assert asked.relays == {"normal": True, "tie": True}
    assert asked.inverter == terminal.inverter
    assert not terminal.received


def test_an_answer_moves_sends_and_sets(program, terminal, outside):
    alarm = Alarm("supply", 200.0)
    outside.says.append([{
        "relays": {"normal": False}, "sent": ((b"f", 41),), "wake_us": 50, "state": 2,
        "alarms": (alarm,), "p_set_kw": 1.5, "kpis": {"shed_count": 3.0},
    }])  # fmt: skip
    program.step(9)
    assert terminal.relays == {"normal": False, "tie": True}
    assert terminal.sent == [(b"f", 41)]
    assert (program.wake_us, program.state, program.alarms) == (50, 2, (alarm,))
    assert terminal.p_set_kw == 1.5
    assert [(kpi.name, kpi.value) for kpi in program.kpis()] == [
        ("shed_count", 3.0), ("late_answer_count", 4),
    ]  # fmt: skip


def test_without_an_answer_the_step_goes_on_with_the_last_value_and_looks_again_soon(
    program, terminal, outside
):
    outside.says += [[{"relays": {"normal": False}, "state": 2}], []]
    program.step(9)
    program.step(20)
    assert (program.state, terminal.relays["normal"]) == (2, False)
    assert program.wake_us == 20 + LOOK_AGAIN_US


def test_a_late_answer_alone_does_not_stand_for_the_present_one(program, outside):
    outside.says += [[], [{"number": 1, "wake_us": 10**9}]]
    program.step(9)
    program.step(20)
    assert program.wake_us == 20 + LOOK_AGAIN_US


def test_answers_that_come_together_are_taken_in_order(program, terminal, outside):
    outside.says.append([
        {"number": 0, "relays": {"normal": False}, "sent": ((b"a", 1),)},
        {"relays": {"normal": True}, "sent": ((b"b", 1),)},
    ])  # fmt: skip
    program.step(9)
    assert terminal.relays["normal"] is True
    assert [frame for frame, _ in terminal.sent] == [b"a", b"b"]


def test_a_node_that_is_gone_keeps_its_contacts_and_never_wakes(program, terminal, outside):
    outside.says += [[{"relays": {"normal": False}, "alarms": (Alarm("supply", 200.0),)}], []]
    program.step(9)
    outside.gone = "the other end is gone"
    program.step(20)
    assert (program.wake_us, program.alarms) == (NEVER_US, ())
    assert terminal.relays["normal"] is False


def test_power_that_is_back_is_told(program, outside):
    program.boot(30)
    assert (outside.asked[-1].kind, outside.asked[-1].t_us) == ("boot", 30)


def test_a_replayed_node_is_saved_whole(program, outside):
    outside.says.append([{"state": 2, "kpis": {"shed_count": 3.0}}])
    program.step(9)
    saved = program.snapshot()
    outside.says.append([{"state": 1}])
    program.step(20)
    program.restore(saved)
    assert (program.state, program.wake_us, outside.restored) == (2, 99, 1)
