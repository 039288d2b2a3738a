"""The mosaik engine obeys the clock's law, stops at borders, and tells what failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

import pyarrow.parquet as pq
import pytest

from cosim import snapshots
from cosim.engines.embedded import Embedded
from cosim.engines.engine import Job
from cosim.run import DONE, FAILED, INTERRUPTED, RunOptions, run
from cosim.scenario.build import Scenario
from gridmodel.federate import Inputs, Signal, Step
from tests.conftest import ROOT
from tests.cosim.engines.random_federations import built
from tests.cosim.engines.test_same_bytes import record
from tests.cosim.parts import Part, counter, watcher
from tests.cosim.scenarios import scenario

pytest.importorskip("mosaik")

from mosaik import scheduler
from mosaik_api_v3.connection import RemoteException

from cosim.engines.mosaik_world import CONDUCTOR
from cosim.engines.on_mosaik import OnMosaik
from tests.cosim.test_mosaik_gateway import loop
from tests.cosim.test_mosaik_gateway import scenario as gateways
from tests.in_time import again_if_late, assert_in_time

S = 1_000_000


def watched(**links: Any) -> tuple[Scenario, Any]:
    sink = watcher(10)
    parts = {"source": counter(15), "sink": sink, "other": counter(4)}
    text = "source.n_kw -> sink.x_kw"
    return scenario(parts, f"~{text}" if links.get("delayed") else text), sink


@pytest.mark.parametrize("delayed", [False, True])
def test_a_delayed_value_survives_that_mosaik_would_drop(tmp_path, delayed):
    # At 30 source and sink step both; mosaik with its own store forgets the value of 15
    # before the sink has read it.
    wired, sink = watched(delayed=delayed)
    engine = OnMosaik(Job(wired, tmp_path))
    engine.run(61, lambda t_us: True)
    engine.close()
    sent = {0: 1.0, 15: 2.0, 30: 3.0, 45: 4.0, 60: 5.0}
    for t_us, value in sink.seen:
        allowed = [v for t, v in sent.items() if (t < t_us if delayed else t <= t_us)]
        assert value == (allowed[-1] if allowed else 0.0)
    assert [t_us for t_us, _ in sink.seen] == list(range(0, 61, 10))


def test_borders_come_in_order_and_a_run_stops_at_one_and_goes_on(tmp_path):
    wired, sink = watched()
    engine = OnMosaik(Job(wired, tmp_path))
    asked: list[int] = []

    def between(t_us: int) -> bool:
        # Nobody has run ahead: all that any part has done is before the border.
        assert all(t < t_us for t, _ in sink.seen)
        asked.append(t_us)
        return t_us < 30

    assert not engine.run(100, between)
    assert asked == sorted({*range(0, 31, 10), *range(0, 31, 15), *range(0, 31, 4)})
    assert engine.now_us == 30
    assert [t for t, _ in sink.seen] == [0, 10, 20]
    assert engine.run(61, lambda t_us: True)
    assert [t for t, _ in sink.seen] == [0, 10, 20, 30, 40, 50, 60]
    engine.close()


def test_an_instant_counts_as_in_process(tmp_path):
    counts = []
    for number, make in enumerate((Embedded, OnMosaik)):
        wired, _ = watched()
        engine = make(Job(wired, tmp_path / str(number)))
        engine.run(1000, lambda t_us: True)
        counts.append((engine.instants, engine.steps, engine.now_us))
        engine.close()
    assert counts[0] == counts[1]


@pytest.fixture
def steps(monkeypatch) -> Counter[str]:
    """Steps that mosaik makes, by simulator."""
    made: Counter[str] = Counter()
    plain = scheduler.step

    async def counted(world, sim, *rest):
        made[sim.sid] += 1
        await plain(world, sim, *rest)

    monkeypatch.setattr(scheduler, "step", counted)
    return made


def test_a_pair_costs_mosaik_two_steps_an_instant(tmp_path, steps):
    engine = OnMosaik(
        Job(scenario({"a": counter(5), "b": watcher(5)}, "a.n_kw -> b.x_kw"), tmp_path)
    )
    engine.run(50, lambda t_us: True)
    engine.close()
    assert steps == {"level 0": 10, "level 1": 10}


def test_the_last_level_steps_in_each_instant_and_others_when_they_are_due(tmp_path, steps):
    wired, sink = watched()
    engine = OnMosaik(Job(wired, tmp_path))
    engine.run(60, lambda t_us: True)
    engine.close()
    begun = {*range(0, 60, 10), *range(0, 60, 15), *range(0, 60, 4)}
    assert steps == {"level 0": len({*range(0, 60, 15), *range(0, 60, 4)}), "level 1": len(begun)}
    assert len(sink.seen) == 6


def test_a_part_after_a_same_time_group_conducts(tmp_path, steps):
    data = loop()
    data["links"][-1] = "y.out_kw -> sink.x_kw"  # so it is a level above both of the group
    result = run(gateways(tmp_path, {}, **data), RunOptions(tmp_path, engine="mosaik"))
    assert result.code == DONE, result.reason
    seen = pq.read_table(result.folder / "signals" / "sink.parquet")["o_kw"].to_pylist()
    assert seen[0] == round(2 / 3 * 8) / 8.0
    assert steps["level 2"] == 10
    assert CONDUCTOR not in steps


def test_beside_a_same_time_group_on_the_last_level_the_conductor_stands_alone(tmp_path, steps):
    result = run(gateways(tmp_path, {}, **loop()), RunOptions(tmp_path, engine="mosaik"))
    assert result.code == DONE, result.reason
    assert steps[CONDUCTOR] == 10


DRILLS = [
    # how, a word of the text
    ("raise", "ZeroDivisionError: a drill"),
    ("exit", "SystemExit: 3"),
    ("nan", "is nan"),
    ("shape", "sent"),
    ("port", "undeclared ports"),
    ("backwards", "not after"),
    ("numpy_int", "whole number of us"),
    ("hang", "stall_timeout_s"),
]


@again_if_late
@pytest.mark.parametrize(("how", "text"), DRILLS)
def test_a_part_that_fails_ends_the_run_with_its_name_and_instant(tmp_path, how, text):
    says = [{"port": "out", "t_s": 1.0, "count": 2}, {"port": "out", "t_s": 4.0}]
    good = {"model": "scripted", "period_s": 1.0, "outputs": {"o_kw": {}}, "says": says}
    bad = {**good, "drill": {"t_s": 5.0, "how": how}}
    data = {
        "feedertwin": 1, "name": "drill", "duration_h": 0.01,
        "stall_timeout_s": 1.0 if how == "hang" else 30.0,  # a busy machine may be slow for long
        "federates": {"good": good, "bad": bad},
    }  # fmt: skip
    began = time.monotonic()
    result = run(built(tmp_path, data), RunOptions(tmp_path, engine="mosaik"))
    took_s = time.monotonic() - began
    assert result.code == FAILED
    assert "'bad' at t = 5.000000 s" in result.reason
    assert text in result.reason
    table = pq.read_table(result.folder / "signals" / "bad.parquet")
    assert table["t_us"].to_pylist() == [k * S for k in range(5)]
    assert pq.read_table(result.folder / "messages.parquet").num_rows == 6
    failure = json.loads((result.folder / "failure.json").read_text())
    assert failure["state"]["_steps"] == 6
    assert_in_time(took_s, limit_s=5.0, hang_s=1.0)


def test_an_overrun_of_the_pace_ends_the_run(tmp_path):
    slow = {"factor": 1e-9, "deadline_ms": 1e-6, "overrun": "stop"}
    part = {"model": "scripted", "period_s": 1.0, "outputs": {"o_kw": {}}}
    data = {
        "feedertwin": 1, "name": "pace", "duration_h": 0.01, "real_time": slow,
        "federates": {"a": part},
    }  # fmt: skip
    result = run(built(tmp_path, data), RunOptions(tmp_path, engine="mosaik"))
    assert result.code == FAILED
    assert "real_time.deadline_ms" in result.reason


def test_an_interrupt_ends_at_a_border(tmp_path):
    # Counted from a step, so that it never comes before the run is there to take it.
    press = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))

    def behave(part: Part, t_us: int, inputs: Inputs) -> Step:
        if t_us == 60 * S:
            press.start()
        return {"n_kw": 1.0}, t_us + S

    source = Part(behave, outputs=[Signal("n_kw")], period_us=S)
    made = scenario({"a": source, "b": watcher(2 * S)}, "a.n_kw -> b.x_kw", hours=1000.0)
    try:
        result = run(made, RunOptions(tmp_path, engine="mosaik"))
    finally:
        press.cancel()
    assert result.code == INTERRUPTED
    assert result.t_us > 60 * S
    rows = pq.read_table(result.folder / "signals" / "a.parquet").num_rows
    assert rows == result.t_us // S


def test_what_mosaik_keeps_to_itself_is_raised(tmp_path):
    wired, _ = watched()
    engine = OnMosaik(Job(wired, tmp_path))

    def turn(desk, t_us):  # mosaik logs this one and returns as if all were well
        raise RemoteException("ValueError", "p_kw is NaN", "traceback")

    engine.turn = turn
    with pytest.raises(RemoteException, match="p_kw is NaN"):
        engine.run(100, lambda t_us: True)
    engine.close()


def told_by(code: str) -> str:
    """What a fresh Python prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_without_mosaik_the_line_that_installs_it_is_told():
    code = """
import sys
sys.modules["mosaik_api_v3"] = None
from cosim import registry
from gridmodel.errors import MissingExtraError
try:
    registry.load(registry.ENGINES, "mosaik")
except MissingExtraError as error:
    print(error)
"""
    assert 'pip install "feedertwin[mosaik]"' in told_by(code)


