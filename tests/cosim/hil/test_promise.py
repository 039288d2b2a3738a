"""The promise: a node decides the same inside the simulation and on emulated hardware outside.

The controller is the same object; everything else differs: its process, its clock, the codes
of an emulated converter behind SPI words, an SX126x at command level, relays on mock pins, a
battery inverter over Modbus. State changes, contacts and frames are held to each other one
by one, to the microsecond and to the bit.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosim.cli.arguments import scenario_path
from cosim.hil.hil import Outcome, compared, differing, hil, inside, replay
from cosim.hil.wish import wishes
from cosim.node.outside import NEVER_US
from cosim.pacer import RealTimeConfig
from cosim.run import RunOptions

pytest.importorskip("gpiozero")
pytest.importorskip("pymodbus")
SAMPLED = [
    "federates.nodes.meter.sampling=sampled",
    "federates.coordinator.meter.sampling=sampled",
    "federates.coordinator.meter.ct_ratio=10000",  # a clamp for the whole street
]
#: Two hours with everything that can happen: a blackout, a black start, scarcity, a crash, a
#: sensor that is wrong, the return of the grid and the closing of the street.
LIFE = [
    *SAMPLED,
    "duration_h=2.0",
    "federates.battery.soc_pu=0.3",
    "federates.coordinator.settings.planner.period_s=300",
    "events=[{t_h: 0.1, target: grid, kind: outage},"
    " {t_h: 0.5, target: nodes, kind: crash, node: house_05, for_min: 10},"
    " {t_h: 0.8, target: nodes, kind: sensor_fault, node: house_09, quantity: f_hz,"
    " scale_pu: 0.97, for_min: 10},"
    " {t_h: 1.4, target: grid, kind: restore}]",
]
STATIONS = ["nodes.house_03=emulated", "nodes.house_05=emulated-udp", "nodes.house_09=emulated"]
MASTER = "coordinator.house_02=emulated-udp"
SUNSPEC = {"inverter": "emulated"}


def held(one: Outcome, other: Outcome) -> None:
    """Hold two runs' decisions to each other."""
    for name, found in compared(one, other).items():
        assert found.equal, f"{name}: {found.first}"
        assert found.same > 10, name


@pytest.mark.slow
def test_stepped_every_decision_of_a_whole_life_is_the_same(tmp_path):
    path, nodes = scenario_path("street_island"), wishes([*STATIONS, MASTER])
    one = inside(path, nodes, RunOptions(tmp_path / "inside"), LIFE, SUNSPEC)
    other = hil(path, nodes, RunOptions(tmp_path / "outside"), LIFE, bodies=SUNSPEC)
    held(one, other)
    assert differing(one.result.folder, other.result.folder) == ()
    states = {d.value for d in other.traces["nodes.house_03"] if d.what == "state"}
    assert len(states) >= 3  # it was isolated, restoring, and on the island or the grid
    assert replay(other.result.folder, tmp_path / "again").differs == ()


@pytest.mark.slow
def test_houses_with_transfer_switches_and_drifting_clocks_keep_the_promise(tmp_path):
    path = scenario_path("street_island/citizen_mesh")
    nodes = wishes([*STATIONS[:2], MASTER])
    life = [
        *SAMPLED,
        "federates.nodes.board.clock_ppm=40",
        "events=[{t_h: 0.01, target: grid, kind: outage},"
        " {t_h: 0.1, target: nodes, kind: crash, node: house_05, for_min: 1}]",
    ]
    until = {"until_us": 720_000_000}
    one = inside(path, nodes, RunOptions(tmp_path / "inside", **until), life, SUNSPEC)
    other = hil(path, nodes, RunOptions(tmp_path / "outside", **until), life, bodies=SUNSPEC)
    held(one, other)
    assert {d.what for d in other.traces["nodes.house_03"]} >= {"relay grid", "frame", "state"}


def first_late_us(run: Path) -> int:
    """Return the first instant at which a node had not answered, or acted by itself. [us]"""
    late = [
        line["t_us"]
        for file in (run / "arrivals").glob("*.jsonl")
        for line in map(json.loads, file.read_text().splitlines())
        if "t_us" in line
        and line["kind"] != "end"
        and (not line["answers"] or any(answer["own"] for _, answer in line["answers"]))
    ]
    return min(late, default=NEVER_US)


@pytest.mark.slow
def test_in_real_time_every_decision_is_the_same_or_what_was_late_is_counted(tmp_path):
    path, nodes = scenario_path("street_island/scarcity"), wishes([STATIONS[0], MASTER])
    one = inside(path, nodes, RunOptions(tmp_path / "inside"))
    pace = RealTimeConfig(factor=0.1)
    other = hil(path, nodes, RunOptions(tmp_path / "outside", real_time=pace), deadline_s=0.5)
    late_us = first_late_us(other.result.folder)
    for name, trace in one.traces.items():
        before = [d for d in trace if d.t_us < late_us]
        assert [d for d in other.traces[name] if d.t_us < late_us] == before, name
    if late_us == NEVER_US:
        held(one, other)
        assert other.orders
    assert other.result.t_us == one.result.t_us
    assert not any(line.lost for line in other.lines.values())
    # Whatever came late came into the record too: in simulated time it is the same run.
    assert replay(other.result.folder, tmp_path / "again").differs == ()


@pytest.mark.slow
def test_a_master_in_its_process_moves_a_contact_in_its_neighbours_by_radio(tmp_path):
    """Milestone M4: simulated scarcity, an order over emulated LoRa, a relay in another process."""
    path = scenario_path("street_island/scarcity")
    nodes = wishes([MASTER, "nodes.house_03=emulated-udp", "nodes.house_01=emulated-udp"])
    outcome = hil(path, nodes, RunOptions(tmp_path), bodies=SUNSPEC)
    assert len(outcome.orders) >= 2
    for way in outcome.orders:
        assert way.order_ms == pytest.approx(41.217, abs=0.01)  # the order's airtime, SF7
        assert way.wall_ms is not None
        assert way.wall_ms > 0.0
