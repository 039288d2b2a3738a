"""Emulated MCP3008 or MCP3208: answers SPI transfers as the chip does, word by word."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hardware_bridges.link_error import DeviceError
from hardware_bridges.meter.mcp3xxx import BEFORE_CODE_BITS
from hardware_bridges.meter.noise import ConverterNoise


class Mcp3xxxChip:
    """The chip; it has the methods of spidev's `SpiDev` that its driver uses.

    Parameters
    ----------
    bits : int
        10 for an MCP3008, 12 for an MCP3208.
    inputs : mapping
        By channel, a function that gives the code of the next sample. An open channel
        gives 0.
    noise : ConverterNoise or None
        What codes of connected channels scatter by.
    """

    def __init__(
        self,
        bits: int,
        inputs: Mapping[int, Callable[[], int]],
        noise: ConverterNoise | None = None,
    ) -> None:
        self._bits = bits
        self._inputs = inputs
        self._noise = noise

    def xfer2(self, words: list[int]) -> list[int]:
        """Answer one transfer; before the code the line is low.

        Raises
        ------
        DeviceError
            If a differential conversion is wanted: what the inputs are is not known then.
        """
        total = 8 * len(words)
        request = int.from_bytes(bytes(words), "big")
        if not request:
            return [0] * len(words)
        after_start = request.bit_length() - 1  # bits that follow the start bit
        single, channel = (request >> (after_start - 1)) & 1, (request >> (after_start - 4)) & 7
        if not single:
            raise DeviceError(
                "emulated MCP3xxx", "a differential conversion was asked for.", "Set bit SGL."
            )
        code = self._convert(channel)
        room = after_start + 1 - BEFORE_CODE_BITS  # clocks left for the code
        spare = room - self._bits
        answer = (code << spare if spare >= 0 else code >> -spare) & ((1 << total) - 1)
        return list(answer.to_bytes(len(words), "big"))

    def _convert(self, channel: int) -> int:
        """Return the code of a channel."""
        if channel not in self._inputs:
            return 0
        code = self._inputs[channel]()
        if self._noise is None:
            return code
        return min(max(self._noise.on(code), 0), (1 << self._bits) - 1)
