"""An edge node sheds by the frequency it reads, whatever is ordered."""

from __future__ import annotations

import pytest

from controllers.edge.states import ALL, CRITICAL, NORMAL, NodeState
from tests.controllers.house import DARK, GOOD, House, volts
from tests.controllers.islanded import DELAY_S, islanded


@pytest.mark.parametrize(
    ("f_hz", "mask", "state"),
    [
        (49.21, ALL, NodeState.ISLANDED),
        (49.19, CRITICAL | NORMAL, NodeState.SCARCE),  # first stage
        (48.81, CRITICAL | NORMAL, NodeState.SCARCE),
        (48.79, CRITICAL, NodeState.SHED),  # second stage
        (47.60, CRITICAL, NodeState.SHED),  # critical load stays to the end
    ],
)
def test_low_frequency_sheds_by_stages_against_any_order(f_hz, mask, state):
    house = islanded(order=ALL).until(110).see(volts(1.0, f_hz)).until(111)
    assert (house.state, house.mask) == (state, mask)


def test_a_local_shed_goes_on_from_the_first_stage_to_the_second():
    house = islanded(order=ALL).until(110).see(volts(1.0, 49.0)).until(115)
    assert house.mask == CRITICAL | NORMAL
    house.see(volts(1.0, 48.7)).until(116)
    assert house.mask == CRITICAL
    assert house.kpi("local_shed_count") == 2


@pytest.mark.parametrize("f_hz", [49.0, 48.7])
def test_a_local_shed_locks_out_for_its_time_whatever_is_ordered(f_hz):
    house = islanded(order=ALL).until(110).see(volts(1.0, f_hz)).until(111)
    shed = house.mask
    house.see(GOOD).until(112).hear(house.order(ALL))
    for t_s in (150, 200, 250, 300, 350, 400):
        house.until(t_s).hear(house.beacon(tied=False))
    assert house.mask == shed
    house.until(111 + 300 - 1e-6)
    assert house.mask == shed
    house.until(111 + 300)
    assert house.mask == ALL
    assert house.kpi("local_shed_count") == 1


def test_a_lock_out_ends_only_when_the_frequency_has_recovered():
    house = islanded(order=ALL).until(110).see(volts(1.0, 49.0))
    for t_s in range(150, 1000, 50):
        house.until(t_s).hear(house.beacon(tied=False))
        assert house.mask == CRITICAL | NORMAL


def test_a_local_shed_never_gives_more_than_the_order():
    house = islanded(order=CRITICAL).until(110).see(volts(1.0, 49.0)).until(111)
    assert house.mask == CRITICAL


def test_low_frequency_of_the_public_grid_sheds_nothing():
    house = House().until(100).see(volts(1.0, 48.7)).until(110)
    assert (house.state, house.mask) == (NodeState.GRID, ALL)
    assert house.kpi("local_shed_count") == 0


def test_a_house_that_heard_nothing_since_a_blackout_takes_critical_load_only():
    house = House().until(100).see(DARK).until(120).see(GOOD).until(121 + DELAY_S)
    assert house.mask == CRITICAL


def test_low_frequency_sheds_after_a_blackout_even_if_no_beacon_told_of_the_island():
    house = House().until(100).see(DARK).until(120).see(GOOD).until(121 + DELAY_S)
    house.see(volts(1.0, 48.7)).until(house.now_us / 1e6 + 1)
    assert house.mask == CRITICAL


@pytest.mark.parametrize(
    ("open_v", "f_hz", "shedding"),
    [
        (0.0, 50.0, {}),
        (0.3, 50.0, {}),  # noise of a converter: less than a frequency can be read from
        (0.0, 60.0, {"first_hz": 59.2, "second_hz": 58.8, "surplus_hz": 60.3}),
    ],
)
def test_the_moment_before_a_switch_closes_is_no_low_frequency(open_v, f_hz, shedding):
    supply = {"enter_delay_s": 0.0, "stagger_s": 0.0, "f_high_hz": 63.0}
    house = House(transfer={}, supply=supply, shedding=shedding)
    alive, dead = volts(1.0, f_hz), (open_v, 0.0)
    house.see(dead, grid=dead, island=alive, nowhere=dead).until(5)
    assert house.side == "island"
    house.see(alive).until(10)
    assert house.kpi("local_shed_count") == 0
    assert house.mask == CRITICAL  # it waits for an order, and no lock-out forbids one
    house.hear(house.beacon(tied=False), house.order(ALL)).until(11)
    assert house.mask == ALL
