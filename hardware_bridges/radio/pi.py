"""Body of the radio port on a Raspberry Pi: an SX126x HAT on SPI.

spidev and gpiozero are imported when a radio is made, so this module loads anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gridmodel.wire.lora import Modem
from hardware_bridges.claims import Claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.pi_extra import pi_module
from hardware_bridges.pi_pins import pi_factory
from hardware_bridges.radio.sx126x import Sx126x
from hardware_bridges.radio.sx126x_config import Sx126xConfig
from hardware_bridges.radio.sx126x_radio import Sx126xRadio


class PiRadio(Sx126xRadio):
    """An SX126x radio on a Pi's SPI bus and GPIO.

    Parameters
    ----------
    modem : Modem
        How it sends and listens.
    clock : callable
        The node's time. [us]
    config : Sx126xConfig
        The board.
    claims : Claims or None
        What the node's board has in use.
    owner : str
        Name of the radio in errors.
    pin_factory : optional
        A gpiozero pin factory; lgpio's if left out.

    Raises
    ------
    MissingExtraError
        If spidev, gpiozero or lgpio is not installed.
    ClaimError
        If another part of the node has one of its pins.
    LinkError
        If the bus cannot be opened, or no chip answers.
    """

    Config = Sx126xConfig

    def __init__(
        self,
        modem: Modem,
        clock: Callable[[], int],
        config: Sx126xConfig | None = None,
        claims: Claims | None = None,
        owner: str = "radio",
        pin_factory: Any = None,
    ) -> None:
        config = config if config is not None else Sx126xConfig()
        gpiozero = pi_module("gpiozero", "radio.pi")
        factory = pin_factory if pin_factory is not None else pi_factory()
        for resource in config.resources if claims is not None else ():
            assert claims is not None
            claims.take(resource, owner)

        def output(pin: int) -> Any:
            return gpiozero.DigitalOutputDevice(pin, initial_value=True, pin_factory=factory)

        self._pins: list[Any] = []
        self._bus: Any = None
        try:
            self._pins += [
                gpiozero.DigitalInputDevice(config.busy_pin, pin_factory=factory),
                gpiozero.DigitalInputDevice(config.dio1_pin, pin_factory=factory),
                output(config.reset_pin),
            ]
            self._bus = open_spi(config)
            spi = self._bus
            if config.select_pin is not None:
                self._pins.append(output(config.select_pin))
                spi = SelectedSpi(self._bus, self._pins[-1])
            busy, dio1, reset = self._pins[:3]
            name = f"SX126x on spidev{config.bus}.{config.chip_select}"
            driver = Sx126x(spi, busy, reset, name=name)
            super().__init__(driver, dio1, modem, config, clock)
        except BaseException:
            self._let_go()
            if claims is not None:
                claims.release(owner)
            raise

    def close(self) -> None:
        """Put the chip to sleep and let go of bus and pins."""
        super().close()
        self._let_go()

    def _let_go(self) -> None:
        if self._bus is not None:
            self._bus.close()
        for pin in self._pins:
            pin.close()
        self._pins.clear()


class SelectedSpi:
    """A bus whose chip is selected by a pin of its own."""

    def __init__(self, bus: Any, select: Any) -> None:
        self._bus = bus
        self._select = select
        select.on()

    def xfer2(self, values: Sequence[int], /) -> Sequence[int]:
        """Exchange bytes with the chip selected throughout."""
        self._select.off()
        try:
            answer: Sequence[int] = self._bus.xfer2(list(values))
            return answer
        finally:
            self._select.on()


def open_spi(config: Sx126xConfig) -> Any:
    """Return the open SPI device of a board.

    Raises
    ------
    MissingExtraError
        If spidev is not installed.
    LinkError
        If the kernel has no such device.
    """
    bus = pi_module("spidev", "radio.pi").SpiDev()
    try:
        bus.open(config.bus, config.chip_select)
    except OSError as error:
        raise LinkError(
            f"spidev{config.bus}.{config.chip_select}",
            f"cannot be opened: {error}.",
            "Enable SPI (raspi-config, or dtparam=spi=on), and join the group 'spi'.",
        ) from error
    bus.mode = 0
    bus.max_speed_hz = config.spi_hz
    if config.select_pin is not None:
        bus.no_cs = True
    return bus
