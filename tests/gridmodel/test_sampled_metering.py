"""Metering from codes: errors stay within what half a code can do to each quantity.

The waves here are numpy's own, with any phase, so nothing of the emulation is tested
against itself. Rounding to codes adds to each sample an error of at most half a code; a
weighted root mean square is a norm, so it moves by at most half a code too.
"""

from __future__ import annotations

from math import copysign, cos, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numba import njit

from gridmodel.metering import (
    EXACT,
    Calibration,
    Metered,
    MeterScale,
    meter,
    readings,
    sums,
    weights,
)

#: Part of the ripple at twice the frequency that Hann's window leaves, 45 Hz to 66 Hz.
RIPPLE = 1e-4
MCP3008 = MeterScale(adc_bits=10)
MCP3208 = MeterScale(adc_bits=12)
ADS1115 = MeterScale(adc_bits=16, v_reference_v=4.096, rate_hz=350.0, skew_us=1400.0)
SCALES = [MCP3008, MCP3208, ADS1115]
scales = st.sampled_from(SCALES)
turns = st.floats(0.0, 1.0)

#: Order of a harmonic, its share of the fundamental, and its phase in turns.
Harmonics = tuple[tuple[int, float, float], ...]


def wave(
    scale: MeterScale,
    volts_a_code: float,
    rms: float,
    f_hz: float,
    phase: float,
    delay_us: float = 0.0,
    harmonics: Harmonics = (),
    dc_codes: float = 0.0,
) -> np.ndarray:
    """Return the codes of a wave; `rms` is of the fundamental."""
    turn = f_hz * (np.arange(scale.pairs) / scale.rate_hz + 1e-6 * delay_us) + phase
    x = np.sin(2 * pi * turn)
    for order, share, angle in harmonics:
        x += share * np.sin(2 * pi * (order * turn + angle))
    exact = sqrt(2.0) * rms / volts_a_code * x + dc_codes
    codes = np.rint(exact).astype(np.int64) + scale.midpoint
    return np.clip(codes, 0, 2 * scale.midpoint - 1)


def seen(
    scale: MeterScale,
    v_v: float,
    i_a: float,
    f_hz: float,
    phase: float = 0.1,
    lag: float = 0.0,
    calibration: Calibration = EXACT,
    lead_deg: float = 0.0,
    **more: object,
) -> Metered:
    """Return what a meter shows of a voltage and of a current that lags by so many turns."""
    v = wave(scale, scale.v_code_v, v_v, f_hz, phase, **more)
    i = wave(
        scale,
        scale.i_code_a,
        i_a,
        f_hz,
        phase - lag + lead_deg / 360.0,
        scale.skew_us,
        **more,
    )
    return meter(v, i, scale, calibration)


def rms_of(harmonics: Harmonics) -> float:
    """Return the root mean square of a wave whose fundamental has 1."""
    return sqrt(1.0 + sum(share**2 for _, share, _ in harmonics))


def bound(rms: float, code: float, step: float, harmonics: Harmonics = ()) -> float:
    """Return the greatest error of a root mean square.

    Half a code, half a step of the reading, and the ripple: products of two waves a sin
    and b sin leave at most a b times the ripple's part in the mean square.
    """
    peaks = 1.0 + sum(share for _, share, _ in harmonics)
    ripple = RIPPLE * rms * peaks**2 / (2 * rms_of(harmonics))
    return 0.5 * code + 0.5 * step + 2 * ripple


@pytest.mark.parametrize("scale", SCALES, ids=["mcp3008", "mcp3208", "ads1115"])
def test_the_window_leaves_no_more_of_a_ripple_than_it_says(scale):
    hann = weights(scale.pairs)
    n = np.arange(len(hann)) / scale.rate_hz
    worst = max(
        abs((hann * np.exp(4j * pi * f_hz * n)).sum()) / hann.sum()
        for f_hz in np.arange(45.0, 66.0, 0.1)
    )
    assert worst < RIPPLE


@given(scale=scales, v_v=st.floats(20.0, 275.0), f_hz=st.floats(45.0, 66.0), phase=turns)
def test_the_voltage_is_within_half_a_code(scale, v_v, f_hz, phase):
    error = abs(seen(scale, v_v, 0.0, f_hz, phase).v_v - v_v)
    assert error <= bound(v_v, scale.v_code_v, scale.v_step_v)


@given(scale=scales, i_a=st.floats(0.0, 100.0), f_hz=st.floats(45.0, 66.0), phase=turns)
def test_the_current_is_within_half_a_code_and_needs_no_voltage(scale, i_a, f_hz, phase):
    error = abs(seen(scale, 0.0, i_a, f_hz, phase).i_a - i_a)
    assert error <= bound(i_a, scale.i_code_a, scale.i_step_a)


