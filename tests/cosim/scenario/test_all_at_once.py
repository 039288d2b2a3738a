"""Faults of every kind are told in one go, and none that only follows from another."""

from __future__ import annotations

import pytest

from cosim.scenario.build import load
from gridmodel.errors import ScenarioError
from tests.conftest import STREET
from tests.cosim.scenario.test_faults import GOOD, faults


def changed(*pairs: tuple[str, str]) -> str:
    text = GOOD
    for written, instead in pairs:
        assert written in text, written
        text = text.replace(written, instead, 1)
    return text


def test_keys_blocks_links_events_and_figures_are_judged_in_one_go(tmp_path):
    text = changed(
        ("name: small", "label: small"),
        ("duration_h: 2", "duration_h: two"),
        ("e_kwh: 10", "e_kw: 10"),
        ("- sky.transmission_pu ->", "- sky.transmision_pu ->"),
        ("- houses.delivered_kw", "- hauses.delivered_kw"),
        ("kind: outage", "kind: outtage"),
        ("battery.soc_min_pu: {min: 0.1}", "houses.critical_served: {min: 0.1}"),
        ("expect:", "record: {skip: [skies]}\nexpect:"),
    )
    found = faults(tmp_path, text)
    assert [fault.split(": ")[1] for fault in found] == [
        "name",
        "duration_h",
        "label",
        "federates.battery.e_kwh",
        "federates.battery.e_kw",
        "events[0].kind",
        "sky.transmision_pu -> pv.transmission_pu",
        "hauses.delivered_kw -> meter.load_kw",
        "record.skip",
        "expect",
    ]


def test_a_link_that_misses_its_input_is_one_fault_and_not_also_an_input_without_a_link(tmp_path):
    for wrong in ("meter.laod_kw", "mter.load_kw", "meter load_kw", "metre.lod_kw"):
        text = changed(("-> meter.load_kw", f"-> {wrong}"))
        found = faults(tmp_path, text)
        assert len(found) == 1, found
        assert "houses.delivered_kw" in found[0]


def test_an_input_that_no_link_was_meant_for_is_told_beside_a_broken_link(tmp_path):
    text = changed(
        ("terms: [load]", "terms: [load, other]"),
        ("-> meter.load_kw", "to meter.load_kw"),
    )
    found = faults(tmp_path, text)
    assert len(found) == 2
    assert "its input 'other_kw'" in found[1]


def test_a_network_that_is_not_there_does_not_hide_other_files_that_are_not(tmp_path):
    text = changed(
        (str(STREET / "network.json"), "nowhere.json"),
        (str(STREET / "profiles.parquet"), "sun.parquet"),
        ("e_kwh: 10", "e_kwh: -10"),
        ("- sky.transmission_pu", "- skye.transmission_pu"),
    )
    found = faults(tmp_path, text)
    assert len(found) == 4
    assert found[0].startswith("s.yaml:11: federates.battery.e_kwh")
    assert found[1].startswith("nowhere.json: cannot be read")
    assert found[2] == "s.yaml:9: federates.pv.profiles: there is no file 'sun.parquet'."
    assert "Did you mean 'sky'?" in found[3]


def test_a_start_that_is_none_does_not_make_profiles_too_short(tmp_path):
    year = ("duration_h: 2", "duration_h: 8784")  # all of the profiles, if it began with them
    (found,) = faults(tmp_path, changed(("2016-05-24T00:00:00+02:00", "2016-05-24"), year))
    assert found.startswith("s.yaml:4: start")


def test_a_loop_is_told_beside_other_faults(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "feedertwin: 1\nname: loop\nduration_h: 1\nseed: x\nfederates:\n"
        "  a: {model: battery, e_kwh: 1, p_kw: 1}\n"
        "  m: {model: check_meter, terms: [x]}\n"
        "links:\n  - m.residual_kw -> a.p_kw\n  - a.loss_kw -> m.x_kw\n"
    )
    with pytest.raises(ScenarioError) as caught:
        load(path)
    first, second = caught.value.faults
    assert first.key == "seed"
    assert second.problem == "undelayed links form a loop: a -> m -> a."


def test_all_overrides_are_judged_with_the_file(tmp_path):
    sets = ["nonsense", "events.7.t_h=1", "federates.battery.e_kwh=-1", "federates.pv.modl=x"]
    found = faults(tmp_path, changed(("{model: sky}", "{model: ski}")), *sets)
    assert [fault.split(": ")[0] for fault in found] == [
        "--set", "--set events.7.t_h=1", "s.yaml:8", "--set federates.pv.modl=x",
        "--set federates.battery.e_kwh=-1",
    ]  # fmt: skip


def test_federates_that_are_no_mapping_are_one_fault(tmp_path):
    text = GOOD[: GOOD.index("federates:")] + "federates: [sky]\nlinks:\n  - a.b -> c.d\n"
    (found,) = faults(tmp_path, text)
    assert "federates" in found


@pytest.mark.parametrize("given", ["federates={1: {model: pv}}", "links.²=x", "links={2: x}"])
def test_an_override_whose_keys_are_numbers_is_a_fault(tmp_path, given):
    assert faults(tmp_path, GOOD, given)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", "about: Stra\u00dfe".encode("latin-1")])
def test_a_file_that_is_no_text_in_utf_8_is_a_fault(tmp_path, data):
    (tmp_path / "s.yaml").write_bytes(data)
    with pytest.raises(ScenarioError, match="is not text in UTF-8: byte"):
        load(tmp_path / "s.yaml")
