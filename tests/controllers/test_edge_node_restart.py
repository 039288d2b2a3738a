"""An edge node that restarts waits and forgets; one that is restored goes on."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.edge.states import ALL, CRITICAL, NORMAL, NodeState
from gridmodel.wire.frames import FrameKind
from tests.controllers.house import DARK, GOOD, House, volts
from tests.controllers.islanded import DELAY_S, islanded

# restart


def test_a_restart_forgets_the_order_and_waits_like_after_a_blackout():
    house = islanded(order=ALL).until(150).boot()
    assert (house.state, house.mask) == (NodeState.RESTORING, 0)
    house.hear(house.beacon(tied=False)).until(150 + DELAY_S - 1e-6)
    assert (house.state, house.mask) == (NodeState.RESTORING, 0)
    house.until(150 + DELAY_S)
    assert (house.state, house.mask) == (NodeState.SHED, CRITICAL)


def test_a_restart_is_no_way_around_a_local_shed_and_its_lock_out():
    house = islanded(order=ALL).see(volts(1.0, 48.7)).until(101).see(GOOD).until(102).boot()
    house.hear(house.beacon(tied=False), house.order(ALL)).until(103 + DELAY_S)
    assert house.mask == CRITICAL
    house.hear(house.beacon(tied=False)).until(402)
    assert house.mask == ALL


def test_a_restart_never_repeats_a_frame_counter():
    house = islanded(order=ALL)
    for t_s in (150, 151, 300, 420):
        house.until(t_s).boot().hear(house.order(ALL))
    house.until(600)
    counters = [frame.counter for _, frame in house.heard]
    assert counters == list(range(1, len(counters) + 1))
    assert len(counters) > 10


def test_telemetry_after_a_restart_names_no_order():
    house = islanded(order=ALL).until(150).boot().until(250)
    assert house.told(FrameKind.TELEMETRY)[-1][1].values["order_count"] == 0


# snapshot

happenings = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 90), st.floats(0.1, 90.0)),
        st.sampled_from(
            ["dark", "good", "low", "very low", "high", "island", "grid", "order 7", "order 3",
             "order 1", "short order", "noise", "boot"]
        ),
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


def happen(house: House, what: str) -> None:
    supplies = {"dark": DARK, "good": GOOD, "low": volts(0.95, 49.1), "very low": volts(0.9, 48.6),
                "high": volts(1.05, 50.6)}  # fmt: skip
    if what in supplies:
        house.see(supplies[what], grid=supplies[what], island=volts(1.0, 49.9))
    elif what in ("island", "grid"):
        house.hear(house.beacon(tied=what == "grid"))
    elif what == "short order":
        house.hear(house.order(NORMAL, valid_s=60))
    elif what == "noise":
        house.hear(b"\x13\x00\x03nonsense")
    elif what == "boot":
        house.boot()
    else:
        house.hear(house.order(int(what[-1])))


@pytest.mark.parametrize("settings", [{}, {"transfer": {"grid_delay_s": 20.0}}])
@given(before=happenings, after=happenings)
def test_a_node_restored_from_a_snapshot_decides_as_the_one_that_was_never_stopped(
    settings, before, after
):
    going, changed = House(**settings), House(**settings)
    for house in (going, changed):
        for pause_s, what in before:
            happen(house.until(house.now_us / 1e6 + pause_s), what)
    changed.change_node()
    for house in (going, changed):
        for pause_s, what in after:
            happen(house.until(house.now_us / 1e6 + pause_s), what)
        house.until(house.now_us / 1e6 + 400)
    assert changed.turns == going.turns
    assert changed.node.kpis() == going.node.kpis()


def test_a_snapshot_is_changed_neither_by_the_node_it_came_from_nor_by_the_one_it_went_to():
    house, other = islanded(order=ALL), House()
    saved = house.node.snapshot()
    as_it_was = pickle.dumps(saved)
    house.see(volts(1.0, 48.7)).until(105).hear(house.order(CRITICAL))
    assert pickle.dumps(saved) == as_it_was
    other.node.restore(saved)
    other.until(100).see(volts(1.0, 48.7)).until(105)
    assert other.mask == CRITICAL
    assert pickle.dumps(saved) == as_it_was
