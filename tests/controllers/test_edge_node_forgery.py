"""An edge node is moved by no frame that is forged, replayed or meant for another."""

from __future__ import annotations

import pytest

from controllers.edge.states import ALL, CRITICAL, NORMAL, NodeState
from gridmodel.wire.frames import COORDINATOR, FrameKind
from gridmodel.wire.seal import Sealer, node_key
from tests.controllers.house import SEED, House
from tests.controllers.islanded import DELAY_S, islanded


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
