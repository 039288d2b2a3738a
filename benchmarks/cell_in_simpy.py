"""Rival: a LoRa cell in SimPy as LoRaSim has it, one process a node, one gateway.

Each node waits a random time, sends, and waits for its packet to end; the gateway keeps
the packets in the air in a list and compares each new one with all of them. The rules are
those of `simulators.radio.uplink`, so its delivery can be checked against this one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import simpy


@dataclass(slots=True)
class Flight:
    """A packet in the air."""

    start_us: float
    end_us: float
    guarded_us: float
    sf: int
    channel: int
    level_dbm: float
    lost: bool


@dataclass(frozen=True)
class Cell:
    """What nodes send, and how the gateway hears them.

    ``level_dbm``, ``sf``, ``airtime_us`` and ``free_us`` (of the preamble) have one entry a
    node; ``threshold_db[wanted][interferer]`` and ``floor_dbm`` one for SF5 to SF12.
    """

    level_dbm: list[float]
    sf: list[int]
    airtime_us: list[int]
    free_us: list[int]
    threshold_db: list[list[float]]
    floor_dbm: list[float]
    channels: int
    demodulators: int
    period_us: float


class Gateway:
    """Packets in the air, and how many were received."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.air: list[Flight] = []
        self.receiving = 0
        self.sent = self.received = 0

    def begin(self, new: Flight) -> bool:
        """Take a packet that starts; return whether a demodulator takes it."""
        self.sent += 1
        for other in self.air:
            if other.channel != new.channel or other.end_us <= new.start_us:
                continue
            ahead = new.level_dbm - other.level_dbm
            if other.end_us > new.guarded_us and ahead < self.cell.threshold_db[new.sf][other.sf]:
                new.lost = True
            if new.end_us > other.guarded_us and -ahead < self.cell.threshold_db[other.sf][new.sf]:
                other.lost = True
        self.air.append(new)
        if new.level_dbm < self.cell.floor_dbm[new.sf] or self.receiving >= self.cell.demodulators:
            new.lost = True
            return False
        self.receiving += 1
        return True

    def end(self, flight: Flight, taken: bool) -> None:
        """Take a packet that ends."""
        self.air.remove(flight)
        self.receiving -= taken
        self.received += not flight.lost


def _node(env: simpy.Environment, gateway: Gateway, k: int, rng: random.Random) -> Any:
    cell = gateway.cell
    while True:
        yield env.timeout(rng.expovariate(1.0 / cell.period_us))
        now, channel = env.now, rng.randrange(cell.channels)
        flight = Flight(
            now, now + cell.airtime_us[k], now + cell.free_us[k], cell.sf[k], channel,
            cell.level_dbm[k], False,
        )  # fmt: skip
        taken = gateway.begin(flight)
        yield env.timeout(cell.airtime_us[k])
        gateway.end(flight, taken)


def run(cell: Cell, window_us: float, seed: int = 1) -> Gateway:
    """Return the gateway after a window."""
    env = simpy.Environment()
    gateway = Gateway(cell)
    rng = random.Random(seed)
    for k in range(len(cell.sf)):
        env.process(_node(env, gateway, k, rng))
    env.run(until=window_us)
    return gateway
