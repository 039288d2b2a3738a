"""ADS1115: registers, amplifier, and a chip that is busy or not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.metering import MeterScale
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.meter.ads1115 import Ads1115
from hardware_bridges.meter.ads1115_chip import Ads1115Chip

SCALE = MeterScale(adc_bits=16, v_reference_v=4.096, rate_hz=350.0, skew_us=1400.0)


class Watched:
    """A bus that notes what is written."""

    def __init__(self, chip: Ads1115Chip) -> None:
        self._chip = chip
        self.written: list[tuple[int, int, list[int]]] = []

    def write_i2c_block_data(self, address, register, data):
        self.written.append((address, register, data))
        self._chip.write_i2c_block_data(address, register, data)

    def read_i2c_block_data(self, address, register, length):
        return self._chip.read_i2c_block_data(address, register, length)


@given(v_code=st.integers(0, 65535), i_code=st.integers(0, 65535), busy=st.integers(0, 20))
def test_both_pairs_give_their_codes_and_a_busy_chip_is_waited_for(v_code, i_code, busy):
    chip = Ads1115Chip(0x48, {0: lambda: v_code, 1: lambda: i_code}, 2.048, busy)
    window = Ads1115(chip, 0x48, SCALE, 0, 1).window(2)
    assert window.tolist() == [[v_code] * 2, [i_code] * 2]


def test_the_words_are_those_of_the_data_sheet():
    # SBAS444: start, AIN0-AIN1 or AIN2-AIN3, +-2.048 V, single shot, 860 a second, comparator off
    bus = Watched(Ads1115Chip(0x4B, {}, 2.048))
    Ads1115(bus, 0x4B, SCALE, 0, 1).window(1)
    assert bus.written == [
        (0x4B, 1, [0b1_000_010_1, 0b111_0_0_0_11]),
        (0x4B, 1, [0b1_011_010_1, 0b111_0_0_0_11]),
    ]


@pytest.mark.parametrize(("swing_v", "setting"), [(12.288, 0), (8.192, 1), (2.048, 3), (0.512, 5)])
def test_the_amplifier_is_set_to_the_scales_swing(swing_v, setting):
    bus = Watched(Ads1115Chip(0x48, {}, 2.048))
    scale = SCALE.model_copy(update={"v_reference_v": swing_v})
    Ads1115(bus, 0x48, scale, 0, 1).read(0)
    assert (bus.written[0][2][0] >> 1) & 0b111 == setting


def test_another_swing_than_the_signals_scales_and_clips_the_code():
    quarter = Ads1115Chip(0x48, {0: lambda: 0x8000 + 8000, 1: lambda: 0x8000 - 20000}, 2.048)
    wide = SCALE.model_copy(update={"v_reference_v": 8.192})
    narrow = SCALE.model_copy(update={"v_reference_v": 2.048})
    assert Ads1115(quarter, 0x48, wide, 0, 1).read(0) == 0x8000 + 4000
    assert Ads1115(quarter, 0x48, narrow, 0, 1).read(0) == 0x8000 + 16000
    assert Ads1115(quarter, 0x48, narrow, 0, 1).read(1) == 0


def test_an_input_that_nobody_wired_reads_nothing():
    assert Ads1115(Ads1115Chip(0x48, {}, 2.048), 0x48, SCALE, 0, 1).read(1) == 0x8000


def test_a_wrong_address_is_said():
    with pytest.raises(LinkError, match="0x49: it does not answer"):
        Ads1115(Ads1115Chip(0x48, {}, 2.048), 0x49, SCALE, 0, 1).read(0)


def test_a_conversion_that_never_ends_is_given_up():
    with pytest.raises(DeviceError, match="does not end"):
        Ads1115(Ads1115Chip(0x48, {}, 2.048, 10_000), 0x48, SCALE, 0, 1).read(0)


def test_after_power_on_the_configuration_is_the_data_sheets():
    chip = Ads1115Chip(0x48, {}, 2.048)
    assert chip.read_i2c_block_data(0x48, 1, 2) == [0x85, 0x83]
