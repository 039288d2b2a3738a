"""A provisioned cell: what a thief of house 2 cannot do to house 1."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from gridmodel.errors import FrameError
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.keys import KeyRing
from gridmodel.wire.seal import Sealer
from gridmodel.wire.signature import Signer, new_private_key
from tests.gridmodel.wire_cell import BEACON, ORDER, SHED_ALL, Cell, assert_refused


@pytest.fixture
def robbed():
    """A cell whose house 2 was opened: its ring is known."""
    cell = Cell().meet().meet(2)
    return cell, cell.rings[2]


def thief(ring: KeyRing, key: bytes, counter: int, signer: Signer | None = None) -> Sealer:
    return Sealer(COORDINATOR, key, counter, ring.epoch, signer=signer)


def test_a_stolen_house_forges_no_order_to_another(robbed):
    cell, ring = robbed
    for key in ring.keys.values():
        forged = thief(ring, key, 100).seal(FrameKind.ORDER, 1, ORDER)
        assert_refused(cell.links[1], forged, "forged or broken")


@pytest.mark.parametrize("kind", [FrameKind.SHED_ALL, FrameKind.BLACK_START])
def test_a_stolen_house_commands_no_street(robbed, kind):
    cell, ring = robbed
    values = SHED_ALL | {"anchor": 2, "stagger_s": 1}
    for key in ring.keys.values():
        forged = thief(ring, key, 100, Signer(new_private_key())).seal(kind, EVERYONE, values)
        assert_refused(cell.links[1], forged, "forged or broken")


def test_a_stolen_house_cannot_keep_a_signed_command_from_being_obeyed(robbed):
    """It can count the cell's key ahead, and so mutes beacons: this is what remains of them."""
    cell, ring = robbed
    forged = thief(ring, ring.keys[EVERYONE], 30_000).seal(FrameKind.BEACON, EVERYONE, BEACON)
    cell.links[1].open(0, forged)
    assert_refused(cell.links[1], cell.say(0, FrameKind.BEACON, EVERYONE, BEACON), "replayed")
    command = cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    assert cell.links[1].open(0, command)[0].kind == FrameKind.SHED_ALL
    assert_refused(cell.links[1], command, "replayed")


@pytest.mark.parametrize("ahead", [100, 30_000, 2**31])
def test_a_join_ends_what_a_stolen_house_muted(robbed, ahead):
    cell, ring = robbed
    house, old = cell.links[1], cell.say(0, FrameKind.BEACON, EVERYONE, BEACON)
    house.open(0, old)
    forger = thief(ring, ring.keys[EVERYONE], cell.links[0].counter)
    while forger.counter < ahead:  # a frame may be 32,767 ahead of the one before
        forger.counter += min(32_000, ahead - forger.counter)
        house.open(0, forged := forger.seal(FrameKind.BEACON, EVERYONE, BEACON))
        if ahead == 2**31:
            house._peers[0].cell.highest = forger.counter = ahead
    for _ in range(3):
        assert_refused(house, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON), "replayed|forged")
    assert house.doubts(0)
    heard_not = cell.air[-3:]
    cell.meet()
    assert house.open(0, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON))
    for frame in (old, *heard_not):
        assert_refused(house, frame, "replayed")
    command = cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    assert house.open(0, command)
    assert len(forged) == 12


def test_a_thief_who_forges_during_a_join_mutes_no_signed_command(robbed):
    cell, ring = robbed
    house = cell.links[1]
    _, answer = cell.links[0].open(0, house.join(0))
    forged = thief(ring, ring.keys[EVERYONE], 30_000).seal(FrameKind.BEACON, EVERYONE, BEACON)
    house.open(0, forged)
    house.open(0, answer)
    assert_refused(house, forged, "replayed")  # what was taken during the join stays taken
    assert house.open(0, cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL))
    cell.meet()
    assert house.open(0, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON))


@pytest.mark.parametrize("seed", range(60))
def test_no_order_of_delays_replays_and_forgeries_makes_a_true_frame_taken_twice(seed):
    """The adversary chooses what arrives, when and how often, and has the cell's key.

    What it forged may come twice, after a join as well: it could forge it anew.
    """
    luck = random.Random(seed)
    cell = Cell((luck.choice([5, 65_500, 2**20]), 5, 5)).meet().meet(2)
    house, taken, forged, air = cell.links[1], set(), set(), []
    for _ in range(300):
        deed = luck.randrange(9)
        if deed < 2:
            kind = luck.choice([FrameKind.ORDER, FrameKind.BEACON, FrameKind.SHED_ALL])
            to = 1 if kind == FrameKind.ORDER else EVERYONE
            values = {FrameKind.ORDER: ORDER, FrameKind.BEACON: BEACON}.get(kind, SHED_ALL)
            air.append((1, cell.links[0].seal(kind, to, values)))
        elif deed == 2:
            air.append(luck.choice([(0, house.join(0)), (1, cell.links[0].join(1))]))
        elif deed == 3:
            key = cell.rings[2].keys[EVERYONE]
            at = house._peers[0].cell.highest + luck.randrange(-40, 32_000)
            frame = thief(cell.rings[2], key, max(at, 0)).seal(FrameKind.BEACON, EVERYONE, BEACON)
            forged.add(frame)
            air.append((1, frame))
        elif air:
            to, frame = luck.choice(air[-6:] if deed < 7 else air)
            with suppress(FrameError):
                opened, answer = cell.links[to].open(0, frame)
                if answer is not None:
                    air.append((1 - to, answer))
                if to == 1 and opened.kind != FrameKind.JOIN:
                    assert frame not in taken - forged
                    taken.add(frame)


def test_a_join_by_the_cells_key_proves_nobody(robbed):
    cell, ring = robbed
    values = {"echo_count": 0, "program": 0, "parts_mask": 0}
    forged = thief(ring, ring.keys[EVERYONE], 2**32 - 9).seal(FrameKind.JOIN, EVERYONE, values)
    assert_refused(cell.links[1], forged, "proves nobody")
    forged = thief(ring, ring.keys[EVERYONE], 2**32 - 9).seal(FrameKind.JOIN, 1, values)
    assert_refused(cell.links[1], forged, "forged or broken")


def test_a_signed_command_that_was_held_back_is_too_late_once_the_coordinator_spoke(robbed):
    cell, _ = robbed
    held = cell.say(0, FrameKind.BLACK_START, EVERYONE, SHED_ALL | {"anchor": 1, "stagger_s": 1})
    cell.links[1].open(0, cell.say(0, FrameKind.ORDER, 1, ORDER))
    assert_refused(cell.links[1], held, "replayed")
