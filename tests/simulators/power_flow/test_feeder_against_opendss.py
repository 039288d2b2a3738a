"""The feeder against plain OpenDSS: the same voltages and losses, whatever was solved before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.codes import AnchorMode, Side
from gridmodel.neighbourhood import Neighbourhood
from simulators.power_flow.feeder import Feeder, FeederConfig
from tests.simulators.bench import S, context, same_bytes, step
from tests.simulators.power_flow.plain_opendss import Answer, Load, islanded, tied

HOUSES, PLANTS = 13, 4
ANCHOR = "house_02"
V_BASE = 400.0 / 3**0.5
TOLERANCE_PU = 1e-6
#: A day of the street's customers. [kW]
EVENING = -np.array([3.1, 2.4, 1.2, 0.9, 3.8, 0.4, 6.5, 11.2, 2.2, 9.8, 1.1, 2.9, 12.4])
NIGHT = -np.array([0.3, 0.2, 0.9, 0.1, 0.2, 0.3, 1.0, 1.4, 0.1, 1.6, 0.2, 0.4, 1.1])
ONE_PHASE = -np.array([0.0, 3.0, 0.0, 2.0, 4.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 4.0, 0.0])
SUN = np.array([35.0, 70.0, 20.0, 16.0])
CARS = -np.array([11.0, 0, 0, 3.7, 0, 0, 0, 0, 0, 0, 0, 11.0, 0])
DARK = np.zeros(PLANTS)


def snapshot(load_kw: np.ndarray, **changed: Any) -> dict[str, Any]:
    """Return the feeder's inputs on the public grid, loads at power factor 0.93."""
    return {
        "households_p_kw": load_kw,
        "households_q_kvar": 0.395 * load_kw,
        "vehicles_p_kw": np.zeros(HOUSES),
        "pv_p_kw": DARK,
        "anchor_p_kw": 0.0,
        "mode": AnchorMode.FOLLOWING,
        "island_v_pu": 1.0,
        "grid_v_pu": 1.025,
    } | changed


FORMED = {"mode": AnchorMode.FORMING, "grid_v_pu": 0.0}
#: What the street looks like, by name: all loads are unbalanced.
SNAPSHOTS = {
    "evening": snapshot(EVENING),
    "cars charge": snapshot(EVENING, vehicles_p_kw=CARS, grid_v_pu=0.98),
    "single-phase loads only": snapshot(ONE_PHASE),
    "noon: export": snapshot(NIGHT, pv_p_kw=SUN),
    "every sign flipped": snapshot(-EVENING, vehicles_p_kw=-CARS, pv_p_kw=-0.3 * SUN),
    "the battery charges": snapshot(NIGHT, pv_p_kw=0.5 * SUN, anchor_p_kw=-45.0),
    "the battery discharges": snapshot(EVENING, anchor_p_kw=45.0),
    "no load at all": snapshot(0.0 * EVENING),
    "island at night": snapshot(NIGHT, **FORMED),
    "island in the evening": snapshot(EVENING, vehicles_p_kw=CARS, **FORMED),
    "island at noon": snapshot(NIGHT, pv_p_kw=SUN, **FORMED),
    "black start at 70 %": snapshot(
        NIGHT, mode=AnchorMode.STARTING, island_v_pu=0.7, grid_v_pu=0.0
    ),
    "island beside a live grid": snapshot(EVENING, mode=AnchorMode.FORMING),
}


def feeder(network: Neighbourhood) -> Feeder:
    """Return the federate under test."""
    return Feeder.build(FeederConfig(anchor_house=ANCHOR), context(network))


def answer(network: Neighbourhood, now: Mapping[str, Any]) -> tuple[dict[str, Any], Answer]:
    """Return what the federate sends and what plain OpenDSS says."""
    loads = customers(network, now)
    if now["mode"] == AnchorMode.FOLLOWING:
        other = tied(network, loads, now["grid_v_pu"])
    else:
        at, lv = network.consumer[ANCHOR].bus, network.transformers[0].lv_bus
        other = islanded(network, loads, at, lv, now["island_v_pu"])
    return step(feeder(network), 0, **now), other


def customers(
    network: Neighbourhood, now: Mapping[str, Any], side: Side | None = None
) -> list[Load]:
    """Return the loads at each bus, of all customers or of those on one side."""
    found = []
    for k, house in enumerate(network.consumers):
        share = np.array(house.phase_share_pu)
        balanced = [now["vehicles_p_kw"][k]]
        balanced += [
            power
            for plant, power in zip(network.photovoltaics, now["pv_p_kw"], strict=True)
            if plant.consumer == house.name
        ]
        if house.name == ANCHOR and now["mode"] == AnchorMode.FOLLOWING:
            balanced.append(now["anchor_p_kw"])
        p, q = (share * now[name][k] for name in ("households_p_kw", "households_q_kvar"))
        if side is None or now["side"][k] == side:
            bus = house.name if side == Side.ISLAND else house.bus
            found.append(Load(bus, p.tolist(), q.tolist(), [float(b) for b in balanced]))
    return found


def throughput_kw(now: Mapping[str, Any]) -> float:
    """Return the magnitudes of all power, to measure errors by."""
    terms = ("households_p_kw", "vehicles_p_kw", "pv_p_kw", "anchor_p_kw")
    return float(sum(np.abs(now[name]).sum() for name in terms)) + 0.46  # and the iron


