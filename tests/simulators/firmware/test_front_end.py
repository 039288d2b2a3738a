"""Front end: readings as a node's own meter would take them, bit for bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.control import Alarm
from gridmodel.metering import MeterScale
from gridmodel.waveform import Waveform
from hardware_bridges.meter.config import SampledMeterConfig
from hardware_bridges.meter.emulated import EmulatedMeter
from simulators.firmware.front_end import FrontEnd
from tests.simulators.firmware.nodes import Nodes

METERS = ("supply", "grid", "island")
CHIPS = {
    "mcp3008": MeterScale(adc_bits=10, sampling="sampled"),
    "mcp3208": MeterScale(sampling="sampled"),
    "ads1115": MeterScale(
        adc_bits=16, v_reference_v=4.096, rate_hz=350.0, skew_us=1400.0, sampling="sampled"
    ),
}

volts = st.one_of(st.just(0.0), st.floats(0.0, 20.0), st.floats(180.0, 300.0))
powers = st.one_of(st.just(0.0), st.floats(-40.0, 40.0))
frequencies = st.one_of(st.just(0.0), st.just(50.0), st.floats(40.0, 70.0))


@st.composite
def streets(draw: st.DrawFn, n: int = 3) -> dict[str, object]:
    """Return what the front end of a few nodes sees."""

    def each(values: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)))

    return {
        "v_v": each(volts), "p_kw": each(powers), "vehicles_p_kw": each(powers),
        "q_kvar": each(powers), "grid_f_hz": draw(frequencies), "island_f_hz": draw(frequencies),
        "grid_v_pu": draw(st.floats(0.0, 1.2)), "island_v_pu": draw(st.floats(0.0, 1.2)),
    }  # fmt: skip


def read(front_end: FrontEnd, inputs: dict[str, object], t_us: int = 0) -> np.ndarray:
    """Let it take all readings; return which nodes' alarms ring."""
    due = np.zeros(3, dtype=np.bool_)
    front_end.read(t_us, inputs, np.array([True, False, False]), due)
    return due


def front(scale: MeterScale) -> FrontEnd:
    return FrontEnd(np.arange(3), METERS, scale, 230.0)


FRONTS = {chip: front(scale) for chip, scale in CHIPS.items()}
BENCHES = {
    chip: EmulatedMeter(SampledMeterConfig(chip=chip, scale=scale)) for chip, scale in CHIPS.items()
}


@pytest.mark.parametrize("chip", CHIPS)
@settings(max_examples=40)
@given(inputs=streets())
def test_a_sampled_reading_has_the_bits_of_a_meter_on_the_emulated_converter(chip, inputs):
    front_end, bench = FRONTS[chip], BENCHES[chip]
    read(front_end, inputs, 7)
    for node in range(3):
        for name, reading in front_end.measurements(node).items():
            bench.set(front_end.truth(node)[name])
            assert repr(bench.read(7)) == repr(reading)  # the sign of zero too


@given(inputs=streets())
def test_a_rounded_reading_is_the_truth_in_whole_steps(inputs):
    scale = MeterScale()
    front_end = front(scale)
    read(front_end, inputs)
    for node in range(3):
        for name, reading in front_end.measurements(node).items():
            truth = np.array(front_end.truth(node)[name])
            assert reading[1:] == tuple(np.rint(truth / scale.steps) * scale.steps)


@given(inputs=streets())
def test_the_truth_is_what_is_there(inputs):
    front_end = front(MeterScale())
    read(front_end, inputs)
    for node in range(3):
        truth = front_end.truth(node)
        power = inputs["p_kw"][node] + inputs["vehicles_p_kw"][node]
        assert truth["supply"].p_kw == power
        assert truth["supply"].v_v == inputs["v_v"][node]
        assert truth["grid"] == Waveform(230.0 * inputs["grid_v_pu"], 0.0, 0.0, inputs["grid_f_hz"])


def ordinary() -> dict[str, object]:
    return {
        "v_v": np.array([230.0, 231.0, 229.0]), "p_kw": np.array([-1.0, 2.0, 0.0]),
        "vehicles_p_kw": np.zeros(3), "q_kvar": np.array([0.2, 0.0, 0.0]), "grid_f_hz": 50.01,
        "island_f_hz": 49.9, "grid_v_pu": 1.0, "island_v_pu": 0.99,
    }  # fmt: skip


def test_rounded_is_the_default_and_both_ways_agree_to_a_step():
    scale = MeterScale()
    assert scale.sampling == "rounded"
    rounded, sampled = front(scale), front(CHIPS["mcp3208"])
    for front_end in (rounded, sampled):
        read(front_end, ordinary())
    for node in range(3):
        for one, other in zip(
            rounded.measurements(node).values(), sampled.measurements(node).values(), strict=True
        ):
            steps = np.abs(np.array(one[1:]) - np.array(other[1:])) / scale.steps
            assert (steps <= [1.5, 1.5, 2.5, 1.5]).all()


def test_a_spoilt_sensor_is_sampled_spoilt():
    front_end = front(CHIPS["mcp3208"])
    fault = {"quantity": "v_v", "scale_pu": 1.0, "offset": -30.0}
    front_end.spoil(1, fault, until_us=10)
    read(front_end, ordinary())
    assert front_end.truth(1)["supply"].v_v == 201.0
    assert front_end.measurements(1)["supply"].v_v == pytest.approx(201.0, abs=0.25)
    read(front_end, ordinary(), 10)
    assert front_end.measurements(1)["supply"].v_v == pytest.approx(231.0, abs=0.25)


def test_alarms_ring_on_sampled_readings():
    front_end = front(CHIPS["mcp3008"])
    read(front_end, ordinary())
    least = front_end.measurements(2)["supply"].v_v
    for node in range(3):
        front_end.watch(node, [Alarm("supply", v_min_v=least)])
    assert read(front_end, ordinary(), 1).tolist() == [False, False, False]
    low = ordinary() | {"v_v": np.array([230.0, 231.0, least - 0.6])}  # a step is 0.55 V
    assert read(front_end, low, 2).tolist() == [False, False, True]


def test_a_fleet_reads_by_samples_when_it_is_told_to(street):
    scale = CHIPS["mcp3208"]
    nodes = Nodes(street, at=("house_01",), meter=scale, v_v=np.full(13, 230.0)).until(0)
    bench = BENCHES["mcp3208"]
    bench.set((230.0, 0.0, 0.0, 50.0))
    assert nodes.probes[0].turns[0].seen.meters["supply"] == bench.read(0)


def test_a_snapshot_brings_the_readings_back():
    front_end = front(CHIPS["mcp3008"])
    read(front_end, ordinary())
    before, state = front_end.measurements(0), copy.deepcopy(front_end.snapshot())
    read(front_end, ordinary() | {"v_v": np.full(3, 100.0)}, 1)
    assert front_end.measurements(0) != before
    front_end.restore(state)
    assert front_end.measurements(0) == before
