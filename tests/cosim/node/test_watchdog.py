"""Systemd's watchdog is told that a node's loop turns, and only while it does."""

from __future__ import annotations

import os
import socket

import pytest

from cosim.node.assembly import assemble
from cosim.node.config import read_config
from cosim.node.watchdog import Watchdog
from tests.cosim.node.test_node_config import WHOLE, written


@pytest.fixture
def ear(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.setblocking(False)
        yield ear


def heard(ear: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(ear.recv(100))
        except BlockingIOError:
            return found


def test_it_is_told_four_times_within_its_time(ear, tmp_path):
    now = [0.0]
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "8000000"}
    watchdog = Watchdog(environment, lambda: now[0])
    for tenth in range(80):
        now[0] = tenth / 10
        watchdog.alive()
    assert heard(ear) == [b"WATCHDOG=1"] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"WATCHDOG_USEC": ""},  # no WatchdogSec=
        {"WATCHDOG_PID": "1"},  # it is another process's
        {"NOTIFY_SOCKET": ""},  # no systemd
    ],
)
def test_nobody_is_told_who_does_not_ask(change, ear, tmp_path):
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "8000000"}
    Watchdog(environment | change).alive()
    assert heard(ear) == []


def test_who_has_gone_stops_no_node(tmp_path):
    path = str(tmp_path / "nobody")
    Watchdog(
        {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "8", "WATCHDOG_PID": str(os.getpid())}
    ).alive()


@pytest.mark.parametrize("world", ["", "world: udp:127.0.0.1:7000\n"])
def test_the_loop_of_a_node_tells_it(world, ear, tmp_path, monkeypatch):
    pytest.importorskip("gpiozero")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    node = assemble(read_config(written(tmp_path, WHOLE + world)))
    assert node.runner is not None
    for _ in range(3):
        node.runner.hears(lambda: False)
    assert heard(ear) == [b"WATCHDOG=1"]
    node.close()
