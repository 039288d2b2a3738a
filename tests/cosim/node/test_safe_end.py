"""However a node's process ends, each relay that can be moved is in its safe position."""

from __future__ import annotations

import os
import signal
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from cosim.lines import stream_line
from cosim.lines.messages import Ask, Start, Truth, encode
from cosim.lines.stream_line import StreamLine
from cosim.node import assembly, command
from cosim.node.assembly import Node, assemble
from cosim.node.blocks import RelayBlock
from cosim.node.config import read_config
from cosim.node.process import NodeProcess
from cosim.node.told import Told
from gridmodel.errors import BorderError, BridgeError
from gridmodel.ports import Measurement
from tests.cosim.node.test_node_config import WHOLE, written


class GpioError(Exception):
    """As gpiozero's and lgpio's: in no tree of ours, nor of Python's own errors."""


class Contact:
    """A relay that may fail."""

    def __init__(self, closed: bool, fails: bool = False) -> None:
        self._closed, self.fails = closed, fails

    @property
    def closed(self) -> bool:
        if self.fails:
            raise GpioError("GPIO not allocated")
        return self._closed

    def open(self) -> None:
        if self.fails:
            raise GpioError("GPIO not allocated")
        self._closed = False

    def close(self) -> None:
        self._closed = True


def test_one_relay_that_fails_keeps_no_other_from_its_position():
    blocks = {
        "critical": RelayBlock(safe="open"), "normal": RelayBlock(safe="open"),
        "deferrable": RelayBlock(safe="closed"), "pump": RelayBlock(safe="keep"),
    }  # fmt: skip
    relays = {
        "relay.critical": Contact(True, fails=True), "relay.normal": Contact(True),
        "relay.deferrable": Contact(False), "relay.pump": Contact(True),
    }  # fmt: skip
    config: Any = SimpleNamespace(relays=blocks)
    nothing: Any = None
    node = Node(config, nothing, nothing, dict(relays))
    assert node.make_safe() == {"normal": False, "deferrable": True, "pump": True}


def test_what_was_opened_is_given_back_whatever_goes_wrong(tmp_path, monkeypatch):
    closed = []

    def fit(bench: Any, kind: str, name: str, block: Any) -> Any:
        if name in ("normal", "radio"):
            raise GpioError(f"{name} is busy")
        bench.closes += [lambda: closed.append(name), lambda: 1 / 0]
        return Contact(True)

    monkeypatch.setattr(assembly, "_fit", fit)
    with pytest.raises(BridgeError, match=r"2 ports cannot be opened:\n  relay\.normal.*\n  radio"):
        assemble(read_config(written(tmp_path)))
    assert closed == ["deferrable", "critical", "supply"]


def test_noise_ends_no_node_where_anyone_may_speak():
    process = NodeProcess.__new__(NodeProcess)
    process.noise_count = 0
    anyone: Any = object()
    process._hear(anyone, b"hello?", None)  # type: ignore[arg-type]
    assert process.noise_count == 1
    with pytest.raises(BorderError):
        process._hear(StreamLine.__new__(StreamLine), b"hello?", None)  # type: ignore[arg-type]


def test_a_node_whose_simulation_takes_nothing_any_more_ends_safe(tmp_path, monkeypatch):
    pytest.importorskip("gpiozero")
    monkeypatch.setattr(stream_line, "SEND_S", 0.05)
    node = assemble(read_config(written(tmp_path, WHOLE + "guard_s: 0.001\n")))
    own, world = socket.socketpair()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    relays = dict.fromkeys(("critical", "normal", "deferrable"), True)
    truth = Truth(230.0, 2.0, -0.46, 50.0)
    question = Ask(1, "step", 0, {"supply": Measurement(0, *truth)}, {"supply": truth}, relays)
    line = StreamLine(world)
    line.send(encode(Start(0, 1e-5, relays), "one"))
    line.send(encode(question, "one"))
    contacts: list[dict[str, bool]] = []
    make_safe = node.make_safe
    monkeypatch.setattr(node, "make_safe", lambda: contacts.append(make_safe()) or contacts[-1])
    why = NodeProcess(node, StreamLine(own)).run()
    assert "does not take what is sent" in why
    (left,) = contacts
    assert (left["critical"], left["normal"]) == (True, False)  # the third keeps what it had
    line.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_is_told_to_end_while_it_is_put_together_ends_safely(
    number, tmp_path, monkeypatch, capsys
):
    left = []
    before = signal.getsignal(number)

    def slowly(config):
        node = assemble(config)
        os.kill(os.getpid(), number)
        assert not node.ports["relay.critical"].closed
        safe = node.make_safe
        node.make_safe = lambda: left.append(safe()) or left[0]
        return node

    monkeypatch.setattr(assembly, "assemble", slowly)
    assert command._run(read_config(written(tmp_path))) == command.DONE
    assert signal.getsignal(number) is before
    assert f"told to end by {number.name}" in capsys.readouterr().out
    assert left[0]["critical"]


class Quiet:
    """A line on which nobody speaks any more."""

    def send(self, data: bytes) -> None:
        """Take it."""

    def receive(self, wait_s: float | None) -> None:
        time.sleep(0.02)


def test_a_stepped_node_ends_when_its_simulation_is_silent_for_too_long():
    process: Any = NodeProcess.__new__(NodeProcess)
    config = SimpleNamespace(
        node="x", controller="c", meters={}, relays={}, inverter=None, clock="stepped", guard_s=5.0
    )
    process._node = SimpleNamespace(
        config=config, clock=SimpleNamespace(until_s=lambda us: 1.0, factor=None)
    )
    process._runner = SimpleNamespace(wake_us=0, alive=lambda: None)
    process._told = Told()
    process._last, process._running, process._why = None, True, ""
    process.silence_s, process.noise_count = 0.2, 0
    process._asked(Quiet())
    assert process._why == "the simulation has not spoken for 0.2 s"
