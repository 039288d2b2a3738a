"""Node runner: reads the ports, lets the controller decide, acts on the ports."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.node.runner import QUEUE_LENGTH, NodeRunner
from gridmodel.control import Alarm, Decisions, Observations
from gridmodel.kpi import Kpi
from gridmodel.ports import InverterState, Measurement, ReceivedFrame, SendResult

FAR_US = 10**12


class Bench:
    """A runner between a controller that a test scripts and ports that note what is done."""

    def __init__(self, inverter: bool = False) -> None:
        self.log: list[Any] = []
        self.decisions = Decisions(FAR_US)
        self.contacts = {"normal": True, "deferrable": True}
        self.air: list[tuple[int, bytes]] = []
        self.waiting: deque[ReceivedFrame] = deque()
        self.busy_until_us = 0
        self.airtime_us = 1000
        self.seen: list[tuple[int, Observations, list[ReceivedFrame]]] = []
        self.runner = NodeRunner(
            Controller(self),
            {name: Meter(self, name) for name in ("supply", "grid")},
            {name: Relay(self, name) for name in self.contacts},
            Radio(self),
            Inverter(self) if inverter else None,
            {"gain_pu": 2.0},
        )

    def step(self, now_us: int, **decided: Any) -> NodeRunner:
        """Let the runner run once, with what the controller shall decide."""
        self.decisions = Decisions(**{"wake_us": FAR_US} | decided)
        self.runner.step(now_us)
        return self.runner


class Controller:
    """Decides what the bench says."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.memory = 0

    def step(self, now_us: int, seen: Observations, frames: Sequence[ReceivedFrame]) -> Decisions:
        self.bench.log.append("decide")
        self.bench.seen.append((now_us, seen, list(frames)))
        self.memory += 1
        return self.bench.decisions

    def boot(self, now_us: int) -> None:
        self.bench.log.append(("boot", now_us))

    def kpis(self) -> tuple[Kpi, ...]:
        return (Kpi("memory_count", self.memory),)

    def snapshot(self) -> Any:
        return self.memory

    def restore(self, state: Any) -> None:
        self.memory = state


class Meter:
    """Reads a different power each time."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name

    def read(self, now_us: int) -> Measurement:
        self.bench.log.append(("read", self.name))
        return Measurement(now_us, 230.0, 1.0, -float(len(self.bench.seen)), 50.0)


class Relay:
    """Moves a contact of the bench."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name

    def open(self) -> None:
        self.bench.log.append(("open", self.name))
        self.bench.contacts[self.name] = False

    def close(self) -> None:
        self.bench.log.append(("close", self.name))
        self.bench.contacts[self.name] = True

    @property
    def closed(self) -> bool:
        return self.bench.contacts[self.name]


class Radio:
    """Sends one frame at a time."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def send(self, now_us: int, data: bytes) -> SendResult:
        bench = self.bench
        if now_us < bench.busy_until_us:
            return SendResult(False, bench.airtime_us, bench.busy_until_us)
        bench.log.append(("send", data))
        bench.air.append((now_us, data))
        bench.busy_until_us = now_us + bench.airtime_us
        return SendResult(True, bench.airtime_us)

    def receive(self) -> ReceivedFrame | None:
        return self.bench.waiting.popleft() if self.bench.waiting else None

    def snapshot(self) -> Any:
        return self.bench.busy_until_us

    def restore(self, state: Any) -> None:
        self.bench.busy_until_us = state


class Inverter:
    """Notes the set-point."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def read(self) -> InverterState:
        return InverterState(3.0, 0.5, 60.0, 180.0)

    def set_power(self, p_kw: float) -> None:
        self.bench.log.append(("set", p_kw))


def frame(k: int) -> ReceivedFrame:
    return ReceivedFrame(k, bytes([k]), -90.0, 5.0)


# one turn


