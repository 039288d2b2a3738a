"""Pace: samples come at their instants, and lateness is counted."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from hardware_bridges.meter import pace
from hardware_bridges.meter.mcp3xxx import Mcp3xxx
from hardware_bridges.meter.pace import WallPace


class Clock:
    """A clock that moves when it is looked at or slept by."""

    def __init__(self, look_ns: int = 1_000) -> None:
        self.now_ns = 0
        self.look_ns = look_ns
        self.slept_ns = 0

    def perf_counter_ns(self) -> int:
        self.now_ns += self.look_ns
        return self.now_ns

    def sleep(self, s: float) -> None:
        self.now_ns += round(1e9 * s)
        self.slept_ns += round(1e9 * s)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def test_it_sleeps_the_most_and_spins_the_rest(clock):
    wall = WallPace()
    wall.start()
    wall.until(1000.0)
    assert 1_000_000 <= clock.now_ns <= 1_004_000
    assert clock.slept_ns == pytest.approx(850_000, abs=5_000)
    assert wall.late_us == 0.0


def test_a_short_wait_is_not_slept(clock):
    wall = WallPace()
    wall.start()
    wall.until(100.0)
    assert clock.slept_ns == 0
    assert 100_000 <= clock.now_ns <= 103_000


def test_the_worst_lateness_of_a_window_is_kept(clock):
    wall = WallPace()
    wall.start()
    for busy_ns, t_us in ((300_000, 100.0), (0, 250.0)):
        clock.now_ns += busy_ns
        wall.until(t_us)
    assert wall.late_us == pytest.approx(200.0, abs=5.0)
    wall.start()
    assert wall.late_us == 0.0


def test_a_driver_takes_voltage_and_current_when_its_scale_says():
    asked = []
    spi = SimpleNamespace(xfer2=lambda words: [0, 0, 0])
    notes = SimpleNamespace(start=lambda: asked.append("start"), until=asked.append)
    scale = SimpleNamespace(adc_bits=12, rate_hz=1000.0, skew_us=100.0)
    Mcp3xxx(spi, scale, 0, 1, notes).window(3)
    assert asked == ["start", 0.0, 100.0, 1000.0, 1100.0, 2000.0, 2100.0]


def test_the_real_clock_is_never_early():
    wall = WallPace()
    wall.start()
    before = time.perf_counter_ns()
    wall.until(2000.0)
    assert time.perf_counter_ns() - before >= 1_900_000
