"""Feeder: when it solves, what a dark street shows, and the figures it keeps."""

from __future__ import annotations

from cmath import exp
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.codes import AnchorMode
from gridmodel.errors import ScenarioError
from gridmodel.federate import Message
from gridmodel.neighbourhood import Neighbourhood
from simulators.power_flow.feeder import Feeder, FeederConfig, unbalance_percent
from tests.simulators.bench import S, context, inputs, kpi, parcel, same_bytes, step

HOUSES = 13
A = exp(2j * pi / 3)


def feeder(network: Neighbourhood, **settings: Any) -> Feeder:
    """Return the street's power flow."""
    config = FeederConfig(**{"anchor_house": "house_02"} | settings)
    return Feeder.build(config, context(network))


def state(load_kw: float = -1.0, **changed: Any) -> dict[str, Any]:
    """Return inputs: every house draws the same, on the public grid."""
    return {
        "households_p_kw": load_kw,
        "households_q_kvar": 0.0,
        "pv_p_kw": 0.0,
        "mode": AnchorMode.FOLLOWING,
        "island_v_pu": 1.0,
        "grid_v_pu": 1.0,
    } | changed


@pytest.mark.parametrize(
    ("mode", "island_v_pu", "grid_v_pu"),
    [
        (AnchorMode.OFF, 0.0, 0.0),  # outage, nobody forms an island
        (AnchorMode.TRIPPED, 0.0, 0.0),  # the anchor gave up
        (AnchorMode.FOLLOWING, 1.0, 0.0),  # the grid has just gone and the anchor not noticed
        (AnchorMode.STARTING, 0.4, 0.0),  # the ramp has not come far
        (AnchorMode.OFF, 0.0, 1.0),  # the grid is there, the street not connected to it
    ],
)
def test_a_street_without_a_source_is_dark_and_loses_nothing(street, mode, island_v_pu, grid_v_pu):
    now = state(mode=mode, island_v_pu=island_v_pu, grid_v_pu=grid_v_pu, pv_p_kw=5.0)
    sent = step(feeder(street), 0, **now)
    for port in ("v_v", "v_pu", "neutral_v", "loading_pu", "transformer_loading_pu"):
        assert not np.any(sent[port]), port
    assert sent["island_loss_kw"] == 0.0
    iron_kw = 0.46 if grid_v_pu else 0.0  # the transformer stays on the grid
    assert sent["grid_loss_kw"] == pytest.approx(iron_kw, abs=0.03)


def test_a_switching_is_solved_at_once_and_keeps_the_beat(street):
    one = feeder(street, period_s=60.0)
    assert one.step(0, inputs(one, **state()))[1] == 60 * S
    moved = [Message(61_500_000, "island")]
    sent, after = one.step(61_500_000, inputs(one, switched=moved, **state(-2.0)))
    assert after == 120 * S
    assert sent["v_v"].max() < 400.0 / sqrt(3)
    assert kpi(one, "solution_count") == 2


def test_the_lost_energy_is_the_loss_held_over_time(street):
    one = feeder(street)
    first = step(one, 0, **state(-4.0))["grid_loss_kw"]
    second = step(one, 60 * S, **state(-1.0))["grid_loss_kw"]
    assert first - 0.46 > 15 * (second - 0.46) > 0  # heat grows with the square of current
    step(one, 150 * S, **state())
    assert kpi(one, "loss_kwh") == pytest.approx((60 * first + 90 * second) / 3600, rel=1e-12)


def test_the_loss_of_an_island_counts_as_well(street):
    one = feeder(street)
    island = state(mode=AnchorMode.FORMING, grid_v_pu=0.0)
    loss = step(one, 0, **island)["island_loss_kw"]
    step(one, 3600 * S, **island)
    assert kpi(one, "loss_kwh") == pytest.approx(loss, rel=1e-12)


def test_loadings_are_apparent_power_and_current_of_their_ratings(street):
    now = state(0.0, anchor_p_kw=-60.0)  # balanced, at bus_08; line_07 alone leads there
    sent = step(feeder(street), 0, **now)
    names = next(port for port in feeder(street).outputs if port.name == "loading_pu").labels
    current_a = 60e3 / (3 * sent["v_pu"][8].mean() * 400 / sqrt(3))
    assert sent["loading_pu"][names.index("line_07")] == pytest.approx(current_a / 270.0, rel=1e-4)
    assert sent["transformer_loading_pu"] == pytest.approx(
        (60.0 + sent["grid_loss_kw"]) / 160.0, rel=0.002
    )
    idle = [k for k, name in enumerate(names) if name != "line_07"]
    assert sent["loading_pu"][idle].max() < 1e-3


def test_extremes_are_kept_but_not_of_a_black_start(street):
    one = feeder(street)
    starting = state(mode=AnchorMode.STARTING, island_v_pu=0.6, grid_v_pu=0.0)
    assert step(one, 0, **starting)["v_v"].max() < 0.65 * 231
    low = step(one, 60 * S, **state(-5.0))["v_v"].min()
    high = step(one, 120 * S, **state(5.0))["v_v"].max()
    step(one, 180 * S, **state(0.0))
    base = 400.0 / sqrt(3)
    assert kpi(one, "v_min_pu") == pytest.approx(low / base, rel=1e-12)
    assert kpi(one, "v_max_pu") == pytest.approx(high / base, rel=1e-12)
    assert kpi(one, "v_min_pu") > 0.85


@given(negative=st.floats(0.0, 0.5), zero=st.floats(0.0, 0.5), turn=st.floats(0, 2 * pi))
def test_unbalance_is_negative_over_positive_sequence_whatever_the_zero_sequence(
    negative, zero, turn
):
    phases = np.array([1, A**2, A]) + negative * exp(1j * turn) * np.array([1, A, A**2]) + zero
    quiet = np.array([1, A**2, A]) * exp(1j * turn)
    found = unbalance_percent(230.0 * np.array([quiet, phases, quiet]))
    assert found == pytest.approx(100 * negative, abs=1e-9)


def test_a_dead_bus_has_no_unbalance():
    assert unbalance_percent(np.zeros((3, 3), complex)) == 0.0


def test_an_anchor_at_no_customer_is_refused_with_a_hint(street):
    with pytest.raises(ScenarioError, match=r"no customer 'hous_02'.*Did you mean 'house_0"):
        feeder(street, anchor_house="hous_02")


def test_a_restored_snapshot_continues_with_the_same_bytes(street):
    one, fresh = feeder(street), feeder(street)
    step(one, 0, **state(-3.0))
    step(one, 60 * S, **state(4.0))
    fresh.restore(parcel(one))
    late = [step(f, 120 * S, **state(-1.0)) for f in (one, fresh)]
    assert same_bytes(*late)
    assert fresh.kpis() == one.kpis()
