"""Links of a provisioned cell: members that meet, lose count, boot and go on."""

from __future__ import annotations

import pickle
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError
from gridmodel.wire.counter_store import CounterStore
from gridmodel.wire.frames import EVERYONE, FrameKind
from gridmodel.wire.keys import KeyRing, provision, read_keys, write_keys
from gridmodel.wire.link import Link
from tests.gridmodel.wire_cell import BEACON, ORDER, SHED_ALL, Cell, Numbers, assert_refused

# meeting


@pytest.mark.parametrize("starts", [(0, 0, 0), (70_000, 5, 0), (5, 2**31, 0), (2**32 - 99, 1, 0)])
def test_two_members_meet_by_three_frames_wherever_their_counters_stand(starts):
    cell = Cell(starts).meet()
    assert [len(frame) for frame in cell.air] == [17, 17, 17]
    assert cell.links[0].met(1)
    assert cell.links[1].met(0)
    order = cell.say(0, FrameKind.ORDER, 1, ORDER)
    opened, answer = cell.links[1].open(0, order)
    assert (opened.values, answer) == (pytest.approx(ORDER), None)
    acknowledge = cell.say(1, FrameKind.ACKNOWLEDGE, 0, {"order_count": 1, "state": 0, "closed_mask": 3})  # fmt: skip
    assert cell.links[0].open(0, acknowledge)[0].source == 1


def test_a_frame_of_a_peer_that_was_not_met_is_refused():
    cell = Cell()
    assert_refused(cell.links[1], cell.say(0, FrameKind.ORDER, 1, ORDER), "has not joined")
    assert_refused(cell.links[1], cell.say(0, FrameKind.BEACON, EVERYONE, BEACON), "not joined")
    assert not cell.links[1].met(0)


def test_two_that_call_each_other_at_once_meet_and_fall_silent():
    cell = Cell((500, 70_000, 0))
    air = [(0, cell.links[1].join(0)), (1, cell.links[0].join(1))]
    for _ in range(12):
        if not air:
            break
        to, frame = air.pop(0)
        _, answer = cell.links[to].open(0, frame)
        if answer is not None:
            air.append((1 - to, answer))
    assert not air
    assert cell.links[0].met(1)
    assert cell.links[1].met(0)


@given(luck=st.randoms(use_true_random=False))
def test_two_meet_over_a_channel_that_loses_half_as_soon_as_they_get_through(luck):
    cell = Cell((123, 456, 0))
    for _ in range(400):
        frame, ends = cell.links[1].join(0), [0, 1]
        while frame is not None and luck.random() < 0.5:
            _, frame = cell.links[ends[0]].open(0, frame)
            ends.reverse()
        if cell.links[0].met(1) and cell.links[1].met(0):
            break
    assert cell.links[0].met(1)
    assert cell.links[1].met(0)


def test_nothing_that_was_ever_on_the_air_makes_a_member_that_booted_obey():
    cell = Cell().meet().meet(2)
    for _ in range(3):
        cell.say(0, FrameKind.ORDER, 1, ORDER)
        cell.say(0, FrameKind.BEACON, EVERYONE, BEACON)
        cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    house = cell.boot(1)
    for frame in cell.air * 2:
        try:
            opened, _ = house.open(0, frame)
            assert opened.kind == FrameKind.JOIN
        except FrameError:
            pass
    assert not house.met(0)


def test_after_it_met_again_a_member_obeys_what_is_new_and_nothing_old():
    cell = Cell().meet()
    for kind, to, values in (
        (FrameKind.ORDER, 1, ORDER), (FrameKind.BEACON, EVERYONE, BEACON),
        (FrameKind.SHED_ALL, EVERYONE, SHED_ALL),
    ):  # fmt: skip
        cell.say(0, kind, to, values)
    old = list(cell.air)
    house = cell.boot(1)
    cell.meet()
    assert house.met(0)
    for frame in old:
        with pytest.raises(FrameError):
            house.open(0, frame)
    for kind, to, values in (
        (FrameKind.ORDER, 1, ORDER), (FrameKind.BEACON, EVERYONE, BEACON),
        (FrameKind.SHED_ALL, EVERYONE, SHED_ALL),
    ):  # fmt: skip
        assert house.open(0, cell.say(0, kind, to, values))[0].kind == kind


def test_a_replayed_join_moves_nobody_back_and_brings_no_answer():
    cell = Cell().meet()
    cell.say(0, FrameKind.ORDER, 1, ORDER)
    cell.links[1].open(0, cell.air[-1])
    for link, frames in ((cell.links[1], cell.air[1::2]), (cell.links[0], cell.air[0::2])):
        for frame in frames:
            assert_refused(link, frame, "replayed|of node|unknown|is for")


def test_a_join_that_was_held_back_sets_no_counter_back():
    cell = Cell().meet()
    house, coordinator = cell.links[1], cell.links[0]
    _, held = coordinator.open(0, house.join(0))
    later = [
        cell.say(0, FrameKind.ORDER, 1, ORDER),
        cell.say(0, FrameKind.BEACON, EVERYONE, BEACON),
    ]
    for frame in later:
        house.open(0, frame)
    assert house.open(0, held)[0].kind == FrameKind.JOIN
    for frame in later:
        assert_refused(house, frame, "replayed")


