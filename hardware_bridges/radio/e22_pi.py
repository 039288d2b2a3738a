"""Body of the radio port on a Raspberry Pi: an E22 HAT on the serial port.

pyserial and gpiozero are imported when a radio is made, so this module loads anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hardware_bridges.claims import Claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.pi_extra import pi_module
from hardware_bridges.pi_pins import pi_factory
from hardware_bridges.radio.e22_config import E22Config
from hardware_bridges.radio.e22_radio import E22Radio


class PiE22Radio(E22Radio):
    """An E22 radio on a Pi's serial port and GPIO.

    Parameters
    ----------
    clock : callable
        The node's time. [us]
    config : E22Config
        The HAT.
    claims : Claims or None
        What the node's board has in use.
    owner : str
        Name of the radio in errors.
    pin_factory : optional
        A gpiozero pin factory; lgpio's if left out.

    Raises
    ------
    MissingExtraError
        If pyserial, gpiozero or lgpio is not installed.
    ClaimError
        If another part of the node has its port or one of its pins.
    LinkError
        If the port cannot be opened, or no module answers.
    DeviceError
        If no airtime was measured, or the module refuses a setting.
    """

    Config = E22Config

    def __init__(
        self,
        clock: Callable[[], int],
        config: E22Config,
        claims: Claims | None = None,
        owner: str = "radio",
        pin_factory: Any = None,
    ) -> None:
        serial = pi_module("serial", "radio.e22")
        gpiozero = pi_module("gpiozero", "radio.e22")
        factory = pin_factory if pin_factory is not None else pi_factory()
        for resource in config.resources if claims is not None else ():
            assert claims is not None
            claims.take(resource, owner)
        self._parts: list[Any] = []
        try:
            m0, m1 = (
                gpiozero.DigitalOutputDevice(pin, pin_factory=factory)
                for pin in (config.m0_pin, config.m1_pin)
            )
            self._parts += [m0, m1]
            aux = None
            if config.aux_pin is not None:
                aux = gpiozero.DigitalInputDevice(config.aux_pin, pin_factory=factory)
                self._parts.append(aux)
            try:
                port = serial.Serial(config.port, config.baud, timeout=0)
            except OSError as error:  # pyserial's own error is one
                raise LinkError(
                    config.port, f"cannot be opened: {error}.",
                    "Enable the serial port and disable its console (raspi-config), and join "
                    "the group 'dialout'.",
                ) from error  # fmt: skip
            self._parts.append(port)
            super().__init__(port, m0, m1, config, clock, aux)
        except BaseException:
            self._let_go()
            if claims is not None:
                claims.release(owner)
            raise

    def close(self) -> None:
        """Let go of port and pins."""
        self._let_go()

    def _let_go(self) -> None:
        for part in self._parts:
            part.close()
        self._parts.clear()
