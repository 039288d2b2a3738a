"""What the command line asks for."""

from __future__ import annotations

import pytest

from cosim.hil.wish import Wish, wishes
from gridmodel.errors import ScenarioError


def test_nodes_are_wished_by_name_and_way():
    found = wishes(["house_03=emulated", "coordinator.house_02=udp:127.0.0.1:7000"])
    assert found == [
        Wish("house_03", "emulated"),
        Wish("coordinator.house_02", "udp:127.0.0.1:7000"),
    ]
    assert found[0].ours
    assert found[1].at.port == 7000


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["house_03"], "is no NAME=HOW"),
        (["=emulated"], "is no NAME=HOW"),
        (["house_03=emulatd"], "'emulatd' is no address"),
        (["house_03=udp:somewhere"], "lacks a host or a port"),
        (["house_03=emulated", "house_03=emulated"], "names a node twice"),
        ([], "--node"),
    ],
)
def test_what_is_no_wish_is_refused_with_an_example(texts, words):
    with pytest.raises(ScenarioError) as caught:
        wishes(texts)
    text = str(caught.value)
    assert words in text
    assert "house_03=emulated" in text
