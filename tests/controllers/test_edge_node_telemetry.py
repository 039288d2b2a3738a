"""An edge node tells its coordinator how its house stands, and where a contact does not follow."""

from __future__ import annotations

import pytest

from controllers.edge.states import ALL, CRITICAL, NORMAL, NodeState
from gridmodel.wire.frames import COORDINATOR, FrameKind
from tests.controllers.house import DARK, House
from tests.controllers.islanded import islanded

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


# contacts


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
