"""A node protects its contacts: trips, least times on and off, circuits that come one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.edge.contact_times import ContactTimes, ContactTimesConfig
from controllers.edge.states import ALL, CRITICAL, NORMAL, NodeState
from controllers.edge.supervision import beacons_missed
from controllers.kept import Kept
from gridmodel.wire.frames import FrameKind
from tests.controllers.house import DARK, GOOD, House, S, volts

TRIPS = {"i_max_a": 40.0, "i_delay_s": 5.0, "i_instant_a": 80.0, "retry_s": 60.0}


def protected(**settings: float) -> House:
    """Return a house at 100 s that trips on current and heat."""
    return House(protection=TRIPS | settings).until(100)


def test_a_current_it_can_bear_for_ever_does_not_trip():
    house = protected()
    house.i_a = 40.0
    assert house.until(4000).mask & CRITICAL


def test_too_much_current_opens_everything_after_its_delay_and_closes_after_the_wait():
    house = protected()
    house.i_a = 41.0
    house.until(104.5)
    assert house.mask == ALL
    house.until(107)
    assert (house.state, house.mask) == (NodeState.TRIPPED, 0)
    house.i_a = 0.0
    house.until(160)
    assert house.mask == 0
    house.until(170)
    assert (house.state, house.mask) == (NodeState.GRID, ALL)
    assert house.kpi("trip_count") == 1


def test_a_short_overload_is_forgiven():
    house = protected()
    for t_s in range(100, 400, 8):
        house.i_a = 60.0
        house.until(t_s + 4)
        house.i_a = 10.0
        house.until(t_s + 8)
    assert (house.mask & CRITICAL, house.kpi("trip_count")) == (CRITICAL, 0)


def test_a_short_circuit_opens_with_the_first_reading():
    house = protected()
    house.i_a = 81.0
    assert house.until(102).mask == 0


def test_heat_opens_and_only_a_cool_contact_closes():
    house = protected()
    house.temp_c = 86.0
    assert house.until(102).mask == 0
    house.temp_c = 71.0
    assert house.until(600).mask == 0
    house.temp_c = 69.0
    assert house.until(700).mask & CRITICAL


def trip(house: House) -> None:
    """Let a short circuit come and go."""
    house.i_a = 100.0
    house.until(house.now_us / S + 2)
    house.i_a = 0.0
    house.until(house.now_us / S + 70)


def test_after_some_trips_it_stays_open_and_its_plug_does_not_free_it():
    house = protected()
    for _ in range(2):
        trip(house)
        assert house.mask == ALL
    trip(house)
    house.until(house.now_us / S + 20_000)
    assert (house.state, house.mask) == (NodeState.TRIPPED, 0)
    house.lose_power(down_s=10).until(house.now_us / S + 5000)
    assert (house.state, house.mask) == (NodeState.TRIPPED, 0)


def test_trips_far_apart_are_forgotten():
    house = protected()
    for _ in range(5):
        trip(house)
        house.until(house.now_us / S + 4000)
    assert (house.mask & CRITICAL, house.kpi("trip_count")) == (CRITICAL, 5)


def test_a_restart_is_no_way_around_the_lockout_of_a_local_shed():
    house = House().until(100)
    house.hear(house.beacon(tied=False), house.order(ALL))
    house.see(volts(1.0, 48.7)).until(102).see(GOOD).until(110)
    assert house.mask == CRITICAL
    house.lose_power(down_s=5).until(200)  # entered service again after 75 s
    house.hear(house.beacon(tied=False), house.order(ALL))
    assert house.mask == CRITICAL
    house.until(420).hear(house.beacon(tied=False), house.order(ALL))
    assert house.mask == ALL


def test_no_frame_counter_is_used_twice_however_often_power_is_lost():
    house, used = House().until(100), []
    for k in range(30):
        house.lose_power().until(house.now_us / S + 37 * (k % 5) + 1)
    used = [frame.counter for _, frame in house.told(FrameKind.TELEMETRY)]
    assert len(used) > 10
    assert used == sorted(set(used))


def test_flash_is_written_once_in_256_frames():
    house = House().until(60 * 1000)
    assert len(house.told(FrameKind.TELEMETRY)) == 1000
    assert house.write_count == 4


@given(st.binary(max_size=40))
def test_whatever_the_flash_holds_a_node_starts(data):
    house = House().until(100)
    house.node.boot(house.now_us, data)
    assert house.until(300).mask & CRITICAL


@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.integers(0, 99_999), st.binary())
def test_what_is_kept_comes_back_and_a_broken_bit_is_noticed(counter, trips, left_s, noise):
    kept = Kept(counter, trips, left_s, 3, 120)
    data = kept.to_bytes()
    again = Kept.from_bytes(data)
    assert again == Kept(counter, min(trips, 255), min(left_s, 65_535), 3, 120)
    bit = len(noise) % (8 * len(data))
    broken = bytearray(data)
    broken[bit // 8] ^= 1 << bit % 8
    assert Kept.from_bytes(bytes(broken)) is None


def test_an_order_waits_for_the_least_time_on_and_a_danger_does_not():
    house = House(contacts={"min_on_s": 600.0}).until(100)
    house.see(DARK).until(101).see(GOOD).until(180)
    house.hear(house.beacon(tied=False), house.order(ALL)).until(181)
    assert house.mask == ALL
    house.hear(house.beacon(tied=False), house.order(CRITICAL)).until(470)
    house.hear(house.beacon(tied=False)).until(760)
    assert house.mask == ALL
    house.hear(house.beacon(tied=False)).until(785)
    assert house.mask == CRITICAL
    house.hear(house.beacon(tied=False), house.order(ALL)).until(800)
    assert house.mask == ALL
    house.see(volts(1.0, 48.7)).until(802)
    assert house.mask == CRITICAL


def test_circuits_come_back_one_by_one():
    house = House(contacts={"stage_s": 20.0}).see(DARK).until(10).see(GOOD)
    seen = []
    for t_s in range(10, 150):
        if t_s % 30 == 0:
            house.hear(house.beacon(tied=True))
        if house.until(t_s).mask not in seen:
            seen.append(house.mask)
            moved_s = t_s
    assert seen == [0, CRITICAL, CRITICAL | NORMAL, ALL]
    assert moved_s == 11 + 75 + 2 * 20


STEPS = st.lists(
    st.tuples(st.integers(1, 200), st.integers(0, 7), st.sampled_from([0, 1, 3, 5, 7, 7, 7])),
    max_size=60,
)


@given(STEPS, st.integers(0, 300), st.integers(0, 300))
def test_contacts_keep_their_least_times_whatever_is_wanted(steps, on_s, off_s):
    times = ContactTimes(ContactTimesConfig(min_on_s=on_s, min_off_s=off_s), ALL)
    closed, since = ALL, [None] * 3
    now_s = 0
    for after_s, wanted, safe in steps:
        now_s += after_s
        times.observe(now_s * S, closed)
        mask = times.limit(now_s * S, wanted & safe, safe)
        assert mask & ~safe & 7 == 0
        for k in range(3):
            if (mask ^ closed) >> k & 1:
                least = off_s if mask >> k & 1 else on_s if safe >> k & 1 else 0
                assert since[k] is None or now_s - since[k] >= least
                since[k] = now_s
        closed = mask
        times.observe(now_s * S, closed)


def test_what_waits_says_when_it_may_move():
    times = ContactTimes(ContactTimesConfig(min_off_s=50.0), ALL)
    times.observe(100 * S, CRITICAL)
    assert times.limit(100 * S, ALL, ALL) == CRITICAL
    assert times.timer_us == 150 * S
    assert times.limit(150 * S, ALL, ALL) == ALL
    assert times.timer_us == 0


@pytest.mark.parametrize(
    ("period_s", "loss_pu", "per_year", "count"),
    [
        (60.0, 0.1, 1.0, 6),  # 525,960 beats a year
        (30.0, 0.1, 1.0, 7),
        (30.0, 0.5, 1.0, 21),
        (3600.0, 0.1, 1.0, 4),
        (60.0, 0.0, 1.0, 1),
    ],
)
def test_more_beacons_may_be_missed_the_more_there_are(period_s, loss_pu, per_year, count):
    assert beacons_missed(period_s, loss_pu, per_year) == count
    beats = 365.25 * 86_400 / period_s
    assert beats * loss_pu**count <= per_year


def test_a_node_counts_beacons_by_their_period():
    patient = House(beacons_missed_count=None).until(100)
    patient.hear(patient.beacon(tied=False, period_s=30.0), patient.order(ALL))
    patient.until(100 + 7 * 30)
    assert patient.mask == ALL
    patient.until(100 + 7 * 30 + 1)
    assert patient.mask == CRITICAL | NORMAL


def test_a_crash_without_flash_frees_no_locked_node_and_loses_no_count():
    house = protected()
    for _ in range(3):
        trip(house)
    house.boot(down_s=10).until(house.now_us / S + 5000)
    assert (house.mask, house.kpi("trip_count")) == (0, 3)


def test_a_restart_is_no_way_around_the_least_time_off():
    house = House(contacts={"min_off_s": 600.0}).until(100).see(DARK).until(102).see(GOOD)
    house.lose_power(down_s=10).until(700)
    assert house.mask == 0
    assert house.until(720).mask & CRITICAL


def test_the_least_time_off_counts_from_the_move():
    times = ContactTimes(ContactTimesConfig(min_off_s=50.0), ALL)
    assert times.limit(100 * S, CRITICAL, ALL) == CRITICAL
    times.observe(170 * S, CRITICAL)
    assert times.limit(170 * S, ALL, ALL) == ALL


def test_a_contact_still_warm_after_a_restart_stays_open():
    house = protected()
    house.temp_c = 90.0
    house.until(102)
    house.temp_c = 75.0
    house.lose_power().until(1000)
    assert house.mask == 0
    house.temp_c = 69.0
    assert house.until(1200).mask & CRITICAL


def test_a_house_that_hears_nobody_sheds_by_frequency_though_it_was_on_the_grid():
    house = House().until(100)
    house.hear(house.beacon(tied=True)).until(500)
    house.see(volts(1.0, 48.2)).until(502)
    assert house.mask == CRITICAL


def test_stale_readings_are_noticed_in_time():
    house = House(stale_s=5.0).until(100)
    house.hear(house.beacon(tied=False), house.order(ALL))
    read_us = house._sample["supply"].t_us
    assert house.turns[-1].decisions.wake_us <= read_us + 5 * S + 1
