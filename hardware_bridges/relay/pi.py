"""Relay of a Raspberry Pi: lgpio under the same class as on the bench.

`Config` is `GpioRelayConfig`. Importing this module needs neither gpiozero nor lgpio;
opening the relay does.
"""

from __future__ import annotations

from typing import Any, Self

from hardware_bridges.claims import Claims, board_claims
from hardware_bridges.pi_pins import pi_factory
from hardware_bridges.relay.gpio import GpioRelay, GpioRelayConfig


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
