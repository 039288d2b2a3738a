"""The in-process engine obeys the clock's law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.engines.in_process import InProcess
from cosim.federation import Link
from gridmodel.federate import Inputs, Message, Messages, Signal
from tests.cosim.parts import Part, counter, watcher, wire


def test_an_undelayed_link_delivers_the_same_instant_and_a_delayed_one_the_one_before():
    now, late = watcher(10), watcher(10)
    parts = {"source": counter(10), "now": now, "late": late}
    InProcess(wire(parts, "source.n_kw -> now.x_kw", "~source.n_kw -> late.x_kw")).run(40)
    assert now.seen == [(0, 1.0), (10, 2.0), (20, 3.0), (30, 4.0)]
    assert late.seen == [(0, 0.0), (10, 1.0), (20, 2.0), (30, 3.0)]


def test_a_delayed_link_gives_the_past_also_to_a_reader_that_runs_after_its_source():
    # 'z' is on a higher level than 'source' and still must not see its present value.
    z = watcher(10, ports=("x_kw", "y_kw"))
    parts = {"source": counter(10), "other": counter(10), "z": z}
    InProcess(wire(parts, "~source.n_kw -> z.x_kw", "other.n_kw -> z.y_kw")).run(30)
    assert z.seen == [(0, 0.0, 1.0), (10, 1.0, 2.0), (20, 2.0, 3.0)]


def test_a_held_value_stays_until_the_source_sends_again():
    sink = watcher(10)
    InProcess(wire({"slow": counter(30), "sink": sink}, "slow.n_kw -> sink.x_kw")).run(70)
    assert [value for _, value in sink.seen] == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0]


def test_federates_of_one_instant_run_by_level_and_within_a_level_by_name():
    order: list[str] = []

    def part(name: str) -> Part:
        def behave(part: Part, t_us: int, inputs: Inputs):
            order.append(name)
            return {"x_kw": 0.0}, t_us + 1

        return Part(behave, [Signal("y_kw", initial=0.0)], [Signal("x_kw")])

    parts = {name: part(name) for name in ("c", "a", "z", "b")}
    InProcess(wire(parts, "z.x_kw -> a.y_kw")).run(1)
    assert order == ["b", "c", "z", "a"]


def test_a_source_that_refills_its_array_does_not_change_what_it_sent():
    buffer = np.zeros(3)

    def refill(part: Part, t_us: int, inputs: Inputs):
        buffer[:] = t_us
        return {"x_kw": buffer}, t_us + 1

    seen = []

    def keep(part: Part, t_us: int, inputs: Inputs):
        seen.append(inputs["y_kw"])
        return {}, t_us + 1

    source = Part(refill, outputs=[Signal("x_kw", (3,))])
    sink = Part(keep, [Signal("y_kw", (3,), initial=-1.0)])
    InProcess(wire({"source": source, "sink": sink}, "~source.x_kw -> sink.y_kw")).run(4)
    assert [array.tolist() for array in seen] == [[-1.0] * 3, [0.0] * 3, [1.0] * 3, [2.0] * 3]
    with pytest.raises(ValueError, match="read-only"):
        seen[-1][0] = 7.0


def emitter(at: dict[int, list[int]]) -> Part:
    """Sends at each instant a message for each arrival given."""

    def behave(part: Part, t_us: int, inputs: Inputs):
        out = [Message(arrival, f"{t_us}>{arrival}") for arrival in at.get(t_us, [])]
        later = [t for t in at if t > t_us]
        return {"out": out}, min(later) if later else None

    return Part(behave, outputs=[Messages("out")], first_us=min(at))


def test_a_message_wakes_an_event_driven_part_when_it_arrives():
    sink = watcher(None, ports=(), messages=("inbox",))
    parts = {"source": emitter({5: [5, 9], 7: [9]}), "sink": sink}
    InProcess(wire(parts, "source.out -> sink.inbox")).run(100)
    assert sink.seen == [
        (5, ("inbox", "5>5", 5)),
        (9, ("inbox", "5>9", 9), ("inbox", "7>9", 9)),
    ]


def test_a_delayed_message_arrives_a_microsecond_later():
    sink = watcher(None, ports=(), messages=("inbox",))
    parts = {"source": emitter({5: [5]}), "sink": sink}
    InProcess(wire(parts, "~source.out -> sink.inbox")).run(100)
    assert [t for t, *_ in sink.seen] == [6]


def test_messages_of_one_instant_come_in_the_order_of_sender_and_count():
    sink = watcher(None, ports=(), messages=("inbox",))
    parts = {"b": emitter({0: [3, 3]}), "a": emitter({1: [3]}), "c": emitter({2: [3]}), "s": sink}
    links = [f"{name}.out -> s.inbox" for name in "abc"]
    InProcess(wire(parts, *links)).run(10)
    assert [kind for _, kind, _ in sink.seen[0][1:]] == ["1>3", "0>3", "0>3", "2>3"]


def test_a_part_with_a_timer_of_its_own_is_woken_early_and_keeps_its_new_plan():
    woken = []

    def behave(part: Part, t_us: int, inputs: Inputs):
        woken.append((t_us, len(inputs.messages["inbox"])))
        return {}, t_us + 10

    sink = Part(behave, [Messages("inbox")])
    InProcess(wire({"source": emitter({4: [4]}), "sink": sink}, "source.out -> sink.inbox")).run(30)
    assert woken == [(0, 0), (4, 1), (14, 0), (24, 0)]


def test_forty_messages_in_one_instant_are_one_step():
    sink = watcher(None, ports=(), messages=("inbox",))
    parts = {"source": emitter({0: [8] * 40}), "sink": sink}
    InProcess(wire(parts, "source.out -> sink.inbox")).run(10)
    assert len(sink.seen) == 1
    assert len(sink.seen[0]) == 41


def test_a_run_stops_at_a_border_when_told_and_goes_on_from_there():
    sink = watcher(10)
    engine = InProcess(wire({"source": counter(10), "sink": sink}, "source.n_kw -> sink.x_kw"))
    assert not engine.run(50, between=lambda t_us: t_us < 20)
    assert [t for t, _ in sink.seen] == [0, 10]
    assert engine.run(50)
    assert [t for t, _ in sink.seen] == [0, 10, 20, 30, 40]


# A reference that applies the law in the plainest way: every value ever sent is kept.
# The engine must agree with it on random federations.


def plan(draw, count: int):
    """Draw periods, signal links and message links of a federation."""
    periods = [draw(st.integers(1, 6)) for _ in range(count)]
    ends = [(a, b) for a in range(count) for b in range(count) if a != b]
    wires = draw(st.lists(st.sampled_from(ends), unique=True, max_size=3 * count))
    # Undelayed links only go up in number, so there is no loop; delayed ones go anywhere.
    links = [(a, b, True if a > b else draw(st.booleans())) for a, b in wires]
    posts = draw(st.lists(st.sampled_from(ends), unique=True, max_size=count))
    mail = [(a, b, True if a > b else draw(st.booleans())) for a, b in posts]
    waits = [draw(st.integers(0, 4)) for _ in range(count)]
    return periods, links, mail, waits


def federate(number: int, plan_, trace: list) -> Part:
    periods, links, _, waits = plan_
    sources = [a for a, b, _ in links if b == number]

    def behave(part: Part, t_us: int, inputs: Inputs):
        signals = tuple(inputs[f"from{a}_kw"] for a in sources)
        events = tuple((m.kind, m.data["n"]) for m in inputs.messages["inbox"])
        trace.append((t_us, number, signals, events))
        part.memory["n"] = n = part.memory.get("n", 0) + 1
        value = n + sum(signals) * 0.5 + len(events)
        out = [Message(t_us + waits[number], str(number), {"n": n})] if n % 2 else []
        return {"x_kw": float(value % 1e6), "out": out}, t_us + periods[number]

    return Part(
        behave,
        [Signal(f"from{a}_kw", initial=-1.0) for a in sources] + [Messages("inbox")],
        [Signal("x_kw"), Messages("out")],
        period_us=periods[number],
    )


def reference(plan_, until: int) -> list:  # noqa: C901  plain on purpose
    """Run a plan by the law's words: no heap, no slots, no pushing."""
    periods, links, mail, _ = plan_
    count = len(periods)
    undelayed = [(a, b) for a, b, late in [*links, *mail] if not late]
    level = [0] * count
    for _ in range(count):
        for a, b in undelayed:
            level[b] = max(level[b], level[a] + 1)
    parts = [federate(k, plan_, []) for k in range(count)]
    names = sorted(range(count), key=lambda k: f"f{k:02d}")
    due = [0] * count
    history = [[] for _ in range(count)]  # every (t, value) a part has sent
    flying = []  # arrival, sender, sequence, receiver, message
    sequence = [0] * count
    trace = []
    for t in range(until):
        ran: set[int] = set()
        for k in sorted(names, key=lambda k: (level[k], k)):
            arrived = sorted(f for f in flying if f[3] == k and f[0] <= t)
            if due[k] != t and not arrived:
                continue
            flying = [f for f in flying if f not in arrived]
            inputs = Inputs()
            for a, b, late in links:
                if b == k:
                    known = [v for s, v in history[a] if (s < t if late else s <= t)]
                    inputs[f"from{a}_kw"] = known[-1] if known else -1.0
            inputs.messages = {"inbox": tuple(f[4] for f in arrived)}
            signals = tuple(inputs[f"from{a}_kw"] for a, b, _ in links if b == k)
            events = tuple((m.kind, m.data["n"]) for m in inputs.messages["inbox"])
            trace.append((t, k, signals, events))
            outputs, due[k] = parts[k].step(t, inputs)
            history[k].append((t, outputs["x_kw"]))
            for message in outputs["out"]:
                sequence[k] += 1
                for a, b, late in mail:
                    if a == k:
                        same = message.t_us == t and (late or level[b] <= level[k])
                        flying.append((message.t_us + same, k, sequence[k], b, message))
            ran.add(k)
    return trace


