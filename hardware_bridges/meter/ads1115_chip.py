"""Emulated ADS1115: its registers on an I2C bus, word by word."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

from hardware_bridges.meter.ads1115 import CONFIGURATION, CONVERSION, PAIRS, READY
from hardware_bridges.meter.config import ADS1115_HALF_SWINGS_V
from hardware_bridges.meter.noise import ConverterNoise

#: Configuration after power-on (SBAS444, table of the register).
AT_POWER_ON = 0x8583


class Ads1115Chip:
    """The chip; it has the methods of smbus2's `SMBus` that its driver uses.

    Parameters
    ----------
    address : int
        Where it answers.
    inputs : mapping
        By pair of inputs (0, 1), a function that gives the code of the next sample, the
        middle for no voltage. An open pair gives the middle.
    half_swing_v : float
        Half swing that these codes mean. [V]
    busy_looks : int
        Looks at the configuration that find it busy, after each start.
    noise : ConverterNoise or None
        What codes of connected pairs scatter by, in steps at the amplifier's setting.
    """

    def __init__(
        self,
        address: int,
        inputs: Mapping[int, Callable[[], int]],
        half_swing_v: float,
        busy_looks: int = 0,
        noise: ConverterNoise | None = None,
    ) -> None:
        self._address = address
        self._inputs = inputs
        self._half_swing_v = half_swing_v
        self._busy_looks = busy_looks
        self._noise = noise
        self._left = 0
        self._registers = {CONVERSION: 0, CONFIGURATION: AT_POWER_ON}

    def write_i2c_block_data(self, address: int, register: int, data: list[int]) -> None:
        """Take a write; one to the configuration with the start bit makes a conversion."""
        self._answer(address)
        word = int.from_bytes(bytes(data), "big")
        self._registers[register] = word
        if register == CONFIGURATION and word & READY:
            self._registers[CONVERSION] = self._convert(word)
            self._left = self._busy_looks

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]:
        """Give a register's bytes."""
        self._answer(address)
        word = self._registers[register]
        if register == CONFIGURATION:
            word = word & ~READY if self._left else word | READY
            self._left = max(self._left - 1, 0)
        return list(word.to_bytes(2, "big"))[:length]

    def _answer(self, address: int) -> None:
        if address != self._address:
            raise OSError(errno.EREMOTEIO, "no device acknowledged")

    def _convert(self, word: int) -> int:
        """Return the code of the inputs chosen, at the amplifier's setting."""
        pair = {PAIRS[0]: 0, PAIRS[1]: 1}.get(word & (0b111 << 12))
        source = self._inputs.get(pair) if pair is not None else None
        code = source() - 0x8000 if source is not None else 0
        # The three highest settings of the amplifier are the same.
        setting = min((word >> 9) & 0b111, len(ADS1115_HALF_SWINGS_V) - 1)
        scaled = round(code * self._half_swing_v / ADS1115_HALF_SWINGS_V[setting])
        if source is not None and self._noise is not None:
            scaled = self._noise.on(scaled)
        return min(max(scaled, -0x8000), 0x7FFF) & 0xFFFF
