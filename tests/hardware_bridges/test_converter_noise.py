"""Emulated converters may have noise: as much as theory says, the same at each run."""

from __future__ import annotations

from math import hypot, sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from gridmodel.metering import MeterScale
from gridmodel.settings import parse
from gridmodel.waveform import DARK, Waveform
from hardware_bridges.meter.ads1115 import CONFIGURATION, CONVERSION
from hardware_bridges.meter.ads1115_chip import Ads1115Chip
from hardware_bridges.meter.config import EmulatedMeterConfig
from hardware_bridges.meter.emulated import EmulatedMeter
from hardware_bridges.meter.mcp3xxx_chip import Mcp3xxxChip
from hardware_bridges.meter.noise import ConverterNoise
from hardware_bridges.meter.pi import PiMeter

LOAD = Waveform(230.0, 10.0, -2.3, 50.0)
IDLE = Waveform(230.0, 0.0, 0.0, 50.0)
#: Noise of one step, and what rounding to whole codes adds.
LSB = sqrt(1.0 + 1.0 / 12.0)
CHIPS = {
    "mcp3008": {"adc_bits": 10},
    "mcp3208": {"adc_bits": 12},
    "ads1115": {"adc_bits": 16, "v_reference_v": 4.096, "rate_hz": 350.0, "skew_us": 1400.0},
}


class FineScale(MeterScale):
    """A scale whose readings are not rounded to the converter's steps, which hide its noise."""

    @property
    def steps(self):
        return super().steps / 1e4


def meter(chip: str, noise_lsb_rms: float, scale: type[MeterScale], seed: int = 0, name="supply"):
    config = EmulatedMeterConfig(chip=chip, noise_lsb_rms=noise_lsb_rms, noise_seed=seed)
    return EmulatedMeter(config, f"meter {name}", scale=scale(sampling="sampled", **CHIPS[chip]))


def powers(body: EmulatedMeter, truth: Waveform, count: int) -> np.ndarray:
    body.set(truth)
    return np.array([body.read(0).p_kw for _ in range(count)])


@pytest.mark.parametrize("chip", CHIPS)
def test_one_step_of_noise_spreads_the_power_as_theory_says(chip):
    """Hann's window weighs N pairs like N / 1.5; noise of a current meets the voltage's size.

    600 readings tell a spread to 3 %, so 10 % is asked for.
    """
    scale = FineScale(**CHIPS[chip])
    shrink = LSB * sqrt(1.5 / scale.pairs) / 1e3
    theory_kw = hypot(230.0 * scale.i_code_a, 10.0 * scale.v_code_v) * shrink
    spread_kw = powers(meter(chip, 1.0, FineScale), LOAD, 600).std()
    assert spread_kw == pytest.approx(theory_kw, rel=0.10)
    assert powers(meter(chip, 0.0, FineScale), LOAD, 5).std() < 1e-9


def test_in_whole_steps_twenty_steps_of_noise_spread_it_as_much_and_one_hides():
    scale = MeterScale(**CHIPS["mcp3208"])
    theory_kw = 20.0 * hypot(230.0 * scale.i_code_a, 10.0 * scale.v_code_v) / 1e3
    theory_kw *= sqrt(1.5 / scale.pairs)
    loud = powers(meter("mcp3208", 20.0, MeterScale), LOAD, 600).std()
    assert loud == pytest.approx(hypot(theory_kw, scale.p_step_kw / sqrt(12.0)), rel=0.10)
    assert np.ptp(powers(meter("mcp3208", 1.0, MeterScale), LOAD, 100)) < 1.01 * scale.p_step_kw


@pytest.mark.parametrize("chip", CHIPS)
def test_a_clamp_on_an_idle_wire_reads_the_noise(chip):
    body = meter(chip, 1.0, FineScale)
    body.set(IDLE)
    floor_a = np.mean([body.read(0).i_a for _ in range(50)])
    assert floor_a == pytest.approx(LSB * FineScale(**CHIPS[chip]).i_code_a, rel=0.05)
    assert abs(powers(body, IDLE, 50).mean()) < FineScale(**CHIPS[chip]).i_code_a * 230.0 / 1e3


def test_noise_is_the_same_at_each_run_and_each_meter_has_its_own():
    def told(**more) -> list[float]:
        return powers(meter("mcp3208", 1.0, FineScale, **more), LOAD, 5).tolist()

    assert told() == told()
    assert len(set(told())) == 5
    assert told() != told(seed=1)
    assert told() != told(name="other")


def test_without_noise_a_meter_reads_as_before():
    quiet, plain = meter("mcp3208", 0.0, MeterScale), EmulatedMeter(EmulatedMeterConfig())
    for truth in (LOAD, IDLE, DARK):
        quiet.set(truth)
        plain.set(truth)
        assert quiet.read(5) == plain.read(5)


def test_codes_stay_within_the_converter_s_range_and_open_inputs_are_quiet():
    loud = ConverterNoise(500.0, "x")
    for code in (0, 1023):
        chip = Mcp3xxxChip(10, {0: lambda code=code: code}, loud)
        request = [1, 0b1000_0000, 0]
        codes = [int.from_bytes(bytes(chip.xfer2(request)), "big") & 0x3FF for _ in range(200)]
        assert {0, 1023} & set(codes)
        assert len(set(codes)) > 20
    assert chip.xfer2([1, 0b1001_0000, 0]) == [0, 0, 0]
    two = Ads1115Chip(0x48, {0: lambda: 0xFFFF}, 2.048, noise=ConverterNoise(30_000.0, "x"))
    found = set()
    for _ in range(100):
        two.write_i2c_block_data(0x48, CONFIGURATION, [0b1000_0100, 0x83])
        word = bytes(two.read_i2c_block_data(0x48, CONVERSION, 2))
        found.add(int.from_bytes(word, "big", signed=True))
    assert max(found) == 0x7FFF
    assert len(found) > 20


def test_a_real_converter_brings_its_own_noise():
    with pytest.raises(ValidationError, match="noise_lsb_rms"):
        parse(PiMeter.Config, {"noise_lsb_rms": 1.0})
    assert parse(EmulatedMeter.Config, {"noise_lsb_rms": 1.0}).noise_lsb_rms == 1.0
    with pytest.raises(ValidationError, match="noise_lsb_rms"):
        parse(EmulatedMeter.Config, {"noise_lsb_rms": -1.0})
