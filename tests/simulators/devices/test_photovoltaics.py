"""Photovoltaics: what the panels offer their inverters."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import ScenarioError
from gridmodel.neighbourhood import Neighbourhood
from simulators.devices.photovoltaics import Photovoltaics, PhotovoltaicsConfig
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

FILE = "profiles.parquet"
H = 1 / 3600.0
MIDNIGHT_UTC_S = NOON_UTC_S - 12 * 3600


def panels(
    network: Neighbourhood, start_utc_s: float = NOON_UTC_S, seed: int = 1, **settings: object
) -> Photovoltaics:
    """Return the plants of the bundled street."""
    config = PhotovoltaicsConfig(profiles=FILE, **settings)
    return Photovoltaics.build(config, context(network, seed=seed, start_utc_s=start_utc_s))


def offers(sent: list[dict]) -> np.ndarray:
    """Return the offers of consecutive steps, shape (step, plant)."""
    return np.array([out["p_available_kw"] for out in sent])


def quarter_hours_kw(
    network: Neighbourhood, count: int, start_utc_s: float = NOON_UTC_S
) -> np.ndarray:
    """Return each plant's quarter-hour means, read from the file itself."""
    file = pq.read_table(STREET / FILE)
    row = round((start_utc_s - 1451602800) / 900)  # the file begins at 2015-12-31T23:00Z
    return np.array([
        p.s_kva * file[f"{p.profile}_p_pu"].to_numpy()[row : row + count].astype(float)
        for p in network.photovoltaics
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("scale_pu", "flicker_pu"),
    [
        (1.0, 0.02),  # the defaults
        (1.5, 0.02),  # more panels
        (1.0, 0.5),  # wild flicker
        (1.0, 0.0),  # none
    ],
)
def test_seconds_add_up_to_the_quarter_hours_energy_of_each_plant(street, scale_pu, flicker_pu):
    plants = panels(street, scale_pu=scale_pu, flicker_pu=flicker_pu)
    mean = offers(walk(plants, 1800)).reshape(2, 900, -1).mean(axis=1).T
    assert mean == pytest.approx(scale_pu * quarter_hours_kw(street, 2), rel=1e-9)


def test_flicker_moves_the_seconds_and_none_leaves_a_smooth_course(street):
    still, wild = (offers(walk(panels(street, flicker_pu=f), 900)) for f in (0.0, 0.2))
    assert np.abs(np.diff(np.log(still), axis=0)).max() < 1e-3
    assert np.log(wild / still).std() > 0.1
    assert (wild > 0).all()


@given(light=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_clouds_multiply_the_offer(street, light):
    clear = offers(walk(panels(street), len(light)))
    cloudy = panels(street)
    for k, part in enumerate(light):
        sent = step(cloudy, k * S, transmission_pu=part)
        if "p_available_kw" in sent:
            assert sent["p_available_kw"] == pytest.approx(part * clear[k], rel=1e-12)
        else:  # dark before and now: nothing new to say
            assert part == 0.0


def test_offered_energy_is_the_sum_of_the_offers(street):
    plants = panels(street)
    sent = walk(plants, 1000, transmission_pu=0.7)
    assert kpi(plants, "offered_kwh") == pytest.approx(offers(sent).sum() * H, rel=1e-12)


def test_at_night_the_first_dark_second_says_so_and_the_rest_is_silence(street):
    assert not quarter_hours_kw(street, 4, MIDNIGHT_UTC_S).any()
    first, *rest = walk(panels(street, MIDNIGHT_UTC_S), 900)
    assert first["p_available_kw"].tolist() == [0.0] * 4
    assert rest == [{}] * 899


def test_the_offer_is_told_again_when_the_light_returns(street):
    plants = panels(street)
    dark = [step(plants, k * S, transmission_pu=0.0) for k in range(3)]
    assert [("p_available_kw" in out) for out in dark] == [True, False, False]
    assert step(plants, 3 * S)["p_available_kw"].min() > 0.0


def test_a_run_that_starts_within_a_quarter_hour_takes_up_its_seconds(street):
    whole, late = offers(walk(panels(street), 910)), panels(street, NOON_UTC_S + 450)
    assert same_bytes(offers(walk(late, 460)), whole[450:])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(street):
    first, again, other = (walk(panels(street, seed=seed), 60) for seed in (1, 1, 2))
    assert same_bytes(first, again)
    assert not same_bytes(first, other)


@pytest.mark.parametrize("at", [1, 450, 900])
def test_a_restored_snapshot_continues_with_the_same_bytes(street, at):
    plants, fresh = panels(street), panels(street, seed=99)
    walk(plants, at)
    saved = parcel(plants)
    onward = walk(plants, 910 - at, first=at)
    fresh.restore(saved)
    assert same_bytes(walk(fresh, 910 - at, first=at), onward)
    assert fresh.kpis() == plants.kpis()


def test_a_coarser_step_keeps_the_energy(street):
    plants = panels(street, period_s=60.0)
    seen = inputs(plants)
    sent = [copied(plants.step(k * 60 * S, seen)[0]) for k in range(15)]
    assert offers(sent).mean(axis=0) == pytest.approx(quarter_hours_kw(street, 1)[:, 0], rel=1e-9)
    assert kpi(plants, "offered_kwh") == pytest.approx(
        quarter_hours_kw(street, 1).sum() / 4, rel=1e-9
    )


def test_a_run_beyond_the_profile_is_refused(street):
    with pytest.raises(ScenarioError, match="profiles cover"):
        panels(street, NOON_UTC_S + 366 * 86_400)
