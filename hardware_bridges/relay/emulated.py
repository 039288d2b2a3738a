"""Emulated relay: the real one's class on gpiozero's mock pins, with a contact that moves.

`Config` is `EmulatedRelayConfig`: `GpioRelayConfig` and how the contact behaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self

from annotated_types import Ge
from pydantic import Field

from hardware_bridges.claims import Claims, claims_of
from hardware_bridges.pi_extra import pi_module
from hardware_bridges.relay.contact import Contact
from hardware_bridges.relay.gpio import GpioRelay, GpioRelayConfig


class EmulatedRelayConfig(GpioRelayConfig):
    """A relay on an emulated board."""

    contact_ms: Annotated[float, Ge(0.0)] = Field(
        0.0, description="time from the coil to the contact"
    )


class EmulatedRelay(GpioRelay):
    """A relay on mock pins; `contact` is the contact as the world has it.

    Parameters
    ----------
    config : EmulatedRelayConfig
        Pins and contact.
    name : str
        Owner of the pins, as errors name it.
    claims : Claims, optional
        What is in use on the emulated board.
    factory : gpiozero.Factory, optional
        The emulated board that `coil_pin.mock_board` made; one of its own if left out.
    now_us : callable, optional
        The clock by which the contact moves; without one, `Contact.advance` does. [us]
    """

    Config = EmulatedRelayConfig

    def __init__(
        self,
        config: EmulatedRelayConfig,
        name: str = "relay",
        claims: Claims | None = None,
        factory: Any = None,
        now_us: Callable[[], int] | None = None,
    ) -> None:
        pi_module("gpiozero", "an emulated relay")
        from hardware_bridges.relay.coil_pin import mock_board  # needs gpiozero

        factory = factory if factory is not None else mock_board()
        super().__init__(config, name, claims, factory)
        self._active_high = config.active_high
        self._now_us = now_us
        self.contact = Contact(config.closed_at_start, round(1e3 * config.contact_ms))
        self._output.pin.driven = self._driven
        if self._feedback is not None:
            self._show(self.contact.closed)
            self.contact.watch(self._show)

    def open(self) -> None:
        """Disconnect; the contact follows."""
        self._advance()
        super().open()

    def close(self) -> None:
        """Connect; the contact follows."""
        self._advance()
        super().close()

    @property
    def closed(self) -> bool:
        """Read-back of the contact, where it is wired."""
        self._advance()
        return super().closed

    def place(self, closed: bool) -> None:
        """Put coil and contact to a position at once, as the world begins with it."""
        delay_us, self.contact.delay_us = self.contact.delay_us, 0
        (super().close if closed else super().open)()
        self.contact.delay_us = delay_us

    def release(self) -> None:
        """Give the pins back; the contact stays where it is."""
        if self._devices and self._devices[0].pin is not None:
            self._devices[0].pin.driven = None
        super().release()

    def _advance(self) -> None:
        if self._now_us is not None:
            self.contact.advance(self._now_us())

    def _driven(self, high: bool) -> None:
        self.contact.want(high == self._active_high)

    def _show(self, closed: bool) -> None:
        """Let the auxiliary contact pull its pin down, or its pull-up bring it up."""
        assert self._feedback is not None
        pin = self._feedback.pin
        (pin.drive_low if closed else pin.drive_high)()

    @classmethod
    def fit(cls, config: Any, name: str, bench: Any) -> Self:
        """Return the relay in a node's process; the simulation says where it is at first."""
        relay = cls(config, f"relay {name}", claims_of(bench), now_us=bench.now_us)

        def start(word: Any) -> None:
            if name in word.relays:
                relay.place(word.relays[name])

        bench.starts.append(start)
        bench.closes.append(relay.release)
        return relay