def test_it_reads_then_decides_then_acts():
    bench = Bench(inverter=True)
    bench.step(7, relays={"normal": False}, p_set_kw=4.0, frames=[b"hello"])
    reads, acts = bench.log[:2], bench.log[3:]
    assert sorted(reads) == [("read", "grid"), ("read", "supply")]
    assert bench.log[2] == "decide"
    assert acts == [("open", "normal"), ("set", 4.0), ("send", b"hello")]


def test_the_controller_sees_every_meter_contact_and_the_inverter_of_this_moment():
    bench = Bench(inverter=True)
    bench.contacts["deferrable"] = False
    bench.step(5)
    bench.step(9)
    now_us, seen, frames = bench.seen[1]
    assert now_us == 9
    assert {name: (m.t_us, m.p_kw) for name, m in seen.meters.items()} == {
        "supply": (9, -1.0), "grid": (9, -1.0)
    }  # fmt: skip
    assert seen.relays == {"normal": True, "deferrable": False}
    assert seen.inverter == (3.0, 0.5, 60.0, 180.0)
    assert frames == []


def test_a_node_without_an_inverter_shows_none_and_commands_none():
    bench = Bench()
    bench.step(0, p_set_kw=5.0)
    assert bench.seen[0][1].inverter is None
    assert not [entry for entry in bench.log if entry[0] == "set"]


@given(count=st.integers(0, 20))
def test_all_frames_that_wait_are_handed_over_once_and_in_order(count):
    bench = Bench()
    bench.waiting.extend(frame(k) for k in range(count))
    bench.step(0)
    bench.step(1)
    assert [f for _, _, frames in bench.seen for f in frames] == [frame(k) for k in range(count)]
    assert len(bench.seen[0][2]) == count


@pytest.mark.parametrize(
    ("decided", "moves"),
    [
        # what the controller says of its relays, and what is done
        ({}, []),  # nothing said, nothing moved
        ({"normal": False}, [("open", "normal")]),
        ({"normal": True}, [("close", "normal")]),  # said again, done again
        (
            {"deferrable": False, "normal": False},
            [("open", "deferrable"), ("open", "normal")],  # in the order said
        ),
    ],
)
def test_only_relays_that_are_named_are_moved(decided, moves):
    bench = Bench()
    bench.step(0, relays=decided)
    assert [entry for entry in bench.log if entry[0] in ("open", "close")] == moves


def test_a_relay_the_node_has_not_is_an_error():
    with pytest.raises(KeyError, match="critical"):
        Bench().step(0, relays={"critical": False})


@pytest.mark.parametrize(
    ("p_set_kw", "set_points"),
    [
        (-7.5, [("set", -7.5)]),
        (0.0, [("set", 0.0)]),  # zero is a set-point
        (None, []),  # none leaves it as it is
    ],
)
def test_the_inverter_is_set_when_the_controller_says_so(p_set_kw, set_points):
    bench = Bench(inverter=True)
    bench.step(0, p_set_kw=p_set_kw)
    assert [entry for entry in bench.log if entry[0] == "set"] == set_points


def test_state_alarms_settings_and_figures_are_those_of_the_controller():
    bench = Bench()
    alarms = (Alarm("supply", v_min_v=200.0),)
    runner = bench.step(0, state=4, alarms=alarms)
    assert (runner.state, tuple(runner.alarms), runner.settings["gain_pu"]) == (4, alarms, 2.0)
    assert runner.kpis() == (Kpi("memory_count", 1),)


# waking and the queue


def test_without_frames_it_wakes_when_the_controller_wants():
    assert Bench().step(5, wake_us=1234).wake_us == 1234


def test_a_frame_the_radio_takes_at_once_wakes_nobody_earlier():
    bench = Bench()
    assert bench.step(5, wake_us=1234, frames=[b"one"]).wake_us == 1234
    assert bench.air == [(5, b"one")]


