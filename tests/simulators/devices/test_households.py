"""Households: what customers draw, what waits, and what is lost."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.codes import CIRCUITS
from gridmodel.ingest.profiles import Profiles
from gridmodel.neighbourhood import Bus, EnergyConsumer, Neighbourhood
from simulators.devices.households import Households, HouseholdsConfig
from tests.simulators.bench import (
    NOON_UTC_S,
    STREET,
    S,
    context,
    copied,
    inputs,
    kpi,
    parcel,
    same_bytes,
    step,
    walk,
)

H = 1 / 3600.0  # hours in a second
FILE = "profiles.parquet"
ONLY = dict(zip(CIRCUITS, np.eye(3, dtype=bool), strict=True))


def real(network: Neighbourhood, seed: int = 1, **settings_: object) -> Households:
    """Return the customers of the bundled street."""
    return Households.build(
        HouseholdsConfig(profiles=FILE, **settings_), context(network, seed=seed)
    )


def pair(
    p_pu: tuple[float, ...] = (0.5, 0.8, 0.3, 0.6),
    period_s: float = 10.0,
    **settings_: object,
) -> Households:
    """Return two customers of 4 and 10 kW on a profile that is given in full."""
    network = Neighbourhood(
        name="pair",
        buses=(Bus(name="bus", v_nominal_v=400.0),),
        consumers=tuple(
            EnergyConsumer(
                name=name, bus="bus", phase_share_pu=(1.0, 0.0, 0.0),
                p_rated_kw=rated, q_rated_kvar=0.4 * rated, profile="day",
            )
            for name, rated in (("flat", 4.0), ("farm", 10.0))
        ),
    )  # fmt: skip
    profiles = Profiles(900, {"day_p_pu": np.array(p_pu), "day_q_pu": 0.7 * np.array(p_pu)})
    config = HouseholdsConfig(profiles="none", period_s=period_s, **settings_)
    return Households(config, context(network), profiles)


def quarter_hours(network: Neighbourhood, quantity: str, count: int) -> np.ndarray:
    """Return each customer's quarter-hour means after noon, read from the file itself."""
    file = pq.read_table(STREET / FILE)
    begin_utc_s = 1451602800  # 2015-12-31T23:00Z
    assert file.schema.metadata[b"start_utc"] == b"2015-12-31T23:00:00+00:00"
    row = round((NOON_UTC_S - begin_utc_s) / 900)
    rated = "p_rated_kw" if quantity == "p" else "q_rated_kvar"
    return np.array([
        getattr(c, rated) * file[f"{c.profile}_{quantity}_pu"].to_numpy()[row : row + count].astype(float)
        for c in network.consumers
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("circuit", "share", "farm_share"),
    [
        # a class alone, its usual part, its part at customers of profile L1-A
        ("critical", 0.30, 0.60),
        ("normal", 0.45, 0.30),
        ("deferrable", 0.25, 0.10),
    ],
)
def test_seconds_add_up_to_the_quarter_hours_energy_of_customer_and_class(
    street, circuit, share, farm_share
):
    houses = real(street, class_share_by_profile={"L1-A": (0.6, 0.3, 0.1)})
    sent = walk(houses, 1800, closed=ONLY[circuit])
    drawn = np.array([out["p_kw"] for out in sent]).reshape(2, 900, -1).mean(axis=1).T
    shares = [farm_share if c.profile == "L1-A" else share for c in street.consumers]
    wanted = -np.array(shares)[:, None] * quarter_hours(street, "p", 2)
    assert drawn == pytest.approx(wanted, rel=1e-9)


def test_with_everything_connected_the_classes_add_up_to_the_profile(street):
    sent = walk(real(street), 900)
    drawn = np.array([out["p_kw"] for out in sent]).mean(axis=0)
    assert drawn == pytest.approx(-quarter_hours(street, "p", 1)[:, 0], rel=1e-9)
    for out in sent:
        assert out["p_class_kw"].sum() == pytest.approx(out["p_kw"].sum(), rel=1e-12)


def test_reactive_energy_is_the_profiles_too(street):
    drawn = np.array([out["q_kvar"] for out in walk(real(street), 900)]).mean(axis=0)
    assert drawn == pytest.approx(-quarter_hours(street, "q", 1)[:, 0], rel=1e-9)


def test_scale_multiplies_active_and_reactive_power():
    once, twice = (step(pair(scale_pu=scale), 0) for scale in (1.0, 2.0))
    for port in ("p_kw", "q_kvar"):
        assert twice[port] == pytest.approx(2 * once[port], rel=1e-12)


def test_consumption_is_negative(street):
    for out in walk(real(street), 60):
        assert (out["p_kw"] < 0).all()
        assert (out["p_class_kw"] < 0).all()


@pytest.mark.parametrize("circuit", range(3), ids=CIRCUITS)
def test_a_disconnected_circuit_draws_nothing(circuit):
    closed = np.ones((2, 3), bool)
    closed[:, circuit] = False
    whole, part = walk(pair(), 90), walk(pair(), 90, closed=closed)
    for full, out in zip(whole, part, strict=True):
        assert out["p_class_kw"][circuit] == 0.0
        rest = full["p_class_kw"].sum() - full["p_class_kw"][circuit]
        assert out["p_kw"].sum() == pytest.approx(rest, rel=1e-12)


def test_a_house_with_all_circuits_open_draws_neither_active_nor_reactive_power():
    closed = np.array([[False] * 3, [True] * 3])
    for out in walk(pair(), 90, closed=closed):
        assert out["p_kw"][0] == 0.0
        assert out["q_kvar"][0] == 0.0
        assert out["p_kw"][1] < 0.0


def test_reactive_power_follows_the_part_of_the_load_that_is_connected():
    closed = np.array([True, False, False])  # no deferrable energy is caught up
    whole, part = walk(pair(), 90), walk(pair(), 90, closed=closed)
    for full, out in zip(whole, part, strict=True):
        assert out["q_kvar"] / out["p_kw"] == pytest.approx(full["q_kvar"] / full["p_kw"])


switchings = st.lists(
    st.lists(st.booleans(), min_size=6, max_size=6).map(lambda row: np.reshape(row, (2, 3))),
    min_size=1, max_size=40,
)  # fmt: skip


@given(switching=switchings, catch_up=st.sampled_from([0.0, 0.1, 0.5, 10.0]))
def test_deferrable_energy_is_drawn_or_waits_and_other_energy_is_drawn_or_lost(switching, catch_up):
    reference = walk(pair(), 4 * len(switching))
    houses = pair(catch_up_pu=catch_up)
    wanted, drawn, connected = np.zeros(3), np.zeros(3), np.zeros(3)
    both = pair(), pair()  # the same two customers with one of them alone
    alone = [
        walk(one, len(reference), closed=np.repeat([[k == 0], [k == 1]], 3, axis=1))
        for k, one in enumerate(both)
    ]
    for k, full in enumerate(reference):
        closed = switching[k // 4]
        out = step(houses, k * houses.period_us, closed=closed)
        wanted -= full["p_class_kw"] * 10 * H
        drawn -= out["p_class_kw"] * 10 * H
        for house in range(2):
            connected -= alone[house][k]["p_class_kw"] * closed[house] * 10 * H
        waiting = kpi(houses, "deferred_kwh")
        assert drawn[2] + waiting == pytest.approx(wanted[2], rel=1e-9, abs=1e-12)
        assert waiting >= -1e-12
    assert drawn[:2] == pytest.approx(connected[:2], rel=1e-9, abs=1e-12)


def test_deferred_energy_is_caught_up_no_faster_than_its_rate_and_then_all_of_it():
    rate = 0.2
    day = (0.5, 0.8, 0.3, 0.6, 0.6)
    houses, reference = pair(day, catch_up_pu=rate), walk(pair(day), 270)
    walk(houses, 90, closed=[True, True, False])
    waiting = kpi(houses, "deferred_kwh")
    assert waiting == pytest.approx(-sum(o["p_class_kw"][2] for o in reference[:90]) * 10 * H)
    extra = []
    for k in range(90, 270):
        out = step(houses, k * houses.period_us)
        extra.append(reference[k]["p_kw"] - out["p_kw"])
    extra = np.array(extra)
    assert (extra >= -1e-9).all()
    assert extra[0] == pytest.approx(rate * np.array([4.0, 10.0]))  # at the rate from the start
    assert (extra <= rate * np.array([4.0, 10.0]) + 1e-9).all()
    assert extra.sum() * 10 * H == pytest.approx(waiting, rel=1e-9)
    assert kpi(houses, "deferred_kwh") == pytest.approx(0.0, abs=1e-12)


@given(
    supplied=st.lists(st.tuples(st.floats(0.0, 1.2), st.floats(0.0, 1.2)), min_size=2, max_size=30)
)
def test_what_was_delivered_is_what_was_drawn_times_the_part_that_was_supplied(supplied):
    houses = pair()
    drawn = np.zeros(2)
    for k, part in enumerate(supplied):
        out = step(houses, k * houses.period_us, supplied_pu=part)
        assert out["delivered_kw"] == pytest.approx(drawn.dot(part), rel=1e-12, abs=1e-15)
        drawn = out["p_kw"]


@given(switching=switchings, part=st.tuples(st.floats(0.0, 1.3), st.floats(0.0, 1.3)))
def test_served_parts_stay_between_0_and_1(switching, part):
    houses = pair()
    for k in range(2 * len(switching)):
        step(houses, k * houses.period_us, closed=switching[k // 2], supplied_pu=part)
    for circuit in CIRCUITS:
        assert 0.0 <= kpi(houses, f"{circuit}_served_pu") <= 1.0 + 1e-12
    assert 0.0 <= kpi(houses, "fairness_pu") <= 1.0 + 1e-12


def test_served_energy_is_that_of_the_intervals_that_ended():
    houses = pair()
    sent = walk(houses, 91, supplied_pu=0.6)
    energy = -sum(out["p_kw"].sum() for out in sent[:-1]) * 0.6 * 10 * H
    assert kpi(houses, "served_kwh") == pytest.approx(energy, rel=1e-9)
    drawn = -sum(out["p_class_kw"][0] for out in sent) * 10 * H
    served = -sum(out["p_class_kw"][0] for out in sent[:-1]) * 0.6 * 10 * H
    assert kpi(houses, "critical_served_pu") == pytest.approx(served / drawn, rel=1e-9)


def test_a_high_frequency_makes_loads_draw_more_and_serves_nobody_more():
    houses = pair()
    sent = walk(houses, 31, supplied_pu=1.02)
    assert sent[1]["delivered_kw"] == pytest.approx(1.02 * sent[0]["p_kw"].sum())
    drawn = -sum(out["p_kw"].sum() for out in sent[:-1]) * 10 * H
    assert kpi(houses, "served_kwh") == pytest.approx(drawn, rel=1e-9)


@pytest.mark.parametrize(
    ("supplied_pu", "closed", "dark_h"),
    [
        # supply of the two, circuits, hours without supply of the one that is worst off
        ((1.0, 1.0), True, 0.0),
        ((1.0, 0.0), True, 0.1),  # one customer's supply is gone
        ((1.0, 1.0), [False, True, True], 0.1),  # the critical circuit is open
        ((1.0, 1.0), [True, False, False], 0.0),  # only the others are
    ],
)
def test_dark_time_is_that_of_the_worst_customer(supplied_pu, closed, dark_h):
    houses = pair()
    walk(houses, 37, supplied_pu=supplied_pu, closed=closed)
    assert kpi(houses, "dark_max_h") == pytest.approx(dark_h)


def test_fairness_is_jains_index_of_the_normal_load_served():
    houses = pair()
    walk(houses, 91, supplied_pu=(1.0, 0.0))
    assert kpi(houses, "fairness_pu") == pytest.approx(0.5)  # one of two gets everything


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(street):
    first, again, other = (walk(real(street, seed), 60) for seed in (1, 1, 2))
    assert same_bytes(first, again)
    assert not same_bytes(first, other)


def test_a_part_of_another_name_draws_from_another_stream(street):
    config = HouseholdsConfig(profiles=FILE)
    one, two = (Households.build(config, context(street, name)) for name in ("a", "b"))
    assert not same_bytes(walk(one, 5), walk(two, 5))


def test_switching_circuits_changes_no_draw(street):
    steady, switched = real(street), real(street)
    walk(steady, 950)
    walk(switched, 950, closed=[True, False, True])
    late = [[out["p_kw"] for out in walk(one, 5, first=950)] for one in (steady, switched)]
    assert same_bytes(*late)


@pytest.mark.parametrize("at", [1, 450, 899, 900])  # also at the borders of a quarter-hour
def test_a_restored_snapshot_continues_with_the_same_bytes(street, at):
    houses = real(street)
    walk(houses, at, closed=[True, True, False])
    saved = parcel(houses)
    onward = walk(houses, 910 - at, first=at)
    fresh = real(street, seed=99)
    fresh.restore(saved)
    assert same_bytes(walk(fresh, 910 - at, first=at), onward)
    assert fresh.kpis() == houses.kpis()


def test_a_run_that_starts_within_a_quarter_hour_takes_up_its_seconds(street):
    config = HouseholdsConfig(profiles=FILE)
    whole = Households.build(config, context(street))
    late = Households.build(config, context(street, start_utc_s=NOON_UTC_S + 450))
    walk(whole, 450)
    for k in range(460):
        ours = copied(late.step(k * S, inputs(late))[0])
        theirs = copied(whole.step((450 + k) * S, inputs(whole))[0])
        assert same_bytes(ours["p_kw"], theirs["p_kw"])


def test_no_demand_draws_nothing_and_counts_as_served():
    houses = pair(p_pu=(0.0,) * 4)
    for out in walk(houses, 10):
        assert out["p_kw"].tolist() == [0.0, 0.0]
        assert out["q_kvar"].tolist() == [0.0, 0.0]
    assert kpi(houses, "critical_served_pu") == 1.0


@pytest.mark.parametrize(
    "settings_",
    [
        {"class_share_pu": (0.5, 0.5, 0.5)},
        {"class_share_by_profile": {"H0-A": (0.2, 0.2, 0.2)}},
    ],
)
def test_class_shares_that_do_not_add_up_to_1_are_refused(settings_):
    with pytest.raises(ValueError, match="add up to"):
        HouseholdsConfig(profiles=FILE, **settings_)
