"""Electric vehicles: cars that come, charge and leave."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.errors import ScenarioError
from gridmodel.neighbourhood import Neighbourhood
from simulators.devices.electric_vehicles import (
    ElectricVehicles,
    ElectricVehiclesConfig,
    VehicleConfig,
)
from tests.simulators.bench import S, context, kpi, parcel, same_bytes, step

HOUR = 3600 * S


def fleet(
    network: Neighbourhood, *cars: dict, seed: int = 1, period_s: float = 60.0, **settings: float
) -> ElectricVehicles:
    """Return cars of house_01 unless told otherwise; they keep their hours to the minute."""
    vehicles = tuple(VehicleConfig(**{"house": "house_01"} | car) for car in cars)
    config = ElectricVehiclesConfig(
        vehicles=vehicles, period_s=period_s, **{"jitter_h": 0.0} | settings
    )
    return ElectricVehicles.build(config, context(network, seed=seed))


def drive(cars: ElectricVehicles, hours: float, first_h: float = 0.0, **given: object) -> list:
    """Return ``(hour, p_kw by house, soc_pu by car)`` of every step; silence holds the last."""
    record: list = []
    p_kw = soc = None
    for t_us in range(round(first_h * HOUR), round((first_h + hours) * HOUR), cars.period_us):
        sent = step(cars, t_us, **given)
        p_kw, soc = sent.get("p_kw", p_kw), sent.get("soc_pu", soc)
        record.append((t_us / HOUR, p_kw, soc))
    return record


def test_a_car_at_home_charges_at_its_power_until_its_target_and_then_rests(street):
    cars = fleet(street, {"soc_pu": 0.7, "target_soc_pu": 0.9, "p_kw": 11.0})
    record = drive(cars, 2.0)
    charging = [h for h, p, _ in record if p[0] < 0]
    needed_h = 0.2 * 50.0 / 0.9 / 11.0
    steps, rest = divmod(needed_h * 60, 1)
    assert charging == [k / 60 for k in range(int(steps) + 1)]
    drawn = {round(p[0], 9) for _, p, _ in record}  # the last step takes what is left
    assert drawn == {-11.0, round(-11.0 * rest, 9), 0.0}
    assert record[-1][2][0] == pytest.approx(0.9, abs=1e-9)


def test_charging_power_stands_at_the_cars_house_and_adds_up_there(street):
    cars = fleet(
        street,
        {"soc_pu": 0.5, "p_kw": 11.0},
        {"soc_pu": 0.5, "p_kw": 3.7},
        {"soc_pu": 0.5, "p_kw": 7.4, "house": "house_12"},
    )
    p_kw = step(cars, 0)["p_kw"]
    expected = dict.fromkeys(street.consumer_names, 0.0) | {"house_01": -14.7, "house_12": -7.4}
    assert dict(zip(street.consumer_names, p_kw.tolist(), strict=True)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("closed", "charges"),
    [
        # circuits critical, normal, deferrable; the charger hangs on the last
        ((True, True, True), True),
        ((True, True, False), False),
        ((False, False, True), True),
    ],
)
def test_the_deferrable_circuit_feeds_the_charger(street, closed, charges):
    p_kw = step(fleet(street, {"soc_pu": 0.5}), 0, closed=closed)["p_kw"]
    assert (p_kw[0] < 0) == charges


@given(supplied=st.lists(st.floats(0.0, 1.1), min_size=2, max_size=30))
def test_what_was_delivered_less_the_loss_is_in_the_battery(street, supplied):
    cars = fleet(street, {"soc_pu": 0.2, "p_kw": 11.0}, efficiency_pu=0.85)
    soc, energy_kwh = 0.2, 0.0
    for k, part in enumerate(supplied):
        sent = step(cars, k * 60 * S, supplied_pu=part)
        delivered = 11.0 * part if k else 0.0  # nothing was drawn before the first step
        assert sent["delivered_kw"] == pytest.approx(-delivered, abs=1e-12)
        soc += delivered / 60 * 0.85 / 50.0
        energy_kwh += delivered / 60
        assert sent["soc_pu"][0] == pytest.approx(soc, rel=1e-12)
    figures = {figure.name: figure.value for figure in cars.kpis()}
    assert energy_kwh == pytest.approx(figures["charged_kwh"], rel=1e-9, abs=1e-12)


def test_a_car_leaves_and_comes_back_with_its_trip_driven(street):
    cars = fleet(street, {"leaves_h": 7.0, "arrives_h": 17.5, "trip_kwh": 12.0, "soc_pu": 0.9})
    record = {h: (p[0], soc[0]) for h, p, soc in drive(cars, 24.0)}
    assert all(record[h][0] == 0.0 for h in record if 7.0 <= h < 17.5)
    assert record[17.5][0] == -11.0
    driven = (record[7.0][1] - record[17.5][1]) * 50.0
    assert 0.7 * 12.0 <= driven <= 1.3 * 12.0


def test_a_trip_takes_no_more_than_there_is(street):
    cars = fleet(street, {"trip_kwh": 40.0, "soc_pu": 0.1, "p_kw": 0.1})
    record = drive(cars, 18.0)
    assert min(soc[0] for _, _, soc in record) == 0.0


def test_departures_and_arrivals_spread_by_the_jitter_from_day_to_day(street):
    car = {"leaves_h": 7.0, "arrives_h": 17.5, "soc_pu": 0.0, "p_kw": 0.1, "trip_kwh": 0.0}
    cars = fleet(street, *[car] * 40, jitter_h=0.5)
    record = drive(cars, 48.0)
    at_home = {h: -p[0] / 0.1 for h, p, _ in record}  # how many of the 40 charge
    for day in (0.0, 24.0):
        assert at_home[day + 6.5 - 1 / 60] == pytest.approx(40)
        assert 0 < at_home[day + 7.0] < 40
        assert at_home[day + 7.5] == pytest.approx(0)
        assert at_home[day + 17.0 - 1 / 60] == pytest.approx(0)
        assert 0 < at_home[day + 17.5] < 40
        assert at_home[day + 18.0] == pytest.approx(40)
    leaving = [[n for h, n in at_home.items() if day + 6.5 <= h < day + 7.5] for day in (0.0, 24.0)]
    assert leaving[0] != leaving[1]


@example(soc=0.99995, target=1.0, p_kw=11.0, period_s=1.0)
@given(
    soc=st.floats(0.0, 1.0), target=st.floats(0.0, 1.0), p_kw=st.floats(0.5, 50.0),
    period_s=st.sampled_from([1.0, 60.0, 900.0]),
)  # fmt: skip
def test_the_state_of_charge_never_leaves_0_to_1(street, soc, target, p_kw, period_s):
    car = {"soc_pu": soc, "target_soc_pu": target, "p_kw": p_kw, "e_kwh": 20.0}
    cars = fleet(street, car, period_s=period_s)
    for _, _, level in drive(cars, 40 * period_s / 3600):
        assert 0.0 <= level[0] <= 1.0 + 1e-12


def test_a_car_that_works_at_night_is_away_at_night_or_refused(street):
    with suppress(ValidationError):
        cars = fleet(street, {"leaves_h": 20.0, "arrives_h": 6.0, "soc_pu": 0.5})
        record = {h: p[0] for h, p, _ in drive(cars, 24.0)}
        assert record[6.5] < 0.0  # just back, it charges
        assert record[23.0] == 0.0
        assert record[2.0] == 0.0


def test_cars_at_rest_say_so_once(street):
    cars = fleet(street, {"soc_pu": 0.95})
    told = [bool(step(cars, k * 60 * S)) for k in range(5)]
    assert told == [True, False, False, False, False]


@pytest.mark.parametrize("at_h", [0.5, 7.2, 17.4])  # charging, on the road, just before home
def test_a_restored_snapshot_continues_with_the_same_bytes(street, at_h):
    def cars(seed: int) -> ElectricVehicles:
        return fleet(street, {"soc_pu": 0.3}, {"house": "house_04"}, seed=seed, jitter_h=0.5)

    first, fresh = cars(1), cars(99)
    drive(first, at_h)
    saved = parcel(first)
    fresh.restore(saved)
    times = range(round(at_h * HOUR), 44 * HOUR, first.period_us)
    assert same_bytes([step(fresh, t) for t in times], [step(first, t) for t in times])
    assert fresh.kpis() == first.kpis()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(street):
    first, again, other = (
        drive(fleet(street, {"soc_pu": 0.3}, seed=seed, jitter_h=0.5), 20.0) for seed in (1, 1, 2)
    )
    assert same_bytes(first, again)
    assert not same_bytes(first, other)


def test_a_house_that_does_not_exist_is_refused_with_a_near_name(street):
    with pytest.raises(ScenarioError, match=r"vehicles\[1\]\.house.*Did you mean 'house_04'"):
        fleet(street, {}, {"house": "hause_04"})


def test_the_emptiest_car_is_a_key_figure(street):
    cars = fleet(street, {"soc_pu": 0.3}, {"soc_pu": 0.95})
    step(cars, 0)
    assert [k for k in cars.kpis() if k.unit == "kWh"]
    assert kpi(cars, "charged_kwh") == 0.0
