"""A node in a process of its own, held to a line by a test."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim import children
from cosim.lines.address import Address
from cosim.lines.line import Line, to_node
from cosim.lines.listener import Listener
from cosim.lines.messages import Answer, Ask, Farewell, Hello, Start, Truth, decode, encode, unpack
from gridmodel.errors import BridgeError
from gridmodel.ports import Measurement, ReceivedFrame
from gridmodel.wire.unsealing import peek_all
from tests.cosim.lines.test_lines import free_port
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
    counters = []
    for _ in range(3):
        node = start()
        node.number += 1
        node.line.send(encode(Ask(node.number, "boot", 0)))
        node.word()
        ((frame, _),) = node.ask(node.ask(0).wake_us).sent
        counters.append(peek_all(frame).counter_low)
        node.child.kill()  # without a word
        node.child.wait()
        node.line.close()
    assert counters[0] < counters[1] < counters[2]  # a counter is never used twice


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


def launched(folder: Path, world: Address, text: str = WHOLE) -> subprocess.Popen[bytes]:
    path = written(folder, text + f"world: {world}\nclock: stepped\n")
    command = [sys.executable, "-m", "cosim.node", "--config", str(path)]
    with (folder / "log").open("wb") as log:
        return children.start(command, log=log)


def greeted(at: Address, session: str) -> Line:
    """A simulation's line to a node that it has greeted."""
    line = to_node(at, "house_03")
    start = Start(0, None, dict.fromkeys(("critical", "normal", "deferrable"), True))
    for _ in range(60):
        line.send(encode(start, session))
        while (data := line.receive(0.5)) is not None:
            if unpack(data).session == session:
                return line
    raise AssertionError("the node did not greet")


def question(number: int, t_us: int, **changed) -> Ask:
    relays = dict.fromkeys(("critical", "normal", "deferrable"), True)
    reading = {"supply": Measurement(t_us, *DAY)}
    return Ask(number, "step", t_us, reading, {"supply": DAY}, relays, **changed)


def answer(line: Line) -> Answer:
    while (data := line.receive(10.0)) is not None:
        word = decode(data)
        if isinstance(word, Answer):
            return word
    raise AssertionError("the node did not answer")


def test_a_simulation_that_begins_after_another_one_died_finds_the_node_begun_anew(tmp_path):
    at = Address("udp", "127.0.0.1", free_port(socket.SOCK_DGRAM))
    child = launched(tmp_path, at)
    first = greeted(at, "one")
    for number in range(1, 6):
        first.send(encode(question(number, number * S), "one"))
        seen = answer(first)
    assert seen.t_us == 5 * S
    first.close()  # without a word, as by kill -9
    second = greeted(at, "two")
    second.send(encode(question(1, 0), "one"))  # of the dead one, on its way still
    second.send(encode(question(1, 0), "two"))
    data = second.receive(10.0)
    while data is not None and isinstance(decode(data), Hello):
        data = second.receive(10.0)
    assert data is not None
    word, session = unpack(data)
    assert (word.number, word.t_us, session) == (1, 0, "two")
    second.close()
    child.terminate()
    assert child.wait(10.0) == 0
    assert "another simulation has begun" in (tmp_path / "log").read_text()


def test_a_node_that_looks_for_its_simulation_can_be_told_to_end(tmp_path):
    child = launched(tmp_path, Address("unix", str(tmp_path / "none")))
    for _ in range(400):
        if b"edge_node runs" in (tmp_path / "log").read_bytes():
            break
        time.sleep(0.05)
    time.sleep(0.3)
    assert child.poll() is None
    child.terminate()
    assert child.wait(10.0) == 0
    assert "SIGTERM" in (tmp_path / "log").read_text()


def test_a_port_that_fails_is_told_once_and_when_it_is_there_again(tmp_path):
    from cosim.node.assembly import assemble
    from cosim.node.config import read_config
    from cosim.node.process import NodeProcess

    node = assemble(read_config(written(tmp_path)))
    assert node.runner is not None
    said: list[str] = []
    process = NodeProcess(node, None, said.append)
    process._begin(Start(0, None), "one")
    process._meet(question(1, 0))
    meter = node.runner._senses._meters["supply"]
    reads = type(meter).read

    def fails(now_us: int) -> None:
        raise BridgeError("MCP3208 on SPI", "a transfer failed.")

    meter.read = fails  # type: ignore
    for number in range(2, 5):
        process._meet(question(number, number * S))
    meter.read = lambda now_us: reads(meter, now_us)  # type: ignore
    process._meet(question(5, 5 * S))
    node.close()
    assert len(said) == 2
    assert "meter.supply fails: " in said[0]
    assert "a transfer failed" in said[0]
    assert said[1].endswith("meter.supply is there again")


def test_a_place_that_is_taken_ends_the_node_with_an_error(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        at = Address("udp", "127.0.0.1", taken.getsockname()[1])
        child = launched(tmp_path, at)
        assert child.wait(30.0) == 1
    assert "cannot be listened at" in (tmp_path / "log").read_text()


def test_frames_and_a_boot_of_a_question_that_was_lost_are_had_once_from_the_next_one(tmp_path):
    from cosim.node.assembly import assemble
    from cosim.node.config import read_config
    from cosim.node.process import NodeProcess

    node = assemble(read_config(written(tmp_path)))
    heard: list[bytes] = []
    booted: list[int] = []
    node.bench.feeds.append(lambda ask: heard.extend(frame.data for frame in ask.frames))
    assert node.runner is not None
    boot = node.runner.boot
    node.runner.boot = lambda now_us: (booted.append(now_us), boot(now_us))  # type: ignore
    process = NodeProcess(node, None)
    process._begin(Start(0, None), "one")
    frames = tuple(ReceivedFrame(k, bytes([k]), -90.0, 5.0) for k in range(4))
    process._meet(question(1, 10, frames=frames[:1]))
    process._meet(question(3, 30, frames=frames[:3]))  # 1 was had, but not known to be; 2 was lost
    process._meet(question(4, 40, frames=frames[3:], frame_count=3, boot_count=1))
    process._meet(question(5, 50, frames=frames[3:], frame_count=3, boot_count=1))
    node.close()
    assert heard == [bytes([k]) for k in range(4)]
    assert booted == [40]
