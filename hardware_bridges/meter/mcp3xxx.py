"""MCP3008 and MCP3208: 10 and 12-bit converters with eight channels on SPI.

One conversion is three bytes both ways (Microchip DS21295 and DS21298, "serial
communication"): a start bit, single-ended, three bits of channel, one clock to sample, a
null bit, then the code, highest bit first. Leading zeros put the code at the end.
"""

from __future__ import annotations

from typing import Protocol

from gridmodel.metering import Codes, MeterScale
from hardware_bridges.link_error import LinkError
from hardware_bridges.meter.pace import NoPace, Pace, pairs_of

#: Bits of a transfer; after the start bit come single-ended, channel (3), sample, null.
TRANSFER_BITS, BEFORE_CODE_BITS = 24, 7


class Spi(Protocol):
    """What is used of spidev's `SpiDev`."""

    def xfer2(self, words: list[int]) -> list[int]:
        """Send bytes and return those that came meanwhile, chip selected throughout."""
        ...


class Mcp3xxx:
    """Driver of one chip for one meter.

    Parameters
    ----------
    spi : Spi
        The bus with the chip selected: spidev's, or an emulated chip.
    scale : MeterScale
        Bits of the chip, rate of pairs, and time between voltage and current.
    v_channel, i_channel : int
        Where they are wired, 0..7.
    pace : Pace
        Waits for each sample.
    """

    def __init__(
        self, spi: Spi, scale: MeterScale, v_channel: int, i_channel: int, pace: Pace | None = None
    ) -> None:
        self._spi = spi
        self._v_channel, self._i_channel = v_channel, i_channel
        self._pace = pace if pace is not None else NoPace()
        self._bits = scale.adc_bits
        self._period_us, self._skew_us = 1e6 / scale.rate_hz, scale.skew_us

    def read(self, channel: int) -> int:
        """Return the code of one channel, single-ended.

        Raises
        ------
        LinkError
            If the bus fails.
        """
        request = (0b11000 | channel) << (self._bits + 2)
        try:
            answer = self._spi.xfer2(list(request.to_bytes(3, "big")))
        except OSError as error:
            chip = "MCP3008" if self._bits == 10 else "MCP3208"
            advice = "Does another program use the bus?"
            raise LinkError(f"{chip} on SPI", f"a transfer failed ({error}).", advice) from error
        return int.from_bytes(bytes(answer), "big") & ((1 << self._bits) - 1)

    def window(self, pairs: int) -> Codes:
        """Return so many pairs of codes, shape (2, pairs): voltage, then current."""
        channels = self._v_channel, self._i_channel
        return pairs_of(self.read, channels, pairs, self._pace, (self._period_us, self._skew_us))
