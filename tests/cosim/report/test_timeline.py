"""Timeline: what happened, in words a person reads."""

from __future__ import annotations

import pytest

from cosim.report.timeline import timeline, words
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from gridmodel.federate import Inputs, Message, Messages
from tests.cosim.parts import Part
from tests.cosim.scenarios import scenario
from tests.cosim.scripts import RING, write

S = 1_000_000


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (("house_01",), "house_01"),
        (("house_01", "house_02"), "house_01, house_02"),
        (tuple(range(10)), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"),
        ((), "-"),
        (None, "-"),
        (True, "yes"),
        (b"\x01\xff", "01ff"),
        (0.20000000000000015, "0.2"),
        ({"a_kw": 1.5, "who": ("x", "y")}, "a_kw 1.5; who x, y"),
    ],
)
def test_a_value_is_told_in_words_and_not_in_python(value, told):
    assert words(value) == told


def moved(tmp_path, hours: float = 0.01):
    """A run of a part that says at 7 s which houses moved."""

    def behave(part: Part, t_us: int, inputs: Inputs):
        said = [Message(t_us, "node", {"nodes": ("house_01", "house_02"), "closed": False})]
        return {"switched": said if t_us == 7 * S else []}, t_us + S

    part = Part(behave, outputs=[Messages("switched")], period_us=S)
    made = scenario({"nodes": part}, hours=hours, report={"timeline": ["nodes.switched"]})
    return run(made, RunOptions(tmp_path)).folder


def test_an_entry_names_port_kind_and_content(tmp_path):
    ((entry,), cut) = timeline(moved(tmp_path), ["nodes.switched"])
    assert (entry.who, entry.what) == ("nodes", "switched: node")
    assert entry.detail == "nodes house_01, house_02; closed no"
    assert (entry.given, cut) == (False, 0)


@pytest.mark.parametrize(
    ("hours", "told"), [(0.01, ("t [s]", "7.000")), (2.5, ("t [h]", "0.0019"))]
)
def test_a_short_run_tells_its_instants_in_seconds(tmp_path, hours, told):
    page = (moved(tmp_path, hours) / "report.html").read_text()
    assert all(text in page for text in told)
    assert "house_01, house_02" in page
    assert "(&#39;house_01" not in page


def test_a_message_nobody_asked_for_is_not_listed(tmp_path):
    folder = run(load(write(tmp_path, RING)), RunOptions(tmp_path / "runs")).folder
    assert timeline(folder, [])[0] == []
    assert {entry.who for entry in timeline(folder, ["echo.answer"])[0]} == {"echo"}
