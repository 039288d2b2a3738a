"""A transfer switch joins a house to the public grid or to the private island, never to both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.edge.states import ALL, CRITICAL, NORMAL, NodeState
from tests.controllers.house import DARK, GOOD, House, S, volts

#: Address 3 waits 15 s longer than the first would.
STAGGER_S = 15.0
GRID_S, ISLAND_S, GAP_S = 300.0 + STAGGER_S, 60.0 + STAGGER_S, 1.0


def house(**transfer) -> House:
    return House(transfer=transfer)


def on_island() -> House:
    """Return a house on the island, the public grid dark, at 300 s."""
    there = house().until(100).see(grid=DARK).until(110).see(grid=DARK, island=GOOD).until(300)
    assert there.side == "island"
    return there


def moves(of: House):
    """Return every motion of the two contacts: instant, contact, closed."""
    return [
        (turn.t_us, side, closed)
        for turn in of.turns
        for side, closed in turn.decisions.relays.items()
        if side in ("grid", "island")
    ]


def assert_break_before_make(of: House, gap_s: float) -> None:
    closed, opened_us = {"grid"}, None
    for t_us, side, close in moves(of):
        if close:
            assert not closed, f"{side} closes at {t_us} us while {closed} is closed"
            assert t_us - opened_us >= gap_s * S, f"{side} closes {t_us - opened_us} us after"
            closed.add(side)
        else:
            closed.discard(side)
            opened_us = t_us


supplies = st.sampled_from([GOOD, DARK, volts(0.85), volts(1.2), volts(1.0, 47.0)])
days = st.lists(
    st.tuples(
        st.one_of(st.floats(0.0, 5.0), st.floats(50.0, 500.0)),  # seconds that pass, then
        supplies,  # the public grid is
        supplies,  # the island is
        st.sampled_from([None] * 8 + [0.0, 5.0]),  # the node crashes, for seconds
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize(
    ("transfer", "supply"),
    [
        ({}, {}),  # as it comes
        ({"gap_s": 7.5}, {}),  # longer than the step of the readings
        ({"gap_s": 0.1, "grid_delay_s": 3.0}, {"enter_delay_s": 2.0, "stagger_s": 0.0}),
        # nothing but the gap holds it back
        ({"gap_s": 2.0, "grid_delay_s": 0.0}, {"enter_delay_s": 0.0, "stagger_s": 0.0}),
    ],
)
@given(day=days)
def test_grid_and_island_are_never_both_closed_and_there_is_a_gap_between(transfer, supply, day):
    there = House(transfer=transfer, supply=supply)
    for pause_s, grid, island, down_s in day:
        there.until(there.now_us / S + pause_s).see(grid=grid, island=island)
        if down_s is not None:
            there.boot(down_s)
    there.until(there.now_us / S + 10)
    assert_break_before_make(there, transfer.get("gap_s", 1.0))


def test_a_node_that_starts_anew_leaves_a_gap_after_the_contact_it_found_closed():
    there = House(
        transfer={"gap_s": 2.0, "grid_delay_s": 0.0},
        supply={"enter_delay_s": 0.0, "stagger_s": 0.0},
    )
    there.until(100).see(grid=DARK, island=GOOD).boot(down_s=30).until(140)
    assert moves(there) == [(130 * S, "grid", False), (132 * S, "island", True)]


@given(day=days, grid=supplies, island=supplies)
def test_in_the_end_a_house_is_where_there_is_supply_and_the_grid_comes_first(day, grid, island):
    there = house()
    for pause_s, grid_then, island_then, down_s in day:
        there.until(there.now_us / S + pause_s).see(grid=grid_then, island=island_then)
        if down_s is not None:
            there.boot(down_s)
    there.see(grid=grid, island=island).until(there.now_us / S + 2 * (GRID_S + GAP_S) + 2)
    if grid == GOOD:
        assert there.side == "grid"
    elif island == GOOD and grid != volts(0.85):
        assert there.side == "island"
    elif DARK in (grid, island) and volts(0.85) not in (grid, island):
        assert there.side == "nowhere"


def test_a_supply_too_weak_to_enter_is_good_enough_to_stay_on():
    weak = volts(0.85)
    assert house().until(100).see(grid=weak, island=GOOD).until(800).side == "grid"
    lost = house().until(100).see(grid=DARK).until(110)
    assert lost.see(grid=weak, island=GOOD).until(800).side == "island"


def test_a_house_leaves_a_grid_that_fails_and_enters_the_island_after_its_delay():
    there = house().until(100).see(grid=DARK).until(101)
    assert (there.side, there.state, there.mask) == ("nowhere", NodeState.ISOLATED, 0)
    there.until(120).see(grid=DARK, island=GOOD).until(121 + ISLAND_S - 1e-6)
    assert there.side == "nowhere"
    there.until(121 + ISLAND_S)
    assert (there.side, there.state, there.mask) == ("island", NodeState.SHED, CRITICAL)


def test_an_island_that_stood_ready_is_entered_after_the_gap():
    there = house().see(grid=GOOD, island=GOOD).until(500)
    assert there.side == "grid"
    there.see(grid=DARK, island=GOOD).until(501 + GAP_S)
    assert moves(there) == [(501 * S, "grid", False), (502 * S, "island", True)]


def test_a_house_goes_back_when_the_grid_has_been_healthy_for_its_delay():
    there = on_island().see(grid=GOOD, island=GOOD).until(301 + GRID_S - 1e-6)
    assert there.side == "island"
    there.until(301 + GRID_S)
    assert (there.side, there.mask) == ("nowhere", 0)
    there.until(301 + GRID_S + GAP_S - 1e-6)
    assert there.side == "nowhere"
    there.until(301 + GRID_S + GAP_S)
    assert (there.side, there.state, there.mask) == ("grid", NodeState.GRID, ALL)


def test_a_grid_that_fails_again_within_the_delay_starts_it_anew():
    there = on_island().see(grid=GOOD, island=GOOD).until(301 + GRID_S - 10)
    there.see(grid=DARK, island=GOOD).until(301 + GRID_S - 5)
    there.see(grid=GOOD, island=GOOD).until(301 + GRID_S + 100)
    assert there.side == "island"


def test_a_grid_that_fails_in_the_gap_sends_the_house_back_to_the_island():
    there = house(gap_s=10.0).see(grid=GOOD, island=GOOD).until(400)
    there.see(grid=DARK, island=GOOD).until(500)
    there.see(grid=GOOD, island=GOOD).until(501 + GRID_S)
    assert there.side == "nowhere"
    there.see(grid=DARK, island=GOOD).until(501 + GRID_S + 10)
    assert there.side == "island"


def test_an_island_that_fails_while_the_grid_is_away_leaves_the_house_dark():
    there = on_island().see(grid=DARK, island=volts(1.0, 47.0)).until(301)
    assert (there.side, there.state, there.mask) == ("nowhere", NodeState.ISOLATED, 0)


def test_on_the_island_an_order_holds_and_on_the_grid_none_is_needed():
    there = on_island()
    there.hear(there.beacon(tied=True), there.order(CRITICAL | NORMAL))
    assert (there.state, there.mask) == (NodeState.SCARCE, CRITICAL | NORMAL)
    there.see(grid=GOOD, island=GOOD).until(301 + GRID_S + GAP_S)
    assert (there.state, there.mask) == (NodeState.GRID, ALL)


def test_an_order_does_not_survive_a_change_of_supply():
    there = on_island()
    there.hear(there.order(ALL)).see(grid=DARK, island=DARK).until(301)
    there.see(grid=DARK, island=GOOD).until(400)
    there.hear(there.beacon(tied=False))
    assert (there.side, there.mask) == ("island", CRITICAL)


def test_low_frequency_sheds_on_the_island_and_not_on_the_grid():
    low = volts(1.0, 48.7)
    there = on_island()
    there.hear(there.order(ALL)).see(grid=DARK, island=low).until(301)
    assert (there.side, there.mask) == ("island", CRITICAL)
    fed = house().until(100).see(grid=low, island=low).until(110)
    assert (fed.side, fed.mask) == ("grid", ALL)
