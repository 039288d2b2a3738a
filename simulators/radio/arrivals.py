"""Arrivals: when each of many nodes sends in a window, and the pause the law asks for."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from gridmodel.wire.duty_cycle import HOUR_US

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def spacing_us(airtime_us: int, duty_pu: float) -> int:
    """Return the least time from one start to the next of a node. [us]

    As many packets as fit into an hour's budget are spread over the hour, so no sliding
    hour holds more. With a duty of 1 it is the airtime itself.

    Raises
    ------
    ValueError
        If not even one packet fits into an hour.
    """
    if duty_pu >= 1.0:
        return airtime_us
    per_hour = int(duty_pu * HOUR_US) // airtime_us
    if per_hour < 1:
        raise ValueError(
            f"a packet of {airtime_us / 1e6:.1f} s exceeds {duty_pu:.2%} of an hour; "
            "choose a lower spreading factor, a shorter payload or a band with more duty"
        )
    return -(-HOUR_US // per_hour)


def poisson_us(
    rng: np.random.Generator, nodes: int, period_us: float, window_us: int, gap_us: Ints
) -> tuple[Ints, Ints]:
    """Return start and node of all packets, sorted: each node at random instants.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the instants are drawn from.
    nodes : int
        How many nodes send.
    period_us : float
        Mean time from one packet of a node to its next. [us]
    window_us : int
        The window starts at 0. [us]
    gap_us : ndarray of int
        Shape (nodes,): least time from start to start; a packet drawn sooner waits. [us]
    """
    mean = window_us / period_us
    columns = int(mean + 5.0 * sqrt(mean)) + 4
    at_us = rng.exponential(period_us, (nodes, columns)).cumsum(axis=1)
    while float(at_us[:, -1].min()) < window_us:
        more = rng.exponential(period_us, (nodes, columns)).cumsum(axis=1)
        at_us = np.hstack([at_us, at_us[:, -1:] + more])
    return _spread(at_us, window_us, gap_us)


def periodic_us(
    rng: np.random.Generator,
    nodes: int,
    period_us: float,
    window_us: int,
    gap_us: Ints,
    jitter_pu: float,
) -> tuple[Ints, Ints]:
    """Return start and node of all packets, sorted: each node by its own clock.

    ``jitter_pu`` is the part of a period within which each packet is shifted; the rest is
    as for `poisson_us`.
    """
    columns = int(window_us / period_us) + 2
    at_us = rng.uniform(0.0, period_us, (nodes, 1)) + period_us * np.arange(columns)
    if jitter_pu > 0.0:
        at_us = at_us + rng.uniform(0.0, jitter_pu * period_us, at_us.shape)
        at_us.sort(axis=1)
    return _spread(at_us, window_us, gap_us)


def _spread(at_us: Floats, window_us: int, gap_us: Ints) -> tuple[Ints, Ints]:
    """Keep a node's packets apart, and return all that start in the window in order."""
    start_us = at_us.astype(np.int64)
    if bool((np.diff(start_us, axis=1) < gap_us[:, None]).any()):
        # start[k] = max(at[k], start[k - 1] + gap), for all nodes at once
        least = np.arange(at_us.shape[1], dtype=np.int64) * gap_us[:, None]
        start_us = np.maximum.accumulate(start_us - least, axis=1) + least
    # One whole number bears instant and node: it sorts several times faster than indices.
    bits = max(len(start_us) - 1, 1).bit_length()
    keys = (start_us << bits) | np.arange(len(start_us))[:, None]
    keys = np.sort(keys[start_us < window_us])
    return keys >> bits, keys & ((1 << bits) - 1)
