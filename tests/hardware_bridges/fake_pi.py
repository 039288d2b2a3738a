"""The libraries of a Raspberry Pi, put in place by a test: a chip on the board they open."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from gridmodel.metering import MeterScale
from hardware_bridges.meter.ads1115_chip import Ads1115Chip
from hardware_bridges.meter.mcp3xxx_chip import Mcp3xxxChip
from hardware_bridges.meter.waveform import WaveformGenerator


class Board:
    """What spidev and smbus2 find: one chip on each bus, looking at one wave."""

    def __init__(self, scale: MeterScale) -> None:
        self.wave = WaveformGenerator(scale)
        self._inputs = {0: self.wave.voltage, 1: self.wave.current}
        self._scale = scale
        self.opened: list[Any] = []
        self.closed: list[Any] = []

    def put(self, monkeypatch: pytest.MonkeyPatch) -> Board:
        """Let `import spidev` and `import smbus2` find this board."""
        board = self

        class SpiDev(Mcp3xxxChip):
            def __init__(self) -> None:
                super().__init__(board._scale.adc_bits, board._inputs)

            def open(self, bus: int, select: int) -> None:
                if bus != 0:
                    raise FileNotFoundError(2, "No such file or directory")
                board.opened.append((bus, select))

            def close(self) -> None:
                board.closed.append((self.max_speed_hz, self.mode))

        class SMBus(Ads1115Chip):
            def __init__(self, bus: int) -> None:
                super().__init__(0x49, board._inputs, board._scale.v_reference_v / 2, 2)
                board.opened.append(bus)

            def close(self) -> None:
                board.closed.append("i2c")

        for name, attribute, cls in (("spidev", "SpiDev", SpiDev), ("smbus2", "SMBus", SMBus)):
            module = ModuleType(name)
            setattr(module, attribute, cls)
            monkeypatch.setitem(sys.modules, name, module)
        return self
