"""Ports between a controller and the world: relay, meter, radio, inverter, clock.

Each is a Protocol of at most five methods. ``hardware_bridges`` has the bodies; a
controller sees only the values these ports carry.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Measurement(NamedTuple):
    """What a meter read at one place.

    Parameters
    ----------
    t_us : int
        Instant of the reading. [us]
    v_v : float
        Voltage between phase and neutral, root mean square. [V]
    i_a : float
        Current, root mean square. [A]
    p_kw : float
        Active power; injection into the grid is positive. [kW]
    f_hz : float
        Frequency; 0 where there is no voltage. [Hz]
    """

    t_us: int
    v_v: float
    i_a: float
    p_kw: float
    f_hz: float


class ReceivedFrame(NamedTuple):
    """A radio frame as the receiver gives it."""

    t_us: int
    data: bytes
    rssi_dbm: float
    snr_db: float


class SendResult(NamedTuple):
    """What became of a frame given to the radio.

    Parameters
    ----------
    accepted : bool
        The radio sends it now.
    airtime_us : int
        Time on air. [us]
    retry_us : int
        When not accepted: the instant from which it may be sent. [us]
    """

    accepted: bool
    airtime_us: int
    retry_us: int = 0


class InverterState(NamedTuple):
    """What a battery inverter tells its controller.

    Parameters
    ----------
    p_kw : float
        Active power, discharge positive. [kW]
    soc_pu : float
        State of charge, 0..1. [pu]
    p_max_kw : float
        Greatest discharge power now. [kW]
    e_kwh : float
        Energy content when full. [kWh]
    """

    p_kw: float
    soc_pu: float
    p_max_kw: float
    e_kwh: float


class Relay(Protocol):
    """A contactor; closed means the load is connected."""

    def open(self) -> None:
        """Disconnect."""

    def close(self) -> None:
        """Connect."""

    @property
    def closed(self) -> bool:
        """Read-back of the contact, not the last command."""
        ...


class Meter(Protocol):
    """A voltage and current measurement at one place."""

    def read(self, now_us: int) -> Measurement:
        """Return the present reading."""
        ...


class Radio(Protocol):
    """A packet radio that keeps its duty cycle."""

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame, or say when it may be sent."""
        ...

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        ...


class Inverter(Protocol):
    """A battery inverter under a controller's command."""

    def read(self) -> InverterState:
        """Return the present state."""
        ...

    def set_power(self, p_kw: float) -> None:
        """Set the active power wanted while the grid is present, discharge positive. [kW]"""


class Thermometer(Protocol):
    """A temperature beside the contacts."""

    def read(self) -> float:
        """Return the present temperature. [deg C]"""
        ...


class Storage(Protocol):
    """A few bytes that survive a loss of power, also one in the middle of `save`."""

    def load(self) -> bytes | None:
        """Return what was saved last and whole, or None."""
        ...

    def save(self, data: bytes) -> None:
        """Save, and return once it would survive."""


class Clock(Protocol):
    """A node's own clock."""

    def now_us(self) -> int:
        """Return the present instant. [us]"""
        ...
