"""Check meter: the balance it adds up, and how bad the worst step was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.federate import Inputs
from simulators.devices.check_meter import CheckMeter, CheckMeterConfig
from tests.simulators.bench import S, context, kpi, parcel, same_bytes, step

H = 1 / 3600.0


def meter(*terms: str) -> CheckMeter:
    """Return a meter over the terms, or over grid, pv and load."""
    config = CheckMeterConfig(terms=terms or ("grid", "pv", "load"))
    return CheckMeter.build(config, context(None))


powers = st.floats(-100.0, 100.0)


@given(grid=powers, pv=st.lists(st.floats(0.0, 50.0), min_size=1, max_size=5), load=powers)
def test_the_residual_is_the_sum_and_the_throughput_half_the_sum_of_magnitudes(grid, pv, load):
    sent = step(meter(), 0, grid_kw=grid, pv_kw=np.array(pv), load_kw=load)
    assert sent["residual_kw"] == pytest.approx(grid + sum(pv) + load, abs=1e-9)
    assert sent["throughput_kw"] == pytest.approx(0.5 * (abs(grid) + sum(pv) + abs(load)))


def test_plants_that_cancel_within_a_term_are_one_power_to_the_meter():
    sent = step(meter(), 0, grid_kw=0.0, pv_kw=np.array([3.0, -2.0]), load_kw=-1.0)
    assert sent == {"residual_kw": 0.0, "throughput_kw": 1.0}


def test_energies_are_powers_times_the_time_since_the_last_step():
    one = meter()
    step(one, 0, grid_kw=99.0, pv_kw=99.0, load_kw=99.0)  # nothing has passed yet
    step(one, 1800 * S, grid_kw=4.0, pv_kw=2.0, load_kw=-6.0)
    step(one, 3600 * S, grid_kw=-1.0, pv_kw=2.0, load_kw=-1.0)
    energies = [kpi(one, f"{term}_kwh") for term in ("grid", "pv", "load")]
    assert energies == pytest.approx([1.5, 2.0, -3.5])


@pytest.mark.parametrize(
    ("steps", "worst_pu"),
    [
        # (grid, pv, load) step by step; the worst residual over its throughput
        ([(4.0, 2.0, -6.0)] * 3, 0.0),  # closes
        ([(4.0, 2.0, -6.0), (4.0, 2.0, -5.0), (4.0, 2.0, -6.0)], 1.0 / 5.5),  # one step does not
        ([(4.0, 2.0, -6.0), (4.0, 2.0, -7.0)], 1.0 / 6.5),  # a shortfall counts as much
        ([(0.0, 0.0, 0.0)] * 2, 0.0),  # a dark street closes
    ],
)
def test_the_worst_step_is_kept(steps, worst_pu):
    one = meter()
    step(one, 0, grid_kw=0.0, pv_kw=0.0, load_kw=0.0)
    for k, (grid, pv, load) in enumerate(steps):
        step(one, (k + 1) * S, grid_kw=grid, pv_kw=pv, load_kw=load)
    assert kpi(one, "balance_worst_pu") == pytest.approx(worst_pu)


def test_the_first_instant_is_no_interval():
    one = meter()
    step(one, 0, grid_kw=5.0, pv_kw=0.0, load_kw=0.0)
    assert kpi(one, "balance_worst_pu") == 0.0


def test_its_ports_are_its_terms():
    one = meter("wind", "heat_pump")
    assert [port.name for port in one.inputs] == ["wind_kw", "heat_pump_kw"]
    assert isinstance(step(one, 0, wind_kw=1.0, heat_pump_kw=-1.0), dict)
    with pytest.raises(KeyError):
        one.step(S, Inputs({"wind_kw": 1.0}))


def test_a_restored_snapshot_continues_with_the_same_bytes():
    one, fresh = meter(), meter()
    for k in range(5):
        step(one, k * S, grid_kw=1.0, pv_kw=1.0, load_kw=-2.1)
    fresh.restore(parcel(one))
    late = [step(m, 9 * S, grid_kw=3.0, pv_kw=1.0, load_kw=-4.0) for m in (one, fresh)]
    assert same_bytes(*late)
    assert fresh.kpis() == one.kpis()
    assert kpi(fresh, "grid_kwh") == pytest.approx((4 * 1.0 + 5 * 3.0) * H)
