"""What a node's hardware adds: drifting clocks, brown-outs, slow boots, watchdogs, wear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Alarm, Decisions
from gridmodel.federate import Message
from simulators.firmware.board import NEVER_US, BoardConfig, Boards, Flash
from tests.simulators.bench import S, kpi
from tests.simulators.firmware.nodes import Nodes, Probe

V = 400.0 / 3**0.5
ONE = ("house_02",)


def every_second(probe: Probe, now_us: int) -> Decisions:
    """Run at each whole second of the node's own clock."""
    return Decisions(now_us - now_us % S + S)


def boards(count: int = 1, **settings) -> Boards:
    return Boards(BoardConfig(**settings), count, V, np.random.default_rng(1))


@given(st.integers(0, 10**13), st.integers(0, 7))
def test_a_node_wakes_at_the_first_instant_at_which_its_clock_shows_the_time(local_us, node):
    b = boards(8, clock_ppm=50.0)
    t_us = b.true_us(node, local_us)
    assert b.local_us(node, t_us) >= local_us
    assert t_us == 0 or b.local_us(node, t_us - 1) < local_us


def test_crystals_spread_as_their_setting_says_and_never_is_never():
    b = boards(4000, clock_ppm=20.0)
    hour_us = 3600 * S
    drift_us = np.array([b.local_us(k, hour_us) - hour_us for k in range(4000)])
    assert np.std(drift_us) == pytest.approx(20e-6 * hour_us, rel=0.05)
    assert abs(np.mean(drift_us)) < 3 * 20e-6 * hour_us / 4000**0.5
    assert b.true_us(0, NEVER_US) == NEVER_US


def test_a_drifting_node_runs_at_its_own_seconds(street):
    nodes = Nodes(street, every_second, at=ONE, board={"clock_ppm": 1000.0}).until(1000 * S)
    (probe,) = nodes.probes
    assert len(probe.awake_us) != 1001  # a crystal that bad gains or loses a second by then
    assert all(now_us % S < 2 for now_us in probe.awake_us[1:])
    readings = [turn.seen.meters["supply"].t_us for turn in probe.turns]
    assert readings == sorted(readings)
    assert all(reading <= turn.now_us for reading, turn in zip(readings, probe.turns, strict=True))


def dark(nodes: Nodes, begin_s: int, end_s: int) -> Nodes:
    """Let the mains be away."""
    return nodes.change(begin_s * S, v_v=0.0).change(end_s * S, v_v=V)


def test_a_node_with_a_battery_lives_through_a_blackout(street):
    nodes = dark(Nodes(street, every_second, at=ONE), 10, 60).until(100 * S)
    assert len(nodes.probes[0].awake_us) == 101


