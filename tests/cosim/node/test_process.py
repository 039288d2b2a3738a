"""A node in a process of its own, held to a line by a test."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim import children
from cosim.node.lines import Address, Line, Listener
from cosim.node.messages import Answer, Ask, Farewell, Hello, Start, Truth, decode, encode
from gridmodel.ports import Measurement
from tests.cosim.node.test_node_config import WHOLE, written

pytest.importorskip("gpiozero")
S = 1_000_000
DAY = Truth(230.0, 2.0, -0.46, 50.0)
DARK = Truth(0.0, 0.0, 0.0, 0.0)


class Running:
    """A node's process, and the simulation's end of its line."""

    def __init__(self, folder: Path, text: str, factor: float | None) -> None:
        at = Address("unix", str(folder / "line"))
        listener = Listener(at)
        path = written(folder, text + f"world: {at}\nclock: {'wall' if factor else 'stepped'}\n")
        command = [sys.executable, "-m", "cosim.node", "--config", str(path)]
        with (folder / "log").open("wb") as log:
            self.child = children.start(command, log=log)
        line = listener.accept(30.0)
        listener.close()
        assert line is not None, (folder / "log").read_text()
        self.line: Line = line
        self.number = 0
        self.line.send(
            encode(Start(0, factor, dict.fromkeys(("critical", "normal", "deferrable"), True)))
        )
        assert isinstance(self.word(), Hello)
        assert isinstance(self.word(), Hello)

    def word(self, wait_s: float = 20.0):
        data = self.line.receive(wait_s)
        return decode(data) if data is not None else None

    def ask(self, t_us: int, truth: Truth = DAY, again: bool = False, **changed) -> Answer:
        self.number += not again
        reading = Measurement(t_us, *truth)
        relays = dict.fromkeys(("critical", "normal", "deferrable"), True)
        question = Ask(
            self.number, "step", t_us, {"supply": reading}, {"supply": truth}, relays, **changed
        )
        self.line.send(encode(question))
        word = self.word()
        assert isinstance(word, Answer), word
        return word


@pytest.fixture
def start(tmp_path) -> Iterator:
    running: list[Running] = []

    def make(text: str = WHOLE, factor: float | None = None) -> Running:
        running.append(Running(tmp_path, text, factor))
        return running[-1]

    yield make
    for one in running:
        one.line.close()
        children.end([one.child], 5.0)


def test_a_node_answers_with_frames_contacts_and_its_next_instant(start):
    node = start()
    first = node.ask(0)
    assert first.wake_us > 0
    assert first.alarms
    dark = node.ask(1 * S, DARK)
    assert dark.relays == {"critical": False, "normal": False, "deferrable": False}
    told = node.ask(dark.wake_us, DARK)
    assert [airtime > 0 for _, airtime in told.sent] == [True]


def test_a_question_that_is_asked_twice_is_answered_once(start):
    node = start()
    first = node.ask(0)
    assert node.ask(0, again=True) == first
    report = node.ask(first.wake_us)
    assert len(report.sent) == 1
    assert node.ask(first.wake_us, again=True) == report


def test_told_to_end_it_leaves_its_relays_in_the_safe_position(start):
    node = start()
    node.ask(0)
    node.child.send_signal(signal.SIGTERM)
    last = node.word()
    assert isinstance(last, Farewell)
    assert "SIGTERM" in last.why
    assert last.relays == {"critical": True, "normal": False, "deferrable": True}
    assert node.child.wait(10.0) == 0


def test_it_ends_with_its_simulation(start):
    node = start()
    node.ask(0)
    node.line.send(encode(Ask(99, "end", 1)))
    assert isinstance(node.word(), Answer)
    assert isinstance(node.word(), Farewell)
    assert node.child.wait(10.0) == 0


def test_it_ends_when_its_simulation_dies(start):
    node = start()
    node.ask(0)
    node.line.close()
    assert node.child.wait(10.0) == 0


def test_a_node_that_fails_says_why_and_leaves_its_relays_safe(start):
    node = start(WHOLE.replace("emulated, chip: mcp3208", "simulated"))
    node.line.send(encode(Ask(1, "step", 0)))  # with nothing to read
    last = node.word()
    assert isinstance(last, Farewell)
    assert "it failed: KeyError" in last.why
    assert last.relays["normal"] is False
    assert node.child.wait(10.0) == 1


def test_by_the_wall_clock_it_acts_alone_when_no_question_comes(start):
    node = start(WHOLE + "guard_s: 0.2\n", factor=0.01)
    first = node.ask(0)
    alone = node.word()
    assert isinstance(alone, Answer)
    assert alone.own
    assert alone.t_us >= first.wake_us
    assert len(alone.sent) == 1


def test_stepped_it_never_acts_alone(start):
    node = start(WHOLE + "guard_s: 0.01\n")
    node.ask(0)
    assert node.word(0.5) is None


def test_time_does_not_go_back_for_a_node_that_was_ahead(start):
    node = start(WHOLE + "guard_s: 0.2\n", factor=0.01)
    node.ask(0)
    alone = node.word()
    assert node.ask(1).t_us >= alone.t_us


def test_after_a_boot_it_starts_anew(start):
    node = start()
    node.ask(0)
    node.number += 1
    node.line.send(encode(Ask(node.number, "boot", 5 * S)))
    booted = node.word()
    assert booted.wake_us == 5 * S
    assert node.ask(5 * S).relays == {"critical": False, "normal": False, "deferrable": False}


def test_what_it_keeps_survives_its_process(start, tmp_path):
    node = start()
    node.ask(node.ask(0).wake_us)  # it seals a frame, so its counter is kept ahead
    node.child.kill()
    node.child.wait()
    assert list((tmp_path / "kept").iterdir())


def test_without_a_simulation_it_runs_alone_until_it_is_told_to_end(tmp_path):
    path = written(tmp_path)
    command = [sys.executable, "-m", "cosim.node", "--config", str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert "on its own" in child.stdout.readline()
    time.sleep(0.5)
    assert child.poll() is None
    child.terminate()
    assert "SIGTERM" in child.communicate(timeout=10.0)[0]
    assert child.returncode == 0