def test_mosaik_is_imported_only_when_it_is_asked_for():
    code = "import sys, cosim.run, cosim.cli; print({'mosaik', 'mosaik_api_v3'} & set(sys.modules))"
    assert told_by(code).strip() == "set()"


TALK = {
    "period_s": 1.0,
    "outputs": {"o_kw": {}},
    "says": [{"port": "out", "t_s": float(t), "after_s": 2.5} for t in (1, 2, 4)],
}
SLOW = {
    "period_s": 4.0,
    "inputs": {"i_kw": {}, "j_kw": {}},
    "outputs": {"p_kw": {}},
    "hears": ["in"],
}
SLEEPY = {
    "feedertwin": 1, "name": "sleepy", "duration_h": 13 / 3600,
    "federates": {
        "a": {"model": "scripted", **TALK},
        "b": {"model": "scripted", **SLOW},
        "c": {"model": "scripted", "first_s": None, "hears": ["in"], "outputs": {"q_kw": {}}},
    },
    "links": [
        "a.o_kw -> b.i_kw",
        {"link": "a.o_kw -> b.j_kw", "delayed": True},
        {"link": "a.out -> b.in", "delayed": True},
        {"link": "a.out -> c.in", "delayed": True},
    ],
}  # fmt: skip


@pytest.mark.parametrize("second", ["in_process", "mosaik"])
@pytest.mark.parametrize("first", ["in_process", "mosaik"])
def test_what_is_on_its_way_to_a_part_that_sleeps_is_in_the_snapshot(tmp_path, first, second):
    wanted = record(run(built(tmp_path, SLEEPY), RunOptions(tmp_path / "whole")).folder)
    options = RunOptions(tmp_path / "cut", engine=first, snapshot_every_us=S)
    cut = run(built(tmp_path, SLEEPY), options).folder
    known = snapshots.instants(cut)
    assert known == [k * S for k in range(1, 13)]
    for at_us in known:
        chosen = RunOptions(tmp_path / "rest", engine=second)
        rest = run(built(tmp_path, SLEEPY), chosen, None, (cut, at_us))
        assert record(rest.folder) == wanted, at_us


def test_a_message_that_only_reaches_an_inbox_is_no_instant(tmp_path):
    # mosaik lets 'b' take a delayed message in one microsecond after it was sent; it arrives
    # two and a half seconds later. 'b' is on the last level, which ends the instants.
    asked: list[list[int]] = []
    for number, make in enumerate((Embedded, OnMosaik)):
        asked.append([])
        folder = tmp_path / str(number)
        folder.mkdir()
        engine = make(Job(built(tmp_path, SLEEPY), folder))
        engine.run(13 * S, lambda t_us, kept=asked[-1]: kept.append(t_us) or True)
        assert engine.instants == len(asked[-1])
        engine.close()
    assert asked[0] == asked[1]
