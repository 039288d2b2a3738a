"""Standard inverters as a part of a scenario: ports, energies, snapshots, faults all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridmodel.errors import ScenarioError
from gridmodel.neighbourhood import Neighbourhood
from simulators.inverters.standard.layout import Status
from simulators.inverters.standard_inverters import StandardInverters, StandardInvertersConfig
from tests.simulators.bench import S, context, inputs, kpi, parcel, same_bytes, step, walk

RATINGS = {"roof": 10.0, "barn": 30.0, "shed": 5.0}


def part(network: Neighbourhood | None = None, **settings: Any) -> StandardInverters:
    if network is None:
        settings = {"s_kva": RATINGS, "f_nominal_hz": 60.0} | settings
    config = StandardInvertersConfig.model_validate(settings)
    return StandardInverters.build(config, context(network))


def test_in_calm_times_the_plants_give_what_the_panels_offer():
    sent = walk(part(), 10, p_available_kw=[4.0, 20.0, 9.0])
    assert sent[-1]["p_kw"] == pytest.approx([4.0, 20.0, 5.0])
    assert set(sent[-1]["status"]) == {Status.CONTINUOUS}
    assert sent[-1]["running"].all()


def test_other_rules_for_one_plant_are_that_plants_alone():
    fleet = part(
        rules="ieee_1547_2018_b_iii", adjust={"reactive": {"mode": "volt_var"}},
        by_plant={"barn": {"rules": "sma_off_grid"}, "shed": {"adjust": {"volt_watt": {"enabled": True}}}},
    )  # fmt: skip
    sent = walk(fleet, 60, p_available_kw=[5.0, 15.0, 5.0], v_pu=1.08)
    assert sent[-1]["q_kvar"][0] == pytest.approx(-4.4, abs=1e-3)
    assert sent[-1]["q_kvar"][1] == 0.0
    assert sent[-1]["q_kvar"][2] == pytest.approx(-2.2, abs=1e-3)  # the fleet's change stays
    assert sent[-1]["p_kw"][2] == pytest.approx(2.5, abs=0.01)  # and volt-watt on top


def test_energy_given_and_curtailed_is_energy_offered():
    fleet = part(adjust={"capability": {"response_s": 0.0}})
    walk(fleet, 1800, p_available_kw=[10.0, 30.0, 5.0])
    walk(fleet, 1800, 1800, p_available_kw=[10.0, 30.0, 5.0], limit_pu=0.4)
    assert kpi(fleet, "given_kwh") + kpi(fleet, "curtailed_kwh") == pytest.approx(
        45.0 * 3599 / 3600, rel=1e-9
    )
    assert kpi(fleet, "curtailed_kwh") == pytest.approx(0.6 * 22.5, rel=0.01)


def test_a_trip_is_counted_and_the_plant_is_out_until_it_may_enter():
    fleet = part(adjust={"enter_service": {"delay_s": 20.0, "ramp_s": 10.0}})
    walk(fleet, 5, p_available_kw=5.0)
    out = walk(fleet, 2, 5, p_available_kw=5.0, f_hz=62.5)
    assert not out[-1]["running"].any()
    back = walk(fleet, 35, 7, p_available_kw=5.0)
    assert not back[17]["running"].any()
    assert back[22]["running"].all()
    assert back[-1]["p_kw"] == pytest.approx([5.0, 5.0, 5.0])
    assert (kpi(fleet, "trip_count"), kpi(fleet, "tripped_count")) == (3.0, 3.0)


def test_the_length_of_the_exchange_step_does_not_matter_while_inputs_are_held():
    fine, coarse = part(period_s=0.5), part(period_s=5.0)
    for fleet in (fine, coarse):
        walk(fleet, round(10.0 / (fleet.period_us / S)) + 1, p_available_kw=5.0)
    first = walk(fine, 20, 21, p_available_kw=5.0, f_hz=60.8)
    second = walk(coarse, 2, 3, p_available_kw=5.0, f_hz=60.8)
    mean = np.mean([sent["p_kw"] for sent in first[10:]], axis=0)
    assert mean == pytest.approx(second[-1]["p_kw"], abs=1e-12)


def test_on_a_network_plants_see_the_phases_of_their_buses(street):
    fleet = part(street, rules="vde_ar_n_4105_2018", adjust={"reactive": {"mode": "volt_var"}})
    volts = np.ones((len(street.buses), 3))
    plant = street.photovoltaics[0]
    row = [bus.name for bus in street.buses].index(street.consumer[plant.consumer].bus)
    volts[row] = (1.06, 1.05, 1.04)
    half_kw = np.array([one.s_kva / 2 for one in street.photovoltaics])
    sent = walk(fleet, 60, p_available_kw=half_kw, bus_v_pu=volts)
    others = [
        k for k, one in enumerate(street.photovoltaics)
        if street.consumer[one.consumer].bus != street.consumer[plant.consumer].bus
    ]  # fmt: skip
    assert sent[-1]["q_kvar"][0] == pytest.approx(-0.436 * 0.5 * plant.s_kva, rel=1e-3)
    assert not sent[-1]["q_kvar"][others].any()
    volts[row] = (1.3, 0.9, 0.9)  # one phase is enough
    sent = walk(fleet, 2, 60, p_available_kw=half_kw, bus_v_pu=volts)
    assert sent[-1]["status"][0] == Status.TRIPPED
    assert sent[-1]["running"][others].all()


def test_a_snapshot_goes_on_to_the_last_bit():
    fleet = part(rules="vde_ar_n_4105_2018")
    walk(fleet, 100, p_available_kw=5.0, v_pu=1.05, f_hz=60.3)
    kept = parcel(fleet)
    course = {"p_available_kw": 6.0, "v_pu": 1.08, "f_hz": 60.5}
    first = walk(fleet, 50, 100, **course)
    other = part(rules="vde_ar_n_4105_2018")
    other.restore(kept)
    assert same_bytes(walk(other, 50, 100, **course), first)


def test_a_snapshot_goes_on_under_other_rules():
    fleet = part()
    walk(fleet, 10, p_available_kw=5.0)
    other = part(adjust={"rates": {"limit_s": 0.0}})
    other.restore(parcel(fleet))
    assert step(other, 10 * S, p_available_kw=5.0, limit_pu=0.4)["p_kw"] == pytest.approx(
        [4.0, 5.0, 2.0], abs=0.1
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rules": "ieee_1547"}, "is no rule set"),
        ({"adjust": {"trips": {}}}, "Did you mean 'trip'"),
        ({"by_plant": {"rof": {}}}, "Did you mean 'roof'"),
        ({"by_plant": {"roof": {"rules": "sma"}}}, "by_plant.roof.rules"),
        ({"by_plant": {"roof": {"adjust": {"trip": {"over_hz": 3}}}}}, "by_plant.roof.adjust.trip"),
    ],
)
def test_bad_settings_are_refused_with_what_is_near(settings, told):
    with pytest.raises(ScenarioError, match=told):
        part(**settings)


def test_without_a_network_plants_must_be_listed():
    with pytest.raises(ScenarioError, match="there are no plants"):
        StandardInverters.build(StandardInvertersConfig(), context(None))


def test_the_frequency_an_input_shows_before_anything_came_is_nominal():
    assert inputs(part())["f_hz"] == 60.0
