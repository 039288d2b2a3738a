"""Lines between a node and a simulation: whole messages on every kind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cosim.lines import stream_line
from cosim.lines.address import Address, address
from cosim.lines.datagram_line import DatagramLine
from cosim.lines.line import Line, to_node, to_world
from cosim.lines.listener import Listener
from cosim.lines.messages import Hello, encode
from cosim.lines.stream_line import StreamLine
from gridmodel.errors import BorderError

MESSAGES = [b"", b"x", b"\xf7\x1e" * 20, bytes(range(256)) * 40]
HELLO = encode(Hello("house", "edge_node", ("supply",), ("normal",), False))
BROKER = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def stream(at: Address) -> Iterator[tuple[Line, Line]]:
    listener = Listener(at)
    node = to_world(at, "house", 5.0)
    node.send(HELLO)
    world = listener.accept(5.0)
    assert world is not None
    assert world.receive(5.0) == HELLO
    yield world, node
    world.close()
    node.close()
    listener.close()


@contextmanager
def datagrams() -> Iterator[tuple[Line, Line]]:
    at = Address("udp", "127.0.0.1", free_port(socket.SOCK_DGRAM))
    node, world = to_world(at, "house"), to_node(at, "house")
    world.send(b"first")
    assert node.receive(5.0) == b"first"
    yield world, node
    world.close()
    node.close()


@contextmanager
def null_modem() -> Iterator[tuple[str, str]]:
    """Two pseudo-terminals whose masters a thread connects crosswise."""
    pairs = [os.openpty(), os.openpty()]
    over = threading.Event()
    for _, slave in pairs:
        tty.setraw(slave)

    def carry(source: int, target: int) -> None:
        os.set_blocking(source, False)
        while not over.is_set():
            try:
                os.write(target, os.read(source, 4096))
            except BlockingIOError:
                time.sleep(0.001)

    a, b = pairs[0][0], pairs[1][0]
    threads = [threading.Thread(target=carry, args=way) for way in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    try:
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for pair in pairs:
            for end in pair:
                os.close(end)


@contextmanager
def serial() -> Iterator[tuple[Line, Line]]:
    with null_modem() as (one, other):
        world = to_node(Address("serial", one), "house")
        node = to_world(Address("serial", other), "house")
        yield world, node
        world.close()
        node.close()


@contextmanager
def broker(port: int = 0) -> Iterator[int]:
    port = port or free_port()
    command = [str(BROKER), "-p", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    try:
        yield port
    finally:
        child.terminate()
        child.wait()


@contextmanager
def mqtt() -> Iterator[tuple[Line, Line]]:
    pytest.importorskip("paho.mqtt")
    if BROKER is None:
        pytest.skip("no mosquitto here: scripts/install_mosquitto.sh")
    with broker() as port:
        at = Address("mqtt", "127.0.0.1", port)
        world, node = to_node(at, "house"), to_world(at, "house")
        yield world, node
        world.close()
        node.close()


@pytest.fixture(params=["unix", "tcp", "udp", "serial", "mqtt"])
def ends(request, tmp_path) -> Iterator[tuple[Line, Line]]:
    ways = {
        "unix": lambda: stream(Address("unix", str(tmp_path / "s"))),
        "tcp": lambda: stream(Address("tcp", "127.0.0.1", free_port())),
        "udp": datagrams,
        "serial": serial,
        "mqtt": mqtt,
    }
    with ways[request.param]() as pair:
        yield pair


def test_messages_arrive_whole_and_in_order_both_ways(ends):
    world, node = ends
    for sender, receiver in ((world, node), (node, world)):
        for message in MESSAGES:
            sender.send(message)
            assert receiver.receive(5.0) == message


def test_without_a_message_the_wait_ends(ends):
    world, node = ends
    assert world.receive(0.0) is None
    assert node.receive(0.01) is None


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_stream_tells_that_the_other_end_is_gone(kind, tmp_path):
    at = (
        Address("unix", str(tmp_path / "s"))
        if kind == "unix"
        else Address("tcp", "127.0.0.1", free_port())
    )
    with stream(at) as (world, node):
        node.send(b"last")
        node.close()
        assert world.receive(1.0) == b"last"
        with pytest.raises(BorderError, match="gone"):
            world.receive(1.0)


def test_a_stream_refuses_a_length_nobody_sends():
    one, other = socket.socketpair()
    other.sendall(b"\xff\xff\xff\x7f")
    with pytest.raises(BorderError, match="allowed"):
        StreamLine(one).receive(1.0)
    one.close()
    other.close()


def test_a_node_without_a_simulation_says_where_it_looked(tmp_path):
    with pytest.raises(BorderError, match="no simulation listens at unix:"):
        to_world(Address("unix", str(tmp_path / "none")), "house", 0.1)


def test_a_simulation_hears_only_the_node_it_speaks_to():
    at = Address("udp", "127.0.0.1", free_port(socket.SOCK_DGRAM))
    node, world, stranger = to_world(at, "h"), to_node(at, "h"), to_node(at, "h")
    world.send(b"hello")
    assert node.receive(1.0) == b"hello"
    own = world._socket.getsockname()
    stranger._socket.sendto(b"forged", ("127.0.0.1", own[1]))
    node.send(b"answer")
    assert world.receive(1.0) == b"answer"
    for line in (node, world, stranger):
        line.close()


def test_datagrams_to_nobody_are_no_error():
    line = DatagramLine(
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        ("127.0.0.1", free_port(socket.SOCK_DGRAM)),
    )
    for _ in range(3):
        line.send(b"anyone?")
    assert line.receive(0.05) is None
    line.close()


@pytest.mark.parametrize(
    "text",
    ["", "house", "udp:host", "udp::7000", "udp:h:0", "udp:h:x", "fax:1:2", "serial:@9600", "serial:/d@x",
     "serial:/d@0", "serial:/d@"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r"address|lacks"):
        address(text)


@pytest.mark.parametrize(
    "text",
    [
        "unix:/tmp/a",
        "tcp:127.0.0.1:7",
        "udp:host:9",
        "serial:/dev/ttyS0",
        "serial:/dev/ttyS0@921600",
    ],
)
def test_an_address_is_read_as_it_is_written(text):
    assert str(address(text)) == text


def test_a_stranger_takes_no_line_that_is_spoken_for_unless_it_is_a_simulation():
    with datagrams() as (world, node), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        at = ("127.0.0.1", node._socket.getsockname()[1])
        other.bind(("127.0.0.1", 0))
        other.sendto(b"hello?", at)
        assert node.receive(0.3) is None
        node.send(b"to the first")
        assert world.receive(5.0) == b"to the first"
        other.sendto(b'["Start",{}]', at)
        assert node.receive(5.0) == b'["Start",{}]'
        node.send(b"to the second")
        assert other.recvfrom(100)[0] == b"to the second"


def test_a_host_may_be_a_name():
    at = Address("udp", "127.0.0.1", free_port(socket.SOCK_DGRAM))
    node, world = to_world(at, "house"), to_node(at._replace(host="localhost"), "house")
    world.send(b"first")
    assert node.receive(5.0) == b"first"
    node.send(b"answer")
    assert world.receive(5.0) == b"answer"
    world.close()
    node.close()


def test_what_no_datagram_holds_is_told():
    with datagrams() as (world, _), pytest.raises(BorderError, match="70,000 bytes to 127"):
        world.send(bytes(70_000))


def send_much(line: Line) -> None:
    for _ in range(100):
        line.send(bytes(60_000))


def stopped() -> tuple[StreamLine, socket.socket]:
    """A line whose other end reads nothing."""
    own, other = socket.socketpair()
    return StreamLine(own), other


def test_a_stream_does_not_wait_for_ever_for_one_that_takes_nothing(monkeypatch):
    monkeypatch.setattr(stream_line, "SEND_S", 0.05)
    line, other = stopped()
    with pytest.raises(BorderError, match="does not take what is sent"):
        send_much(line)
    other.recv(65536)
    with pytest.raises(BorderError, match="does not take"):  # the rest would be taken for a part
        line.send(b"x")
    line.close()
    other.close()


def test_datagrams_that_find_no_room_are_lost_and_no_error():
    class Full:
        def settimeout(self, wait_s):
            pass

        def sendto(self, data, peer):
            raise BlockingIOError

    DatagramLine(Full(), ("127.0.0.1", 9)).send(b"lost")  # type: ignore[arg-type]
