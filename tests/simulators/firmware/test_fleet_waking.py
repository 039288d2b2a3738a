"""Firmware fleet: when programs run, for their timers, alarms and frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Alarm, Decisions
from gridmodel.federate import Message
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.lora import Modem
from tests.simulators.bench import S, kpi
from tests.simulators.firmware.nodes import NEVER_US, Nodes, Probe
from tests.simulators.firmware.street_fleet import HOUSES, each, frame_to

# waking


def test_every_program_runs_once_at_the_start(street):
    nodes = Nodes(street).until(10 * S)
    assert [probe.awake_us for probe in nodes.probes] == [[0]] * HOUSES
    assert kpi(nodes.part, "step_count") == HOUSES


@given(pauses=st.lists(st.integers(1, 5 * S), min_size=1, max_size=12))
def test_a_program_runs_at_the_very_microsecond_it_asked_for(street, pauses):
    wanted = np.cumsum([0, *pauses]).tolist()

    def on_time(probe: Probe, now_us: int) -> Decisions:
        return Decisions(wanted[len(probe.turns)] if len(probe.turns) < len(wanted) else NEVER_US)

    nodes = Nodes(street, on_time, at=("house_04",)).until(wanted[-1] + 10 * S)
    assert nodes.probes[0].awake_us == wanted


def test_programs_keep_their_own_time(street):
    def by_address(probe: Probe, now_us: int) -> Decisions:
        return Decisions(now_us + 700_001 * probe.seat.address)

    nodes = Nodes(street, by_address).until(20 * S)
    for probe in nodes.probes:
        step = 700_001 * probe.seat.address
        assert probe.awake_us == list(range(0, 20 * S + 1, step))


@pytest.mark.parametrize(
    ("alarm", "ports", "rings"),
    [
        # bounds of a supply of 230.9 V and 50 Hz; what the street has from 3.4 s on
        ({"v_min_v": 200.0}, {"v_v": each(230.0, house_03=199.0)}, True),
        ({"v_min_v": 200.0}, {"v_v": each(199.0, house_03=201.0)}, False),  # others' voltage
        ({"v_max_v": 250.0}, {"v_v": each(230.0, house_03=251.0)}, True),
        ({"v_max_v": 250.0}, {"v_v": each(230.0, house_03=249.0)}, False),
        ({"f_min_hz": 49.0}, {"island_f_hz": 48.9}, True),
        ({"f_min_hz": 49.0}, {"island_f_hz": 49.1}, False),
        ({"f_max_hz": 51.0}, {"island_f_hz": 51.1}, True),
        ({"f_max_hz": 51.0}, {"island_f_hz": 50.9}, False),
        ({"f_min_hz": 49.0}, {"v_v": each(0.0)}, True),  # a dead supply has no frequency
        ({}, {"v_v": each(0.0)}, False),  # no bounds, no alarm
    ],
)
def test_a_reading_beyond_its_bounds_wakes_the_program_at_the_next_sample(
    street, alarm, ports, rings
):
    def wary(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, alarms=[Alarm("supply", **alarm)] if now_us == 0 else ())

    nodes = Nodes(street, wary, at=("house_03", "house_05"))
    nodes.change(3_400_000, **ports).until(10 * S)
    assert nodes.probes[0].awake_us == ([0, 4 * S] if rings else [0])


def test_a_comparator_rings_at_every_sample_until_its_bounds_are_moved(street):
    def wary(probe: Probe, now_us: int) -> Decisions:
        low = 200.0 if now_us < 6 * S else 0.0
        return Decisions(NEVER_US, alarms=[Alarm("supply", v_min_v=low)])

    nodes = Nodes(street, wary, at=("house_03",), period_s=2.0)
    nodes.change(1, v_v=each(100.0)).until(20 * S)
    assert nodes.probes[0].awake_us == [0, 2 * S, 4 * S, 6 * S]


@pytest.mark.parametrize("meter", ["supply", "grid", "island"])
def test_an_alarm_watches_the_meter_it_names(street, meter):
    def wary(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, alarms=[Alarm(meter, v_min_v=200.0)])

    dark = {
        "supply": {"v_v": each(0.0)},
        "grid": {"grid_v_pu": 0.0},
        "island": {"island_v_pu": 0.0},
    }
    for watched, ports in dark.items():
        nodes = Nodes(
            street, wary, at=("house_03",), transfer_switch=True, grid_v_pu=1.0, island_v_pu=1.0
        )
        nodes.change(1, **ports).until(S)
        assert (len(nodes.probes[0].turns) > 1) == (watched == meter)


def test_an_alarm_may_watch_a_coordinators_tie_too(street):
    def wary(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, alarms=[Alarm("tie", f_min_hz=49.0)])

    nodes = Nodes(street, wary, at=("house_02",), relays=False, inverter=True)
    nodes.change(1, grid_f_hz=48.0).until(S)
    assert nodes.probes[0].awake_us == [0, S]


# frames


@pytest.mark.parametrize(
    ("destination", "reached", "heard_by"),
    [
        # who a frame is for; whose radio it reaches; whose program gets it
        (3, (0, 1, 2, 3), [2]),  # address 3 is the third house
        (3, (0, 1), []),  # its radio did not hear it
        (EVERYONE, (0, 2, 4), [0, 2, 4]),
        (99, (0, 1, 2), []),  # nobody there has that address
    ],
)
def test_a_frame_wakes_those_it_is_for_at_the_instant_it_arrives(
    street, destination, reached, heard_by
):
    frame = frame_to(destination)
    nodes = Nodes(street).receive(2_345_678, frame, *reached).until(5 * S)
    for number, probe in enumerate(nodes.probes):
        assert probe.heard == ([frame] if number in heard_by else [])
        assert probe.awake_us == ([0, 2_345_678] if number in heard_by else [0])


def test_a_frame_comes_with_its_level_and_its_instant(street):
    nodes = Nodes(street).receive(1_000_001, frame_to(1), 0).until(2 * S)
    (received,) = nodes.probes[0].turns[-1].frames
    assert received == (1_000_001, frame_to(1), -90.0, -90.0)


def test_frames_of_one_instant_are_given_together_and_in_order(street):
    first, second = frame_to(1, b"first"), frame_to(1, b"second")
    nodes = Nodes(street).receive(S, first, 0).receive(S, second, 0).until(2 * S)
    assert nodes.probes[0].heard == [first, second]
    assert nodes.probes[0].awake_us == [0, S]


@given(noise=st.binary(max_size=8))
def test_what_is_too_short_to_be_a_frame_wakes_nobody(street, noise):
    nodes = Nodes(street).receive(S, noise, *range(HOUSES)).until(3 * S)
    assert [len(probe.turns) for probe in nodes.probes] == [1] * HOUSES


def test_a_frame_for_the_air_says_who_sends_it_and_how(street):
    def caller(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, frames=[frame_to(0)] if now_us else ())

    modem = Modem(spreading_factor=9, frequency_mhz=868.3)
    nodes = Nodes(street, caller, at=("house_04", "house_07"), modem=modem)
    nodes.receive(1_500_000, frame_to(7), 1).until(3 * S)
    data = {
        "fleet": "nodes", "node": 1, "frame": frame_to(0),
        "modem": tuple(modem.model_dump().values()),
    }  # fmt: skip
    assert nodes.sent("transmit") == [(1_500_000, [Message(1_500_000, "frame", data)])]
