"""Firmware fleet: when programs run, what they read, and what crashes and faults do to them."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.node.programs import make_program
from gridmodel.codes import Side
from gridmodel.control import Alarm, Decisions
from gridmodel.errors import ScenarioError
from gridmodel.federate import Message
from gridmodel.metering import MeterScale
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.lora import Modem
from simulators.firmware.fleet import Crash, Firmware, FirmwareConfig
from tests.simulators.bench import S, context, inputs, kpi, parcel, same_bytes
from tests.simulators.firmware.nodes import NEVER_US, Nodes, Probe
from tests.simulators.radio.air import in_a_row

HOUSES = 13
V_NOMINAL = 400.0 / 3**0.5
MIN_US = 60 * S
SCALE = MeterScale()


def frame_to(destination: int, content: bytes = b"hello") -> bytes:
    """Return a frame with a header, as radios pass it on unread."""
    return bytes([0x11, 7, destination, 0, 1]) + content


def each(value: float, **others: float) -> np.ndarray:
    """Return a value for each customer, and others for some, by number from 1."""
    values = np.full(HOUSES, value)
    for name, other in others.items():
        values[int(name.removeprefix("house_")) - 1] = other
    return values


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


# readings

volts = st.one_of(st.just(0.0), st.floats(0.0, 300.0))
kilowatts = st.floats(-30.0, 30.0)


@given(
    v_v=volts, p_kw=kilowatts, car_kw=st.floats(-22.0, 0.0), q_kvar=kilowatts,
    f_hz=st.floats(45.0, 55.0), bits=st.integers(8, 16),
)  # fmt: skip
def test_readings_are_the_true_values_in_whole_steps_of_the_converter(
    street, v_v, p_kw, car_kw, q_kvar, f_hz, bits
):
    scale = MeterScale(adc_bits=bits)
    nodes = Nodes(
        street, at=("house_06",), meter=scale, v_v=each(-1.0, house_06=v_v),
        p_kw=each(99.0, house_06=p_kw), vehicles_p_kw=each(99.0, house_06=car_kw),
        q_kvar=each(99.0, house_06=q_kvar), island_f_hz=f_hz,
    ).until(0)  # fmt: skip
    read = nodes.probes[0].turns[0].seen.meters["supply"]
    alive = v_v > 10.0
    true = {
        "v_v": (v_v, scale.v_step_v),
        "i_a": (1e3 * hypot(p_kw + car_kw, q_kvar) / max(v_v, 10.0), scale.i_step_a),
        "p_kw": (p_kw + car_kw, scale.p_step_kw),
        "f_hz": (f_hz if alive else 0.0, scale.f_step_hz),
    }
    for name, (value, unit) in true.items():
        steps = getattr(read, name) / unit
        assert steps == pytest.approx(round(steps), abs=1e-6), name
        assert getattr(read, name) == pytest.approx(value, abs=0.5 * unit * (1 + 1e-9)), name


def test_every_meter_of_a_node_reads_in_whole_steps(street):
    nodes = Nodes(
        street, at=("house_02",), relays=False, inverter=True, transfer_switch=True,
        v_v=each(231.2345), p_kw=each(-1.23456), tie_p_kw=7.654321, grid_f_hz=50.00321,
        island_f_hz=49.98765, grid_v_pu=1.01234, island_v_pu=0.99321,
    ).until(0)  # fmt: skip
    meters = nodes.probes[0].turns[0].seen.meters
    assert set(meters) == {"supply", "grid", "island", "tie"}
    unit = {
        "v_v": SCALE.v_step_v, "i_a": SCALE.i_step_a, "p_kw": SCALE.p_step_kw,
        "f_hz": SCALE.f_step_hz,
    }  # fmt: skip
    for name, read in meters.items():
        for quantity, step in unit.items():
            steps = getattr(read, quantity) / step
            assert steps == pytest.approx(round(steps), abs=1e-6), (name, quantity)


def test_between_two_samples_a_program_sees_the_older_one(street):
    nodes = Nodes(street, at=("house_01",), p_kw=each(-1.0))
    nodes.change(1_200_000, p_kw=each(-5.0)).receive(1_500_000, frame_to(1), 0).until(1_900_000)
    nodes.receive(2_500_000, frame_to(1), 0).until(3 * S)
    reads = [turn.seen.meters["supply"] for turn in nodes.probes[0].turns]
    assert [read.t_us for read in reads] == [0, S, 2 * S]
    assert [round(read.p_kw) for read in reads] == [-1, -1, -5]


@pytest.mark.parametrize(
    ("grid", "island", "f_hz"),
    [
        # where the transfer switch connects the house; the frequency of its supply
        (True, False, 49.9),
        (False, True, 51.0),
    ],
)
def test_a_house_with_a_transfer_switch_has_the_frequency_of_its_side(street, grid, island, f_hz):
    def switch(probe: Probe, now_us: int) -> Decisions:
        return Decisions(now_us + S, relays={"grid": grid, "island": island})

    nodes = Nodes(
        street, switch, at=("house_08",), transfer_switch=True, grid_f_hz=49.9, island_f_hz=51.0,
        grid_v_pu=1.02, island_v_pu=0.97,
    ).until(2 * S)  # fmt: skip
    seen = nodes.probes[0].turns[-1].seen.meters
    assert seen["supply"].f_hz == pytest.approx(f_hz, abs=SCALE.f_step_hz)
    assert seen["grid"].v_v == pytest.approx(1.02 * V_NOMINAL, abs=SCALE.v_step_v)
    assert seen["grid"].f_hz == pytest.approx(49.9, abs=SCALE.f_step_hz)
    assert seen["island"].v_v == pytest.approx(0.97 * V_NOMINAL, abs=SCALE.v_step_v)
    assert seen["island"].f_hz == pytest.approx(51.0, abs=SCALE.f_step_hz)


def test_a_coordinator_reads_the_inverter_and_the_tie_and_commands_the_inverter(street):
    def command(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, p_set_kw=-12.5)

    nodes = Nodes(
        street, command, at=("house_02",), relays=False, inverter=True, tied=False,
        tie_p_kw=3.0, inverter_p_kw=8.0, soc_pu=0.7, p_discharge_max_kw=40.0, e_full_kwh=180.0,
    ).until(0)  # fmt: skip
    seen = nodes.probes[0].turns[0].seen
    assert seen.inverter == (8.0, 0.7, 40.0, 180.0)
    assert seen.meters["tie"].p_kw == pytest.approx(3.0, abs=SCALE.p_step_kw)
    assert seen.relays == {"tie": False}
    assert nodes.sent("p_set_kw") == [(0, -12.5)]


# contacts


def test_contacts_are_closed_at_the_start_and_told_when_they_move(street):
    def shed(probe: Probe, now_us: int) -> Decisions:
        moves = {"normal": False, "deferrable": False} if probe.seat.address == 4 and now_us else {}
        return Decisions(NEVER_US if now_us else 2 * S, relays=moves)

    nodes = Nodes(street, shed).until(5 * S)
    (start, first), (moved_us, second) = nodes.sent("closed")
    assert (start, moved_us) == (0, 2 * S)
    assert first.all()
    expected = np.ones((HOUSES, 3), bool)
    expected[3, 1:] = False
    assert (second == expected).all()
    assert nodes.sent("switched") == [(2 * S, [Message(2 * S, "node", {"nodes": ("house_04",)})])]
    assert kpi(nodes.part, "move_count") == 1


def test_a_command_to_stay_is_no_move(street):
    def stay(probe: Probe, now_us: int) -> Decisions:
        return Decisions(now_us + S, relays=dict.fromkeys(("critical", "normal"), True))

    nodes = Nodes(street, stay).until(5 * S)
    assert not nodes.sent("switched")
    assert kpi(nodes.part, "move_count") == 0


def test_customers_without_a_node_are_connected_and_on_the_grid(street):
    def off(probe: Probe, now_us: int) -> Decisions:
        open_all = dict.fromkeys(("critical", "normal", "deferrable", "grid"), False)
        return Decisions(NEVER_US, relays=open_all)

    nodes = Nodes(street, off, at=("house_02", "house_09"), transfer_switch=True).until(0)
    served = nodes.sent("closed")[-1][1].any(axis=1)
    assert np.flatnonzero(~served).tolist() == [1, 8]
    side = nodes.sent("side")[-1][1]
    assert np.flatnonzero(side == Side.NOWHERE).tolist() == [1, 8]
    assert (np.delete(side, [1, 8]) == Side.GRID).all()


# crashes


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


# sensor faults

TRUE = {"v_v": V_NOMINAL, "p_kw": -2.0, "f_hz": 50.0, "i_a": 2000.0 / V_NOMINAL}
UNITS = {
    "v_v": SCALE.v_step_v, "i_a": SCALE.i_step_a, "p_kw": SCALE.p_step_kw,
    "f_hz": SCALE.f_step_hz,
}  # fmt: skip


def each_second(probe: Probe, now_us: int) -> Decisions:
    """Look at the meter each second."""
    return Decisions(now_us + S)


@given(
    quantity=st.sampled_from(sorted(TRUE)), scale=st.floats(0.0, 2.0), offset=st.floats(-10.0, 10.0)
)
def test_a_faulty_sensor_scales_then_shifts_its_own_quantity_at_its_own_node(
    street, quantity, scale, offset
):
    nodes = Nodes(street, each_second, at=("house_03", "house_04"), p_kw=each(-2.0))
    nodes.spoil(2 * S, "house_04", quantity, 0.1, scale, offset).until(12 * S)
    well, faulty = nodes.probes
    for turn in [*well.turns, *faulty.turns]:
        read = turn.seen.meters["supply"]
        wrong = turn in faulty.turns and 2 * S <= turn.now_us < 8 * S
        for name, value in TRUE.items():
            if wrong and name == quantity:
                value = scale * value + offset
            unit = UNITS[name]
            assert getattr(read, name) == pytest.approx(value, abs=0.5 * unit * (1 + 1e-6)), name
            steps = getattr(read, name) / unit
            assert steps == pytest.approx(round(steps), abs=1e-6), name


def test_a_fault_between_two_samples_shows_from_the_next_one_on(street):
    nodes = Nodes(street, each_second, at=("house_03",))
    nodes.spoil(2_500_000, "house_03", "v_v", 0.05, offset=-100.0).until(8 * S)
    seen = {turn.now_us // S: turn.seen.meters["supply"].v_v for turn in nodes.probes[0].turns}
    assert [t for t, v in seen.items() if v < 150.0] == [3, 4, 5]  # 2.5 s to 5.5 s


def test_faults_of_two_quantities_end_each_in_its_own_time(street):
    nodes = Nodes(street, each_second, at=("house_03",))
    nodes.spoil(S, "house_03", "v_v", 0.05, scale_pu=0.5)
    nodes.spoil(2 * S, "house_03", "f_hz", 0.1, scale_pu=0.97).until(12 * S)
    reads = [turn.seen.meters["supply"] for turn in nodes.probes[0].turns]
    assert [k for k, read in enumerate(reads) if read.v_v < 200.0] == [1, 2, 3]
    assert [k for k, read in enumerate(reads) if read.f_hz < 49.0] == [2, 3, 4, 5, 6, 7]


def test_a_faulty_reading_rings_the_alarm_like_a_true_one(street):
    def wary(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, alarms=[Alarm("supply", f_min_hz=49.0)] if not now_us else ())

    nodes = Nodes(street, wary, at=("house_03",))
    nodes.spoil(5_200_000, "house_03", "f_hz", 1.0, scale_pu=0.97).until(20 * S)
    assert nodes.probes[0].awake_us == [0, 6 * S]


# cells


def test_a_street_of_more_than_254_nodes_has_cells_with_addresses_and_channels_of_their_own():
    nodes = Nodes(in_a_row({f"h{k:03}": 10.0 * k for k in range(300)}), v_v=np.full(300, 230.0))
    seats = [probe.seat for probe in nodes.probes]
    assert [seat.address for seat in seats] == [*range(1, 255), *range(1, 47)]
    assert [seat.cell for seat in seats] == [0] * 254 + [1] * 46
    assert [seat.modem.frequency_mhz for seat in seats] == [868.1] * 254 + [868.3] * 46
    assert seats[299].peers == tuple(f"h{k:03}" for k in range(254, 300))


def test_a_coordinator_has_a_program_for_every_cell_and_the_first_commands_the_inverter(street):
    def command(probe: Probe, now_us: int) -> Decisions:
        frames = [frame_to(1, bytes([probe.seat.cell]))]
        return Decisions(NEVER_US, p_set_kw=10.0 + probe.seat.cell, frames=frames)

    nodes = Nodes(
        street, command, at=("house_02",), relays=False, inverter=True, cells=CellPlan(size=5),
        modem=Modem(frequency_mhz=865.1),
    ).until(0)  # fmt: skip
    assert [probe.seat.cell for probe in nodes.probes] == [0, 1, 2]
    assert [probe.seat.address for probe in nodes.probes] == [0, 0, 0]
    assert nodes.sent("p_set_kw") == [(0, 10.0)]
    frequencies = [m.data["modem"][list(Modem.model_fields).index("frequency_mhz")]
                   for m in nodes.sent("transmit")[0][1]]  # fmt: skip
    assert frequencies == pytest.approx([865.1, 865.3, 865.5])


# the fleet as a whole


def test_figures_of_programs_are_added_if_they_are_counts_and_else_the_greatest(street):
    nodes = Nodes(street, each_second).until(9 * S)
    assert kpi(nodes.part, "turn_count") == 10 * HOUSES
    assert kpi(nodes.part, "address_max_pu") == HOUSES


def test_states_of_all_programs_are_told_when_one_of_them_ran(street):
    def show(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, state=probe.seat.address + 20 * len(probe.turns))

    nodes = Nodes(street, show).receive(S, frame_to(5), 4).until(3 * S)
    (_, first), (later_us, second) = nodes.sent("state")
    assert first.tolist() == [20 + address for address in range(1, 14)]
    assert later_us == S
    assert second.tolist() == [20 + a if a != 5 else 45 for a in range(1, 14)]


def test_nodes_at_houses_that_are_not_there_are_refused_all_at_once(street):
    with pytest.raises(ScenarioError) as error:
        Nodes(street, at=("house_01", "hous_02", "house_99"))
    assert len(error.value.faults) == 2
    assert "Did you mean 'house_02'?" in str(error.value)


# continuation


def real_fleet(street: Any, transfer: bool) -> Firmware:
    """Return a fleet that runs the edge node's own controller."""
    settings: Mapping[str, Any] = {"transfer": {"gap_s": 1.0}} if transfer else {}
    config = FirmwareConfig(controller="edge_node", transfer_switch=transfer, settings=settings)
    return Firmware.build(config, context(street, "nodes", program=make_program))


