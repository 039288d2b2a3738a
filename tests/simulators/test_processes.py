"""SimPy processes as parts: their clock, their ports, and going back in time."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.errors import FederateError, OutputError, ScenarioError
from gridmodel.federate import Message
from gridmodel.units import US_PER_S as S
from simulators.processes import ProcessConfig, ProcessSignal, SimpyProcess, seconds
from tests.simulators.bench import context, inputs, parcel, same_bytes

HERE = "tests.simulators.test_processes"


def ticker(env, agent):
    """Send its number of beats every 1.5 s."""
    beats = 0
    while True:
        yield env.timeout(seconds(agent.settings.get("every_s", 1.5)))
        beats += 1
        agent.set("beats", beats)


def clerk(env, agent):
    """Answer each request after a time it draws, one at a time."""
    while True:
        request = yield agent.next("requests")
        yield env.timeout(int(agent.rng.integers(1, S)))
        agent.send("answers", "answer", {"of": request.data["number"], "f_hz": agent["f_hz"]})


def watcher(env, agent):
    """Count changes of an input."""
    count = 0
    while True:
        yield agent.changed()
        count += 1
        agent.set("count", count)


def sloppy(env, agent):
    """Wait for half a microsecond."""
    yield env.timeout(0.5)


def stranger(env, agent):
    """Send what it did not declare."""
    agent.set("q_kvar", 1.0)
    yield env.timeout(1)


def part(function: str, **settings) -> SimpyProcess:
    """Build a part around a function of this file."""
    config = ProcessConfig(process=f"{HERE}:{function}", **settings)
    return SimpyProcess.build(config, context(None, "agent"))


def beats(**settings) -> SimpyProcess:
    return part("ticker", outputs={"beats": ProcessSignal(initial=0)}, **settings)


def clerks(**settings) -> SimpyProcess:
    return part(
        "clerk", inputs={"f_hz": ProcessSignal(initial=50.0)}, receives=("requests",),
        sends=("answers",), **settings,
    )  # fmt: skip


def live(federate, until_us, arriving=(), from_us=None, f_hz=50.0):
    """Drive a part as an engine would; arriving are (t_us, f_hz, number or None)."""
    sent, waiting, now = [], list(arriving), from_us
    next_us = 0 if from_us is None else from_us
    while True:
        instants = [t for t in (next_us, *(item[0] for item in waiting[:1])) if t is not None]
        if not instants or min(instants) > until_us:
            return sent
        now = min(instants)
        messages = []
        while waiting and waiting[0][0] == now:
            _, f_hz, number = waiting.pop(0)
            if number is not None:
                messages.append(Message(now, "request", {"number": number}))
        given = {port.name: f_hz for port in federate.inputs if port.name == "f_hz"}
        if any(port.name == "requests" for port in federate.inputs):
            given["requests"] = messages
        outputs, next_us = federate.step(now, inputs(federate, **given))
        if outputs:
            sent.append((now, outputs))


# clock


def test_a_process_acts_at_its_own_instants_and_sleeps_between():
    assert live(beats(), 5 * S) == [
        (1_500_000, {"beats": 1}), (3_000_000, {"beats": 2}), (4_500_000, {"beats": 3}),
    ]  # fmt: skip


def test_a_process_that_ended_sleeps_for_ever():
    _, next_us = beats(settings={"every_s": 1e6}).step(0, inputs(beats()))
    assert next_us == 10**12
    ended = part("stranger", outputs={"q_kvar": ProcessSignal()})
    ended.step(0, inputs(ended))
    assert ended.step(1, inputs(ended)) == ({}, None)


def test_instants_between_microseconds_are_refused_with_the_cure():
    federate = part("sloppy")
    with pytest.raises(OutputError, match="seconds"):
        federate.step(0, inputs(federate))


# ports


def test_a_message_is_answered_after_the_drawn_time_with_the_newest_input():
    arriving = [(1 * S, 50.0, 1), (1_000_001, 49.5, None)]
    ((t_us, outputs),) = live(clerks(), 9 * S, arriving)
    (answer,) = outputs["answers"]
    assert 1 * S < t_us <= 2 * S
    assert answer == Message(t_us, "answer", {"of": 1, "f_hz": 49.5})


def test_messages_of_one_instant_are_all_answered_in_their_order():
    arriving = [(1 * S, 50.0, number) for number in (3, 1, 2)]
    answers = [outputs["answers"][0].data["of"] for _, outputs in live(clerks(), 9 * S, arriving)]
    assert answers == [3, 1, 2]


def test_a_process_wakes_when_an_input_changes_and_only_then():
    federate = part(
        "watcher", inputs={"f_hz": ProcessSignal(initial=50.0)},
        outputs={"count": ProcessSignal(initial=0)},
    )  # fmt: skip
    arriving = [(1, 50.0, None), (2, 49.0, None), (3, 49.0, None), (4, 50.0, None)]
    assert live(federate, 9, arriving) == [(2, {"count": 1}), (4, {"count": 2})]


def test_an_undeclared_output_is_refused_with_what_is_declared():
    federate = part("stranger", outputs={"p_kw": ProcessSignal()})
    with pytest.raises(KeyError, match="declared are p_kw"):
        federate.step(0, inputs(federate))


def test_an_array_input_arrives_as_an_array():
    federate = part("watcher", inputs={"v_v": ProcessSignal(initial=230.0, length=3)},
                    outputs={"count": ProcessSignal(initial=0)})  # fmt: skip
    assert federate.inputs[0].shape == (3,)
    federate.step(0, inputs(federate, v_v=np.array([230.0, 230.0, 230.0])))
    outputs, _ = federate.step(1, inputs(federate, v_v=np.array([230.0, 231.0, 230.0])))
    assert outputs == {"count": 1}


def test_a_process_that_cannot_be_imported_is_a_fault_with_advice():
    for name in ("no_such_module:agent", f"{HERE}:no_such_function"):
        with pytest.raises(ScenarioError, match="PYTHONPATH"):
            SimpyProcess.build(ProcessConfig(process=name), context(None))
    with pytest.raises(ValueError, match="module:function"):
        ProcessConfig(process="somewhere")


# repetition


ARRIVING = [(k * 700_000, 50.0 + 0.1 * k, k) for k in range(1, 9)]


def test_the_same_seed_gives_the_same_run():
    assert same_bytes(live(clerks(), 20 * S, ARRIVING), live(clerks(), 20 * S, ARRIVING))


def test_a_process_cannot_be_snapshotted_and_says_why():
    federate = beats()
    federate.step(0, inputs(federate))
    with pytest.raises(FederateError, match="neither copy nor store the generators"):
        federate.snapshot()


def test_with_replay_a_restored_process_goes_on_as_the_first_did():
    whole = live(clerks(snapshots="replay"), 20 * S, ARRIVING)
    first = clerks(snapshots="replay")
    half = 2_800_001
    begun = live(first, half, ARRIVING[:4])
    state = parcel(first)
    other = clerks(snapshots="replay")
    other.restore(state)
    rest = live(other, 20 * S, ARRIVING[4:], half + 1, f_hz=50.4)
    assert same_bytes(begun + rest, whole)
    assert len(whole) == 8
    # the first was not touched by the other, and can itself go back
    assert same_bytes(live(first, 20 * S, ARRIVING[4:], half + 1, f_hz=50.4), rest)
    first.restore(state)
    assert same_bytes(live(first, 20 * S, ARRIVING[4:], half + 1, f_hz=50.4), rest)
