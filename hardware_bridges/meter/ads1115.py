"""ADS1115: a 16-bit converter with two differential pairs on I2C.

Texas Instruments SBAS444: a write to the configuration register starts a conversion, its
highest bit reads 0 while the chip is busy, the conversion register holds the signed code.
The chip makes 860 conversions a second for all channels, so voltage and current are half
a pair apart and the metering brings them together. It averages over a conversion: that
reads 50 Hz low by sinc(50/860), 0.6 %, a matter for the calibration of both gains.
"""

from __future__ import annotations

from typing import Protocol

from gridmodel.metering import Codes, MeterScale
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.meter.config import ADS1115_HALF_SWINGS_V
from hardware_bridges.meter.pace import NoPace, Pace, pairs_of

#: Registers.
CONVERSION, CONFIGURATION = 0, 1
#: Start of a conversion when written; not busy when read.
READY = 1 << 15
#: Inputs of the two pairs: AIN0 against AIN1, AIN2 against AIN3.
PAIRS = (0b000 << 12, 0b011 << 12)
#: One conversion at a time, 860 a second, comparator off.
SINGLE, RATE_860, NO_COMPARATOR = 1 << 8, 0b111 << 5, 0b11
#: Looks at the busy bit before the chip is given up; one look takes 0.1 ms or more.
MOST_LOOKS = 200


class I2c(Protocol):
    """What is used of smbus2's `SMBus`."""

    def write_i2c_block_data(self, address: int, register: int, data: list[int]) -> None:
        """Write bytes to a register."""

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]:
        """Read bytes of a register."""
        ...


class Ads1115:
    """Driver of one chip for one meter.

    Parameters
    ----------
    i2c : I2c
        The bus: smbus2's, or an emulated chip.
    address : int
        Of the chip, 0x48..0x4B.
    scale : MeterScale
        Swing, rate of pairs, and time between voltage and current.
    v_channel, i_channel : int
        Pair of inputs of each, 0 or 1.
    pace : Pace
        Waits for each sample.
    """

    def __init__(
        self,
        i2c: I2c,
        address: int,
        scale: MeterScale,
        v_channel: int,
        i_channel: int,
        pace: Pace | None = None,
    ) -> None:
        self._i2c = i2c
        self._address = address
        self._gain = ADS1115_HALF_SWINGS_V.index(scale.v_reference_v / 2) << 9
        self._v_channel, self._i_channel = v_channel, i_channel
        self._pace = pace if pace is not None else NoPace()
        self._period_us, self._skew_us = 1e6 / scale.rate_hz, scale.skew_us

    def read(self, channel: int) -> int:
        """Return the code of one pair of inputs, 0..65535 with the middle for no voltage.

        Raises
        ------
        LinkError
            If nothing answers at the address.
        DeviceError
            If the conversion does not end.
        """
        word = READY | PAIRS[channel] | self._gain | SINGLE | RATE_860 | NO_COMPARATOR
        try:
            self._i2c.write_i2c_block_data(
                self._address, CONFIGURATION, list(word.to_bytes(2, "big"))
            )
            for _ in range(MOST_LOOKS):
                if self._register(CONFIGURATION) & READY:
                    break
            else:
                raise DeviceError(
                    f"ADS1115 at {self._address:#04x}",
                    "a conversion does not end.",
                    "Is it an ADS1115?",
                )
            code = self._register(CONVERSION)
        except OSError as error:
            if isinstance(error, LinkError):
                raise
            raise LinkError(
                f"ADS1115 at {self._address:#04x}",
                f"it does not answer ({error}).",
                "Check its wires and its address: 'i2cdetect -y 1' shows who answers.",
            ) from error
        return code ^ 0x8000  # two's complement to an offset code

    def _register(self, number: int) -> int:
        return int.from_bytes(bytes(self._i2c.read_i2c_block_data(self._address, number, 2)), "big")

    def window(self, pairs: int) -> Codes:
        """Return so many pairs of codes, shape (2, pairs): voltage, then current."""
        channels = self._v_channel, self._i_channel
        return pairs_of(self.read, channels, pairs, self._pace, (self._period_us, self._skew_us))
