"""SX126x radio on a Raspberry Pi: gpiozero's mock pins, and a spidev whose other end is the chip."""

from __future__ import annotations

import sys
import types

import pytest

from gridmodel.errors import MissingExtraError
from gridmodel.ports import ReceivedFrame
from gridmodel.wire.lora import Modem
from hardware_bridges.claims import Claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.radio.pi import PiRadio
from hardware_bridges.radio.sx126x_chip import Sx126xChip
from hardware_bridges.radio.sx126x_codes import Mode
from hardware_bridges.radio.sx126x_config import Sx126xConfig
from tests.hardware_bridges.world import S, World


class Board:
    """A HAT on the pins of a mock factory."""

    def __init__(self, monkeypatch, config):
        from gpiozero.pins.mock import MockFactory

        self.world = World()
        self.chip = chip = Sx126xChip(self.world, self.world.now_us)
        self.factory = factory = MockFactory()
        pin = factory.pin(config.dio1_pin)
        chip.dio1.when_activated = pin.drive_high
        chip.dio1.when_deactivated = pin.drive_low
        self.selected = []
        self.opened = []
        board = self

        class SpiDev:
            mode = max_speed_hz = None
            no_cs = False

            def open(self, bus, select):
                board.opened.append((bus, select, self))

            def xfer2(self, values, /):
                if config.select_pin is not None:
                    board.selected.append(factory.pin(config.select_pin).state)
                chip.pause(0.01)  # a Pi is slow: the chip is never busy
                return chip.xfer2(values)

            def close(self):
                board.opened.clear()

        module = types.ModuleType("spidev")
        module.SpiDev = SpiDev
        monkeypatch.setitem(sys.modules, "spidev", module)


@pytest.mark.parametrize("select_pin", [None, 21])
def test_the_pi_body_drives_a_hat_through_gpiozero_and_spidev(monkeypatch, select_pin):
    config = Sx126xConfig(select_pin=select_pin)
    board = Board(monkeypatch, config)
    claims = Claims()
    one = PiRadio(Modem(), board.world.now_us, config, claims, pin_factory=board.factory)
    assert board.opened[0][:2] == (0, 0)
    assert (board.opened[0][2].mode, board.opened[0][2].max_speed_hz) == (0, 2_000_000)
    assert one.send(0, b"hello") == (True, 30_976, 0)
    assert board.world.sent == [(0, b"hello", 30_976)]
    board.world.t_us = 1 * S
    board.chip.hear(b"answer", -90.0, 6.0, 1 * S)
    assert one.receive() == ReceivedFrame(1 * S, b"answer", -90.0, 6.0)
    assert set(board.selected) == (set() if select_pin is None else {False})
    assert board.opened[0][2].no_cs == (select_pin is not None)
    assert "GPIO20" in claims.owners()
    one.close()
    assert not board.opened
    assert board.chip.mode is Mode.SLEEP


def test_a_pi_body_that_finds_no_chip_lets_go_of_all_it_took(monkeypatch):
    config = Sx126xConfig()
    board = Board(monkeypatch, config)
    board.chip.xfer2 = lambda values: [0] * len(values)
    claims = Claims()
    with pytest.raises(LinkError, match=r"spidev0\.0: the chip is in mode 0"):
        PiRadio(Modem(), lambda: 0, config, claims, pin_factory=board.factory)
    assert not board.opened
    assert claims.owners() == {}


def test_off_a_pi_the_pi_body_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spidev", None)
    from gpiozero.pins.mock import MockFactory

    with pytest.raises(MissingExtraError, match=r'pip install "feedertwin\[pi\]"'):
        PiRadio(Modem(), lambda: 0, pin_factory=MockFactory())
