"""Runs with nodes outside that were cut short: compared as far as both came, and said so."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cosim.cli import application
from cosim.cli import hil as command
from cosim.hil.hil import Outcome, compared, cut_us, replay
from cosim.hil.trace import Decision
from cosim.run import DONE, FAILED, FELL_SHORT, INTERRUPTED, RunOptions, RunResult, run
from cosim.run_folder import OUTSIDE_FILE, RUN_FILE, write_json
from gridmodel.errors import RunError
from gridmodel.federate import Inputs, Signal
from tests.cosim.parts import Part
from tests.cosim.scenarios import scenario

S = 1_000_000
NODE = "nodes.house_03"
TRACE = [Decision(k * S, "state", str(k)) for k in range(10)]


def outcome(code: int, t_us: int, trace: list[Decision], clock_ppm: float = 0.0) -> Outcome:
    made = scenario({"nodes": Part(lambda p, t, i: ({}, None))})
    resolved = {"federates": {"nodes": {"board": {"clock_ppm": clock_ppm}}}}
    result = RunResult(Path("run"), code, "", t_us=t_us)
    return Outcome(result, replace(made, resolved=resolved), {}, traces={NODE: trace})


@pytest.mark.parametrize("code", [INTERRUPTED, FAILED])
def test_decisions_are_compared_up_to_where_the_shorter_run_came(code):
    whole, cut = outcome(DONE, 10 * S, TRACE), outcome(code, 4 * S, TRACE[:4])
    for pair in ((whole, cut), (cut, whole)):
        assert cut_us(*pair) == 4 * S
        found = compared(*pair)[NODE]
        assert found.equal
        assert found.same == 4


def test_a_decision_that_is_missing_before_the_cut_is_still_found():
    found = compared(outcome(DONE, 10 * S, TRACE), outcome(INTERRUPTED, 4 * S, TRACE[:3]))[NODE]
    assert found.missing == [TRACE[3]]


def test_whole_runs_are_compared_to_their_end():
    one, other = outcome(DONE, 10 * S, TRACE), outcome(FELL_SHORT, 10 * S, TRACE[:9])
    assert cut_us(one, other) is None
    assert compared(one, other)[NODE].missing == [TRACE[9]]


def test_a_node_whose_clock_goes_slow_is_not_blamed_for_what_lies_past_the_cut():
    # Its clock shows 3.9997 s when the run is cut at 4 s, before it decided.
    late = [*TRACE[:4], Decision(4 * S - 300, "state", "4")]
    whole, cut = (
        outcome(*end, 40.0) for end in ((DONE, 10 * S, late), (INTERRUPTED, 4 * S, TRACE[:4]))
    )
    assert compared(whole, cut)[NODE].equal


@pytest.fixture
def interrupted(tmp_path) -> RunResult:
    def press(part: Part, t_us: int, inputs: Inputs):
        if t_us == 3 * S:
            os.kill(os.getpid(), signal.SIGINT)
        return {"n_kw": 1.0}, t_us + S

    made = scenario({"nodes": Part(press, outputs=[Signal("n_kw")], period_us=S)})
    return run(made, RunOptions(tmp_path))


def test_an_interrupt_while_all_nodes_are_inside_ends_the_command(interrupted, monkeypatch):
    twin = replace(outcome(INTERRUPTED, 4 * S, []), result=interrupted)
    monkeypatch.setattr(command, "inside", lambda *given: twin)
    monkeypatch.setattr(command, "hil", lambda *given: pytest.fail("it was run outside too"))
    asked = ["hil", "street_island/scarcity", "--node", "house_03=emulated", "--check"]
    answer = CliRunner().invoke(application(), asked)
    assert answer.exit_code == INTERRUPTED
    assert "those outside were not started" in answer.stderr


def test_the_command_says_how_far_decisions_were_compared(interrupted, monkeypatch):
    monkeypatch.setattr(command, "inside", lambda *given: outcome(DONE, 10 * S, TRACE))
    cut = replace(outcome(INTERRUPTED, 4 * S, TRACE[:4]), result=interrupted)
    monkeypatch.setattr(command, "hil", lambda *given: cut)
    asked = ["hil", "street_island/scarcity", "--node", "house_03=emulated", "--check"]
    answer = CliRunner().invoke(application(), asked)
    assert answer.exit_code == INTERRUPTED
    assert "compared up to t = 4 s, where a run was cut short" in answer.stdout
    assert f"the same: {NODE} took 4 decisions" in answer.stdout
    assert (
        '"compared_until_us": 4000000'
        in CliRunner().invoke(application(), [*asked, "--json"]).stdout
    )


def test_a_run_that_ended_before_its_first_instant_has_nothing_to_replay(interrupted, tmp_path):
    about = {"scenario_file": "street_island", "t_us": 0, "exit": INTERRUPTED}
    empty = tmp_path / "empty"
    empty.mkdir()
    write_json(empty / RUN_FILE, about)
    write_json(empty / OUTSIDE_FILE, {"nodes": {}})
    with pytest.raises(RunError, match="nothing to replay"):
        replay(empty, tmp_path)