def assert_same_voltages(network: Neighbourhood, sent: Mapping[str, Any], other: Answer) -> None:
    for row, bus in enumerate(network.buses):
        if bus.name not in other.v_v:  # an island has no medium voltage
            continue
        base = bus.v_nominal_v / 3**0.5
        theirs = other.to_neutral_v(bus.name) / base
        assert sent["v_pu"][row] == pytest.approx(theirs, abs=TOLERANCE_PU), bus.name
        if base < 1e3:
            neutral = abs(other.v_v[bus.name][3]) / base
            assert sent["neutral_v"][row] / base == pytest.approx(neutral, abs=TOLERANCE_PU)
    for row, house in enumerate(network.consumers):
        theirs = np.dot(house.phase_share_pu, other.to_neutral_v(house.bus)) / V_BASE
        assert sent["v_v"][row] / V_BASE == pytest.approx(theirs, abs=TOLERANCE_PU), house.name


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_voltages_are_those_of_a_script_written_by_hand(street, name):
    assert_same_voltages(street, *answer(street, SNAPSHOTS[name]))


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_energy_balance_closes_what_sources_give_and_nobody_takes_is_heat(street, name):
    # The feeder's loss is power given less power taken; OpenDSS adds up I^2 R and iron.
    now = SNAPSHOTS[name]
    sent, other = answer(street, now)
    carried = "grid_loss_kw" if now["mode"] == AnchorMode.FOLLOWING else "island_loss_kw"
    assert sent[carried] == pytest.approx(other.loss_kw, abs=1e-6 * throughput_kw(now))


powers = st.lists(st.floats(-8.0, 8.0), min_size=HOUSES, max_size=HOUSES).map(np.array)
suns = st.lists(st.floats(0.0, 20.0), min_size=PLANTS, max_size=PLANTS).map(np.array)


@settings(max_examples=25)
@given(
    load=powers, sun=suns, cars=powers, anchor=st.floats(-40.0, 40.0),
    grid=st.floats(0.95, 1.05), alone=st.booleans(),
)  # fmt: skip
def test_any_state_is_solved_as_plain_opendss_solves_it(
    street, load, sun, cars, anchor, grid, alone
):
    now = snapshot(load, pv_p_kw=sun, vehicles_p_kw=cars, anchor_p_kw=anchor, grid_v_pu=grid)
    if alone:
        now |= FORMED
    sent, other = answer(street, now)
    assert_same_voltages(street, sent, other)
    loss = sent["island_loss_kw" if alone else "grid_loss_kw"]
    assert loss == pytest.approx(other.loss_kw, abs=1e-6 * throughput_kw(now))


SIDES = np.array([1, 2, 2, 1, 2, 0, 2, 1, 2, 1, 2, 2, 0])
MESH_SNAPSHOTS = {
    # who is where, and what the grid and the anchor do
    "all on the grid": snapshot(EVENING, side=np.full(HOUSES, Side.GRID)),
    "all on the island": snapshot(NIGHT, side=np.full(HOUSES, Side.ISLAND), **FORMED),
    "half and half": snapshot(EVENING, side=SIDES, mode=AnchorMode.FORMING),
    "half and half at noon": snapshot(
        NIGHT, side=SIDES, pv_p_kw=0.5 * SUN, vehicles_p_kw=CARS, mode=AnchorMode.FORMING
    ),
}


@pytest.mark.parametrize("name", MESH_SNAPSHOTS)
def test_houses_on_private_cables_have_the_voltages_of_two_circuits_of_their_own(mesh, name):
    now = MESH_SNAPSHOTS[name]
    sent = step(feeder(mesh), 0, **now)
    at_grid = customers(mesh, now, Side.GRID)
    at_island = customers(mesh, now, Side.ISLAND)
    nodes = {house.name: house.bus for house in mesh.consumers}
    public = tied(mesh, at_grid, now["grid_v_pu"]) if now["grid_v_pu"] else None
    private = islanded(mesh, at_island, ANCHOR, ANCHOR, now["island_v_pu"], private=True)
    for row, house in enumerate(mesh.consumers):
        side = now["side"][row]
        theirs = 0.0
        if side == Side.GRID and public:
            theirs = np.dot(house.phase_share_pu, public.to_neutral_v(nodes[house.name]))
        elif side == Side.ISLAND and now["mode"] == AnchorMode.FORMING:
            theirs = np.dot(house.phase_share_pu, private.to_neutral_v(house.name))
        assert sent["v_v"][row] / V_BASE == pytest.approx(theirs / V_BASE, abs=TOLERANCE_PU)
    if public:
        within = 1e-6 * throughput_kw(now)
        assert sent["grid_loss_kw"] == pytest.approx(public.loss_kw, abs=within)
    if now["mode"] == AnchorMode.FORMING:
        within = 1e-6 * throughput_kw(now)
        assert sent["island_loss_kw"] == pytest.approx(private.loss_kw, abs=within)


@pytest.fixture(scope="module")
def alone(street):
    """What a fresh feeder says to each snapshot."""
    return {name: step(feeder(street), 0, **now) for name, now in SNAPSHOTS.items()}


@settings(max_examples=20)
@given(order=st.permutations(sorted(SNAPSHOTS)))
def test_a_solution_does_not_depend_on_what_was_solved_before(street, alone, order):
    one = feeder(street)
    for k, name in enumerate(order):
        assert same_bytes(step(one, k * 60 * S, **SNAPSHOTS[name]), alone[name]), name


def test_feeders_in_one_process_do_not_disturb_each_other(street, mesh):
    one, other = feeder(street), feeder(mesh)
    first = step(one, 0, **SNAPSHOTS["evening"])
    step(other, 0, **MESH_SNAPSHOTS["half and half"])
    assert same_bytes(step(one, 60 * S, **SNAPSHOTS["evening"]), first)