@pytest.mark.parametrize(
    ("wake_us", "woken_us"),
    [
        # the radio is free again at 1000
        (5000, 1000),  # it wakes for the frame that waits
        (300, 300),  # the controller's own time comes first
    ],
)
def test_a_frame_that_waits_for_the_radio_wakes_the_node_when_it_is_free(wake_us, woken_us):
    bench = Bench()
    assert bench.step(0, wake_us=wake_us, frames=[b"one", b"two"]).wake_us == woken_us
    assert bench.air == [(0, b"one")]


@given(bursts=st.lists(st.integers(0, 5), min_size=1, max_size=10))
def test_frames_leave_in_their_order_none_twice_and_none_forgotten(bursts):
    bench, now, number, wanted = Bench(), 0, 0, []
    for burst in bursts:
        frames = [(number + k).to_bytes(2, "big") for k in range(burst)]
        number += burst
        wanted += frames
        runner = bench.step(now, wake_us=now + 700, frames=frames)
        now = runner.wake_us
    while runner.wake_us < FAR_US:  # until the queue is empty
        bench.step(runner.wake_us)
    assert [data for _, data in bench.air] == wanted
    sends = [t for t, _ in bench.air]
    assert all(b - a >= bench.airtime_us for a, b in pairwise(sends))


def test_a_radio_that_refuses_for_long_loses_the_oldest_frames_first():
    bench = Bench()
    bench.busy_until_us = 50_000
    frames = [k.to_bytes(2, "big") for k in range(QUEUE_LENGTH + 10)]
    runner = bench.step(0, frames=frames)
    assert runner.wake_us == 50_000
    while runner.wake_us < FAR_US:
        bench.step(runner.wake_us)
    assert [data for _, data in bench.air] == frames[10:]


# boot


def test_a_boot_forgets_waiting_frames_and_alarms_and_runs_at_once():
    bench = Bench()
    bench.step(0, frames=[b"one", b"two"], alarms=[Alarm("supply", v_min_v=200.0)])
    bench.runner.boot(5000)
    assert bench.log[-1] == ("boot", 5000)
    assert bench.runner.wake_us == 5000
    assert tuple(bench.runner.alarms) == ()
    bench.step(5000)
    assert [data for _, data in bench.air] == [b"one"]


def test_a_boot_moves_no_contact_and_sets_no_power():
    bench = Bench(inverter=True)
    bench.step(0, relays={"normal": False}, p_set_kw=3.0)
    done = len(bench.log)
    bench.runner.boot(5000)
    assert bench.log[done:] == [("boot", 5000)]


# snapshots


def course(bench: Bench, plan: Sequence[Mapping[str, Any]], first: int) -> list[Any]:
    """Run a plan of decisions, one each 400 us; return all that can be seen from outside."""
    told = []
    for k, decided in enumerate(plan, start=first):
        runner = bench.step(400 * k, wake_us=400 * (k + 1), **decided)
        alarms = tuple(runner.alarms)
        told.append((runner.wake_us, runner.state, alarms, list(bench.air), runner.kpis()))
    return told


plans = st.lists(
    st.fixed_dictionaries({
        "frames": st.lists(st.binary(min_size=1, max_size=3), max_size=4),
        "state": st.integers(0, 5),
        "alarms": st.lists(st.floats(0, 300).map(lambda v: Alarm("supply", v)), max_size=1),
    }),
    min_size=1, max_size=12,
)  # fmt: skip


@given(plan=plans, cut=st.floats(0.0, 1.0))
def test_a_restored_runner_continues_as_the_first_one_does(plan, cut):
    at = round(cut * len(plan))
    one, fresh = Bench(), Bench()
    course(one, plan[:at], 0)
    saved = pickle.loads(pickle.dumps(one.runner.snapshot()))
    runner = fresh.runner
    runner.restore(saved)
    assert (runner.wake_us, runner.state) == (one.runner.wake_us, one.runner.state)
    assert tuple(runner.alarms) == tuple(one.runner.alarms)
    known = len(one.air)
    onward = course(one, plan[at:], at)
    onward = [(w, s, a, air[known:], kpis) for w, s, a, air, kpis in onward]
    assert course(fresh, plan[at:], at) == onward
