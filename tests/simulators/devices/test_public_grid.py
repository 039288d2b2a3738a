"""Public grid: its voltage, its wandering frequency, its phase and its outages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.federate import Message
from gridmodel.neighbourhood import Neighbourhood
from simulators.devices.public_grid import PublicGrid, PublicGridConfig
from tests.simulators.bench import S, context, inputs, kpi, parcel, same_bytes, step, walk


def grid(network: Neighbourhood, seed: int = 1, **settings: float) -> PublicGrid:
    """Return the grid in operation."""
    return PublicGrid.build(PublicGridConfig(**settings), context(network, seed=seed))


def event(kind: str, t_us: int) -> list[Message]:
    """Return what an event brings."""
    return [Message(t_us, kind)]


def turned_deg(before: float, after: float) -> float:
    """Return the change of an angle, -180..180."""
    return (after - before + 180.0) % 360.0 - 180.0


def test_it_shows_its_voltage_and_frequency_and_starts_at_phase_zero(street):
    sent = step(grid(street, v_pu=1.01, f_sigma_hz=0.0), 0)
    assert sent == {"v_pu": 1.01, "f_hz": 50.0, "angle_deg": 0.0}


@given(gaps_us=st.lists(st.integers(1, 5 * S), min_size=2, max_size=40))
def test_the_phase_is_the_integral_of_the_frequency_it_showed(street, gaps_us):
    source = grid(street, f_sigma_hz=0.3, f_tau_s=5.0)
    t_us, before = 0, step(source, 0)
    for gap_us in gaps_us:
        t_us += gap_us
        sent = step(source, t_us)
        expected = 360.0 * (before["f_hz"] - 50.0) * gap_us / S
        missing = turned_deg(before["angle_deg"] + expected, sent["angle_deg"])
        assert missing == pytest.approx(0.0, abs=1e-9)
        assert -180.0 <= sent["angle_deg"] < 180.0
        before = sent


def test_a_constant_slip_turns_the_phase_at_360_degrees_per_hertz_and_second(street):
    angles = [out["angle_deg"] for out in walk(grid(street, f_hz=50.01, f_sigma_hz=0.0), 100)]
    missing = [turned_deg(3.6 * k, angle) for k, angle in enumerate(angles)]
    assert missing == pytest.approx([0.0] * 100, abs=1e-9)


def test_in_an_outage_there_is_no_voltage_and_no_frequency_of_its_own(street):
    source = grid(street)
    walk(source, 10)
    for t in (10, 11, 12):
        sent = step(source, t * S, events=event("outage", t * S) if t == 10 else ())
        assert sent["v_pu"] == 0.0
        assert sent["f_hz"] == 50.0
    back = step(source, 13 * S, events=event("restore", 13 * S))
    assert back["v_pu"] == 1.025
    assert back["f_hz"] != 50.0


def test_it_returns_with_any_phase(street):
    angles = []
    for seed in range(400):
        source = grid(street, seed=seed, f_sigma_hz=0.0)
        step(source, 0, events=event("outage", 0))
        angles.append(step(source, S, events=event("restore", S))["angle_deg"])
    # Uniform on the circle: the mean of 400 unit vectors is short (0.05 is one sigma), and
    # every sixth of the circle has its share (67 expected, 7.5 is one sigma).
    assert abs(np.exp(1j * np.radians(angles)).mean()) < 0.17
    counts, _ = np.histogram(angles, 6, (-180.0, 180.0))
    assert counts.min() > 35


@pytest.mark.parametrize("period_s", [1.0, 60.0])  # the spread is the frequency's, not the step's
def test_the_frequency_has_its_mean_its_spread_and_its_correlation_time(street, period_s):
    tau_s, sigma_hz = 20 * period_s, 0.02
    source = grid(street, f_sigma_hz=sigma_hz, f_tau_s=tau_s, f_hz=50.005, period_s=period_s)
    seen = inputs(source)
    steps = range(60_000)
    f_hz = np.array([source.step(k * source.period_us, seen)[0]["f_hz"] for k in steps])
    # About 60,000 / (2 x 20) = 1,500 independent values: sigma / 39 and 2 % are one sigma.
    assert f_hz.mean() == pytest.approx(50.005, abs=4 * sigma_hz / 39)
    assert f_hz.std() == pytest.approx(sigma_hz, rel=0.08)
    assert np.corrcoef(f_hz[:-20], f_hz[20:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.08)


def test_an_event_between_two_steps_keeps_the_beat(street):
    source = grid(street)
    step(source, 0)
    _, after = source.step(1_300_000, inputs(source, events=event("outage", 1_300_000)))
    assert after == 2 * S


def test_the_time_without_the_grid_is_counted_to_the_microsecond(street):
    source = grid(street)
    step(source, 0)
    step(source, 1_500_000, events=event("outage", 1_500_000))
    for t in range(2, 11):
        step(source, t * S)
    step(source, 10_250_000, events=event("restore", 10_250_000))
    step(source, 11 * S)
    assert kpi(source, "outage_h") == pytest.approx(8.75 / 3600, rel=1e-12)


def test_a_restored_snapshot_continues_with_the_same_bytes(street):
    source, fresh = grid(street), grid(street, seed=99)
    walk(source, 30)
    step(source, 30 * S, events=event("outage", 30 * S))
    saved = parcel(source)
    onward = walk(source, 30, first=31)
    fresh.restore(saved)
    assert same_bytes(walk(fresh, 30, first=31), onward)
    assert fresh.kpis() == source.kpis()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(street):
    first, again, other = (walk(grid(street, seed=seed), 60) for seed in (1, 1, 2))
    assert same_bytes(first, again)
    assert not same_bytes(first, other)
