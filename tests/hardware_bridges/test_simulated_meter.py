"""Simulated meter: it gives the reading of its node's terminal, as coarse as the converter."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.metering import MeterScale
from gridmodel.ports import Measurement, Meter
from hardware_bridges.meter.simulated import SimulatedMeter
from tests.simulators.firmware.nodes import Nodes

HOUSES = 13


def test_it_reads_the_terminal_by_the_meters_name():
    supply, grid = Measurement(5, 230.0, 4.0, -0.9, 50.0), Measurement(5, 0.0, 0.0, 0.0, 0.0)
    terminal = Terminal("house_01", readings={"supply": supply, "grid": grid})
    meter: Meter = SimulatedMeter(terminal, "supply")
    assert meter.read(7) == supply  # stamped with its sample, not with the moment of reading
    assert SimulatedMeter(terminal, "grid").read(7) == grid


def test_it_shows_what_the_terminal_shows_now():
    terminal = Terminal("house_01")
    meter = SimulatedMeter(terminal, "supply")
    for k in range(3):
        terminal.readings["supply"] = Measurement(k, 230.0 + k, 0.0, 0.0, 50.0)
        assert meter.read(k).v_v == 230.0 + k


def test_a_meter_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="island"):
        SimulatedMeter(Terminal("house_01"), "island").read(0)


def reading(street: object, scale: MeterScale, v_v: float, p_kw: float) -> Measurement:
    """Return what the meter of a house gives that draws power at a voltage."""
    nodes = Nodes(
        street, at=("house_01",), meter=scale, v_v=np.full(HOUSES, v_v), p_kw=np.full(HOUSES, p_kw)
    )
    return nodes.until(0).probes[0].turns[0].seen.meters["supply"]


@pytest.mark.parametrize(
    ("adc_bits", "least_w"),
    [
        # the least power two readings can differ by: facts, 1.11
        (10, 48.0),  # MCP3008
        (12, 12.0),  # MCP3208
    ],
)
def test_power_below_half_a_step_is_not_seen(street, adc_bits, least_w):
    scale = MeterScale(adc_bits=adc_bits)
    assert reading(street, scale, 230.0, -0.49e-3 * least_w).p_kw == 0.0
    seen = reading(street, scale, 230.0, -0.52e-3 * least_w).p_kw
    assert seen == pytest.approx(-1e-3 * least_w, rel=0.01)


def test_a_step_of_voltage_is_that_of_a_12_bit_converter_over_800_volts(street):
    v_v = [reading(street, MeterScale(), 230.0 + 0.01 * k, 0.0).v_v for k in range(60)]
    moves = np.diff(v_v)
    steps = moves[moves > 1e-9]
    assert len(steps) > 1
    assert steps == pytest.approx(800.0 / 4096 / sqrt(2.0), rel=1e-6)


@given(p_kw=st.floats(-30.0, 30.0), less_bits=st.integers(1, 4))
def test_a_coarser_converter_is_never_nearer_to_the_truth_than_its_half_step(
    street, p_kw, less_bits
):
    fine, coarse = MeterScale(adc_bits=12), MeterScale(adc_bits=12 - less_bits)
    for scale in (fine, coarse):
        assert abs(reading(street, scale, 230.0, p_kw).p_kw - p_kw) <= 0.5001 * scale.p_step_kw
    assert coarse.p_step_kw == pytest.approx(fine.p_step_kw * 2**less_bits)


@given(p_kw=st.floats(0.0, 30.0))
def test_import_and_export_are_read_alike(street, p_kw):
    taken, given_ = (reading(street, MeterScale(), 230.0, sign * p_kw) for sign in (-1, 1))
    assert taken.p_kw == -given_.p_kw
    assert taken.i_a == given_.i_a >= 0.0
