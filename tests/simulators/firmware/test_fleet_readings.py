"""Firmware fleet: what programs read, in steps of a converter and through faulty sensors."""

from __future__ import annotations

from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Alarm, Decisions
from gridmodel.metering import MeterScale
from tests.simulators.bench import S
from tests.simulators.firmware.nodes import NEVER_US, Nodes, Probe
from tests.simulators.firmware.street_fleet import SCALE, V_NOMINAL, each, each_second, frame_to

#: Step of each quantity that a meter reads.
UNITS = {
    "v_v": SCALE.v_step_v, "i_a": SCALE.i_step_a, "p_kw": SCALE.p_step_kw,
    "f_hz": SCALE.f_step_hz,
}  # fmt: skip

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
    for name, read in meters.items():
        for quantity, step in UNITS.items():
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


# sensor faults

TRUE = {"v_v": V_NOMINAL, "p_kw": -2.0, "f_hz": 50.0, "i_a": 2000.0 / V_NOMINAL}


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
