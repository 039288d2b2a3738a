"""A formed street as a part of a scenario: ports, signs, relays, snapshot, faults."""

from __future__ import annotations

from typing import Any

import pytest

from gridmodel.errors import ScenarioError
from simulators.inverters.formed_street import FormedStreetConfig, FormedStreetPart
from tests.simulators.bench import context, kpi, parcel, same_bytes, walk

FORMERS = {"north": {"s_kva": 60.0, "filter_s": 0.1}, "south": {"s_kva": 30.0, "filter_s": 0.1}}


def part(**settings: Any) -> FormedStreetPart:
    config = FormedStreetConfig.model_validate(
        {"formers": FORMERS, "load_damping_pu": 0.0} | settings, strict=False
    )
    return FormedStreetPart.build(config, context(None))


def test_consumption_is_negative_and_the_formers_share_it_by_their_droops():
    sent = walk(part(), 20, load_p_kw=[-45.0])
    assert sent[-1]["p_kw"] == pytest.approx([30.0, 15.0], abs=1e-2)
    assert sent[-1]["f_hz"] == pytest.approx(50.0 - 0.25, abs=1e-3)


def test_pv_is_taken_and_secondary_control_brings_the_frequency_back():
    sent = walk(part(secondary_per_s=0.5), 60, load_p_kw=[-45.0], pv_available_kw=15.0)
    assert sent[-1]["pv_p_kw"] == pytest.approx(15.0, abs=1e-3)
    assert sent[-1]["f_hz"] == pytest.approx(50.0, abs=1e-3)
    assert sent[-1]["p_kw"].sum() == pytest.approx(30.0, abs=1e-3)


def test_a_relay_opens_its_load_and_a_hand_closes_it_again():
    street = part(loads=("critical", "deferrable"), relays={"deferrable": {"under_hz": 0.2}})
    sent = walk(street, 5, load_p_kw=[-20.0, -40.0])
    assert list(sent[-1]["closed"]) == [True, False]
    assert kpi(street, "opened_count") == 1.0
    again = walk(street, 3, 5, load_p_kw=[-20.0, -5.0], close=[False, True])
    assert again[-1]["closed"].all()
    assert again[-1]["p_kw"].sum() == pytest.approx(25.0, abs=1e-3)


def test_a_black_start_begins_at_nothing():
    sent = walk(part(black_start_s=5.0), 12, load_p_kw=[-10.0])
    assert sent[0]["v_pu"] == 0.0
    assert [out["v_pu"] for out in sent[1:6]] == sorted(out["v_pu"] for out in sent[1:6])
    assert sent[-1]["v_pu"] == pytest.approx(1.0, abs=1e-2)


def test_a_snapshot_goes_on_to_the_last_bit():
    street = part(secondary_per_s=0.2)
    walk(street, 5, load_p_kw=[-30.0])
    kept = parcel(street)
    first = walk(street, 5, 5, load_p_kw=[-50.0])
    other = part(secondary_per_s=0.2)
    other.restore(kept)
    assert same_bytes(walk(other, 5, 5, load_p_kw=[-50.0]), first)


def test_every_fault_is_told_at_once():
    with pytest.raises(ScenarioError) as caught:
        part(formers={}, relays={"stret": {"under_hz": 1.0}}, grid_code="sma")
    assert [fault.key for fault in caught.value.faults] == ["formers", "relays.stret", "grid_code"]
    assert "Did you mean 'street'" in caught.value.faults[1].advice
