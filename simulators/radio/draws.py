"""Draws: random numbers that belong to a packet and a radio, not to an order of drawing.

A number is a hash (the finaliser of splitmix64; Steele, Lea and Flood, OOPSLA 2014) of a
key, a stream and two integers. So what a packet meets at one radio does not depend on how
many others were asked before, and nothing has to be kept for a snapshot. The key comes
from the federate's own generator.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Streams: what a number is for.
FADE, DROP, MISS, FALSE_ALARM, BACK_OFF = range(5)


@njit(cache=True)
def unit(key, stream, a, b):  # type: ignore[no-untyped-def]
    """Return a number above 0 and below 1, the same for the same four integers.

    Parameters
    ----------
    key : numpy.uint64
        Chooses the whole set of numbers.
    stream : int
        One of the streams above.
    a, b : int
        For instance the packet's count and the radio's row.
    """
    x = _mixed(key + np.uint64(stream + 1) * np.uint64(0x9E3779B97F4A7C15))
    x = _mixed(x + (np.uint64(a) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    x = _mixed(x + (np.uint64(b) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    return (float(x >> np.uint64(12)) + 0.5) / 4503599627370496.0  # 2 to the 52nd


@njit(cache=True)
def _mixed(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True)
def rayleigh_db(key, packet, radio):  # type: ignore[no-untyped-def]
    """Return the gain of a packet at a radio over its mean power under Rayleigh fading.

    The power is exponential with mean 1; the gain of a packet at one radio is one number,
    whether the packet is wanted there or disturbs. [dB]
    """
    return 10.0 * np.log10(-np.log(unit(key, FADE, packet, radio)))
