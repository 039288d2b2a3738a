"""Inverter port: what every body promises its controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from gridmodel.control import Terminal
from gridmodel.inverter_scale import InverterScale
from gridmodel.ports import Inverter, InverterState
from hardware_bridges.inverter.simulated import SimulatedInverter

REST = InverterState(0.0, 0.5, 60.0, 180.0)
SCALE = InverterScale.for_rating(60.0, 180.0)


class Bench(NamedTuple):
    """A body, how the world feeds it, and what the world gets of it."""

    inverter: Inverter
    feed: Callable[[InverterState], None]
    wanted_kw: Callable[[], float]


def simulated() -> Iterator[Bench]:
    terminal = Terminal("house_02", inverter=REST)

    def feed(state: InverterState) -> None:
        terminal.inverter = SCALE.seen(state)

    yield Bench(SimulatedInverter(terminal), feed, lambda: SCALE.taken_kw(terminal.p_set_kw))


def emulated() -> Iterator[Bench]:
    pytest.importorskip("pymodbus")
    pytest.importorskip("sunspec2")
    from hardware_bridges.inverter.emulated import EmulatedInverter
    from hardware_bridges.inverter.sunspec_config import EmulatedInverterConfig
    from hardware_bridges.inverter.sunspec_device import InverterTruth

    inverter = EmulatedInverter(EmulatedInverterConfig(p_rated_kw=60.0, e_rated_kwh=180.0))
    inverter.set(InverterTruth(0, REST))
    yield Bench(
        inverter,
        lambda state: inverter.set(InverterTruth(0, state)),
        lambda: inverter.p_set_kw or 0.0,
    )
    inverter.close()


@pytest.fixture(params=[simulated, emulated], ids=lambda body: body.__name__)
def bench(request) -> Iterator[Bench]:
    yield from request.param()


@pytest.mark.parametrize(
    "state",
    [
        (12.34, 0.5, 60.0, 180.0),  # discharge
        (-59.99, 1.0, 0.0, 180.0),  # charge; full and allowed nothing
        (0.004, 0.00004, 59.996, 180.004),  # below the steps
        (1e-9, 1.0 / 3.0, 100.0 / 3.0, 180.0),  # no decimals
    ],
)
def test_a_state_is_read_in_the_same_steps_bit_for_bit(bench, state):
    bench.feed(InverterState(*state))
    assert bench.inverter.read() == SCALE.seen(InverterState(*state))


@pytest.mark.parametrize("p_kw", [12.5, -12.5, 0.0, 1.0 / 3.0])
def test_a_set_point_arrives_in_the_same_steps_bit_for_bit(bench, p_kw):
    bench.inverter.set_power(p_kw)
    assert bench.wanted_kw() == SCALE.taken_kw(p_kw)


def test_the_newest_set_point_counts_and_reading_does_not_change_it(bench):
    for p_kw in (1.0, -2.0, 3.0):
        bench.inverter.set_power(p_kw)
    bench.inverter.read()
    assert bench.wanted_kw() == 3.0
