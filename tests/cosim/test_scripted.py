"""The scripted part: what it says, what it answers, and the faults it commits."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cosim.recorder.message_table import content_of
from cosim.run import DONE, FAILED, RunOptions, RunResult, run
from cosim.scenario.build import load
from gridmodel.errors import ScenarioError
from gridmodel.federate import Signal
from tests.cosim.parts import Part
from tests.cosim.scenarios import scenario
from tests.cosim.scripts import RING, write
from tests.in_time import again_if_late, assert_in_time

S = 1_000_000


def ran(tmp_path: Path, *changes: tuple[str, str], text: str = RING) -> RunResult:
    return run(load(write(tmp_path, text, *changes)), RunOptions(tmp_path / "runs"))


def column(result: RunResult, name: str, port: str) -> list:
    table = pq.read_table(result.folder / "signals" / f"{name}.parquet", columns=["t_us", port])
    return list(zip(*(table[c].to_pylist() for c in ("t_us", port)), strict=True))


def said(result: RunResult, sender: str) -> list[dict]:
    rows = pq.read_table(result.folder / "messages.parquet").to_pylist()
    return [row for row in rows if row["sender"] == sender]


def test_an_output_with_values_says_them_again_and_again(tmp_path):
    change = ("values: [1, 0]", "values: [1, 0, 0]")
    on = [value for t, value in column(ran(tmp_path, change), "clock", "on") if t < 2_500_000]
    assert on == [True, False, False]


def test_an_output_without_values_depends_on_all_that_was_seen(tmp_path):
    first = column(ran(tmp_path), "echo", "back_kw")
    change = ("values: [1, 0]", "values: [1, 0, 1, 0, 1, 0, 0, 0]")
    other = column(ran(tmp_path, change), "echo", "back_kw")
    parted = [t for (t, a), (_, b) in zip(first, other, strict=True) if a != b]
    assert len(parted) > 20
    assert len(parted) == sum(t >= parted[0] for t, _ in first)  # once seen, never forgotten


def test_lines_are_said_at_their_time_as_often_as_asked(tmp_path):
    words = said(ran(tmp_path), "clock")
    assert [(w["sent_t_us"], w["t_us"]) for w in words] == [
        *[(2 * S, 2 * S)] * 3,
        (30_500_000, 30_750_000),
    ]
    assert [content_of(w["data"])["hops"] for w in words] == [4, 4, 4, 6]


def test_an_answer_comes_later_and_has_a_hop_less(tmp_path):
    answers = said(ran(tmp_path), "echo")
    assert [(a["sent_t_us"], a["t_us"]) for a in answers] == [
        *[(2 * S, 2_500_000)] * 3,
        (30_750_000, 31_250_000),
    ]
    assert [content_of(a["data"])["hops"] for a in answers] == [3, 3, 3, 5]


def test_a_part_without_a_step_of_its_own_wakes_for_messages_only(tmp_path):
    assert [t for t, _ in column(ran(tmp_path), "listener", "sum_kw")] == [2_500_000, 31_250_000]


def test_a_script_that_cannot_be_played_is_refused_with_its_place(tmp_path):
    path = write(tmp_path, RING, ("answers: {word:", "answers: {words:"))
    with pytest.raises(ScenarioError, match=r"scenario.yaml:\d+: federates.echo.answers.words"):
        load(path)
    path = write(tmp_path, RING, ("tick_kw: {shape", "tick: {shape"))
    with pytest.raises(ScenarioError, match=r"federates.clock.tick"):
        load(path)


DRILLS = [
    # how, what the run's reason says
    ("raise", "ZeroDivisionError: a drill: raise"),
    ("exit", "SystemExit: 3"),
    ("nan", "output 'back_kw' is nan"),
    ("backwards", "which is not after"),
    ("numpy_int", "it must be a whole number of us"),
    ("shape", "declared is one float"),
    ("port", "undeclared ports ['undeclared']"),
]


def drilled(tmp_path: Path, how: str, *more: tuple[str, str]) -> RunResult:
    drill = ("    first_s: 3\n", f"    first_s: 3\n    drill: {{t_s: 5, how: {how}}}\n")
    return ran(tmp_path, drill, *more)


@pytest.mark.parametrize(("how", "reason"), DRILLS)
def test_a_fault_ends_the_run_with_name_instant_and_a_record_to_there(tmp_path, how, reason):
    result = drilled(tmp_path, how)
    assert result.code == FAILED
    assert "federate 'echo' at t = 5.500000 s" in result.reason
    assert reason in result.reason
    failure = json.loads((result.folder / "failure.json").read_text())
    assert (failure["federate"], failure["t_us"]) == ("echo", 5_500_000)
    assert set(failure["inputs"]) == {"tick_kw", "on"}
    assert [t for t, _ in column(result, "clock", "on")][-1] == 5 * S
    assert [t for t, _ in column(result, "echo", "back_kw")] == [2 * S, 3 * S]
    assert reason.split(":")[0] in (result.folder / "report.html").read_text().replace("&#39;", "'")


@again_if_late
def test_a_part_that_hangs_ends_the_run_in_time_with_its_name_and_a_record(tmp_path):
    begin_s = time.monotonic()
    timeout = ("duration_h: 0.02", "duration_h: 0.02\nstall_timeout_s: 1.0")
    result = drilled(tmp_path, "hang", timeout)
    took_s = time.monotonic() - begin_s
    assert result.code == FAILED
    assert "federate 'echo' at t = 5.500000 s" in result.reason
    assert "stall_timeout_s" in result.reason
    failure = json.loads((result.folder / "failure.json").read_text())
    assert failure["federate"] == "echo"
    assert [t for t, _ in column(result, "clock", "on")][-1] == 5 * S
    assert (result.folder / "report.html").exists()
    assert not (result.folder / "live").exists()
    assert_in_time(took_s, hang_s=1.0)


def test_a_run_of_slow_steps_is_no_stall(tmp_path):
    def slow(part: Part, t_us: int, inputs):
        time.sleep(0.5)
        return {"n_kw": 1.0}, t_us + S

    parts = {"slow": Part(slow, outputs=[Signal("n_kw")], period_us=S)}
    made = scenario(parts, hours=0.001, stall_timeout_s=1.5)
    assert run(made, RunOptions(tmp_path)).code == DONE  # 2 s in four steps