def eventful(t: int) -> dict[str, Any]:
    """Return what a fleet sees at a second: an outage, a crash, a fault, noise on the air."""
    dark = 60 <= t < 130
    seen: dict[str, Any] = {
        "v_v": each(0.0 if dark else 230.0),
        "p_kw": np.linspace(-1.0, -3.0, HOUSES) * (1 + 0.1 * np.sin(t)),
        "island_f_hz": 0.0 if dark else 50.0 - 0.002 * t,
        "grid_f_hz": 50.0,
        "grid_v_pu": 0.0 if t >= 60 else 1.0,
        "island_v_pu": 0.0 if dark else 1.0,
    }
    events = {
        70: ("crash", {"node": "house_05", "for_min": 1.5}),
        140: (
            "sensor_fault",
            {"node": "house_07", "quantity": "f_hz", "scale_pu": 0.9, "offset": 0.0,
             "for_min": 1.0},
        ),
    }  # fmt: skip
    if t in events:
        kind, data = events[t]
        seen["events"] = [Message(t * S, kind, data)]
    if t % 50 == 7:
        data = {
            "frame": frame_to(EVERYONE), "nodes": tuple(range(HOUSES)),
            "rssi_dbm": (-90.0,) * HOUSES, "snr_db": (5.0,) * HOUSES,
        }  # fmt: skip
        seen["frames"] = [Message(t * S, "frame", data)]
    return seen


