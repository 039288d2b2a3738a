"""Body of the radio port on an emulated SX126x: driver and chip as on a Pi, air by a call."""

from __future__ import annotations

from collections.abc import Callable

from gridmodel.ports import SendResult
from gridmodel.wire.lora import Modem
from hardware_bridges.claims import Claims
from hardware_bridges.radio.air import Air
from hardware_bridges.radio.sx126x import Sx126x
from hardware_bridges.radio.sx126x_chip import Sx126xChip
from hardware_bridges.radio.sx126x_config import Sx126xConfig
from hardware_bridges.radio.sx126x_radio import Sx126xRadio


class EmulatedRadio(Sx126xRadio):
    """An SX126x radio whose chip is emulated.

    Parameters
    ----------
    modem : Modem
        How it sends and listens.
    air : Air
        Takes what it sends.
    clock : callable
        The node's time: the simulation's when stepped, the wall's in real time. [us]
    config : Sx126xConfig
        The board; its pins stand for nothing here, but are claimed as on a Pi.
    claims : Claims or None
        What the node's board has in use.
    owner : str
        Name of the radio in errors.
    """

    Config = Sx126xConfig

    def __init__(
        self,
        modem: Modem,
        air: Air,
        clock: Callable[[], int],
        config: Sx126xConfig | None = None,
        claims: Claims | None = None,
        owner: str = "radio",
    ) -> None:
        config = config if config is not None else Sx126xConfig()
        for resource in config.resources if claims is not None else ():
            assert claims is not None
            claims.take(resource, owner)
        self.chip = chip = Sx126xChip(air, clock, config.tcxo_v)
        driver = Sx126x(chip, chip.busy, chip.nreset, chip.pause, f"emulated SX126x of {owner}")
        super().__init__(driver, chip.dio1, modem, config, chip.now_us, chip.lock)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame now, or say when it may be sent; the chip's time is at least now."""
        self.chip.advance(now_us)
        return super().send(now_us, data)

    def hear(
        self, frame: bytes, rssi_dbm: float, snr_db: float, t_us: int, crc_ok: bool = True
    ) -> None:
        """Let a frame end at the antenna; see `Sx126xChip.hear`."""
        self.chip.hear(frame, rssi_dbm, snr_db, t_us, crc_ok)

    def carrier(self, until_us: int) -> None:
        """Let a signal be in the channel until an instant: activity detection sees it. [us]"""
        self.chip.carrier(until_us)