@given(
    scale=scales,
    v_v=st.floats(100.0, 275.0),
    i_a=st.floats(0.0, 100.0),
    f_hz=st.floats(45.0, 66.0),
    phase=turns,
    lag=turns,
)
def test_the_power_is_within_half_a_code_of_either(scale, v_v, i_a, f_hz, phase, lag):
    got = seen(scale, v_v, i_a, f_hz, phase, lag)
    p_kw = v_v * i_a * cos(2 * pi * lag) / 1e3
    assert abs(got.p_kw - p_kw) <= power_bound(scale, v_v, i_a, f_hz)


def power_bound(scale: MeterScale, v_v: float, i_a: float, f_hz: float) -> float:
    """Return the greatest error of the power. [kW]

    Cauchy-Schwarz: V times half a code of current, I times half a code of voltage, their
    product, half a step, and the ripple. The voltage at the current's instant is the sum
    of two samples, so half a code of each counts by its share.
    """
    step, delay = 2 * pi * f_hz / scale.rate_hz, 2e-6 * pi * f_hz * scale.skew_us
    shares = (sin(step - delay) + sin(delay)) / sin(step)
    dv, di = shares * scale.v_code_v / 2, scale.i_code_a / 2
    # a frequency wrong by a step moves the angle; a mean's error of 5e-4 twice over is 2.5e-7
    angle = 2e-6 * pi * scale.f_step_hz * scale.skew_us
    watt = v_v * di + i_a * dv + dv * di + (RIPPLE + angle) * shares * v_v * i_a
    return (watt + 500.0 * scale.p_step_kw) / 1e3


@given(scale=scales, v_v=st.floats(100.0, 275.0), f_hz=st.floats(45.0, 66.0), phase=turns)
def test_the_frequency_is_within_what_half_a_code_moves_two_crossings(scale, v_v, f_hz, phase):
    fine = scale.model_copy(update={"f_step_hz": 1e-6})
    assert abs(seen(fine, v_v, 0.0, f_hz, phase).f_hz - f_hz) <= frequency_bound(fine, v_v, f_hz)


def frequency_bound(scale: MeterScale, v_v: float, f_hz: float, harmonics: Harmonics = ()) -> float:
    """Return the greatest error of the frequency. [Hz]

    Half a code by the codes between the two samples at a crossing is the error in
    samples; and what the series of a sine leaves out after its first term: at most 0.0012 of
    the step's fourth power, and for a harmonic 0.0173 of the square that is not taken back.
    """
    step = 2 * pi * f_hz / scale.rate_hz
    slope = sqrt(2.0) * v_v / scale.v_code_v * sin(step)
    steep = 1.0 - sum(order * share for order, share, _ in harmonics)
    bend = sum(order**3 * share for order, share, _ in harmonics)
    curved = 0.0173 * bend * step**2 / steep + 0.0012 * step**4
    cycles = int((scale.pairs - 1) / scale.rate_hz * f_hz) - 1
    return 2 * (0.5 / (slope * steep) + curved) * f_hz**2 / scale.rate_hz / cycles + (
        0.5001 * scale.f_step_hz
    )


HARMONICS = st.tuples(
    st.tuples(st.just(3), st.floats(0.0, 0.15), turns),
    st.tuples(st.just(5), st.floats(0.0, 0.08), turns),
)


@given(
    scale=st.sampled_from([MCP3008, MCP3208]),
    v_v=st.floats(100.0, 220.0),
    i_a=st.floats(5.0, 80.0),
    f_hz=st.floats(45.0, 66.0),
    harmonics=HARMONICS,
)
def test_root_mean_squares_are_true_ones_with_harmonics(scale, v_v, i_a, f_hz, harmonics):
    got = seen(scale, v_v, i_a, f_hz, harmonics=harmonics)
    assert not got.faults
    true_v, true_i = v_v * rms_of(harmonics), i_a * rms_of(harmonics)
    assert abs(got.v_v - true_v) <= bound(true_v, scale.v_code_v, scale.v_step_v, harmonics)
    assert abs(got.i_a - true_i) <= bound(true_i, scale.i_code_a, scale.i_step_a, harmonics)
    assert abs(got.f_hz - f_hz) <= frequency_bound(scale, v_v, f_hz, harmonics)


