"""The whole cell goes dark by a signed command, and starts again address by address."""

from __future__ import annotations

import pytest

from controllers.cell_link import CellLink, link_of
from controllers.coordinator.last_reserve import LastReserve, LastReserveConfig
from controllers.edge.states import ALL, CRITICAL, NodeState
from controllers.joined_link import CALL_S, JoinedLink
from gridmodel.control import Observations, Terminal
from gridmodel.federate import NodeSeat
from gridmodel.ports import ReceivedFrame
from gridmodel.settings import parse
from gridmodel.wire.counter_store import CounterStore
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.keys import provision
from gridmodel.wire.link import Link
from gridmodel.wire.lora import Modem
from tests.controllers.house import DARK, GOOD, SEED, House, S


def island(address: int = 3) -> House:
    """Return a house that may use everything, on an island at 100 s."""
    house = House(address).until(100)
    return house.hear(house.beacon(tied=False), house.order(ALL)).until(101)


def shed_all(house: House, delay_s: float = 10.0, valid_s: float = 3600.0) -> bytes:
    values = {"valid_s": valid_s, "delay_s": delay_s, "reason": 1.0}
    return house.coordinator.seal(FrameKind.SHED_ALL, EVERYONE, values)


def black_start(house: House, delay_s: float = 10.0, stagger_s: float = 2.0) -> bytes:
    values = {"anchor": 0.0, "delay_s": delay_s, "stagger_s": stagger_s}
    return house.coordinator.seal(FrameKind.BLACK_START, EVERYONE, values)


def test_shed_all_darkens_a_house_after_its_delay_and_ends_by_itself():
    house = island()
    house.hear(shed_all(house, 10.0, 500.0)).until(110.9)
    assert house.mask == ALL
    house.until(111)
    assert (house.state, house.mask) == (NodeState.SHED, 0)
    house.hear(house.beacon(tied=False)).until(400).hear(house.beacon(tied=False)).until(610)
    assert house.mask == 0
    assert house.until(612).mask == CRITICAL  # whoever comes back begins with that
    assert house.hear(house.order(ALL)).until(613).mask == ALL


def test_shed_all_repeated_keeps_the_cell_dark():
    house = island()
    for t_s in range(110, 600, 60):
        house.hear(house.beacon(tied=False), shed_all(house, 10.0, 300.0))
        masks = {house.until(t_s + step).mask for step in range(12, 60, 4)}
        assert masks == {0}
    assert house.until(590 + 10 + 301).mask & CRITICAL


def test_a_start_repeated_darkens_nobody_who_is_lit():
    house = island(20)
    house.hear(shed_all(house)).until(200)
    seen = []
    for t_s in (200, 260, 320):
        house.until(t_s).hear(house.beacon(tied=False), black_start(house))
        seen += [house.until(t_s + step).mask != 0 for step in range(1, 60)]
    assert seen == [False] * 49 + [True] * (len(seen) - 49)


def test_a_start_while_the_supply_is_there_leaves_the_next_blackout_its_delay():
    house = island()
    house.hear(shed_all(house)).until(200).hear(house.beacon(tied=False), black_start(house))
    house.until(8000).see(DARK).until(8100).see(GOOD).until(8170)
    assert house.mask == 0
    assert house.until(8177).mask & CRITICAL


def test_a_start_that_found_no_supply_within_an_hour_is_forgotten():
    house = island().see(DARK).until(150)
    house.hear(black_start(house)).until(4000).see(GOOD).until(4070)
    assert house.mask == 0


def test_a_black_start_ends_the_darkness_address_by_address():
    for address in (1, 4, 20):
        house = island(address)
        house.hear(shed_all(house)).until(200).hear(house.beacon(tied=False), black_start(house))
        house.until(210 + 2 * address - 0.1)
        assert house.mask == 0
        assert house.until(210 + 2 * address).mask == CRITICAL


def test_after_a_black_start_a_dead_street_is_entered_at_once_in_turn():
    house = island().see(DARK).until(150)
    house.hear(black_start(house, 10.0, 2.0)).see(GOOD).until(152)
    house.hear(house.beacon(tied=False), house.order(ALL))
    assert house.until(165.9).mask == 0
    assert house.until(166).mask == ALL  # 75 s without the command
    house.see(DARK).until(200).see(GOOD).until(202)
    house.hear(house.beacon(tied=False), house.order(ALL)).until(275)
    assert house.mask == 0  # it counts once


