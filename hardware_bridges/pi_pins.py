"""Pins of a Raspberry Pi: the one factory of real pins in a process, over lgpio."""

from __future__ import annotations

from functools import cache
from typing import Any

from hardware_bridges.link_error import LinkError
from hardware_bridges.pi_extra import pi_module


@cache
def pi_factory() -> Any:
    """Return the one factory of real pins in this process.

    Raises
    ------
    MissingExtraError
        If gpiozero or lgpio is not installed.
    LinkError
        If this machine has no such pins, or they may not be used.
    """
    needed_for = "a Raspberry Pi's pin"
    pi_module("gpiozero", needed_for)
    pi_module("lgpio", needed_for)
    try:
        factory = pi_module("gpiozero.pins.lgpio", needed_for).LGPIOFactory()
        factory.pin_class = _steady(factory.pin_class)
    except Exception as error:  # lgpio and gpiozero each raise trees of their own
        raise LinkError(
            "GPIO",
            f"the pins cannot be opened ({error}).",
            "Is this a Raspberry Pi, its user in the group 'gpio', and may it write where it "
            "runs? (lgpio makes a pipe there.)",
        ) from error
    return factory


def _steady(pin_class: Any) -> Any:
    """Return a class of pins that become outputs with their level, not low before that.

    gpiozero's first takes the pin as an output, low, and then sets the level: a board that
    pulls in on low would pulse at each start (gpiozero 2.0.1, `Pin.output_with_state`).
    """
    lgpio = pi_module("lgpio", "a Raspberry Pi's pin")

    class SteadyPin(pin_class):  # type: ignore[misc]
        def output_with_state(self, state: Any) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))

    return SteadyPin
