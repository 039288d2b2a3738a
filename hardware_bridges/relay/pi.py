"""Relay of a Raspberry Pi: lgpio under the same class as on the bench.

`Config` is `GpioRelayConfig`. Importing this module needs neither gpiozero nor lgpio;
opening the relay does.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Self

from hardware_bridges.claims import Claims, board_claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.pi_extra import pi_module
from hardware_bridges.relay.gpio import GpioRelay, GpioRelayConfig


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
    needed_for = "a relay on a Raspberry Pi's pin"
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
    lgpio = pi_module("lgpio", "a relay on a Raspberry Pi's pin")

    class SteadyPin(pin_class):  # type: ignore[misc]
        def output_with_state(self, state: Any) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))

    return SteadyPin


class PiRelay(GpioRelay):
    """A relay on a real pin.

    Parameters
    ----------
    config : GpioRelayConfig
        Pins.
    name : str
        Owner of the pins, as errors name it.
    claims : Claims, optional
        What is in use on the board.
    """

    Config = GpioRelayConfig

    def __init__(
        self, config: GpioRelayConfig, name: str = "relay", claims: Claims | None = None
    ) -> None:
        super().__init__(config, name, claims, pi_factory())

    @classmethod
    def fit(cls, config: Any, name: str, bench: Any) -> Self:
        """Return the relay in a node's process."""
        relay = cls(config, f"relay {name}", board_claims())
        bench.closes.append(relay.release)
        return relay
