"""The island's ledger: what sources give, loads get and cables lose adds up in every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.codes import AnchorMode, Side
from gridmodel.neighbourhood import Neighbourhood
from simulators.inverters.island import Island
from tests.simulators.bench import S, kpi, parcel, same_bytes, step
from tests.simulators.inverters.street import HOUSES, RATINGS, Street, island

AT_REST: dict[str, Any] = {
    "grid_v_pu": 1.0,
    "grid_f_hz": 50.0,
    "grid_angle_deg": 0.0,
    "p_rated_kw": 60.0,
    "p_discharge_max_kw": 60.0,
    "p_charge_max_kw": 60.0,
}


def residual_kw(sent: dict[str, Any], now: dict[str, Any]) -> tuple[float, float]:
    """Return what is missing in the balance of one step, and the throughput."""
    load = np.broadcast_to(now["households_p_kw"], HOUSES) + now["vehicles_p_kw"]
    delivered = load * sent["supplied_pu"]
    terms = [
        sent["grid_p_kw"], sent["anchor_p_kw"], *sent["pv_p_kw"], sent["loss_p_kw"], *delivered,
    ]  # fmt: skip
    return float(sum(terms)), float(sum(map(abs, terms)))


def kw(low: float, high: float, count: int) -> st.SearchStrategy[np.ndarray]:
    """Return arrays of powers."""
    return st.lists(st.floats(low, high), min_size=count, max_size=count).map(np.array)


happenings = st.fixed_dictionaries({
    "grid_v_pu": st.sampled_from([0.0, 1.0, 1.05]),
    "grid_f_hz": st.floats(49.5, 50.5),
    "grid_angle_deg": st.floats(-180.0, 180.0),
    "tied": st.booleans(),
    "form": st.sampled_from([True, True, False]),
    "sync": st.booleans(),
    "p_set_kw": st.floats(-80.0, 80.0),
    "soc_pu": st.floats(0.0, 1.0),
    "p_discharge_max_kw": st.sampled_from([0.0, 5.0, 60.0]),
    "p_charge_max_kw": st.sampled_from([0.0, 5.0, 60.0]),
    "p_available_kw": kw(0.0, 40.0, 4),
    "households_p_kw": kw(-10.0, 2.0, HOUSES),
    "vehicles_p_kw": kw(-11.0, 0.0, HOUSES),
    "side": st.lists(st.sampled_from(Side), min_size=HOUSES, max_size=HOUSES).map(np.array),
    "island_loss_kw": st.floats(0.0, 3.0),
    "grid_loss_kw": st.floats(0.0, 3.0),
})  # fmt: skip


@pytest.mark.parametrize("topology", ["interconnection_device", "transfer_switches"])
@settings(max_examples=40)
@given(
    course=st.lists(st.tuples(happenings, st.sampled_from([0.1, 1.0, 7.3])), max_size=12),
    code=st.sampled_from(["sma_off_grid", "vde_ar_n_4105_2011", "ieee_1547_2018_b_iii"]),
)
def test_the_balance_closes_in_every_step_whatever_happens(street, topology, course, code):
    part = island(street, {"s_kva": 60.0}, topology=topology, grid_code=code)
    step(part, 0, **AT_REST)
    t_us = 0
    for now, after_s in course:
        if topology == "interconnection_device":  # it has no sides
            now = {name: value for name, value in now.items() if name != "side"}
        t_us += round(after_s * S)
        sent = step(part, t_us, **(AT_REST | now))
        missing, throughput = residual_kw(sent, now)
        assert abs(missing) <= 1e-6 * throughput + 1e-9


def course_of(part: Island, seconds: int) -> list[dict[str, Any]]:
    """Return a course with every mode in it: grid, black start, island, trip, grid again."""
    rows = []
    for k in range(seconds):
        rows.append(
            AT_REST
            | {
                "grid_v_pu": 1.0 if k < 5 or k > seconds - 20 else 0.0,
                "tied": k < 8 or k > seconds - 10,
                "form": 12 < k <= seconds - 10,
                "sync": k > seconds - 20,
                "p_available_kw": np.array(RATINGS) * (0.2 + 0.001 * k),
                "households_p_kw": np.linspace(-1.0, -3.0, HOUSES),
                "vehicles_p_kw": np.zeros(HOUSES),
                "island_loss_kw": 0.3,
                "soc_pu": min(0.5 + k / 250, 1.0),
            }
        )
    return rows


def test_a_day_with_every_mode_in_it_closes_too(street):
    part = island(street, {"s_kva": 60.0})
    modes, rows = set(), course_of(part, 150)
    step(part, 0, **AT_REST)
    for k, now in enumerate(rows, start=1):
        sent = step(part, k * S, **now)
        missing, throughput = residual_kw(sent, now)
        assert abs(missing) <= 1e-6 * throughput + 1e-9, k
        modes.add(AnchorMode(sent["mode"]))
    assert {AnchorMode.OFF, AnchorMode.FOLLOWING, AnchorMode.STARTING, AnchorMode.FORMING} <= modes


def test_a_dark_street_exchanges_nothing(street):
    part = island(street)
    step(part, 0, **AT_REST)
    dark = AT_REST | {"grid_v_pu": 0.0}
    step(part, S, **dark)  # the second in which the grid went was still supplied
    sent = step(part, 2 * S, **dark, households_p_kw=-2.0, p_available_kw=5.0, island_loss_kw=1.0)
    assert (sent["f_hz"], sent["v_pu"]) == (0.0, 0.0)
    assert not sent["supplied_pu"].any()
    assert not sent["pv_p_kw"].any()
    assert sent["anchor_p_kw"] == sent["grid_p_kw"] == sent["loss_p_kw"] == 0.0


def test_on_the_public_grid_it_imports_what_nobody_else_gives(street):
    part = island(street)
    now = AT_REST | {"households_p_kw": -2.0, "p_available_kw": np.array([5.0, 3.0, 0.0, 0.0])}
    for k in range(3):
        sent = step(part, k * S, **now, grid_loss_kw=0.5)
    assert sent["grid_p_kw"] == pytest.approx(26.0 + 0.5 - 8.0)
    assert sent["mode"] == AnchorMode.FOLLOWING


@pytest.mark.parametrize(
    ("p_set_kw", "anchor_kw"),
    [
        # the battery gives 20 kW and takes 10
        (15.0, 15.0),
        (-8.0, -8.0),
        (50.0, 20.0),  # no more than it can
        (-50.0, -10.0),
    ],
)
def test_while_tied_the_anchor_follows_its_set_point_as_far_as_the_battery_goes(
    street, p_set_kw, anchor_kw
):
    part = island(street)
    now = AT_REST | {"p_discharge_max_kw": 20.0, "p_charge_max_kw": 10.0, "p_set_kw": p_set_kw}
    for k in range(20):
        sent = step(part, k * S, **now)
    assert sent["anchor_p_kw"] == pytest.approx(anchor_kw, abs=1e-6)
    assert sent["grid_p_kw"] == pytest.approx(-anchor_kw, abs=1e-6)


def test_energy_not_used_is_energy_offered_less_energy_given(street):
    run = Street(street, {"s_kva": 60.0}, 10.0, (20.0, 20.0, 10.0, 10.0), soc_pu=0.93)
    unused_kwh = 0.0
    for _ in range(120):
        unused_kwh += (60.0 - run.step()["pv_p_kw"].sum()) / 3600
    assert unused_kwh > 0.5
    assert kpi(run.part, "pv_curtailed_kwh") == pytest.approx(unused_kwh, rel=1e-9)
    assert kpi(run.part, "islanded_h") == pytest.approx(120 / 3600)


def test_a_trip_of_the_anchor_ends_supply_and_is_counted(street):
    run = Street(street, {"s_kva": 60.0}, load_kw=20.0)
    run.until(10.0)
    sent = run.step(load_kw=100.0)  # more than its peak of 90 kW
    assert sent["mode"] == AnchorMode.TRIPPED
    assert not sent["supplied_pu"].any()
    assert kpi(run.part, "anchor_trip_count") == 1
    assert run.step()["mode"] == AnchorMode.TRIPPED  # it stays down until told otherwise


def test_a_black_start_ramps_the_voltage(street):
    run = Street(street, {"start_ramp_s": 5.0}, load_kw=5.0)
    run.step(form=False)
    assert run.sent["mode"] == AnchorMode.OFF
    volts = [run.step(form=True)["v_pu"] for _ in range(7)]
    assert volts == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0], abs=1e-9)
    assert run.sent["mode"] == AnchorMode.FORMING
    assert kpi(run.part, "black_start_count") == 1


@pytest.mark.parametrize("at", [3, 10, 40, 100, 135])  # in every mode
def test_a_restored_snapshot_continues_with_the_same_bytes(street, at):
    part, fresh = island(street), island(street)
    rows = course_of(part, 150)

    def go(one: Island, first: int, last: int) -> list[dict[str, Any]]:
        return [step(one, k * S, **rows[k]) for k in range(first, last)]

    go(part, 0, at)
    saved = parcel(part)
    onward = go(part, at, 150)
    fresh.restore(saved)
    assert same_bytes(go(fresh, at, 150), onward)
    assert fresh.kpis() == part.kpis()


def test_the_order_of_the_plants_does_not_matter(street: Neighbourhood):
    order = [2, 0, 3, 1]
    plants = tuple(street.photovoltaics[k] for k in order)
    other = street.model_copy(update={"photovoltaics": plants})
    sun_kw = (20.0, 40.0, 10.0, 5.0)
    runs = [
        Street(network, {"s_kva": 60.0}, 10.0, sun, soc_pu=0.93)
        for network, sun in ((street, sun_kw), (other, tuple(sun_kw[k] for k in order)))
    ]
    first, second = (run.until(60.0) for run in runs)
    assert second["pv_p_kw"] == pytest.approx(first["pv_p_kw"][order], rel=1e-9)
    assert second["f_hz"] == pytest.approx(first["f_hz"], abs=1e-9)