def test_a_node_dies_after_its_hold_up_time_and_boots_when_the_mains_are_back(street):
    board = {"hold_up_s": 5.0, "boot_s": 8.0}
    nodes = dark(Nodes(street, every_second, at=ONE, board=board), 10, 60).until(100 * S)
    (probe,) = nodes.probes
    awake_s = [now_us // S for now_us in probe.awake_us]
    assert awake_s == [*range(15), *range(68, 101)]
    assert probe.boots_us == [68 * S]
    assert kpi(nodes.part, "brownout_count") == 1


def test_a_dip_shorter_than_the_hold_up_time_does_nothing(street):
    nodes = Nodes(street, every_second, at=ONE, board={"hold_up_s": 5.0})
    for begin_s in range(10, 90, 10):
        dark(nodes, begin_s, begin_s + 4)
    assert len(nodes.until(100 * S).probes[0].awake_us) == 101


@pytest.mark.parametrize(("rest", "closed"), [("open", False), ("hold", True)])
def test_contacts_without_power_fall_open_or_hold(street, rest, closed):
    board = {"hold_up_s": 0.0, "rest": rest}
    nodes = dark(Nodes(street, at=ONE, board=board), 10, 60).until(30 * S)
    assert nodes.sent("closed")[-1][1][1].tolist() == [closed] * 3
    assert bool(nodes.sent("switched")) != closed


def test_an_alarm_does_not_wake_who_has_no_power(street):
    def watch(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, alarms=(Alarm("supply", v_min_v=0.9 * V),))

    nodes = Nodes(street, watch, at=ONE, board={"hold_up_s": 0.0})
    dark(nodes, 10, 60).until(50 * S)
    assert nodes.probes[0].awake_us == [0]


def test_a_program_that_hangs_is_started_anew_by_its_watchdog(street):
    nodes = Nodes(street, every_second, at=ONE, board={"watchdog_s": 12.0, "boot_s": 1.0})
    nodes._waiting.append((20 * S, "events", Message(20 * S, "hang", {"node": "house_02"})))
    (probe,) = nodes.until(50 * S).probes
    assert [now_us // S for now_us in probe.awake_us] == [*range(20), *range(33, 51)]
    assert kpi(nodes.part, "watchdog_count") == 1


def test_what_is_kept_survives_and_wears_the_flash(street):
    def write(probe: Probe, now_us: int) -> Decisions:
        return Decisions(now_us + 60 * S, keep=now_us.to_bytes(8, "big"))

    nodes = Nodes(street, write, at=ONE, board={"flash": {"page_count": 2, "endurance_count": 100}})
    nodes.crash(200 * S, "house_02", 5.0).until(3600 * S)
    assert nodes.probes[0].kept == [(180 * S).to_bytes(8, "big")]
    writes = kpi(nodes.part, "flash_write_count")
    assert writes == len(nodes.probes[0].turns)
    years = kpi(nodes.part, "flash_life_years")
    assert years == pytest.approx(200 / writes * 3600 / (365.25 * 86_400), rel=1e-3)


def test_the_processors_budget_is_that_of_the_busiest_node(street):
    nodes = Nodes(street, every_second, board={"step_us": 5000.0}).until(1000 * S)
    assert kpi(nodes.part, "cpu_pu") == pytest.approx(0.005, rel=0.01)


def test_a_fleet_in_the_dark_goes_on_from_a_snapshot(street):
    board = {"hold_up_s": 5.0, "boot_s": 8.0, "clock_ppm": 30.0, "flash": Flash()}
    whole = dark(Nodes(street, every_second, board=board), 10, 60)
    twin = dark(Nodes(street, every_second, board=board), 10, 60)
    whole.until(30 * S)
    twin.until(30 * S)
    twin.part.restore(whole.part.snapshot())
    whole.until(100 * S)
    twin.until(100 * S)
    assert [p.awake_us for p in whole.probes] == [p.awake_us for p in twin.probes]
    assert {k.name: k.value for k in whole.part.kpis()} == {
        k.name: k.value for k in twin.part.kpis()
    }


def test_a_switched_node_lives_on_whichever_side_of_its_switch_does(street):
    board = {"hold_up_s": 5.0}
    nodes = Nodes(
        street, every_second, at=ONE, transfer_switch=True, board=board,
        v_v=0.0, grid_v_pu=1.0, island_v_pu=0.0,
    )  # fmt: skip
    nodes.change(10 * S, grid_v_pu=0.0).change(30 * S, island_v_pu=1.0).until(60 * S)
    awake_s = [now_us // S for now_us in nodes.probes[0].awake_us]
    assert awake_s == [*range(15), *range(30, 61)]


def test_a_crash_lasts_its_time_also_when_the_power_goes_meanwhile(street):
    nodes = dark(Nodes(street, every_second, at=ONE, board={"hold_up_s": 0.0}), 20, 30)
    nodes.crash(10 * S, "house_02", 1.0).until(100 * S)
    assert nodes.probes[0].boots_us == [70 * S]


def test_contacts_warm_with_the_square_of_the_current(street):
    enclosure = {"ambient_c": 20.0, "rise_c": 30.0, "rise_at_a": 40.0, "lag_s": 100.0}
    nodes = Nodes(street, every_second, at=ONE, board={"enclosure": enclosure}, p_kw=-V * 20 / 1e3)
    (probe,) = nodes.until(1000 * S).probes
    temps_c = [turn.seen.temp_c for turn in probe.turns]
    end_c = 20.0 + 30.0 / 4.0
    assert temps_c[0] == 20.0
    assert temps_c[100] == pytest.approx(end_c - (end_c - 20.0) * np.exp(-1.0), abs=0.05)
    assert temps_c[-1] == pytest.approx(end_c, abs=0.05)