def test_a_shed_by_groups_is_for_those_it_names():
    for address in (3, 4, 19):
        house = island(address)
        values = {"level": 1, "group_mask": 1 << 3, "valid_s": 600, "reason": 1}
        house.hear(house.coordinator.seal(FrameKind.SHED, EVERYONE, values)).until(102)
        assert house.mask == (ALL if address == 4 else CRITICAL)
        house.until(400).hear(house.beacon(tied=False)).until(690)
        house.hear(house.beacon(tied=False)).until(702)
        assert house.mask == ALL  # the order is in force still


def test_a_shed_by_groups_widens_no_order():
    house = island()
    house.hear(house.order(CRITICAL))
    values = {"level": 2, "group_mask": 0xFFFF, "valid_s": 60, "reason": 1}
    house.hear(house.coordinator.seal(FrameKind.SHED, EVERYONE, values)).until(110)
    assert house.mask == CRITICAL


def test_another_house_cannot_darken_the_street():
    house = island()
    forger = CellLink(COORDINATOR, [], SEED + 1)
    own = house.coordinator._sealer.signer
    forger._sealer.key = house.coordinator._sealer.key  # it has stolen the coordinator's key
    forger._sealer.__post_init__()
    values = {"valid_s": 3600.0, "delay_s": 0.0, "reason": 1.0}
    house.hear(forger.seal(FrameKind.SHED_ALL, EVERYONE, values)).until(103)
    assert (house.mask, house.kpi("refused_frame_count")) == (ALL, 1)
    forger._sealer.signer = own
    house.hear(forger.seal(FrameKind.SHED_ALL, EVERYONE, values)).until(105)
    assert house.mask == 0  # so the signature is what held it


def test_an_old_command_is_not_obeyed_again():
    house = island()
    frame = shed_all(house, 0.0, 60.0)
    house.hear(frame).until(170).hear(house.beacon(tied=False), frame).until(180)
    assert (house.mask, house.kpi("refused_frame_count")) == (CRITICAL, 1)


def test_the_last_reserve_sheds_once_repeats_and_starts_when_there_is_enough():
    reserve = LastReserve(LastReserveConfig(repeat_s=60.0, starts_count=2))
    said = []
    for t_s in range(0, 1000, 10):
        soc = 0.06 - t_s / 10_000 if t_s < 400 else 0.02 + (t_s - 400) / 2000
        kind = reserve.decide(t_s * S, False, soc)
        if kind is not None:
            said.append((t_s, kind))
    dark = [t_s for t_s, kind in said if kind == FrameKind.SHED_ALL]
    starts = [t_s for t_s, kind in said if kind == FrameKind.BLACK_START]
    assert dark == list(range(100, 660, 60))
    assert starts == [660, 720]
    assert reserve.dark_count == 1
    assert reserve.timer_us is None


def test_on_the_public_grid_nothing_is_shed():
    reserve = LastReserve(LastReserveConfig())
    assert reserve.decide(0, True, 0.0) is None
    assert reserve.decide(S, False, 0.0) == FrameKind.SHED_ALL
    assert reserve.decide(2 * S, True, 0.0) == FrameKind.BLACK_START


def test_a_start_below_the_shed_is_refused():
    with pytest.raises(ValueError, match="would flicker"):
        parse(LastReserveConfig, {"shed_soc_pu": 0.2, "start_soc_pu": 0.1})


def provisioned(tmp_path, address: int, rings) -> JoinedLink:
    """Return an end with real keys and a counter on disk, as after a boot."""
    path = tmp_path / f"counter.{address}"
    store = CounterStore(path) if path.exists() else CounterStore.create(path)
    seat = NodeSeat(
        "nodes", Terminal("x"), (), address, (), Modem(), 0, link=Link(rings[address], store)
    )
    link = link_of(seat, [], calls=() if address == COORDINATOR else [COORDINATOR])
    assert isinstance(link, JoinedLink)
    return link


def talk(now_us: int, one: JoinedLink, other: JoinedLink) -> int:
    """Let both exchange what they have to say until they are silent; return the frames."""
    count = 0
    while frames := [(other, f) for f in one.answers(now_us)] + [
        (one, f) for f in other.answers(now_us)
    ]:
        for hearer, frame in frames:
            hearer.open([ReceivedFrame(now_us, frame, -90.0, 5.0)])
            count += 1
    return count


ORDER = {"allowed_mask": 7, "valid_s": 60, "reason": 0}


