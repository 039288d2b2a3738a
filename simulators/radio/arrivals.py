"""Arrivals: when each of many nodes sends in a window, and the pause the law asks for."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
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
    # All nodes together are one Poisson process whose packets fall to nodes at random: its
    # instants come in order, and only those that had to wait are to be put elsewhere.
    mean = nodes * window_us / period_us
    at_us = np.zeros(0)
    while not len(at_us) or at_us[-1] < window_us:
        more = rng.exponential(period_us / nodes, int(mean + 5.0 * sqrt(mean)) + 4).cumsum()
        at_us = np.concatenate([at_us, more + (at_us[-1] if len(at_us) else 0.0)])
    start_us = at_us.astype(np.int64)
    node = rng.integers(nodes, size=len(start_us))
    _postpone(start_us, node, gap_us)
    return _sorted(start_us, node, nodes, window_us)


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
    node = np.broadcast_to(np.arange(len(start_us))[:, None], start_us.shape)
    return _sorted(start_us.ravel(), node.ravel(), len(start_us), window_us)


@njit(cache=True)
def _postpone(start_us: Ints, node: Ints, gap_us: Ints) -> None:
    """Let packets wait that would start too soon after their node's last one."""
    free_us = np.zeros(len(gap_us), dtype=np.int64)
    for k in range(len(start_us)):
        start_us[k] = max(start_us[k], free_us[node[k]])
        free_us[node[k]] = start_us[k] + gap_us[node[k]]


def _sorted(start_us: Ints, node: Ints, nodes: int, window_us: int) -> tuple[Ints, Ints]:
    """Return the packets that start in the window, in order."""
    # One whole number bears instant and node: it sorts several times faster than indices,
    # and what is almost in order in almost no time.
    bits = max(nodes - 1, 1).bit_length()
    keys = np.sort(((start_us << bits) | node)[start_us < window_us], kind="stable")
    return keys >> bits, keys & ((1 << bits) - 1)