def test_an_old_join_is_answered_once_and_does_not_keep_the_true_one_out():
    cell = Cell().meet()
    house = cell.boot(1)
    old = cell.air[1]  # an answer of the coordinator to the house's last life
    assert house.open(0, old)[1] is not None
    assert_refused(house, old, "replayed")
    assert not house.met(0)
    cell.meet()
    assert house.met(0)


def test_joins_that_prove_nothing_are_not_answered_for_ever():
    cell = Cell()
    house = cell.links[1]
    calls = [cell.links[0].join(1) for _ in range(200)]
    answers = 0
    for frame in calls:
        with suppress(FrameError):
            answers += house.open(0, frame)[1] is not None
    assert 1 <= answers <= 33


def test_neighbours_that_share_a_key_meet_and_exchange_without_the_coordinator():
    cell = Cell().meet(1, 2)
    values = {"soc_pu": 0.4, "p_kw": -2.5, "headroom_kw": 3.0, "age_s": 0, "flags_mask": 0}
    for destination in (2, EVERYONE):
        opened, _ = cell.links[2].open(
            0, cell.say(1, FrameKind.STATE_OF_CHARGE, destination, values)
        )
        assert opened.values == pytest.approx(values)


# an end that lost count


def test_an_order_is_obeyed_after_any_number_of_beacons_without_one():
    cell = Cell((100_000, 0, 0)).meet()
    for _ in range(33_000):
        cell.links[1].open(0, cell.links[0].seal(FrameKind.BEACON, EVERYONE, BEACON))
    order = cell.say(0, FrameKind.ORDER, 1, ORDER)
    assert cell.links[1].open(0, order)[0].kind == FrameKind.ORDER
    assert_refused(cell.links[1], order, "replayed")
    assert cell.links[1].refused_count == 1


def test_one_that_slept_through_half_a_count_doubts_and_is_healed_by_a_join():
    cell = Cell((100_000, 0, 0)).meet()
    house = cell.links[1]
    early = cell.say(0, FrameKind.ORDER, 1, ORDER)
    house.open(0, early)
    for _ in range(40_000):  # out of reach of the coordinator
        cell.numbers[0].take()
    for _ in range(3):
        assert not house.doubts(0)
        assert_refused(house, cell.say(0, FrameKind.ORDER, 1, ORDER), "forged|replayed")
    assert house.doubts(0)
    cell.meet()
    assert not house.doubts(0)
    assert house.open(0, cell.say(0, FrameKind.ORDER, 1, ORDER))
    assert house.open(0, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON))
    assert_refused(house, early, "forged|replayed")


def test_a_frame_that_comes_twice_raises_no_doubt():
    cell = Cell().meet()
    beacon = cell.say(0, FrameKind.BEACON, EVERYONE, BEACON)
    cell.links[1].open(0, beacon)
    for _ in range(9):
        assert_refused(cell.links[1], beacon, "replayed")
    assert not cell.links[1].doubts(0)


# life of a link


def test_a_link_that_takes_over_a_snapshot_goes_on_as_the_first_would():
    cell = Cell().meet()
    house = cell.links[1]
    old = cell.say(0, FrameKind.ORDER, 1, ORDER)
    house.open(0, old)
    state = pickle.loads(pickle.dumps(house.snapshot()))
    other = cell.boot(1)
    other.restore(state)
    assert other.met(0)
    assert_refused(other, old, "replayed")
    assert other.open(0, cell.say(0, FrameKind.ORDER, 1, ORDER))
    assert other.snapshot() != state
    assert house.snapshot() == state


def test_a_link_counts_what_it_refuses_and_needs_a_key_to_speak():
    cell = Cell()
    for frame in (b"", b"rubbish!!", cell.links[0].seal(FrameKind.ORDER, 2, ORDER)):
        assert_refused(cell.links[1], frame, "too few|unknown|is for node 2")
    assert cell.links[1].refused_count == 3
    with pytest.raises(FrameError, match="no key is shared with node 9"):
        cell.links[1].join(9)


def test_an_epoch_later_nothing_of_the_one_before_is_taken():
    rings = provision([1], epoch=1)
    later = KeyRing(0, 1, 2, rings[1].keys, rings[1].public_key)
    frame = Link(rings[0], Numbers()).join(1)
    assert_refused(Link(later, Numbers()), frame, "forged or broken")


def test_a_member_with_files_boots_and_meets_and_repeats_no_number(tmp_path: Path):
    rings = provision([1])
    for ring in rings.values():
        write_keys(tmp_path / f"{ring.address}.json", ring)
        CounterStore.create(tmp_path / f"{ring.address}.count")
    luck, seen = random.Random(1), set()
    for _ in range(4):  # boots
        links = [
            Link(read_keys(tmp_path / f"{a}.json"), CounterStore(tmp_path / f"{a}.count"))
            for a in rings
        ]
        frame, ends = links[1].join(0), [0, 1]
        for _ in range(3):
            assert (frame[1], frame[3:7]) not in seen  # a plain frame shows its whole counter
            seen.add((frame[1], frame[3:7]))
            _, frame = links[ends[0]].open(0, frame)
            ends.reverse()
        assert frame is None
        assert links[0].met(1)
        for _ in range(luck.randint(1, 400)):
            links[0].seal(FrameKind.ORDER, 1, ORDER)
        links.clear()  # the power goes, and with it the hold on the counters