def test_a_rectifiers_current_is_not_read_by_its_mean_or_its_peak():
    # a third of third harmonic: 5.4 % more than the fundamental alone
    got = seen(MCP3208, 230.0, 10.0, 50.0, harmonics=((3, 1 / 3, 0.5),))
    assert got.i_a == pytest.approx(10.0 * sqrt(10 / 9), abs=0.05)


@given(scale=scales, dc_pu=st.floats(-0.05, 0.05), lag=turns)
def test_an_offset_of_either_signal_changes_nothing(scale, dc_pu, lag):
    dc_codes = round(dc_pu * scale.midpoint)
    plain = seen(scale, 200.0, 50.0, 50.0, lag=lag)
    shifted = seen(scale, 200.0, 50.0, 50.0, lag=lag, dc_codes=dc_codes)
    assert shifted[:4] == pytest.approx(plain[:4], abs=1e-9)
    assert not shifted.faults


@given(lead_deg=st.floats(-6.0, 6.0), lag=turns, scale=scales)
def test_a_clamps_lead_is_taken_back(lead_deg, lag, scale):
    calibration = Calibration(i_lead_deg=lead_deg)
    got = seen(scale, 230.0, 20.0, 50.0, lag=lag, lead_deg=lead_deg, calibration=calibration)
    # extrapolating by d needs shares of |sin(T - d)| + |sin d| over sin T
    step = 2 * pi * 50.0 / scale.rate_hz
    delay = 1e-4 * pi * scale.skew_us + lead_deg * pi / 180.0
    shares = (abs(sin(step - delay)) + abs(sin(delay))) / sin(step)
    true_kw = 4.6 * cos(2 * pi * lag)
    assert abs(got.p_kw - true_kw) <= shares * power_bound(scale, 230.0, 20.0, 50.0)


def test_without_its_calibration_a_lead_shows():
    assert abs(seen(ADS1115, 230.0, 20.0, 50.0, lag=0.25, lead_deg=6.0).p_kw) > 0.4


@given(v_gain_pu=st.floats(0.9, 1.1), i_gain_pu=st.floats(0.9, 1.1))
def test_gains_multiply(v_gain_pu, i_gain_pu):
    calibration = Calibration(v_gain_pu=v_gain_pu, i_gain_pu=i_gain_pu)
    got = seen(MCP3208, 200.0, 20.0, 50.0, calibration=calibration)
    assert got.v_v == pytest.approx(200.0 * v_gain_pu, abs=0.25)
    assert got.i_a == pytest.approx(20.0 * i_gain_pu, abs=0.1)
    assert got.p_kw == pytest.approx(4.0 * v_gain_pu * i_gain_pu, abs=0.02)


def test_a_clamp_the_wrong_way_round_is_turned():
    way, other = (
        seen(MCP3208, 230.0, 10.0, 50.0, calibration=Calibration(i_reversed=turned)).p_kw
        for turned in (False, True)
    )
    assert way == -other == pytest.approx(2.3, abs=0.02)


@given(scale=scales, v_v=st.floats(0.0, 275.0), i_a=st.floats(0.0, 100.0), lag=turns)
def test_readings_are_whole_steps(scale, v_v, i_a, lag):
    whole = np.array(seen(scale, v_v, i_a, 50.0, lag=lag)[:4]) / scale.steps
    assert whole == pytest.approx(np.rint(whole), abs=1e-6)


def test_there_is_no_negative_zero():
    for lag in (0.249, 0.25, 0.251, 0.5):
        p_kw = seen(MCP3008, 230.0, 0.2, 50.0, lag=lag).p_kw
        assert copysign(1.0, p_kw) == 1.0 or p_kw < 0.0


@pytest.mark.parametrize("dc_codes", [-190.0, 190.0])
def test_an_offset_larger_than_the_wave_hides_no_crossing(dc_codes):
    got = seen(MCP3208, 20.0, 1.0, 50.0, dc_codes=dc_codes)  # 145 codes of amplitude
    assert got.f_hz == pytest.approx(50.0, abs=frequency_bound(MCP3208, 20.0, 50.0))
    assert not got.faults


def test_the_dark_has_no_frequency_and_is_no_fault():
    assert seen(MCP3208, 0.0, 0.0, 50.0) == Metered(0.0, 0.0, 0.0, 0.0)
    assert seen(MCP3208, 8.0, 0.0, 50.0).f_hz == 0.0
    assert seen(MCP3208, 12.0, 0.0, 50.0).f_hz == pytest.approx(50.0, abs=0.05)


# what may not be believed


