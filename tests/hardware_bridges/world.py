"""A world for radios under test: a clock that goes when told, and an air that keeps all it gets."""

from __future__ import annotations

from gridmodel.wire.lora import Modem
from hardware_bridges.radio.e22_emulated import EmulatedE22Radio
from hardware_bridges.radio.emulated import EmulatedRadio
from tests.hardware_bridges.measured_e22 import config as measured

S = 1_000_000


class World:
    """A clock, and an air that keeps what is sent with its instant."""

    def __init__(self):
        self.t_us = 0
        self.sent = []

    def now_us(self):
        return self.t_us

    def send(self, frame, airtime_us):
        self.sent.append((self.t_us, frame, airtime_us))

    def sx126x(self, modem=None, config=None, **more):
        """An emulated SX126x in this world, with its driver."""
        return EmulatedRadio(modem or Modem(), self, self.now_us, config, **more)

    def e22(self, **changes):
        """An emulated E22 HAT in this world, with its driver."""
        return EmulatedE22Radio(self, self.now_us, measured(**changes))