def test_provisioned_ends_meet_before_they_obey_and_after_a_boot_again(tmp_path):
    rings = provision([1, 2])
    node, lead = provisioned(tmp_path, 1, rings), provisioned(tmp_path, COORDINATOR, rings)
    early = ReceivedFrame(0, lead.seal(FrameKind.ORDER, 1, ORDER), -90.0, 5.0)
    assert node.open([early]) == []
    assert node.refused_count == 1
    assert talk(0, node, lead) == 3
    order = ReceivedFrame(1, lead.seal(FrameKind.ORDER, 1, ORDER), -90.0, 5.0)
    assert [f.kind for f in node.open([order])] == [FrameKind.ORDER]
    assert node.wake_us() == 0
    node.boot(5 * S)
    assert node.open([order]) == []  # recorded before the boot, replayed after it
    assert talk(5 * S, node, lead) == 3
    again = ReceivedFrame(6 * S, lead.seal(FrameKind.ORDER, 1, ORDER), -90.0, 5.0)
    assert len(node.open([again])) == 1


def test_a_node_calls_until_it_is_answered(tmp_path):
    node = provisioned(tmp_path, 1, provision([1]))
    calls = [t_s for t_s in range(60) if node.answers(t_s * S)]
    assert calls == list(range(0, 60, round(CALL_S)))
    assert node.wake_us() == 60 * S


def test_a_node_that_reads_nothing_new_keeps_critical_load_alone():
    for stale_s, opened in ((30.0, {"normal": False, "deferrable": False}), (60.0, {})):
        house = House(stale_s=stale_s).until(100)
        house.hear(house.beacon(tied=False), house.order(ALL)).until(101)
        old = Observations(house._sample, dict(house.contacts))
        assert house.node.step(house.now_us + 40 * S, old, ()).relays == opened


def test_a_coordinator_that_was_started_anew_meets_the_houses_that_still_know_it(tmp_path):
    rings = provision([1, 2])
    node, lead = provisioned(tmp_path, 1, rings), provisioned(tmp_path, COORDINATOR, rings)
    assert talk(0, node, lead) == 3
    lead.boot(100 * S)
    told = {"state": 0, "uptime_h": 1, "flags_mask": 0}
    frame = node.seal(FrameKind.HEARTBEAT, COORDINATOR, told)
    assert lead.open([ReceivedFrame(101 * S, frame, -90.0, 5.0)]) == []
    assert talk(101 * S, node, lead) > 0
    frame = node.seal(FrameKind.HEARTBEAT, COORDINATOR, told)
    opened = lead.open([ReceivedFrame(102 * S, frame, -90.0, 5.0)])
    assert [f.kind for f in opened] == [FrameKind.HEARTBEAT]


def test_ends_whose_frames_are_refused_in_a_row_call_and_are_healed_at_little_cost(tmp_path):
    rings = provision([1])
    node, lead = provisioned(tmp_path, 1, rings), provisioned(tmp_path, COORDINATOR, rings)
    assert talk(0, node, lead) == 3
    for _ in range(120_000):  # the node is out of reach for long
        lead._link.counters.take()
    for t_s in (20, 21, 22):
        assert node.answers(t_s * S) == []
        lost = ReceivedFrame(t_s * S, lead.seal(FrameKind.ORDER, 1, ORDER), -90.0, 5.0)
        assert node.open([lost]) == []
    state = node.snapshot()
    assert talk(22 * S, node, lead) == 3
    order = ReceivedFrame(23 * S, lead.seal(FrameKind.ORDER, 1, ORDER), -90.0, 5.0)
    assert len(node.open([order])) == 1
    node.restore(state)
    assert len(node.answers(24 * S)) == 1


def test_a_forger_of_any_diligence_gets_few_calls_for_it(tmp_path):
    rings = provision([1])
    node, lead = provisioned(tmp_path, 1, rings), provisioned(tmp_path, COORDINATOR, rings)
    talk(0, node, lead)
    rubbish = bytes([0x10 | FrameKind.ORDER, COORDINATOR, 1, 0xF0, 0]) + bytes(6)
    calls = []
    for t_s in range(20, 3620):
        node.open([ReceivedFrame(t_s * S, rubbish, -90.0, 5.0)])
        calls += [t_s for _ in node.answers(t_s * S)]
    assert calls[:4] == [22, 32, 42, 52]
    assert len(calls) <= 4 + 3600 // 300
