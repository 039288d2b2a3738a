"""A workbench for the emulated SX126x: a chip in a world, and its driver."""

from __future__ import annotations

from gridmodel.wire.lora import Modem
from hardware_bridges.radio.sx126x import Sx126x
from hardware_bridges.radio.sx126x_chip import Sx126xChip
from hardware_bridges.radio.sx126x_codes import Irq
from tests.hardware_bridges.world import World


class Bench(World):
    """A chip with its driver, in a world of its own."""

    def __init__(self, tcxo_v=None):
        super().__init__()
        self.chip = Sx126xChip(self, self.now_us, tcxo_v)
        self.driver = Sx126x(self.chip, self.chip.busy, self.chip.nreset, self.chip.pause)

    def raw(self, text):
        """Transfer bytes once the chip takes them."""
        while self.chip.busy.value:
            pass
        return bytes(self.chip.xfer2(bytes.fromhex(text))).hex(" ")

    def set_up(self, modem=None, size=255):
        modem = modem or Modem()
        one = self.driver
        one.reset()
        one.set_packet_type_lora()
        one.set_frequency(modem.frequency_mhz)
        one.set_power(14, high_power=True)
        one.set_modulation(modem)
        one.set_packet(modem, size)
        one.set_activity_detection(modem)
        one.set_interrupts(Irq(0x3FF))
        return one
