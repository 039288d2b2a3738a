"""Other parts: a part of one's own is seen in the report without being asked for."""

from __future__ import annotations

import pytest

from cosim import registry, run_folder
from cosim.report.other_parts import MOST_PLOTS, other_parts
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from cosim.scenario.schema import PanelConfig
from tests.cosim.scripts import RING, write

UNTIL_US = 72_000_000
PANEL = PanelConfig(title="t", signals=("echo.count",))


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """Folder of a run without panels."""
    folder = tmp_path_factory.mktemp("ring")
    return run(load(write(folder, RING)), RunOptions(folder / "runs")).folder


def models(**named: str) -> dict:
    """A resolved scenario of three parts, ours unless named."""
    ours = dict.fromkeys(("clock", "echo", "listener"), "battery")
    return {"federates": {name: {"model": model} for name, model in (ours | named).items()}}


def test_a_scenario_without_panels_shows_the_first_outputs_of_each_part_in_turns(ring):
    found = other_parts(ring, run_folder.read_run(ring)["resolved"], (), UNTIL_US)
    assert found.drawn == [
        "clock.tick_kw", "echo.back_kw", "listener.sum_kw", "clock.on", "echo.count",
    ]  # fmt: skip
    assert found.outputs == 5
    assert found.left == []
    page = (ring / "report.html").read_text()
    assert "<h2>What happened</h2>" in page
    assert "signals: [clock.tick_kw]" in page
    assert found.picture in page


def test_a_part_of_another_package_is_drawn_and_ours_are_named(ring):
    found = other_parts(ring, models(listener="heater"), [PANEL], UNTIL_US)
    assert found.drawn == ["listener.sum_kw"]
    assert found.left == ["clock"]  # echo has a panel
    assert found.example == "listener.sum_kw"


def test_a_part_whose_inside_is_somebody_elses_is_drawn(ring):
    assert other_parts(ring, models(clock="mosaik"), [PANEL], UNTIL_US).left == ["listener"]


def test_where_nothing_is_drawn_the_report_tells_a_signal_that_exists(ring):
    found = other_parts(ring, models(), [PANEL], UNTIL_US)
    assert (found.drawn, found.picture) == ([], "")
    assert (found.left, found.example) == (["clock", "listener"], "clock.tick_kw")


def test_parts_that_all_have_panels_are_no_other_parts(ring):
    panel = PanelConfig(title="t", signals=("echo.count", "clock.on", "listener.sum_kw"))
    found = other_parts(ring, models(clock="heater"), [panel], UNTIL_US)
    assert (found.example, found.left, found.outputs) == ("", [], 0)


def test_of_many_outputs_the_first_are_drawn_and_the_report_tells_how_many_there_are(tmp_path):
    many = ", ".join(f"out{k}_kw: {{values: [{k}, 0]}}" for k in range(9))
    text = RING.replace("outputs: {sum_kw: {}}", f"outputs: {{sum_kw: {{}}, {many}}}")
    folder = run(load(write(tmp_path, text)), RunOptions(tmp_path)).folder
    found = other_parts(folder, run_folder.read_run(folder)["resolved"], (), UNTIL_US)
    assert len(found.drawn) == MOST_PLOTS
    assert found.outputs == 14
    assert f"The first {MOST_PLOTS} of 14 outputs." in (folder / "report.html").read_text()


def test_a_model_is_ours_if_this_package_registers_it():
    assert registry.ours(registry.FEDERATES, "battery")
    assert not registry.ours(registry.FEDERATES, "heater")
