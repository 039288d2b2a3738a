"""Waveform: the codes of a truth, against numpy's own sine."""

from __future__ import annotations

from math import acos

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.metering import MeterScale
from gridmodel.waveform import AMPLITUDE_ONE, DARK, Waveform, amplitudes, window

SCALES = {
    "mcp3008": MeterScale(adc_bits=10),
    "mcp3208": MeterScale(),
    "ads1115": MeterScale(adc_bits=16, v_reference_v=4.096, rate_hz=350.0, skew_us=1400.0),
}


def plain(truth: Waveform, scale: MeterScale) -> np.ndarray:
    """Return the same waves before they are codes, from cosines and angles."""
    t_s = np.arange(scale.pairs) / scale.rate_hz
    start = 2 * np.pi * 0.1
    v = np.sqrt(2) * truth.v_v * np.sin(2 * np.pi * truth.f_hz * t_s + start)
    phi = acos(1e3 * truth.p_kw / (truth.v_v * truth.i_a))  # the current is ahead by it
    later = 2 * np.pi * truth.f_hz * (t_s + 1e-6 * scale.skew_us) + start
    i = np.sqrt(2) * truth.i_a * np.sin(later + phi)
    return scale.midpoint + np.array([v / scale.v_code_v, i / scale.i_code_a])


@pytest.mark.parametrize("chip", SCALES)
@given(
    v_v=st.floats(20.0, 275.0),
    i_a=st.floats(1.0, 100.0),
    factor=st.floats(-1.0, 1.0),
    f_hz=st.floats(40.0, 70.0),
)
def test_codes_are_the_wave_in_whole_codes(chip, v_v, i_a, factor, f_hz):
    scale = SCALES[chip]
    truth = Waveform(v_v, i_a, v_v * i_a * factor / 1e3, f_hz)
    # half a code to round, and what 1/2**14 of a code and the phase's 1/2**32 of a turn leave
    assert np.abs(window(truth, scale) - plain(truth, scale)).max() < 0.502


def test_the_dark_is_the_middle_of_the_swing():
    assert (window(DARK, SCALES["mcp3208"]) == 2048).all()


@pytest.mark.parametrize("times", [1.02, 1.9, 3.9])
def test_a_wave_beyond_the_swing_is_cut_at_the_last_codes(times):
    scale = SCALES["mcp3208"]
    truth = Waveform(times * scale.v_peak_v / np.sqrt(2), 1.0, 0.0, 50.0)
    v_codes = window(truth, scale)[0]
    assert (v_codes.min(), v_codes.max()) == (0, 4095)
    assert np.abs(v_codes - np.clip(plain(truth, scale)[0], 0, 4095)).max() < 0.502


def test_a_wave_far_beyond_does_no_harm():
    scale = SCALES["ads1115"]
    v_codes, i_codes = window(Waveform(1e9, 1e9, -1e12, 50.0), scale)
    assert set(np.unique(v_codes)) >= {0, 65535}
    assert set(np.unique(i_codes)) >= {0, 65535}


def test_a_power_needs_its_current_even_if_none_is_given():
    sizes = amplitudes(np.array([230.0, 0.0, -2.3, 50.0]), SCALES["mcp3208"])
    code_a = SCALES["mcp3208"].i_code_a
    assert sizes[1] == pytest.approx(-10.0 * np.sqrt(2) / code_a * AMPLITUDE_ONE, abs=0.51)
    assert sizes[2] == 0


@pytest.mark.parametrize("v_v", [0.0, 5.0, 10.0])
def test_in_the_dark_a_power_is_drawn_as_at_ten_volts(v_v):
    # as the front end's currents are: a dead bus divides no power by zero
    sizes = amplitudes(np.array([v_v, 0.0, 0.3, 0.0]), SCALES["mcp3208"])
    code_a = SCALES["mcp3208"].i_code_a
    assert sizes[1] == pytest.approx(30.0 * np.sqrt(2) / code_a * AMPLITUDE_ONE, abs=0.51)


def test_a_window_is_the_same_whenever_it_is_made():
    truth = Waveform(231.0, 4.0, 0.5, 49.97)
    assert (window(truth, SCALES["mcp3208"]) == window(truth, SCALES["mcp3208"])).all()
    assert window(truth, SCALES["mcp3208"]).dtype == np.int64
