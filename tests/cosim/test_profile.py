"""The profile: where the time of a run went."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest

from cosim.profile import MOST_SPANS, Profile, write_trace
from cosim.report.profile_table import ENGINE, link_rows, time_rows, trace_note
from cosim.run import PACE, RunOptions, run
from gridmodel.federate import Inputs, Message, Messages, Signal
from tests.cosim.parts import Part, watcher
from tests.cosim.scenarios import scenario

S = 1_000_000


def busy(part: Part, t_us: int, inputs: Inputs):
    time.sleep(0.004)
    said = [Message(t_us, "word", {"n": 1})] * 2 if t_us % (3 * S) == 0 else []
    return {"p_kw": [1.0, 2.0, 3.0], "on": True, "out": said}, t_us + S


def profiled(tmp_path, **options):
    outputs = [Signal("p_kw", (3,)), Signal("on", (), bool), Messages("out")]
    hears = Part(lambda p, t, i: ({}, None), [Messages("in")], first_us=None)
    look = Part(lambda p, t, i: ({}, t + S), [Signal("p_kw", (3,), initial=0.0)], period_us=S)
    switch = Part(lambda p, t, i: ({}, t + S), [Signal("on", (), bool, initial=False)], period_us=S)
    parts = {
        "busy": Part(busy, outputs=outputs, period_us=S),
        "ear": hears, "eye": look, "hand": switch,
    }  # fmt: skip
    links = ["busy.p_kw -> eye.p_kw", "busy.on -> hand.on", "busy.out -> ear.in"]
    made = scenario(parts, *links, hours=0.01)
    return made, run(made, RunOptions(tmp_path, profile=True, **options))


def test_time_is_told_by_federate_and_adds_up(tmp_path):
    _, result = profiled(tmp_path)
    rows = {row.name: row for row in time_rows(result.profile, result.wall_s)}
    assert next(iter(rows)) == "busy"
    assert rows["busy"].steps == 36
    assert rows["busy"].wall_s > 36 * 0.004
    assert rows["busy"].mean_us == pytest.approx(1e6 * rows["busy"].wall_s / 36)
    assert rows["busy"].longest_us >= rows["busy"].mean_us > 4000
    assert rows["ear"].steps == 12
    assert sum(row.wall_s for row in rows.values()) == pytest.approx(result.wall_s)
    assert sum(row.share_pu for row in rows.values()) == pytest.approx(1.0)
    assert list(rows)[-1] == ENGINE


def test_links_are_told_with_values_and_bytes(tmp_path):
    made, result = profiled(tmp_path)
    rows = {row.link: row for row in link_rows(result.profile, made.federation, result.folder)}
    assert rows["busy.p_kw -> eye.p_kw"][1:] == (36, 108, 864)
    assert rows["busy.on -> hand.on"][1:] == (36, 36, 36)
    text = len('{"n": 1}')
    assert rows["busy.out -> ear.in"][1:] == (24, 24, 24 * text)


def test_the_trace_is_in_the_chrome_format_one_row_a_federate(tmp_path):
    _, result = profiled(tmp_path)
    trace = json.loads((result.folder / "profile.json").read_text())
    events = trace["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert set(names.values()) == {"busy", "ear", "eye", "hand"}
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) == 36 * 3 + 12
    assert all(names[e["tid"]] == e["name"] and e["dur"] >= 0 for e in spans)
    steps = [e for e in spans if e["name"] == "busy"]
    assert [e["args"]["t_s"] for e in steps] == [float(k) for k in range(36)]
    assert all(a["ts"] + a["dur"] <= b["ts"] + 1 for a, b in pairwise(steps))


def test_waiting_for_the_wall_clock_is_a_row_of_its_own_and_nobodys_fault(tmp_path):
    from cosim.pacer import RealTimeConfig

    _, result = profiled(tmp_path, real_time=RealTimeConfig(factor=0.03))
    rows = {row.name: row for row in time_rows(result.profile, result.wall_s)}
    assert rows[PACE].wall_s > 0.03
    assert rows[ENGINE].steps == sum(r.steps for n, r in rows.items() if n not in (PACE, ENGINE))
    about = json.loads((result.folder / "run.json").read_text())
    assert PACE not in about["lateness"]["overruns_by_federate"]


def test_each_process_of_a_run_has_the_whole_time(tmp_path):
    profile = Profile()
    for number, name in enumerate(("left", "right"), 1):
        other = Profile(process=name)
        other.waited(f"waiting in {name}", 0.0, 3.0, 0)
        profile.totals |= other.totals
        profile.waits |= other.waits
        profile.others += other.events(number)
    named = {e["pid"]: e["args"]["name"] for e in profile.events() if e["name"] == "process_name"}
    assert named == {1: "left", 2: "right"}  # and none for the one that only gathered them
    rows = {row.name: row for row in time_rows(profile, 4.0)}
    assert rows["waiting in left"].share_pu == pytest.approx(3 / 8)
    assert rows[ENGINE].wall_s == pytest.approx(2.0)
    assert sum(row.share_pu for row in rows.values()) == pytest.approx(1.0)


def test_spans_of_several_processes_lie_on_one_clock_that_begins_at_0(tmp_path):
    spans = []
    for begin_s in (100.0, 100.5):
        profile = Profile()
        profile.waited("x", begin_s, 101.0, 0)
        spans += profile.events()
    write_trace(tmp_path / "trace.json", spans)
    written = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [(e["ts"], e["dur"]) for e in written if e["ph"] == "X"] == [(0, 1e6), (5e5, 5e5)]


def test_a_run_without_it_leaves_no_trace(tmp_path):
    result = run(scenario({"sink": watcher(S)}, hours=0.001), RunOptions(tmp_path))
    assert result.profile is None
    assert not (result.folder / "profile.json").exists()


def test_a_trace_that_is_not_whole_says_so():
    assert trace_note(Profile(), MOST_SPANS) == ""
    assert trace_note(Profile(), MOST_SPANS + 1) == "the first 200,000 of 200,001 steps"


def test_waiting_is_never_the_slowest_step():
    profile = Profile()
    profile.timed("part", lambda t_us, inputs: ({}, None))(0, Inputs())
    profile.waited("(real time)", 0.0, 100.0, 0)
    assert profile.slowest() == "part"
    assert profile.totals["(real time)"].wall_s == 100.0
    assert profile.waits == {"(real time)"}
