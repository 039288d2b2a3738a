"""An edge node keeps its house within what the supply can bear, with the radio or without."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.edge.states import ALL, CRITICAL, DEFERRABLE, NORMAL, NodeState
from gridmodel.codes import CIRCUITS
from gridmodel.wire.frames import COORDINATOR, FrameKind
from gridmodel.wire.seal import Sealer, node_key
from tests.controllers.house import DARK, GOOD, SEED, House, volts

#: Enter-service delay of address 3: 60 s and three times the stagger of 5 s.
DELAY_S = 75.0


def islanded(order: int | None = None, **settings) -> House:
    """Return a house on an island at 100 s, with an order in force or none yet."""
    house = House(**settings).until(100)
    house.hear(house.beacon(tied=False))
    if order is not None:
        house.hear(house.order(order))
    return house


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


# frequency


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


# telemetry and acknowledgements


@pytest.mark.parametrize(
    ("address", "slot_s"),
    [
        (1, 0.5),
        (3, 1.5),
        (14, 7.0),
        (119, 59.5),
        (150, 15.0),  # a cell of more than 120: its slots begin again
    ],
)
def test_telemetry_is_sent_once_a_period_in_the_slot_of_the_address(address, slot_s):
    house = House(address)
    for t_s in range(30, 450, 30):
        house.until(t_s).hear(house.beacon(tied=True))
    sent_s = [t_s for t_s, _ in house.told(FrameKind.TELEMETRY)]
    assert sent_s[-5:] == [slot_s + 60 * k for k in range(2, 7)]


def test_telemetry_says_how_the_house_stands():
    house = islanded(order=CRITICAL | NORMAL).see((228.34, 49.874))
    house.p_kw = -3.217
    house.until(200)
    _, frame = house.told(FrameKind.TELEMETRY)[-1]
    assert (frame.source, frame.destination) == (3, COORDINATOR)
    assert frame.values == pytest.approx(
        {
            "state": NodeState.SCARCE,
            "closed_mask": CRITICAL | NORMAL,
            "v_v": 228.3,
            "f_hz": 49.874,
            "p_kw": -3.22,
            "order_count": 2,  # the coordinator's second frame, after the beacon
        }
    )


def test_a_change_of_state_is_told_within_the_slot_of_the_address():
    house = House(14).until(100).see(DARK).until(200)
    dark = [t_s for t_s, frame in house.told(FrameKind.TELEMETRY)
            if frame.values["state"] == NodeState.ISOLATED]  # fmt: skip
    assert dark[0] == 101 + 7.0


def test_an_order_is_acknowledged_at_once_with_its_counter():
    house = islanded()
    for _ in range(3):  # beyond what 16 bits hold
        house.lose(frames=25_000).hear(house.order(CRITICAL | NORMAL))
    assert house.coordinator.counter == 75_004
    t_s, frame = house.told(FrameKind.ACKNOWLEDGE)[-1]
    assert (t_s, frame.destination) == (100, COORDINATOR)
    assert frame.values["order_count"] == 75_004 - 65_536
    assert frame.values["closed_mask"] == CRITICAL | NORMAL


def test_each_order_is_acknowledged_and_no_beacon_is():
    house = islanded()
    house.hear(house.order(1), house.beacon(tied=False), house.order(3))
    assert [frame.values["order_count"] for _, frame in house.told(FrameKind.ACKNOWLEDGE)] == [2, 4]


# what is forged or replayed


def forged(house, kind, values, key_of, source=COORDINATOR):
    """Return a frame in the name of ``source``, sealed with some other node's key."""
    sealer = Sealer(source, node_key(SEED, "cell", key_of), 500)
    return sealer.seal(kind, house.address, values)


FREE = {"allowed_mask": ALL, "valid_s": 7200, "reason": 0}
TIED = {"grid_tied": 1, "scarce": 0, "soc_pu": 1.0, "period_s": 60}
attacks = pytest.mark.parametrize(
    "attack",
    [
        # an order and a beacon under a stolen key of another house
        lambda house, old: forged(house, FrameKind.ORDER, FREE, key_of=7),
        lambda house, old: forged(house, FrameKind.BEACON, TIED, key_of=7),
        # the same in that house's own name
        lambda house, old: forged(house, FrameKind.ORDER, FREE, key_of=7, source=7),
        # the house's own key, which it does not listen to
        lambda house, old: forged(house, FrameKind.ORDER, FREE, key_of=3, source=3),
        # a true order of before, again
        lambda house, old: old,
        # the same with another destination, kind, counter
        lambda house, old: old[:2] + b"\xff" + old[3:],
        lambda house, old: b"\x12" + old[1:],
        lambda house, old: old[:3] + b"\x01\x00" + old[5:],
        # noise, and nothing
        lambda house, old: bytes(range(11)),
        lambda house, old: b"",
    ],
)


@attacks
def test_a_forged_or_replayed_frame_changes_nothing_and_is_counted(attack):
    quiet, attacked = House().until(100), House().until(100)
    for house in (quiet, attacked):
        old = house.order(ALL)
        house.hear(house.beacon(tied=False), old, house.order(CRITICAL))
    before = attacked.kpi("refused_frame_count")
    for t_s in (110, 130, 170):
        attacked.until(t_s).hear(attack(attacked, old))
        assert (attacked.state, attacked.mask) == (NodeState.SHED, CRITICAL)
    assert attacked.kpi("refused_frame_count") == before + 3
    assert attacked.told(FrameKind.ACKNOWLEDGE) == quiet.told(FrameKind.ACKNOWLEDGE)
    assert attacked.until(1000).heard == quiet.until(1000).heard


@attacks
def test_a_forged_or_replayed_frame_does_not_keep_a_lost_coordinator_alive(attack):
    house = islanded()
    old = house.order(CRITICAL)
    house.hear(old)
    for t_s in range(120, 480, 20):
        house.until(t_s).hear(attack(house, old))
    assert house.mask == CRITICAL | NORMAL  # alone since 400 s


def test_a_frame_from_before_a_restart_cannot_be_replayed_after_it():
    house = islanded()
    old = house.order(ALL)
    house.hear(old).until(150).boot()
    house.hear(old, house.beacon(tied=False)).until(150 + DELAY_S)
    assert house.mask == CRITICAL


def test_an_order_to_another_house_is_not_obeyed():
    house = islanded(order=CRITICAL).until(110)
    house.hear(house.order(ALL, to=house.address + 1))
    assert house.mask == CRITICAL
    assert len(house.told(FrameKind.ACKNOWLEDGE)) == 1


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


# what real hardware adds


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


def test_a_welded_contact_is_told_and_counted():
    house = islanded(order=ALL).until(110)
    house.welded.add("normal")
    house.hear(house.order(CRITICAL)).until(400)
    for _, frame in house.told(FrameKind.TELEMETRY)[-3:]:
        assert frame.values["closed_mask"] == CRITICAL | NORMAL
    assert house.kpi("stuck_contact_count") == 1


def test_a_contact_that_follows_is_never_stuck():
    house = islanded(order=ALL).until(110)
    house.hear(house.order(CRITICAL)).until(200)
    house.hear(house.order(ALL)).until(300)
    assert "stuck_contact_count" not in {kpi.name for kpi in house.node.kpis()}
    assert house.told(FrameKind.TELEMETRY)[-1][1].values["closed_mask"] == ALL


def test_a_house_may_have_less_than_all_its_circuits_on_relays():
    house = islanded(order=ALL).until(110)
    del house.contacts["normal"]
    house.hear(house.order(CRITICAL)).until(120)
    assert (house.mask, house.state) == (CRITICAL, NodeState.SHED)