@settings(max_examples=150)
@given(st.data())
def test_random_federations_run_as_the_law_says(data):
    count = data.draw(st.integers(2, 8))
    plan_ = plan(data.draw, count)
    trace: list = []
    parts = {f"f{k:02d}": federate(k, plan_, trace) for k in range(count)}
    _, links, mail, _ = plan_
    wires = [Link(f"f{a:02d}", "x_kw", f"f{b:02d}", f"from{a}_kw", late) for a, b, late in links]
    wires += [Link(f"f{a:02d}", "out", f"f{b:02d}", "inbox", late) for a, b, late in mail]
    InProcess(wire(parts, *wires)).run(40)
    assert trace == reference(plan_, 40)


@settings(max_examples=60)
@given(st.data())
def test_a_snapshot_at_any_instant_continues_as_if_nothing_had_been(data):
    count = data.draw(st.integers(2, 6))
    plan_ = plan(data.draw, count)
    cut = data.draw(st.integers(1, 39))
    _, links, mail, _ = plan_
    wires = [Link(f"f{a:02d}", "x_kw", f"f{b:02d}", f"from{a}_kw", late) for a, b, late in links]
    wires += [Link(f"f{a:02d}", "out", f"f{b:02d}", "inbox", late) for a, b, late in mail]

    def engine(trace: list) -> InProcess:
        return InProcess(
            wire({f"f{k:02d}": federate(k, plan_, trace) for k in range(count)}, *wires)
        )

    whole: list = []
    engine(whole).run(40)
    first: list = []
    begun = engine(first)
    begun.run(cut)
    state = begun.snapshot()
    begun.run(40)  # what happens afterwards must not reach into the snapshot
    rest: list = []
    resumed = engine(rest)
    resumed.restore(state)
    resumed.run(40)
    assert [row for row in whole if row[0] < cut] + rest == whole
