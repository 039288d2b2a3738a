"""A mesh whose levels are set by hand."""

from __future__ import annotations

import numpy as np

from simulators.radio.flood import run
from simulators.radio.flood_state import COUNTS, ether, heard, silent
from simulators.radio.mesh import LONG_FAST

#: Meshtastic's preset of SF9 at 250 kHz: faster than its default, and so is the test.
FAST = LONG_FAST.model_copy(update={"spreading_factor": 9})
#: A relay waits a whole number of these. [us]
SLOT_US = 12_000
#: Of a packet of 36 bytes, header and all. [us]
AIRTIME = FAST.airtime_us(36)
#: Of a pair that does not hear each other. [dBm]
FAR = -300.0


class HandMesh:
    """A mesh with levels set by hand.

    Parameters
    ----------
    links : mapping
        Level of each pair that hears each other, both ways. [dBm]
    """

    def __init__(
        self, count, links, routers=(), errors=(0.0, 0.0), duty_pu=1.0, seed=1, capture=6.0
    ):
        level = np.full((count, count), FAR)
        for (a, b), dbm in links.items():
            level[a, b] = level[b, a] = dbm
        is_router = np.zeros(count, dtype=bool)
        is_router[list(routers)] = True
        self.ether = ether(level, FAST, 6.0, capture, is_router, errors, duty_pu)
        self.mesh = silent(count)
        self.rng = np.random.default_rng(seed)
        self.out = heard(4096)
        self.number = 0

    def send(self, t_us, node, hops=3, reliable=False, length=36):
        """Hand a packet to a node; events up to then happen before."""
        row = np.array([[t_us, node, self.number, length, hops, reliable]], dtype=np.int64)
        run(self.ether, self.mesh, self.rng, row, t_us, self.out)
        self.number += 1
        return self

    def until(self, t_us):
        none = np.zeros((0, 6), dtype=np.int64)
        self.next_us = run(self.ether, self.mesh, self.rng, none, t_us, self.out)
        return self

    def count(self, name):
        return int(self.mesh.counts[COUNTS.index(name)])

    @property
    def firsts(self):
        """First receptions: instant, message, sender, receiver."""
        size = int(self.out.size[0])
        rows = (self.out.t_us, self.out.number, self.out.sender, self.out.receiver)
        return list(zip(*(row[:size].tolist() for row in rows), strict=True))


def chain(count, dbm=-110.0, **settings):
    """Return nodes in a row each of which hears its neighbours only."""
    return HandMesh(count, {(k, k + 1): dbm for k in range(count - 1)}, **settings)
