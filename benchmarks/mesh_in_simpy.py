"""Rival: the managed flood of `simulators.radio.flood` in SimPy, a process a node.

The same rules in plain Python, so that delivery and packets can be checked against it.
Left out is the law's duty: let no node come near it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import simpy

CW_MIN, CW_MAX, PERIOD_US, PERIODS = 3, 8, 10_000_000, 6


@dataclass(frozen=True)
class Rules:
    """The air and the modem: levels [sender][receiver], noise and floor, times in us."""

    level_dbm: list[list[float]]
    noise_dbm: float
    floor_dbm: float
    capture_db: float
    airtime_us: int
    free_us: int
    slot_us: int
    sense_us: int
    hop_limit: int


@dataclass(eq=False)
class Flight:
    """A packet on the air."""

    sender: int
    start_us: int
    end_us: int


@dataclass
class Node:
    """What a node holds: packets as [message, hops, SNR, origin], and what it has seen."""

    queue: list[list[Any]] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    expecting: dict[int, int] = field(default_factory=dict)  # message: next look
    heard_us: dict[int, int] = field(default_factory=dict)  # period: airtime
    woken: simpy.Event | None = None


def mapped(value: float, low: int, high: int) -> int:
    """Map a value to a window's exponent as the firmware does."""
    return max(CW_MIN + int((int(value) - low) * (CW_MAX - CW_MIN) / (high - low)), 0)


class Flood:
    """All nodes on one stretch of air."""

    def __init__(self, rules: Rules, seed: int) -> None:
        self.rules = rules
        self.env = simpy.Environment()
        self.rng = random.Random(seed)
        n = len(rules.level_dbm)
        self.nodes = [Node() for _ in range(n)]
        self.near = [
            [r for r in range(n) if r != s and rules.level_dbm[s][r] >= rules.floor_dbm]
            for s in range(n)
        ]
        self.air: list[Flight] = []
        self.sent = self.first = self.originated = 0
        for k in range(n):
            self.env.process(self._live(k))

    def _window(self, node: Node) -> int:
        now = int(self.env.now) // PERIOD_US
        used = sum(us for period, us in node.heard_us.items() if period > now - PERIODS)
        return mapped(min(100 * used // (PERIODS * PERIOD_US), 100), 0, 100)

    def _slots(self, k: int) -> int:
        _, _, snr_db, origin = self.nodes[k].queue[0]
        if origin == k:
            return int(self.rng.random() * 2 ** self._window(self.nodes[k]))
        return 2 * CW_MAX + int(self.rng.random() * 2 ** mapped(min(snr_db, 10), -20, 10))

    def _live(self, k: int) -> Any:
        node, rules, env = self.nodes[k], self.rules, self.env
        while True:
            while not node.queue:
                node.woken = env.event()
                yield node.woken
            yield env.timeout(max(self._slots(k) * rules.slot_us, 1000))
            if not node.queue or self._busy(k):
                continue
            message, hops, _, origin = node.queue.pop(0)
            flight = Flight(k, env.now, env.now + rules.airtime_us)
            self.air.append(flight)
            self.sent += 1
            yield env.timeout(rules.airtime_us)
            for r in self.near[k]:
                self._judge(flight, r, message, hops, origin)
            self._hear(node)
            # those that end at this very instant are still to be judged
            begun = min((f.start_us for f in self.air if f.end_us >= env.now), default=env.now)
            self.air = [f for f in self.air if f.end_us > begun]

    def _busy(self, k: int) -> bool:
        now, rules = self.env.now, self.rules
        return any(
            f.end_us > now
            and f.start_us + rules.sense_us <= now
            and rules.level_dbm[f.sender][k] >= rules.floor_dbm
            for f in self.air
        )

    def _judge(self, flight: Flight, r: int, message: int, hops: int, origin: int) -> None:
        level, rules = self.rules.level_dbm, self.rules
        fate = "got"
        for f in self.air:
            if f is flight or f.end_us <= flight.start_us or f.start_us >= flight.end_us:
                continue
            if f.sender == r:
                return
            ahead = level[flight.sender][r] - level[f.sender][r]
            if f.end_us > flight.start_us + rules.free_us and ahead < rules.capture_db:
                fate = "collided"
        self._hear(self.nodes[r])
        if fate == "got":
            snr_db = int(level[flight.sender][r] - rules.noise_dbm)
            self._receive(r, message, hops, snr_db, origin)

    def _hear(self, node: Node) -> None:
        period = int(self.env.now) // PERIOD_US
        if period not in node.heard_us:
            node.heard_us = {p: us for p, us in node.heard_us.items() if p > period - PERIODS}
        node.heard_us[period] = node.heard_us.get(period, 0) + self.rules.airtime_us

    def _receive(self, r: int, message: int, hops: int, snr_db: int, origin: int) -> None:
        node = self.nodes[r]
        self._acknowledge(node, message)
        if origin == r:
            return
        waits = next((p for p in node.queue if p[0] == message), None)
        known = node.seen.get(message, -1)
        node.seen[message] = max(known, hops)
        relay = [message, hops - 1, snr_db, origin]
        if known < 0:
            self.first += 1
            if hops > 0:
                self._enqueue(r, relay)
        elif hops > known and waits and waits[1] < hops:
            node.queue.remove(waits)
            self._enqueue(r, relay)
        elif hops == self.rules.hop_limit:
            if not waits:
                self._enqueue(r, relay)
        elif waits:
            node.queue.remove(waits)

    def _acknowledge(self, node: Node, message: int) -> None:
        if message in node.expecting:
            del node.expecting[message]
            node.queue = [p for p in node.queue if p[0] != message]
        for other in node.expecting:
            node.expecting[other] += self.rules.airtime_us

    def _enqueue(self, k: int, packet: list[Any]) -> None:
        node = self.nodes[k]
        own = [p for p in node.queue if p[3] == k]
        relays = [p for p in node.queue if p[3] != k]
        node.queue = relays + own + [packet] if packet[3] == k else [*relays, packet, *own]
        if node.woken is not None:
            node.woken, woken = None, node.woken
            woken.succeed()

    def _originate(self, k: int, message: int) -> Any:
        node, rules = self.nodes[k], self.rules
        self.originated += 1
        node.seen[message] = rules.hop_limit
        for other in node.expecting:
            node.expecting[other] += rules.airtime_us
        for tries_left in (2, 1, 0):
            slots = 2 ** self._window(node) + 2 * CW_MAX + 2 ** ((CW_MAX + CW_MIN) // 2)
            node.expecting[message] = (
                self.env.now + 2 * rules.airtime_us + slots * rules.slot_us + 4_500_000
            )
            if not any(p[0] == message for p in node.queue):
                self._enqueue(k, [message, rules.hop_limit, 0, k])
            while self.env.now < node.expecting.get(message, 0):
                yield self.env.timeout(node.expecting[message] - self.env.now)
            if message not in node.expecting:
                return
            if not tries_left:
                del node.expecting[message]

    def _traffic(self, period_us: float) -> Any:
        message = 0
        while True:
            yield self.env.timeout(int(self.rng.expovariate(len(self.nodes) / period_us)) + 1)
            self.env.process(self._originate(self.rng.randrange(len(self.nodes)), message))
            message += 1

    def run(self, period_us: float, window_us: int) -> None:
        """Let each node send every so often for a window."""
        self.env.process(self._traffic(period_us))
        self.env.run(until=window_us)
