"""Lifelines between partitions and the broker: who is gone, and why."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from cosim.engines.helics_border import free_port
from cosim.engines.lifeline import End, Lifeline, Lifelines
from cosim.run import BAD_INPUT
from gridmodel.errors import BorderError


@pytest.fixture
def broker():
    return f"127.0.0.1:{free_port() + 1}"


@pytest.fixture
def lines(broker):
    lines = Lifelines(broker)
    yield lines
    lines.close()


def ends(lines: Lifelines, count: int = 1) -> list[End]:
    """Return what is told until so many have ended."""
    found: list[End] = []
    until_s = time.monotonic() + 10.0
    while len(found) < count and time.monotonic() < until_s:
        found += lines.look()
        time.sleep(0.01)
    return found


def wait_for(reasons: list[str]) -> None:
    until_s = time.monotonic() + 10.0
    while not reasons and time.monotonic() < until_s:
        time.sleep(0.01)


def test_a_partition_that_ends_says_how(broker, lines):
    reasons: list[str] = []
    Lifeline("left", broker, reasons.append).end(0, "done")
    Lifeline("right", broker, reasons.append).end(3, "federate 'b':\nit broke")
    assert sorted(ends(lines, 2)) == [
        End("left", 0, "done"),
        End("right", 3, "federate 'b':\nit broke"),
    ]
    assert reasons == []


def test_a_partition_that_dies_is_told_by_its_name(broker, lines):
    line = Lifeline("right", broker, print)
    assert lines.look() == []
    line._ended.set()
    line._line.shutdown(socket.SHUT_RDWR)  # as the kernel does it for a killed process
    assert ends(lines) == [End("right", None, "died without a word")]
    line.end(3, "")


@pytest.mark.parametrize("last", [b'{"code": 3, "rea', b'{"code": "x", "reason": ""}\n', b"\xff\n"])
def test_a_partition_that_dies_in_its_last_word_is_told_by_its_name(broker, lines, last):
    line = Lifeline("right", broker, print)
    line._ended.set()
    line._line.sendall(last)
    line._line.shutdown(socket.SHUT_RDWR)
    assert ends(lines) == [End("right", None, "died without a word")]
    line.end(3, "")


def test_a_partition_with_much_to_say_is_heard(broker, lines):
    Lifeline("left", broker, print).end(3, "x" * 200_000)
    (end,) = ends(lines)
    assert (end.partition, end.code) == ("left", 3)
    assert set(end.reason) == {"x"}


def test_a_partition_that_is_stopped_is_told_when_it_was_silent_too_long(broker, lines):
    line = Lifeline("right", broker, print, stall_timeout_s=2.0)
    live = Lifeline("left", broker, print, stall_timeout_s=2.0)
    line._ended.set()  # no more beats, as of a process that is stopped
    assert ends(lines) == [End("right", None, "not heard of for 2 s (stall_timeout_s)")]
    live.end(0, "done")
    assert ends(lines) == [End("left", 0, "done")]
    line.end(3, "")


def test_a_partition_learns_why_the_broker_ends_it(broker, lines):
    reasons: list[str] = []
    line = Lifeline("left", broker, reasons.append)
    lines.look()
    lines.close("partition 'right': it broke")
    wait_for(reasons)
    assert reasons == [line.reason] == ["partition 'right': it broke"]
    line.end(3, "")


def test_a_broker_that_dies_is_told_by_its_address(broker, lines):
    reasons: list[str] = []
    line = Lifeline("left", broker, reasons.append)
    lines.look()
    lines.close()
    wait_for(reasons)
    assert reasons == [f"the broker at {broker} died"]
    line.end(3, "")


def test_strangers_on_the_port_are_no_partitions(broker, lines):
    host, _, port = broker.partition(":")
    for said in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100_000,
    ):
        with socket.create_connection((host, int(port) - 1)) as stranger:
            stranger.sendall(said)
    Lifeline("left", broker, print).end(0, "done")
    assert ends(lines) == [End("left", 0, "done")]


def test_without_a_broker_there_is_no_line(broker):
    with pytest.raises(BorderError, match=f"finds no broker at {broker}"):
        Lifeline("left", broker, print, patience_s=0.1)


def test_a_port_that_is_taken_is_told(broker, lines):
    with pytest.raises(BorderError, match="cannot be listened at"):
        Lifelines(broker)


def test_a_partition_that_cannot_be_run_is_told_with_all_that_is_wrong():
    command = ["partition", "fysics", "street_island", "--broker", "10.0.0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "cosim", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == BAD_INPUT
    said = " ".join(done.stderr.split())
    assert "Did you mean 'physics'?" in said
    assert "--broker 10.0.0.1: is no HOST:PORT" in said
