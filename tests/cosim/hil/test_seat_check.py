"""Who answers at the start: the node of the seat, another one, or two."""

from __future__ import annotations

import threading

import pytest

from cosim.hil.arrivals import ArrivalWriter
from cosim.hil.live_node import LiveNode
from cosim.lines.address import Address
from cosim.lines.line import to_node, to_world
from cosim.lines.messages import Farewell, Hello, Start, encode, unpack
from gridmodel.errors import BorderError
from tests.cosim.hil.lines import HELLO, FakeLine, prompt
from tests.cosim.lines.test_lines import BROKER, broker

NAME = "nodes.house_03"


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        (Hello("nodes.house_04", "edge_node", (), (), False), "'nodes.house_04' answered"),
        (Hello(NAME, "edge_node", (), (), False, version=99), "speaks version 99"),
        (Farewell("no such pin"), "ended at once: no such pin"),
    ],
)
def test_a_wrong_node_is_refused(hello, words):
    line = FakeLine(prompt)
    line.put(hello)
    with pytest.raises(BorderError, match=words):
        LiveNode(NAME, None, lambda *_: None).open(line, Start(0, None), None, 1.0)  # type: ignore[arg-type]


def open_expecting(tmp_path, hello: Hello, expects: Hello | None) -> Hello:
    line = FakeLine(prompt)
    line.put(hello)
    node = LiveNode(NAME, None, lambda *_: None)
    writer = ArrivalWriter(tmp_path / "arrivals" / "n.jsonl")
    try:
        return node.open(line, Start(0, None), writer, 1.0, expects)
    finally:
        node.end(0)


def test_a_node_that_fits_its_seat_is_taken(tmp_path):
    again = Hello(NAME, "edge_node", ("supply",), ("normal",), False, place="elsewhere")
    assert open_expecting(tmp_path, again, HELLO) == again


def test_a_node_that_does_not_fit_its_seat_is_told_with_all_its_faults(tmp_path):
    other = Hello("nodes.house_04", "coordinator", ("street",), ("normal", "pump"), True)
    with pytest.raises(BorderError) as told:
        open_expecting(tmp_path, other, HELLO)
    for words in (
        "'nodes.house_04' answered where 'nodes.house_03' was expected",
        "it runs 'coordinator', the scenario has 'edge_node'",
        "it has no meter 'supply'",
        "the scenario has no meter 'street' there",
        "the scenario has no relay 'pump' there",
        "it has an inverter there, the scenario has none",
    ):
        assert words in str(told.value)


class SharedLine(FakeLine):
    """A line on which several may answer, as at a broker."""

    shared = True


def test_two_nodes_of_one_name_are_told_with_both_places(tmp_path):
    twins = [Hello(NAME, "edge_node", (), (), False, place=f"pi-{k}, process 7") for k in (1, 2)]
    line = SharedLine(prompt)
    line.put(*twins)
    with pytest.raises(BorderError, match=r"two nodes answer.*pi-1, process 7.*pi-2, process 7"):
        LiveNode(NAME, None, lambda *_: None).open(line, Start(0, None), None, 1.0)  # type: ignore[arg-type]


def test_one_node_that_greets_twice_is_one_node(tmp_path):
    line = SharedLine(prompt)
    line.put(HELLO, HELLO)
    node = LiveNode(NAME, None, lambda *_: None)
    assert node.open(line, Start(0, None), ArrivalWriter(tmp_path / "a" / "n.jsonl"), 1.0) == HELLO
    node.end(0)


def test_two_nodes_of_one_name_at_a_broker_are_told(monkeypatch):
    monkeypatch.setattr("cosim.hil.live_node.SECOND_S", 10.0)  # a busy machine greets late
    pytest.importorskip("paho.mqtt")
    if BROKER is None:
        pytest.skip("no mosquitto here: scripts/install_mosquitto.sh")
    with broker() as port:
        at = Address("mqtt", "127.0.0.1", port)
        nodes = [to_world(at, NAME), to_world(at, NAME)]

        def greet(number: int) -> None:
            data = nodes[number].receive(10.0)
            assert data is not None
            hello = Hello(NAME, "edge_node", (), (), False, place=f"pi-{number}")
            nodes[number].send(encode(hello, unpack(data).session))

        threads = [threading.Thread(target=greet, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        live = LiveNode(NAME, None, lambda *_: None)
        with pytest.raises(BorderError, match=r"two nodes answer.*pi-\d, and pi-\d\."):
            live.open(to_node(at, NAME), Start(0, None), None, 5.0)  # type: ignore[arg-type]
        for thread in threads:
            thread.join()
        live.end(0)
        for node in nodes:
            node.close()
