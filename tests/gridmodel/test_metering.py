"""The steps of a meter: what a clamp and a converter can tell apart."""

from __future__ import annotations

from math import sqrt

import pytest

from gridmodel.metering import MeterScale


@pytest.mark.parametrize(
    ("adc_bits", "p_step_w"),
    [
        (10, 48),  # MCP3008
        (12, 12),  # MCP3208
        (16, 0.74),  # a 16-bit converter on the same swing
    ],
)
def test_a_step_of_power_is_that_of_the_converter(adc_bits, p_step_w):
    # facts, 1.11: 2000:1 clamp on 22 ohm; 0.293 A of amplitude a step with 10 bits
    assert 1e3 * MeterScale(adc_bits=adc_bits).p_step_kw == pytest.approx(p_step_w, rel=0.01)


def test_a_step_of_current_is_the_rms_value_of_one_code():
    assert MeterScale(adc_bits=10).i_step_a * sqrt(2) == pytest.approx(0.293, abs=5e-4)
    assert MeterScale(adc_bits=12).i_step_a * sqrt(2) == pytest.approx(0.073, abs=5e-4)


def test_the_voltage_swing_is_divided_into_all_codes():
    scale = MeterScale(adc_bits=12, v_peak_v=400.0)
    assert scale.v_step_v * sqrt(2) * 4096 == pytest.approx(800.0)  # from -400 V to +400 V


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"adc_bits": 13}, 0.5),  # one bit more
        ({"burden_ohm": 44.0}, 0.5),  # twice the voltage for a current
        ({"ct_ratio": 1000.0}, 0.5),  # half the turns: twice the current in the burden
        ({"v_reference_v": 1.65}, 0.5),  # half the swing for the same codes
        ({"v_peak_v": 800.0}, 1.0),  # the voltage divider does not matter to the clamp
    ],
)
def test_a_step_of_current_follows_the_parts_of_the_clamp(change, factor):
    assert MeterScale(**change).i_step_a == pytest.approx(factor * MeterScale().i_step_a)
