"""Collisions: what becomes of many packets at several gateways, in one pass.

Packets come sorted by their start. A list of those still in the air is kept for each
channel, so the work is in proportion to the pairs that really overlap. The rules are
LoRaSim's (Bor et al., 2016), with any matrix of isolation: an overlap that ends before
the receiver must synchronise does no harm, and powers are compared pair by pair.

Left out: the sum of several interferers, overlap of neighbouring channels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: What a gateway made of a packet; the further it came, the higher the code.
CAUSES = ("weak", "deaf", "no_demodulator", "collided", "delivered")
WEAK, DEAF, NO_DEMODULATOR, COLLIDED, DELIVERED = range(5)


class Packets(NamedTuple):
    """Packets in the order of their starts; every array has shape (n,).

    From ``guarded_us`` on an overlap does harm; ``sf`` is a row of the thresholds, 0 for
    SF5; channels count from 0.
    """

    start_us: Ints
    end_us: Ints
    guarded_us: Ints
    sf: Ints
    channel: Ints


class Busy(NamedTuple):
    """When gateways send themselves, and hear nothing.

    ``span_us`` has shape (m, 2): begin and end, sorted by gateway, then time. Rows
    ``first[g]`` to ``first[g + 1]`` are those of gateway ``g``.
    """

    span_us: Ints
    first: Ints


@njit(cache=True)
def judge(
    packets: Packets,
    level_dbm: Floats,
    floor_dbm: Floats,
    threshold_db: Floats,
    demodulators: int,
    busy: Busy,
) -> NDArray[np.int8]:
    """Return a code of `CAUSES` for each packet at each gateway.

    Parameters
    ----------
    packets : Packets
        All packets of a window.
    level_dbm : ndarray
        Shape (n, gateways): power of each packet at each gateway. [dBm]
    floor_dbm : ndarray
        Shape (8,): the weakest power demodulated, SF5 to SF12. [dBm]
    threshold_db : ndarray
        Shape (8, 8): by how much a wanted packet must exceed another. [dB]
    demodulators : int
        Packets a gateway receives at once; each is taken from a packet's start on.
    busy : Busy
        When the gateways send.

    Returns
    -------
    ndarray of int8
        Shape (n, gateways).
    """
    count, gateways = level_dbm.shape
    found = np.full((count, gateways), DELIVERED, dtype=np.int8)
    first = np.full(np.max(packets.channel) + 1 if count else 1, -1, dtype=np.int64)
    after = np.empty(count, dtype=np.int64)
    free_us = np.zeros((gateways, demodulators), dtype=np.int64)
    next_busy = busy.first[:-1].copy()
    for k in range(count):
        start_us, end_us = packets.start_us[k], packets.end_us[k]
        _overlaps(k, packets, first, after, level_dbm, threshold_db, found)
        for g in range(gateways):
            if level_dbm[k, g] < floor_dbm[packets.sf[k]]:
                found[k, g] = WEAK
                continue
            b = next_busy[g]
            while b < busy.first[g + 1] and busy.span_us[b, 1] <= start_us:
                b += 1
            next_busy[g] = b
            if b < busy.first[g + 1] and busy.span_us[b, 0] < end_us:
                found[k, g] = DEAF
            elif not _claimed(free_us[g], start_us, end_us):
                found[k, g] = NO_DEMODULATOR
    return found


@njit(cache=True)
def _overlaps(  # type: ignore[no-untyped-def]
    k, packets, first, after, level_dbm, threshold_db, found
):
    """Mark what a new packet and those in the air on its channel do to each other."""
    start_us, end_us, guarded_us, sf, channel = packets
    before = -1
    other = first[channel[k]]
    while other >= 0:
        if end_us[other] <= start_us[k]:  # over: take it from the list
            if before < 0:
                first[channel[k]] = after[other]
            else:
                after[before] = after[other]
            other = after[other]
            continue
        harms_k = end_us[other] > guarded_us[k]
        harms_other = end_us[k] > guarded_us[other]
        for g in range(level_dbm.shape[1]):
            ahead = level_dbm[k, g] - level_dbm[other, g]
            if harms_k and ahead < threshold_db[sf[k], sf[other]]:
                found[k, g] = min(found[k, g], COLLIDED)
            if harms_other and -ahead < threshold_db[sf[other], sf[k]]:
                found[other, g] = min(found[other, g], COLLIDED)
        before = other
        other = after[other]
    after[k] = first[channel[k]]
    first[channel[k]] = k


@njit(cache=True)
def _claimed(free_us, start_us, end_us):  # type: ignore[no-untyped-def]
    """Claim a demodulator from the packet's start on; return whether one was free."""
    for d in range(len(free_us)):
        if free_us[d] <= start_us:
            free_us[d] = end_us
            return True
    return False
