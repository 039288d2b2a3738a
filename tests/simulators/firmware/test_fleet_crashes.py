"""Firmware fleet: what a crash does to programs, contacts and frames."""

from __future__ import annotations

import pytest

from gridmodel.control import Alarm, Decisions
from simulators.firmware.fleet import Crash
from tests.simulators.bench import S, kpi
from tests.simulators.firmware.nodes import NEVER_US, Nodes, Probe
from tests.simulators.firmware.street_fleet import each, frame_to

MIN_US = 60 * S


def blink(probe: Probe, now_us: int) -> Decisions:
    """Work each second: move a contact, send a frame, watch the supply."""
    closed = now_us // S % 2 == 0
    return Decisions(
        now_us - now_us % S + S, state=now_us // S % 7, relays={"deferrable": closed},
        frames=[frame_to(0)], alarms=[Alarm("supply", v_min_v=200.0)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("crash_us", "for_min"),
    [
        (4 * S, 0.1),  # with a step of its own at the same instant
        (4_300_000, 0.1),  # between two
        (4_300_000, 0.0001),  # for 6 ms
        (0, 0.5),  # before it has run at all
    ],
)
def test_a_crashed_program_does_not_run_until_it_boots(street, crash_us, for_min):
    nodes = Nodes(street, blink, at=("house_01", "house_02"))
    nodes.crash(crash_us, "house_02", for_min).until(60 * S)
    back_us = crash_us + round(for_min * MIN_US)
    well, crashed = nodes.probes
    assert well.awake_us == list(range(0, 61 * S, S))
    assert well.boots_us == []
    assert crashed.boots_us == [back_us]
    expected = [t for t in well.awake_us if t < crash_us or t > back_us]
    assert crashed.awake_us == sorted({*expected, back_us})
    assert kpi(nodes.part, "crash_count") == 1


def test_a_crash_leaves_contacts_and_alarms_alone_and_frames_unheard(street):
    nodes = Nodes(street, blink, at=("house_01", "house_02"))
    nodes.crash(3_500_000, "house_02", 1.0)  # its deferrable circuit is open then
    nodes.receive(5_500_000, frame_to(2), 0, 1)  # nobody is at home
    nodes.change(10 * S, v_v=each(150.0))  # its alarm would ring
    nodes.until(60 * S)
    _, crashed = nodes.probes
    assert crashed.awake_us[-1] == 3 * S
    assert crashed.heard == []
    _, closed = nodes.sent("closed")[-1]
    assert closed[1].tolist() == [True, True, False]
    assert not [1 for t, frames in nodes.sent("transmit") for m in frames
                if m.data["node"] == 1 and t > 3_500_000]  # fmt: skip
    nodes.until(63_500_000)
    assert crashed.awake_us[-1] == 63_500_000
    assert crashed.heard == []
    assert not crashed.turns[-1].seen.relays["deferrable"]  # as the crash left it


def test_frames_wait_in_no_radio_of_a_crashed_node(street):
    def deaf(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US)

    nodes = Nodes(street, deaf, at=("house_01",))
    nodes.receive(2 * S, frame_to(1, b"lost"), 0).crash(2 * S, "house_01", 0.1).until(8 * S)
    assert nodes.probes[0].heard == []
    nodes.receive(9 * S, frame_to(1, b"heard"), 0).until(10 * S)
    assert nodes.probes[0].heard == [frame_to(1, b"heard")]


def test_several_nodes_may_be_down_at_once(street):
    nodes = Nodes(street, blink)
    nodes.crash(2_500_000, "house_01", 0.1).crash(3_500_000, "house_05", 0.2).until(30 * S)
    boots = {probe.seat.terminal.name: probe.boots_us for probe in nodes.probes if probe.boots_us}
    assert boots == {"house_01": [8_500_000], "house_05": [15_500_000]}


def test_a_node_may_crash_again(street):
    nodes = Nodes(street, blink, at=("house_01",))
    for t_us in (2_500_000, 12_500_000):
        nodes.crash(t_us, "house_01", 0.1)
    nodes.until(30 * S)
    assert nodes.probes[0].boots_us == [8_500_000, 18_500_000]
    assert kpi(nodes.part, "crash_count") == 2


def test_an_event_for_a_node_that_is_not_there_is_refused_with_a_hint(street):
    part = Nodes(street, at=("house_01", "house_02")).part
    assert part.refuses("crash", Crash(node="house_02", for_min=1.0)) == ""
    text = part.refuses("crash", Crash(node="hous_01", for_min=1.0))
    assert text == "there is no node 'hous_01'. Did you mean 'house_01'?"
