"""Where a simulation waits for its node: no stranger takes the seat, no stale place is in the way."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from cosim.lines import line as line_module
from cosim.lines.address import Address
from cosim.lines.line import to_node, to_world
from cosim.lines.listener import Listener
from cosim.lines.messages import Hello, encode
from gridmodel.errors import BorderError
from tests.cosim.lines.test_lines import BROKER, HELLO, broker, free_port, stream


@pytest.fixture(params=["unix", "tcp"])
def place(request, tmp_path) -> Address:
    if request.param == "unix":
        return Address("unix", str(tmp_path / "s"))
    return Address("tcp", "127.0.0.1", free_port())


def called(name: str) -> bytes:
    return encode(Hello(name, "edge_node", (), (), False))


def test_a_stranger_takes_no_seat(place):
    listener = Listener(place, "house")
    strangers = [to_world(place, "x", 5.0) for _ in range(4)]
    strangers[0]._socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    strangers[1].send(b"hello?")
    strangers[2].send(called("mouse"))
    strangers[3].send(b'["Ask",{"number":1,"kind":"end","t_us":1},""]')
    assert listener.accept(0.3) is None
    node = to_world(place, "house", 5.0)
    node.send(HELLO)
    line = listener.accept(5.0)
    assert line is not None
    assert line.receive(1.0) == HELLO
    why = " | ".join(listener.sent_away)
    assert all(words in why for words in ("announced", "no message", "'mouse'", "'Ask'"))
    for one in strangers:
        with pytest.raises(BorderError):
            one.receive(1.0)
    for one in (*strangers, node, line, listener):
        one.close()


def test_one_who_comes_and_says_nothing_is_sent_away_and_keeps_nobody_waiting(place, monkeypatch):
    from cosim.lines import listener as module

    monkeypatch.setattr(module, "HELLO_S", 1.0)
    listener = Listener(place, "house")
    dumb, node = to_world(place, "x", 5.0), to_world(place, "house", 5.0)
    node.send(HELLO)
    line = listener.accept(5.0)
    assert line is not None
    assert not listener.sent_away
    assert listener.accept(1.2) is None
    assert listener.sent_away == ["said nothing for 1 s"]
    for one in (dumb, node, line, listener):
        one.close()


def test_a_greeting_may_come_in_pieces(place):
    listener = Listener(place, "house")
    node = to_world(place, "house", 5.0)
    whole = len(HELLO).to_bytes(4, "little") + HELLO
    node._socket.sendall(whole[:9])
    assert listener.accept(0.1) is None
    node._socket.sendall(whole[9:])
    line = listener.accept(5.0)
    assert line is not None
    for one in (node, line, listener):
        one.close()


def test_a_place_where_another_program_listens_is_told_as_busy(place):
    first = Listener(place)
    with pytest.raises(BorderError, match="another program does so already"):
        Listener(place)
    to_world(place, "x", 5.0).close()  # the first one listens still
    first.close()


def test_the_socket_of_a_program_that_is_gone_is_taken_over(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    with stream(Address("unix", str(path))):
        pass
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_as_it_is(tmp_path):
    path = tmp_path / "s"
    path.write_text("dear")
    with pytest.raises(BorderError, match="no socket"):
        Listener(Address("unix", str(path)))
    assert path.read_text() == "dear"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (Address("unix", "/no/such/folder/s"), "No such file"),
        (Address("unix", "/tmp/" + "x" * 150), "too long"),
        (Address("tcp", "no-such-host.invalid", 7000), "no-such-host"),
        (Address("tcp", "192.0.2.1", 7000), "assign"),
    ],
)
def test_what_is_no_place_to_listen_is_told(at, words):
    with pytest.raises(BorderError, match=words):
        Listener(at)


def test_a_node_waits_for_its_simulation_as_long_as_it_takes_and_says_so(place, monkeypatch):
    monkeypatch.setattr(line_module, "TELL_S", 0.1)
    said: list[str] = []
    line = None

    def come() -> None:
        nonlocal line
        line = to_world(place, "house", say=said.append)

    seeker = threading.Thread(target=come)
    seeker.start()
    until_s = time.monotonic() + 10.0
    while not said and time.monotonic() < until_s:
        time.sleep(0.01)
    listener = Listener(place)
    seeker.join(10.0)
    assert line is not None
    assert any("house: waits since" in text and str(place) in text for text in said)
    line.close()
    listener.close()


def test_a_node_that_is_told_to_end_looks_no_longer(place):
    begin_s = time.monotonic()
    with pytest.raises(BorderError, match="no simulation listens"):
        to_world(place, "house", ended=lambda: time.monotonic() > begin_s + 0.2)


def test_a_node_waits_for_its_broker_too():
    pytest.importorskip("paho.mqtt")
    if BROKER is None:
        pytest.skip("no mosquitto here: scripts/install_mosquitto.sh")
    at = Address("mqtt", "127.0.0.1", free_port())
    came: list[line_module.Line] = []
    seeker = threading.Thread(target=lambda: came.append(to_world(at, "house")))
    seeker.start()
    time.sleep(0.3)
    assert not came
    with broker(at.port):
        seeker.join(10.0)
        world = to_node(at, "house")
        world.send(b"hello")
        assert came[0].receive(5.0) == b"hello"
        world.close()
        came[0].close()
