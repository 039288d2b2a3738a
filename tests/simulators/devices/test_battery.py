"""Battery: state of charge, limits and the ledger of its energy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.devices.battery import Battery, BatteryConfig
from tests.simulators.bench import S, context, kpi, parcel, same_bytes, step

H = 1 / 3600.0


def battery(**settings: float) -> Battery:
    """Return a battery of 10 kWh and 5 kW, half full, unless told otherwise."""
    config = BatteryConfig(**{"e_kwh": 10.0, "p_kw": 5.0, "efficiency_pu": 0.9} | settings)
    return Battery.build(config, context(None))


def run(cell: Battery, powers_kw: list[float]) -> list[dict]:
    """Step once to hear the limits, then through the powers; return what was sent."""
    return [step(cell, k * cell.period_us, p_kw=p) for k, p in enumerate([0.0, *powers_kw])]


shares = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=60)
sizes = st.fixed_dictionaries({
    "e_kwh": st.floats(0.05, 100.0),
    "p_kw": st.floats(0.5, 100.0),
    "efficiency_pu": st.floats(0.5, 1.0),
    "soc_min_pu": st.floats(0.0, 0.3),
    "soc_pu": st.floats(0.3, 0.7),
    "soc_max_pu": st.floats(0.7, 1.0),
    "period_s": st.sampled_from([1.0, 60.0, 900.0]),
})  # fmt: skip


@given(size=sizes, wanted=shares)
def test_the_state_of_charge_stays_in_its_band_for_any_power_within_the_limits(size, wanted):
    cell = battery(**size)
    give = take = size["p_kw"]
    power = 0.0
    for k, share in enumerate([0.0, *wanted]):
        sent = step(cell, k * cell.period_us, p_kw=power)
        give = sent.get("p_discharge_max_kw", give)
        take = sent.get("p_charge_max_kw", take)
        assert 0.0 <= give <= size["p_kw"]
        assert 0.0 <= take <= size["p_kw"]
        assert size["soc_min_pu"] - 1e-9 <= kpi(cell, "soc_end_pu") <= size["soc_max_pu"] + 1e-9
        power = share * (give if share > 0 else take)


@given(size=sizes, powers=st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=40))
def test_the_ledger_closes(size, powers):
    cell = battery(**size)
    hours = size["period_s"] * H
    run(cell, powers)
    charged = sum(-p for p in powers if p < 0) * hours
    discharged = sum(p for p in powers if p > 0) * hours
    stored = (kpi(cell, "soc_end_pu") - size["soc_pu"]) * size["e_kwh"]
    eta = size["efficiency_pu"]
    rounding = 1e-9 * (charged + discharged + size["e_kwh"])
    assert stored == pytest.approx(charged * eta - discharged / eta, abs=rounding)
    assert kpi(cell, "charged_kwh") == pytest.approx(charged, abs=rounding)
    assert kpi(cell, "discharged_kwh") == pytest.approx(discharged, abs=rounding)
    assert kpi(cell, "loss_kwh") == pytest.approx(charged - discharged - stored, abs=rounding)


@given(powers=st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=20))
def test_the_loss_of_a_step_is_what_came_in_and_was_not_stored(powers):
    cell = battery()
    before = 0.5
    for k, p in enumerate([0.0, *powers]):
        sent = step(cell, k * S, p_kw=p)
        soc = sent.get("soc_pu", before)
        loss = -p - (soc - before) * 10.0 * 3600.0
        assert sent.get("loss_kw", 0.0) == pytest.approx(loss, abs=1e-6)
        assert sent.get("loss_kw", 0.0) >= 0.0
        before = soc


@pytest.mark.parametrize(
    ("power_kw", "soc_pu"),
    [
        # an hour at this power, from half of 10 kWh at 90 % one way
        (-2.0, 0.5 + 0.18),  # charging stores 1.8 kWh
        (1.8, 0.5 - 0.20),  # discharging takes 2.0 kWh
        (0.0, 0.5),  # a battery at rest loses nothing
    ],
)
def test_an_hour_of_power_moves_the_state_of_charge(power_kw, soc_pu):
    cell = battery(period_s=3600.0)
    run(cell, [power_kw])
    assert kpi(cell, "soc_end_pu") == pytest.approx(soc_pu, rel=1e-12)


@pytest.mark.parametrize(
    ("soc_pu", "give_kw", "take_kw"),
    [
        # state of charge; what 10 kWh between 10 and 90 % give and take within one minute
        (0.5, 5.0, 5.0),  # far from both ends: the rating
        (0.1, 0.0, 5.0),  # empty
        (0.9, 5.0, 0.0),  # full
        (0.105, 0.05 * 0.9 * 60, 5.0),  # 50 Wh left, 45 Wh at the terminals
        (0.895, 5.0, 0.05 / 0.9 * 60),  # room for 50 Wh, 55.6 Wh at the terminals
    ],
)
def test_limits_are_what_one_more_step_can_bear(soc_pu, give_kw, take_kw):
    cell = battery(soc_pu=soc_pu, soc_min_pu=0.1, soc_max_pu=0.9, period_s=60.0)
    sent = step(cell, 0)
    assert sent["p_discharge_max_kw"] == pytest.approx(give_kw, abs=1e-9)
    assert sent["p_charge_max_kw"] == pytest.approx(take_kw, abs=1e-9)


def test_power_at_the_announced_limit_ends_exactly_at_the_end_of_the_band():
    cell = battery(soc_pu=0.105, soc_min_pu=0.1, period_s=60.0)
    give = step(cell, 0)["p_discharge_max_kw"]
    assert step(cell, 60 * S, p_kw=give)["soc_pu"] == pytest.approx(0.1, abs=1e-12)


def test_the_lowest_state_of_charge_is_kept():
    cell = battery(period_s=3600.0)
    run(cell, [1.8, -4.0])
    assert kpi(cell, "soc_min_pu") == pytest.approx(0.3)
    assert kpi(cell, "soc_end_pu") == pytest.approx(0.66)


def test_a_battery_at_rest_says_so_once():
    cell = battery()
    told = [bool(step(cell, k * S, p_kw=p)) for k, p in enumerate([0.0, 0.0, 1.0, 0.0, 0.0, -1.0])]
    assert told == [True, False, True, True, False, True]


def test_power_counts_over_the_time_since_the_last_step_whatever_its_length():
    cell = battery(efficiency_pu=1.0)
    step(cell, 0)
    step(cell, 90 * S, p_kw=-4.0)
    assert kpi(cell, "charged_kwh") == pytest.approx(0.1)


def test_a_restored_snapshot_continues_with_the_same_bytes():
    cell, fresh = battery(), battery()
    run(cell, [1.0, -2.0, 0.0])
    saved = parcel(cell)
    rest = [0.0, 3.0, 3.0, -1.0]
    onward = [step(cell, (4 + k) * S, p_kw=p) for k, p in enumerate(rest)]
    fresh.restore(saved)
    assert same_bytes([step(fresh, (4 + k) * S, p_kw=p) for k, p in enumerate(rest)], onward)
    assert fresh.kpis() == cell.kpis()


@pytest.mark.parametrize(
    "band",
    [
        {"soc_pu": 0.02, "soc_min_pu": 0.05},  # starts below its band
        {"soc_pu": 0.95, "soc_max_pu": 0.9},  # starts above it
        {"soc_min_pu": 0.8, "soc_max_pu": 0.3},  # there is no band
    ],
)
def test_a_start_outside_the_band_is_refused(band):
    with pytest.raises(ValueError, match="soc_min_pu <= soc_pu <= soc_max_pu"):
        battery(**band)