def go(part: Firmware, first_us: int, last_us: int) -> list[Any]:
    """Step as an engine would, at each second and whenever the fleet asks for it."""
    sent, now = [], first_us
    while now < last_us:
        seen = eventful(now // S)
        if now % S:  # what comes at whole seconds comes once
            seen = {k: v for k, v in seen.items() if k not in ("events", "frames")}
        outputs, after = part.step(now, inputs(part, **seen))
        sent.append((now, dict(outputs)))
        now = min(after, now - now % S + S)
    return sent


@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("at_s", [1, 61, 100, 150, 190])  # start, outage, crash, fault, after
def test_a_restored_snapshot_continues_with_the_same_bytes(street, transfer, at_s):
    part, fresh = real_fleet(street, transfer), real_fleet(street, transfer)
    go(part, 0, at_s * S)
    saved = parcel(part)
    onward = go(part, at_s * S, 300 * S)
    fresh.restore(saved)
    assert same_bytes(go(fresh, at_s * S, 300 * S), onward)
    assert fresh.kpis() == part.kpis()


def test_taking_a_snapshot_disturbs_nothing(street):
    watched, alone = real_fleet(street, False), real_fleet(street, False)
    sent = []
    for t in range(0, 300, 20):
        sent += go(watched, t * S, (t + 20) * S)
        watched.snapshot()
    assert same_bytes(sent, go(alone, 0, 300 * S))


def test_a_modem_that_may_not_send_as_it_is_set_is_a_fault(street):
    with pytest.raises(ScenarioError) as told:
        Nodes(street, modem=Modem(tx_power_dbm=27.0), at=("nobody",))
    text = str(told.value)
    assert "cell 0: 27 dBm" in text
    assert "no customer 'nobody'" in text
