"""Batches and years of the sweep: each scenario is answered as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridmodel.errors import NetworkError
from gridmodel.network.network import Network
from simulators.power_flow.fbs import Batch, Fbs
from tests.gridmodel.ingest.opendss_feeders import feeder, master
from tests.simulators.power_flow.random_networks import networks
from tests.simulators.power_flow.streets import regulated_street

Real = NDArray[np.float64]


def ready(network: Network, controls: bool) -> Fbs:
    """Return a network made ready; without the controls that the sweep refuses."""
    try:
        return Fbs(network, controls)
    except NetworkError:
        return Fbs(network, controls=False)


def scales(rows: int, count: int, seed: int) -> Real:
    return np.random.default_rng(seed).uniform(0.2, 1.1, (rows, count))


def bits(answer: Batch, k: int = 0) -> tuple[bytes, ...]:
    return (
        np.ascontiguousarray(answer.v_v[:, k]).tobytes(),
        np.ascontiguousarray(answer.tap_pu[:, k]).tobytes(),
        np.ascontiguousarray(answer.sections_on[:, k]).tobytes(),
        bytes([int(answer.solutions[k]) & 0xFF]),
    )


@settings(max_examples=20)
@given(networks(controls=True), st.integers(1, 40), st.integers(0, 9), st.booleans())
def test_a_batch_is_its_scenarios_one_by_one_bit_for_bit(
    network: Network, count: int, seed: int, controls: bool
) -> None:
    fbs = ready(network, controls)
    p, q = scales(len(fbs.owners), count, seed), scales(len(fbs.owners), count, seed + 99)
    whole = fbs.batch(p, q)
    assert np.isfinite(whole.v_v).all()
    for k in range(count):
        assert bits(fbs.batch(p[:, k : k + 1], q[:, k : k + 1])) == bits(whole, k)
    again = ready(network, controls).batch(p, q)
    assert again.v_v.tobytes() == whole.v_v.tobytes()


@settings(max_examples=20)
@given(networks(controls=True), st.integers(0, 9), st.permutations(range(23)))
def test_scenarios_do_not_notice_their_neighbours(
    network: Network, seed: int, order: list[int]
) -> None:
    fbs = ready(network, controls=True)
    p = scales(len(fbs.owners), 23, seed)
    straight, mixed = fbs.batch(p), fbs.batch(p[:, order])
    for k, at in enumerate(order):
        assert bits(mixed, k) == bits(straight, at)


@pytest.mark.parametrize("at_once", [1, 7, 16, 20])
def test_a_large_batch_is_solved_in_parts_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    fbs = Fbs(regulated_street())
    p, q = scales(len(fbs.owners), 41, 3), scales(len(fbs.owners), 41, 4)
    p[:, 33] = 1e4  # has no solution
    hour = np.arange(41) % 24.0
    whole = fbs.batch(p, q, hour)
    monkeypatch.setattr("simulators.power_flow.fbs._AT_ONCE", at_once)
    parts = fbs.batch(p, q, hour)
    assert [bits(parts, k) for k in range(41)] == [bits(whole, k) for k in range(41)]
    assert parts.left_pu.tobytes() == whole.left_pu.tobytes()
    assert "scenario 33" in parts.troubles[0].where
    assert str(parts.troubles[0]) == str(whole.troubles[0])


@settings(max_examples=15)
@given(networks(controls=True), st.integers(17, 60), st.integers(0, 9))
def test_a_year_goes_as_hour_by_hour_does(network: Network, hours: int, seed: int) -> None:
    """Taps the same; voltages too, where an hour begins from other voltages, to 1e-6 pu."""
    fbs = ready(network, controls=True)
    p = scales(len(fbs.owners), hours, seed)
    year = fbs.year(p)
    assume(year.converged.all())
    taps = [one for one, _ in fbs.compiled.taps]
    for hour in range(hours):
        alone = ready(_at(network, year, hour - 1, taps), controls=True).batch(p[:, [hour]])
        np.testing.assert_allclose(alone.tap_pu[:, 0], year.tap_pu[:, hour], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(alone.sections_on[:, 0], year.sections_on[:, hour])
        np.testing.assert_allclose(alone.vm_pu[:, 0], year.vm_pu[:, hour], rtol=0, atol=1e-6)


def _at(network: Network, year: Batch, hour: int, taps: list[str]) -> Network:
    """Return the network with the taps and sections an hour ended with."""
    if hour < 0:
        return network
    by_name = {one.name: one for one in network.transformers}
    ends = {}
    for (name, k), tap in zip(year.compiled.taps, year.tap_pu[:, hour], strict=True):
        old = ends.get(name, {"ends": by_name[name].ends})["ends"]
        moved = old[k].model_copy(update={"tap_pu": float(tap)})
        ends[name] = {"ends": (*old[:k], moved, *old[k + 1 :])}
    moved_banks = [one.capacitor for one in network.capacitor_controls]
    banks = {
        name: {"sections_on": int(on)}
        for name, on in zip(moved_banks, year.sections_on[:, hour], strict=False)
    }
    return network.with_(transformers=ends, capacitors=banks)


def test_a_year_of_a_regulated_street_moves_taps_and_remembers_them() -> None:
    network = regulated_street()
    fbs = Fbs(network)
    hours = np.arange(24 * 14)
    p = np.tile(1.2 + np.sin(hours / 24 * 2 * np.pi), (len(fbs.owners), 1))
    year, fresh = fbs.year(p, hour=hours % 24.0), fbs.batch(p, hour=hours % 24.0)
    assert year.converged.all()
    assert len(np.unique(year.tap_pu.round(6))) >= 4
    # Inside its band a regulator stays where it was: from the same load there are two answers.
    assert (np.abs(year.tap_pu - fresh.tap_pu) > 1e-6).any()


def test_the_123_node_feeder_by_the_hour_is_a_year() -> None:
    master("123")
    network = feeder("123")
    fbs = Fbs(network)
    p = scales(1, 48, 5).repeat(len(fbs.owners), axis=0)
    year = fbs.year(p)
    assert year.converged.all()
    for hour in (1, 17, 47):
        alone = Fbs(_at(network, year, hour - 1, [])).batch(p[:, [hour]])
        np.testing.assert_allclose(alone.tap_pu[:, 0], year.tap_pu[:, hour], rtol=0, atol=1e-9)
        np.testing.assert_allclose(alone.vm_pu[:, 0], year.vm_pu[:, hour], rtol=0, atol=1e-7)


def test_multipliers_for_another_number_of_owners_are_refused() -> None:
    fbs = Fbs(regulated_street())
    with pytest.raises(ValueError, match="rows of multipliers"):
        fbs.batch(np.ones((len(fbs.owners) + 1, 3)))


@pytest.mark.parametrize("bad", [1e4, 1e12, -1e6], ids=["overload", "absurd", "feed-in"])
def test_a_hopeless_scenario_is_told_and_harms_no_neighbour(bad: float) -> None:
    fbs = Fbs(regulated_street(), controls=False)
    p = np.ones((len(fbs.owners), 16))
    good = fbs.batch(p)
    p[:, 7] = bad
    mixed = fbs.batch(p)
    assert good.converged.all()
    assert mixed.converged.tolist() == [k != 7 for k in range(16)]
    for k in set(range(16)) - {7}:
        assert bits(mixed, k) == bits(good, k)
    assert np.isfinite(mixed.v_v).all()
    assert np.isfinite(mixed.left_pu).all()
    assert mixed.left_pu[7] > 1e-8
    (told,) = mixed.troubles
    assert "scenario 7" in told.where
    assert "bus" in told.where
    assert "Usual causes" in told.advice
    assert np.isfinite(told.residuals_pu).all()
    assert len(told.residuals_pu) > 1


def test_controls_that_hunt_are_told_and_harm_no_neighbour() -> None:
    """Two relays on one tap want voltages 5 V apart; at the end of its range both want more."""
    fbs = Fbs(regulated_street(rival_v=125.0))
    p = np.tile(np.linspace(0.0, 4.0, 16), (len(fbs.owners), 1))
    answer = fbs.batch(p)
    hunting = np.flatnonzero(answer.solutions == -2).tolist()
    assert 0 < len(hunting) < 16
    assert (answer.converged | (answer.solutions == -2)).all()
    assert np.isfinite(answer.v_v).all()
    assert len(answer.troubles) == len(hunting)
    for told, k in zip(answer.troubles, hunting, strict=True):
        assert f"scenario {k} of 0 to 15," in told.where
        assert "controls" in told.problem
    for k in np.flatnonzero(answer.converged).tolist():
        assert bits(fbs.batch(p[:, [k]])) == bits(answer, k)


def test_a_year_goes_on_after_an_hour_without_an_answer() -> None:
    fbs = Fbs(regulated_street())
    p = np.ones((len(fbs.owners), 40))
    calm = fbs.year(p)
    p[:, 11] = 1e9
    year = fbs.year(p)
    assert np.flatnonzero(~year.converged).tolist() == [11]
    assert np.isfinite(year.v_v).all()
    np.testing.assert_allclose(year.vm_pu[:, 12:], calm.vm_pu[:, 12:], rtol=0, atol=0.02)
