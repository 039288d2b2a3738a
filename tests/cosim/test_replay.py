"""Replay: one federate again, on what it saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.federation import Link
from cosim.replay.replay import replay
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from gridmodel.errors import RunError
from gridmodel.federate import Message, Messages, Signal
from tests.cosim.parts import Part, counter
from tests.cosim.scenarios import scenario
from tests.cosim.scripts import RING, write
from tests.cosim.test_determinism import window

S = 1_000_000


@pytest.mark.parametrize("name", ["clock", "echo", "listener"])
def test_a_part_on_its_recorded_inputs_does_again_what_it_did(tmp_path, name):
    path = write(tmp_path, RING)
    folder = run(load(path), RunOptions(tmp_path / "runs")).folder
    again = replay(folder, load(path), name)
    assert again.same, again.first
    assert again.steps >= 2
    assert again.until_us == 72 * S


@pytest.mark.parametrize("name", ["coordinator", "island", "nodes", "lora", "feeder", "battery"])
def test_every_kind_of_part_of_the_street_does_again_what_it_did(street_run, name):
    path, folder = street_run
    again = replay(folder, load(path), name)
    assert again.same, again.first
    assert again.steps
    later = replay(folder, load(path), name, at_us=610 * S)
    assert later.same, later.first
    assert later.from_us == 600 * S


@pytest.fixture(scope="module")
def street_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("street")
    path = window(folder)
    options = RunOptions(folder / "runs", until_us=900 * S, snapshot_every_us=300 * S)
    return path, run(load(path), options).folder


def test_other_settings_are_told_with_instant_port_element_and_both_values(tmp_path):
    path = write(tmp_path, RING)
    folder = run(load(path), RunOptions(tmp_path / "runs")).folder
    values = "federates.clock.outputs.on.values=[1, 0, 1, 1]"
    again = replay(folder, load(path, [values]), "clock")
    assert not again.same
    assert again.first is not None
    assert (again.first.t_us, again.first.port) == (2_500_000, "on")  # its fourth step
    assert (again.first.recorded, again.first.again) == (False, True)
    assert set(again.counts) == {"on"}
    says = "federates.clock.says.1.t_s=31"
    moved = replay(folder, load(path, [says]), "clock")
    assert moved.first is not None
    assert moved.first.t_us == 30_500_000


def test_an_element_of_an_array_is_named(tmp_path):
    def parts(extra: float):
        def behave(part: Part, t_us: int, inputs):
            return {"p_kw": [1.0, 2.0 + extra * (t_us == 4 * S)]}, t_us + S

        ports = [Signal("p_kw", (2,), labels=("a", "b"))]
        return {"source": Part(behave, outputs=ports, period_us=S)}

    folder = run(scenario(parts(0.0), hours=0.01), RunOptions(tmp_path)).folder
    first = replay(folder, scenario(parts(0.5), hours=0.01), "source").first
    assert first is not None
    assert (first.t_us, first.port, first.element) == (4 * S, "p_kw", "b")
    assert (first.recorded, first.again) == (2.0, 2.5)


def test_types_of_messages_come_back_exactly(tmp_path):
    data = {"frame": b"\x00\xff", "to": (1, 2.0, (None, "x")), "flag": True}

    def talk(part: Part, t_us: int, inputs):
        return {"out": [Message(t_us, "frame", data)]}, t_us + S

    def hear(part: Part, t_us: int, inputs):
        part.seen.extend(dict(m.data) for m in inputs.messages["in"])
        return {}, None

    def parts():
        return {
            "a": Part(talk, outputs=[Messages("out")], period_us=S),
            "b": Part(hear, [Messages("in")], first_us=None),
        }

    folder = run(scenario(parts(), "a.out -> b.in", hours=0.001), RunOptions(tmp_path)).folder
    fresh = scenario(parts(), "a.out -> b.in", hours=0.001)
    assert replay(folder, fresh, "b").steps == 4
    seen = fresh.federation["b"].federate.seen  # type: ignore[attr-defined]
    assert repr(seen) == repr([data] * 4)


def test_a_signal_that_was_first_sent_later_shows_its_initial_value_until_then(tmp_path):
    def late(part: Part, t_us: int, inputs):
        return ({"a_kw": 1.0} if t_us < 5 * S else {"b_kw": 9.0}), t_us + S

    def add(part: Part, t_us: int, inputs):
        return {"sum_kw": inputs["b_kw"] + np.sum(inputs["c_kw"])}, t_us + S

    def parts():
        shape = Signal("c_kw", (2,), initial=3.0)
        return {
            "source": Part(late, outputs=[Signal("a_kw"), Signal("b_kw")], period_us=S),
            "sink": Part(
                add, [Signal("b_kw", initial=0.0), shape], [Signal("sum_kw")], period_us=S
            ),
        }

    link = Link("source", "b_kw", "sink", "b_kw", True, 4.0)
    folder = run(scenario(parts(), link, hours=0.01), RunOptions(tmp_path)).folder
    again = replay(folder, scenario(parts(), link, hours=0.01), "sink")
    assert again.same, again.first  # with 0 instead of 4 it would differ at t = 0


@pytest.mark.parametrize(
    ("record", "port", "reason"),
    [
        ({"skip": ["source"]}, "x_kw", "skip left it out"),
        ({"skip": ["source.n_kw"]}, "x_kw", "skip left it out"),
        ({"every_s": {"source": 10}}, "x_kw", "one row in 10 s"),
    ],
)
def test_what_is_not_on_record_makes_it_impossible_and_is_named(tmp_path, record, port, reason):
    def parts():
        behave = lambda part, t_us, inputs: ({}, t_us + S)  # noqa: E731
        return {"source": counter(S), "sink": Part(behave, [Signal("x_kw", initial=0.0)])}

    made = scenario(parts(), "source.n_kw -> sink.x_kw", hours=0.01, record=record)
    folder = run(made, RunOptions(tmp_path)).folder
    fresh = scenario(parts(), "source.n_kw -> sink.x_kw", hours=0.01, record=record)
    with pytest.raises(RunError, match=f"input '{port}' comes from source.n_kw: .*{reason}"):
        replay(folder, fresh, "sink")


def test_own_outputs_that_were_thinned_out_are_compared_where_they_are(tmp_path):
    record = {"every_s": {"source": 10}}
    made = scenario({"source": counter(S)}, hours=0.01, record=record)
    folder = run(made, RunOptions(tmp_path)).folder
    assert replay(folder, scenario({"source": counter(S)}, hours=0.01), "source").same
    other = replay(folder, scenario({"source": counter(S, first_us=S)}, hours=0.01), "source")
    assert not other.same
    skipped = scenario({"source": counter(S)}, hours=0.01, record={"skip": ["source"]})
    folder = run(skipped, RunOptions(tmp_path)).folder
    again = replay(folder, scenario({"source": counter(S)}, hours=0.01), "source")
    assert again.left_out == ("n_kw",)


def test_a_part_that_failed_fails_again_in_the_same_way(tmp_path):
    drill = ("    first_s: 3\n", "    first_s: 3\n    drill: {t_s: 20, how: raise}\n")
    path = write(tmp_path, RING, drill)
    result = run(load(path), RunOptions(tmp_path / "runs"))
    again = replay(result.folder, load(path), "echo")
    assert again.expected
    assert again.same
    assert replay(result.folder, load(path), "clock").same
    mended = replay(result.folder, load(path, ["federates.echo.drill=null"]), "echo")
    assert mended.error is None
    assert not mended.same  # it says something where then it failed


def test_an_array_is_read_only_as_it_was_in_the_run(tmp_path):
    def send(part: Part, t_us: int, inputs):
        return {"p_kw": [1.0, 2.0]}, t_us + S

    def spoil(part: Part, t_us: int, inputs):
        inputs["p_kw"][0] = 5.0
        return {}, t_us + S

    def parts():
        return {
            "source": Part(send, outputs=[Signal("p_kw", (2,))], period_us=S),
            "sink": Part(spoil, [Signal("p_kw", (2,), initial=0.0)], period_us=S),
        }

    result = run(scenario(parts(), "source.p_kw -> sink.p_kw"), RunOptions(tmp_path))
    assert "read-only" in result.reason
    again = replay(result.folder, scenario(parts(), "source.p_kw -> sink.p_kw"), "sink")
    assert again.expected, again.error


@pytest.mark.parametrize("delayed", [False, True])
def test_a_part_sees_rows_of_any_pace_as_it_saw_them(tmp_path, delayed):
    """Slower and faster than it steps, at its instants and between them."""

    def at(period_us: int, first_us: int):
        def send(part: Part, t_us: int, inputs):
            return {"x_kw": float(t_us), "y_kw": [t_us, -t_us]}, t_us + period_us

        ports = [Signal("x_kw"), Signal("y_kw", (2,))]
        return Part(send, outputs=ports, first_us=first_us, period_us=period_us)

    def add(part: Part, t_us: int, inputs):
        seen = [float(value) for name in sorted(inputs) for value in np.atleast_1d(inputs[name])]
        return {"seen_kw": seen}, t_us + S

    names = {  # period, first instant
        "fast": (S // 10, 7 * S // 10),
        "slow": (7 * S, 0),
        "beside": (S, S // 2),
        "late": (S, 100 * S),
    }

    def parts():
        made = {name: at(*pace) for name, pace in names.items()}
        inputs = [
            Signal(f"{port}_{name}_kw", shape, initial=-1.0)
            for name in names
            for port, shape in (("x", ()), ("y", (2,)))
        ]
        seen = Signal("seen_kw", (3 * len(names),))
        return {**made, "sink": Part(add, inputs, [seen], period_us=S)}

    links = [
        Link(name, f"{port}_kw", "sink", f"{port}_{name}_kw", delayed)
        for name in names
        for port in "xy"
    ]
    folder = run(scenario(parts(), *links, hours=0.6), RunOptions(tmp_path)).folder
    again = replay(folder, scenario(parts(), *links, hours=0.6), "sink")
    assert again.same, again.first
    # The fast rows come in two batches; the last one of the first is at an instant of the sink.
    assert again.steps == 2160


def test_thinned_out_rows_hold_what_was_said_last_even_between_them(tmp_path):
    def talk(part: Part, t_us: int, inputs):
        out = {"a_kw": 1.0 * t_us} if t_us % (3 * S) else {"b_kw": [1.0 * t_us]}
        return out, t_us + S

    def parts(extra: float = 0.0):
        def other(part: Part, t_us: int, inputs):
            out, next_us = talk(part, t_us, inputs)
            return {n: np.add(v, extra * (t_us == 9 * S)) for n, v in out.items()}, next_us

        return {"a": Part(other, outputs=[Signal("a_kw"), Signal("b_kw", (1,))], period_us=S)}

    record = {"every_s": {"a": 10}}
    folder = run(scenario(parts(), hours=0.1, record=record), RunOptions(tmp_path)).folder
    assert replay(folder, scenario(parts(), hours=0.1, record=record), "a").same
    first = replay(folder, scenario(parts(0.5), hours=0.1, record=record), "a").first
    assert first is not None
    assert (first.t_us, first.port) == (10 * S, "b_kw")  # said at 9 s, between two rows


def test_a_federate_that_does_not_exist_is_answered_with_the_nearest(tmp_path):
    folder = run(load(write(tmp_path, RING)), RunOptions(tmp_path / "runs")).folder
    with pytest.raises(RunError, match="Did you mean 'clock'"):
        replay(folder, load(tmp_path / "scenario.yaml"), "clok")


def test_a_fork_is_replayed_from_where_it_began(tmp_path: Path):
    path = write(tmp_path, RING)
    begun = run(load(path), RunOptions(tmp_path / "a", snapshot_every_us=10 * S)).folder
    sets = ["federates.clock.outputs.on.values=[1]"]
    forked = run(load(path, sets), RunOptions(tmp_path / "b"), None, (begun, 30 * S), sets).folder
    for name in ("clock", "echo", "listener"):
        again = replay(forked, load(path, sets), name)
        assert again.same, (name, again.first)
        assert again.from_us == 30 * S
