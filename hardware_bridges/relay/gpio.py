"""Relay on a pin of a board, with its contact read back on another pin.

gpiozero moves the pins; its factory decides whether they are real (lgpio) or emulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from gridmodel.errors import FeedertwinError
from gridmodel.settings import Settings
from hardware_bridges.claims import Claim, Claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.pi_extra import pi_module

#: Pins by Broadcom's numbers, those of the 40-pin header.
Pin = Annotated[int, Ge(2), Le(27)]


class GpioRelayConfig(Settings):
    """A relay on a pin."""

    pin: Pin = Field(description="GPIO number that drives the relay")
    active_high: bool = Field(
        True,
        description="the contact is closed while the pin is high; false for a board that pulls in "
        "on low, or a normally closed contact",
    )
    feedback_pin: Pin | None = Field(
        None, description="GPIO number of an auxiliary contact to ground, closed with the contact"
    )
    closed_at_start: bool = Field(False, description="position it is put to when the node starts")

    @model_validator(mode="after")
    def _two_pins(self) -> GpioRelayConfig:
        if self.feedback_pin == self.pin:
            raise ValueError(f"pin and feedback_pin are both {self.pin}")
        return self


class GpioRelay:
    """A relay on a pin.

    Without a feedback pin, `closed` is what the pin is driven to; with one it is the
    contact. That a contact does not follow its command is for the controller to see.

    Parameters
    ----------
    config : GpioRelayConfig
        Pins.
    name : str
        Owner of the pins, as errors name it.
    claims : Claims, optional
        What is in use on the board.
    factory : gpiozero.Factory
        Makes the pins.

    Raises
    ------
    LinkError
        If a pin cannot be had or moved.
    """

    def __init__(
        self, config: GpioRelayConfig, name: str, claims: Claims | None, factory: Any
    ) -> None:
        gpiozero = pi_module("gpiozero", "a relay on a pin")
        self._claims = claims if claims is not None else Claims()
        self._claimed: list[Claim] = []
        self._devices: list[Any] = []
        self._where = f"GPIO{config.pin}"
        try:
            for pin in (config.pin, config.feedback_pin):
                if pin is not None:
                    self._claimed.append(self._claims.take(f"GPIO{pin}", name))
            with _translated(self._where):
                self._open_pins(gpiozero, config, factory)
        except BaseException:
            self.release()
            raise

    def _open_pins(self, gpiozero: Any, config: GpioRelayConfig, factory: Any) -> None:
        self._output = gpiozero.OutputDevice(
            config.pin,
            active_high=config.active_high,
            initial_value=config.closed_at_start,
            pin_factory=factory,
        )
        self._devices.append(self._output)
        self._feedback = None
        if config.feedback_pin is not None:
            # The auxiliary contact pulls the pin down; a broken wire reads as open.
            self._feedback = gpiozero.DigitalInputDevice(
                config.feedback_pin, pull_up=True, pin_factory=factory
            )
            self._devices.append(self._feedback)

    def open(self) -> None:
        """Disconnect."""
        with _translated(self._where):
            self._output.off()

    def close(self) -> None:
        """Connect."""
        with _translated(self._where):
            self._output.on()

    @property
    def closed(self) -> bool:
        """Read-back of the contact, where it is wired."""
        device = self._feedback if self._feedback is not None else self._output
        with _translated(self._where):
            return bool(device.value)

    @property
    def follows(self) -> bool:
        """Whether the contact is where the pin has it, as far as it can be known."""
        return self.closed == bool(self._output.value)

    def release(self) -> None:
        """Give the pins back; the board's own pull decides then where the relay goes."""
        for device in self._devices:
            device.close()
        self._claims.give_back(self._claimed)

    def found(self) -> str:
        """Return what a self-test finds: the command and the contact."""
        command = "closed" if self._output.value else "open"
        if self._feedback is None:
            return f"driven {command}; no feedback pin, so the contact is not known"
        contact = "closed" if self.closed else "open"
        return f"driven {command}, contact {contact}" + (
            "" if self.follows else ": it does not follow (welded, or a wire is off)"
        )


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn what gpiozero and lgpio raise, each a tree of its own, into ours."""
    try:
        yield
    except FeedertwinError:
        raise
    except Exception as error:
        advice = "Does another program or a device-tree overlay use the pin?"
        raise LinkError(where, f"the pin fails ({error}).", advice) from error
