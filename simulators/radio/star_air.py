"""Air of a star: packets in flight, and what each side makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import FrameError
from gridmodel.wire.duty_cycle import AirtimeAccount
from gridmodel.wire.lora import Modem
from gridmodel.wire.seal import peek
from simulators.radio.collisions import COLLIDED, DEAF, DELIVERED, NO_DEMODULATOR, WEAK
from simulators.radio.isolation import SF_MIN

Array = NDArray[np.float64]


class Ears(NamedTuple):
    """What receivers are able to.

    ``loss_db`` has shape (n, n); ``threshold_db`` (8, 8), by spreading factors from 5 on.
    """

    loss_db: Array
    threshold_db: Array
    noise_figure_db: float
    demodulators: int


@dataclass(eq=False, slots=True)
class Flight:
    """A packet on the air; ``seized`` are the gateways that have a demodulator at it."""

    sender: int
    modem: Modem
    start_us: int
    end_us: int
    guarded_us: int
    seized: set[int] = field(default_factory=set)

    def level_dbm(self, receiver: int, ears: Ears) -> float:
        """Return its power at a radio. [dBm]"""
        return float(self.modem.tx_power_dbm - ears.loss_db[self.sender, receiver])


class StarAir:
    """Packets that are in flight, or overlap one that is."""

    def __init__(self) -> None:
        self.flights: list[Flight] = []

    def begin(
        self, t_us: int, sender: int, modem: Modem, size: int, gateways: list[int], ears: Ears
    ) -> Flight:
        """Put a packet on the air; gateways that can hear it seize a demodulator for it."""
        flight = Flight(sender, modem, t_us, t_us + modem.airtime_us(size), t_us + modem.spare_us())
        least_dbm = modem.sensitivity_dbm(ears.noise_figure_db)
        for gateway in gateways:
            taken = sum(gateway in f.seized and f.end_us > t_us for f in self.flights)
            heard = flight.level_dbm(gateway, ears) >= least_dbm
            if heard and taken < ears.demodulators and not self.sending(gateway, t_us):
                flight.seized.add(gateway)
        self.flights.append(flight)
        return flight

    def sending(self, radio: int, t_us: int) -> bool:
        """Return whether a radio is sending at an instant."""
        return any(f.sender == radio and f.start_us <= t_us < f.end_us for f in self.flights)

    def fate(self, flight: Flight, receiver: int, gateway: bool, ears: Ears) -> int:
        """Return what a radio made of a packet that ends now, a code of `CAUSES`."""
        level_dbm = flight.level_dbm(receiver, ears)
        if level_dbm < flight.modem.sensitivity_dbm(ears.noise_figure_db):
            return WEAK
        met = [
            other
            for other in self.flights
            if other is not flight
            and other.start_us < flight.end_us
            and other.end_us > flight.start_us
        ]
        if any(other.sender == receiver for other in met):
            return DEAF
        if gateway and receiver not in flight.seized:
            return NO_DEMODULATOR
        for other in met:
            if other.end_us <= flight.guarded_us or not _one_channel(flight.modem, other.modem):
                continue
            rows = flight.modem.spreading_factor - SF_MIN, other.modem.spreading_factor - SF_MIN
            if level_dbm - other.level_dbm(receiver, ears) < ears.threshold_db[rows]:
                return COLLIDED
        return DELIVERED

    def forget(self, t_us: int) -> None:
        """Drop packets that can overlap nothing that is still to be judged at ``t_us``."""
        oldest = min((f.start_us for f in self.flights if f.end_us >= t_us), default=t_us)
        self.flights = [f for f in self.flights if f.end_us > oldest]


def _one_channel(a: Modem, b: Modem) -> bool:
    apart_khz = abs(a.frequency_mhz - b.frequency_mhz) * 1e3
    return a.bandwidth_khz == b.bandwidth_khz and apart_khz < a.bandwidth_khz / 2


def earliest_us(account: AirtimeAccount, t_us: int, modem: Modem, size: int) -> int | None:
    """Return when a packet of some bytes may go; None if it never may. [us]"""
    try:
        return account.earliest_us(t_us, modem, modem.airtime_us(size))
    except ValueError:
        return None


def addressee(frame: bytes) -> int | None:
    """Return whom a frame is for; None if it is none of ours."""
    try:
        return peek(frame)[1]
    except FrameError:
        return None