@given(
    scale=scales, over=st.floats(0.9, 1.3), f_hz=st.floats(45.0, 66.0), which=st.sampled_from("vi")
)
def test_clipping_is_flagged_and_nothing_short_of_it(scale, over, f_hz, which):
    swing = {"v": scale.v_peak_v, "i": scale.i_code_a * scale.midpoint}[which] / sqrt(2.0)
    v_v, i_a = (swing * over, 1.0) if which == "v" else (230.0, swing * over)
    got = seen(scale, v_v, i_a, f_hz)
    name = {"v": "voltage", "i": "current"}[which]
    clipped = [text for text in got.faults if text == f"{name} clipped: it is beyond the "
               "converter's swing"]  # fmt: skip
    # between samples a crest can be missed: cos of half the angle of a sample
    missed = cos(pi * f_hz / scale.rate_hz)
    assume(not 1.0 - 2.0 / scale.midpoint < over < 1.001 / missed)
    assert bool(clipped) == (over > 1.0)


@pytest.mark.parametrize(("dc_codes", "end"), [(100, "the top"), (-100, "the bottom")])
def test_clipping_at_one_end_is_enough(dc_codes, end):
    most = MCP3208.v_peak_v / sqrt(2.0)
    got = seen(MCP3208, 0.97 * most, 1.0, 50.0, dc_codes=dc_codes)
    assert [text.split(":")[0] for text in got.faults] == ["voltage clipped"], end
    assert not seen(MCP3208, 0.94 * most, 1.0, 50.0, dc_codes=dc_codes).faults


@pytest.mark.parametrize("code", [0, 4095])
def test_a_converter_that_is_not_there_is_said(code):
    stuck = np.full(MCP3208.pairs, code)
    got = meter(stuck, stuck, MCP3208)
    assert [text.split(":")[0] for text in got.faults] == [
        f"voltage stuck at code {code}",
        f"current stuck at code {code}",
    ]
    assert got[:4] == (0.0, 0.0, 0.0, 0.0)


def test_a_broken_bias_divider_is_said():
    assert seen(MCP3208, 100.0, 10.0, 50.0, dc_codes=200.0).faults == ()
    reasons = seen(MCP3208, 100.0, 10.0, 50.0, dc_codes=300.0).faults
    assert [text.split(":")[0] for text in reasons] == ["voltage off centre", "current off centre"]


@pytest.mark.parametrize(
    ("f_hz", "words"), [(39.0, "frequency 39 Hz"), (50.0, ""), (75.0, "frequency 75 Hz")]
)
def test_a_frequency_that_no_mains_has_is_said(f_hz, words):
    reasons = seen(MCP3208, 230.0, 1.0, f_hz).faults
    assert [text.startswith(words) for text in reasons] == ([True] if words else [])


def test_noise_is_not_taken_for_the_mains():
    rng = np.random.default_rng(3)
    noise = rng.integers(1000, 3000, MCP3208.pairs)
    assert any("irregular" in text for text in meter(noise, noise, MCP3208).faults)


# the same bits everywhere


@given(data=st.data(), bits=st.integers(8, 16), pairs=st.integers(8, 600))
def test_numba_and_numpy_have_the_same_sums(data, bits, pairs):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    v, i = rng.integers(0, 2**bits, (2, pairs))
    if data.draw(st.booleans()):  # few levels: crossings that touch zero, and none at all
        v = v >> (bits - 1) << (bits - 1)
    hann, middle = weights(pairs), 2 ** (bits - 1)
    assert (SUMS(v, i, hann, middle) == sums(v, i, hann, middle)).all()


SUMS = njit(cache=True)(sums)


def test_the_largest_sums_are_exact_as_floats():
    for code in (0, 2**16 - 1):
        worst = np.full(4096, code)
        assert np.abs(sums(worst, worst, weights(4096), 2**15)).max() < 2**53


def test_one_meter_reads_the_same_alone_and_among_others():
    rng = np.random.default_rng(5)
    windows = rng.integers(0, 4096, (30, 2, MCP3208.pairs))
    hann = weights(MCP3208.pairs)
    found = np.array([sums(v, i, hann, 2048) for v, i in windows])
    together = readings(found, MCP3208)
    for row, (v, i) in zip(together, windows, strict=True):
        assert tuple(row) == meter(v, i, MCP3208)[:4]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"skew_us": 500.0}, "skew_us must be less"),
        ({"rate_hz": 8000.0, "window_ms": 1000.0}, "at most 4096 pairs"),
        ({"sampling": "sampled", "adc_bits": 18}, "up to 16 bits"),
    ],
)
def test_a_scale_that_cannot_be_sampled_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        MeterScale(**change)
