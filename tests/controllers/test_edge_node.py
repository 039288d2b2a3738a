"""An edge node keeps its house within what the supply can bear, with the radio or without."""

from __future__ import annotations

import pytest

from controllers.edge.states import ALL, CRITICAL, DEFERRABLE, NORMAL, NodeState
from gridmodel.codes import CIRCUITS
from tests.controllers.house import DARK, GOOD, House, volts
from tests.controllers.islanded import DELAY_S, islanded

# supply


def test_a_house_on_the_public_grid_uses_everything():
    house = House().until(100)
    assert (house.state, house.mask) == (NodeState.GRID, ALL)


@pytest.mark.parametrize(
    "supply",
    [
        DARK,
        volts(0.79),  # below 80 %
        volts(1.16),  # above 115 %
        volts(1.0, 47.4),  # below 47.5 Hz
        volts(1.0, 53.1),  # above 53 Hz
        volts(1.0, 0.0),  # no frequency to be read
    ],
)
def test_a_supply_out_of_its_limits_disconnects_everything_within_a_reading(supply):
    house = House().until(100).see(supply).until(101)
    assert (house.state, house.mask) == (NodeState.ISOLATED, 0)


@pytest.mark.parametrize(
    "supply", [volts(0.81), volts(1.14), volts(1.0, 47.6), volts(1.0, 52.9), volts(0.81, 52.9)]
)
def test_a_supply_just_within_its_limits_keeps_the_house_connected(supply):
    house = House().until(100).see(supply).until(250)
    assert (house.state, house.mask) == (NodeState.GRID, ALL)


@pytest.mark.parametrize(
    ("address", "delay_s"),
    [
        (1, 65.0),  # 60 s, and 5 s for each address, so that a street does not come at once
        (3, 75.0),
        (14, 130.0),
        (254, 1330.0),
    ],
)
def test_a_supply_that_returns_is_entered_after_the_delay_and_the_stagger(address, delay_s):
    house = House(address).see(DARK).until(200).see(GOOD).until(201)
    assert (house.state, house.mask) == (NodeState.RESTORING, 0)
    while house.now_us < (201 + delay_s - 30) * 1e6:  # the coordinator lives
        house.until(house.now_us / 1e6 + 20).hear(house.beacon(tied=True))
    house.until(201 + delay_s - 1e-6)
    assert (house.state, house.mask) == (NodeState.RESTORING, 0)
    house.until(201 + delay_s)
    assert (house.state, house.mask) == (NodeState.GRID, ALL)


def test_a_supply_must_come_back_above_ninety_percent_to_be_entered():
    house = House().until(100).see(DARK).until(110).see(volts(0.89)).until(400)
    assert house.state == NodeState.ISOLATED  # it would have been good enough to stay
    house.see(volts(0.91)).until(401)
    assert house.state == NodeState.RESTORING


def test_a_relapse_starts_the_delay_anew():
    house = House().until(100).see(DARK).until(110).see(GOOD).until(111 + DELAY_S - 10)
    house.see(DARK).until(house.now_us / 1e6 + 1).see(GOOD).until(house.now_us / 1e6 + 1)
    back_s = house.now_us / 1e6
    house.until(back_s + DELAY_S - 1)
    assert (house.state, house.mask) == (NodeState.RESTORING, 0)
    house.hear(house.beacon(tied=True)).until(back_s + DELAY_S)
    assert (house.state, house.mask) == (NodeState.GRID, ALL)


# orders and beacons


@pytest.mark.parametrize(
    ("mask", "state"),
    [
        (ALL, NodeState.ISLANDED),
        (CRITICAL | NORMAL, NodeState.SCARCE),
        (CRITICAL, NodeState.SHED),
        (CRITICAL | DEFERRABLE, NodeState.SHED),  # normal load waits, so it is shed
        (0, NodeState.SHED),  # the coordinator has nothing left; no delay runs
    ],
)
def test_an_order_says_what_an_islanded_house_may_use(mask, state):
    house = islanded(order=mask)
    assert (house.state, house.mask) == (state, mask)
    assert house.contacts == {name: bool(mask >> k & 1) for k, name in enumerate(CIRCUITS)}


def test_before_the_first_order_on_an_island_there_is_critical_load_only():
    house = islanded().until(200)
    assert (house.state, house.mask) == (NodeState.SHED, CRITICAL)


def test_a_newer_order_replaces_the_one_in_force():
    house = islanded(order=CRITICAL).until(110)
    house.hear(house.order(ALL))
    assert house.mask == ALL


def test_a_beacon_that_says_grid_tied_sets_everything_free():
    house = islanded(order=CRITICAL).until(120)
    house.hear(house.beacon(tied=True))
    assert (house.state, house.mask) == (NodeState.GRID, ALL)


def test_an_order_is_forgotten_when_the_supply_is_lost():
    house = islanded(order=ALL).until(110).see(DARK).until(111).see(GOOD).until(112)
    house.hear(house.beacon(tied=False)).until(112 + DELAY_S)
    assert (house.state, house.mask) == (NodeState.SHED, CRITICAL)


def test_an_order_that_runs_out_leaves_the_house_to_the_local_rule():
    house = islanded().hear()
    house.hear(house.order(CRITICAL, valid_s=600))
    for t_s in range(150, 700, 50):  # the coordinator lives, but says nothing new
        house.until(t_s).hear(house.beacon(tied=False))
    assert house.mask == CRITICAL
    house.until(700)
    assert house.mask == CRITICAL | NORMAL


# the coordinator is lost


@pytest.mark.parametrize("period_s", [30.0, 60.0])
def test_after_five_missed_beacons_the_house_decides_alone(period_s):
    house = islanded(order=CRITICAL)
    house.hear(house.beacon(tied=False, period_s=period_s))
    house.until(100 + 5 * period_s)
    assert (house.state, house.mask) == (NodeState.SHED, CRITICAL)
    house.until(100 + 5 * period_s + 1e-6)
    assert (house.state, house.mask) == (NodeState.SCARCE, CRITICAL | NORMAL)


@pytest.mark.parametrize(
    ("f_hz", "mask"),
    [
        (50.29, CRITICAL | NORMAL),
        (50.31, ALL),  # the anchor asks PV to throttle: there is more than enough
    ],
)
def test_alone_a_house_reads_surplus_from_the_frequency(f_hz, mask):
    house = islanded(order=CRITICAL).see(volts(1.0, f_hz)).until(500)
    assert house.mask == mask


def test_a_coordinator_that_is_heard_again_leads_again():
    house = islanded(order=CRITICAL).until(500)
    assert house.mask == CRITICAL | NORMAL
    house.hear(house.beacon(tied=False))
    assert house.mask == CRITICAL
