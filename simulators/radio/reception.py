"""Reception: what became of one packet at each radio that may hear it.

A radio gets a packet if the signal is above the demodulation floor, the radio did not send
meanwhile, and the packet is stronger by the threshold than each one that overlapped it on
its channel. As in LoRaSim, an overlap that ends before the receiver must synchronise does
no harm, and powers are compared pair by pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.radio.draws import DROP, rayleigh_db, unit
from simulators.radio.in_flight import Flights

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: What becomes of a reception. A loss has the last cause of these that applies but for
#: ``weak``, which goes before all.
OUTCOMES = ("delivered", "weak", "collided", "deaf", "dropped")
DELIVERED, WEAK, COLLIDED, DEAF, DROPPED = range(5)


class Air(NamedTuple):
    """What is the same for all packets.

    ``loss_db`` is the path loss between all radios, shape (n, n); ``threshold_db`` by how
    much a packet must exceed another, by spreading factors from 5 on.
    """

    loss_db: Array
    threshold_db: Array
    key: np.uint64
    rayleigh: bool
    drop_pu: float


class Ear(NamedTuple):
    """What a radio listens for before it talks; ``sf`` counts from SF5."""

    frequency_mhz: float
    bandwidth_khz: float
    sf: int
    least_dbm: float


@njit(cache=True)
def same_channel(flights, a, b):  # type: ignore[no-untyped-def]
    """Return whether two packets share bandwidth and, within half of it, frequency."""
    width = flights.bandwidth_khz[a]
    if width != flights.bandwidth_khz[b]:
        return False
    return abs(flights.frequency_mhz[a] - flights.frequency_mhz[b]) * 1e3 < width / 2


@njit(cache=True)
def level_dbm(flights, k, radio, air):  # type: ignore[no-untyped-def]
    """Return the power of a packet at a radio. [dBm]"""
    level = flights.power_dbm[k] - air.loss_db[flights.sender[k], radio]
    if air.rayleigh:
        level += rayleigh_db(air.key, flights.number[k], radio)
    return level


@njit(cache=True)
def judge(
    flights: Flights, k: int, listeners: Index, noise_dbm: float, floor_db: float, air: Air
) -> tuple[Array, Array, Index]:
    """Decide what became of a packet that ends now.

    Parameters
    ----------
    flights : Flights
        All packets that may have overlapped it.
    k : int
        Its row.
    listeners : ndarray of int
        Radios tuned to it that may hear it.
    noise_dbm, floor_db : float
        Noise in its channel [dBm], least signal-to-noise ratio that is demodulated. [dB]
    air : Air
        What is the same for all packets.

    Returns
    -------
    rssi_dbm, snr_db : ndarray
        Levels, shape of ``listeners``. [dBm], [dB]
    outcome : ndarray of int
        Codes of `OUTCOMES`.
    """
    count = len(listeners)
    rssi, snr = np.empty(count), np.empty(count)
    outcome = np.zeros(count, dtype=np.int64)
    met = _met(flights, k, air.threshold_db)
    for at in range(count):
        radio = listeners[at]
        rssi[at] = level_dbm(flights, k, radio, air)
        snr[at] = rssi[at] - noise_dbm
        if snr[at] < floor_db:
            outcome[at] = WEAK
            continue
        for other, threshold in met:
            if flights.sender[other] == radio:
                outcome[at] = max(outcome[at], DEAF)
            elif outcome[at] == DELIVERED and threshold > -np.inf:
                theirs = level_dbm(flights, other, radio, air)
                if rssi[at] - theirs < threshold:
                    outcome[at] = COLLIDED
        if air.drop_pu > 0.0 and outcome[at] == DELIVERED:
            lot = unit(air.key, DROP, flights.number[k], radio)
            if lot < air.drop_pu:
                outcome[at] = DROPPED
    return rssi, snr, outcome


@njit(cache=True)
def _met(flights, k, threshold_db):  # type: ignore[no-untyped-def]
    """Return the packets that overlapped one, with the threshold each asks of it.

    The threshold of one that does no harm, and only makes its sender deaf, is -inf.
    """
    met = [(k, -np.inf)]
    for other in range(len(flights.start_us)):
        if other == k or flights.start_us[other] >= flights.end_us[k]:
            continue
        if flights.end_us[other] <= flights.start_us[k]:
            continue
        harms = flights.end_us[other] > flights.guarded_us[k] and same_channel(flights, other, k)
        met.append((other, threshold_db[flights.sf[k], flights.sf[other]] if harms else -np.inf))
    return met[1:]


@njit(cache=True)
def on_air(flights: Flights, since_us: int, t_us: int, radio: int, ear: Ear, air: Air) -> bool:
    """Return whether a packet of a channel and spreading factor can be heard at a radio.

    It must have been in the air all the time from ``since_us`` to ``t_us`` and be at least
    as strong as ``ear.least_dbm``.
    """
    for k in range(len(flights.start_us)):
        if flights.start_us[k] > since_us or flights.end_us[k] < t_us:
            continue
        if flights.sf[k] != ear.sf or flights.bandwidth_khz[k] != ear.bandwidth_khz:
            continue
        if abs(flights.frequency_mhz[k] - ear.frequency_mhz) * 1e3 >= ear.bandwidth_khz / 2:
            continue
        if flights.sender[k] != radio and level_dbm(flights, k, radio, air) >= ear.least_dbm:
            return True
    return False
