"""A wrong scenario answers once with all its faults: where, what, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.scenario.build import load
from gridmodel.errors import ScenarioError
from tests.conftest import STREET

GOOD = f"""\
feedertwin: 1
name: small
duration_h: 2
start: 2016-05-24T00:00:00+02:00
network: {STREET / "network.json"}
federates:
  grid: {{model: public_grid}}
  sky: {{model: sky}}
  pv: {{model: photovoltaics, profiles: {STREET / "profiles.parquet"}}}
  houses: {{model: households, profiles: {STREET / "profiles.parquet"}}}
  battery: {{model: battery, e_kwh: 10, p_kw: 5}}
  meter: {{model: check_meter, terms: [load]}}
links:
  - sky.transmission_pu -> pv.transmission_pu
  - houses.delivered_kw -> meter.load_kw
events:
  - {{t_h: 1.0, target: grid, kind: outage}}
expect:
  battery.soc_min_pu: {{min: 0.1}}
"""


def faults(tmp_path: Path, text: str, *sets: str) -> list[str]:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(path, sets)
    return [str(fault).replace(f"{tmp_path}/", "") for fault in caught.value.faults]


def test_the_good_one_is_good(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(GOOD)
    assert len(load(path).federation.members) == 7  # with the events


ONE_FAULT = [
    # what a person wrote, instead of what, and what they are told
    ("e_kwh: 10", "e_kwh: 10, soc: 0.5",
     "s.yaml:11: federates.battery.soc: there is no key 'soc' here. Did you mean 'soc_pu'?"),
    ("e_kwh: 10, ", "",
     "s.yaml:11: federates.battery.e_kwh: is missing. It is the energy content when full."),
    ("e_kwh: 10", "e_kwh: -10",
     "s.yaml:11: federates.battery.e_kwh: -10 was given. Allowed is greater than 0."),
    ("e_kwh: 10", "e_kwh: .nan",
     "s.yaml:11: federates.battery.e_kwh: NaN was given. Allowed is a finite number."),
    ("e_kwh: 10", "e_kwh: ten",
     's.yaml:11: federates.battery.e_kwh: "ten" was given. Allowed is a valid number.'),
    ("p_kw: 5", "p_kw: 5, soc_pu: 0.01",
     "s.yaml:11: federates.battery: {\"e_kwh\": 10, \"p_kw\": 5, \"soc_pu\": 0.01} was given. "
     "soc_min_pu <= soc_pu <= soc_max_pu is asked for."),
    ("model: battery", "model: batery",
     "s.yaml:11: federates.battery.model: there is no federate 'batery'. Did you mean 'battery'?"),
    ("{model: sky}", "{}",
     "s.yaml:8: federates.sky.model: is missing. Known are battery, check_meter, electric_vehicles, "
     "firmware, formed_street, helics, households, interconnection, island, lora, lora_mesh, "
     "lora_star, mosaik, opendss, photovoltaics, public_grid, scripted, simpy_process, sky, "
     "standard_inverters."),
    ("duration_h: 2", "duration_h: 2\nsead: 1",
     "s.yaml:4: sead: there is no key 'sead' here. Did you mean 'seed'?"),
    ("duration_h: 2\n", "", "s.yaml: duration_h: is missing. It is the length of the run."),
    ("duration_h: 2", "duration_h: 9000",
     f"{STREET}/profiles.parquet: the profiles cover 8784 h from 2015-12-31T23:00:00+00:00; the run "
     "needs 9000 h from 2016-05-23T22:00:00+00:00. Move start, shorten duration_h, or bring a longer "
     "profile."),
    ("start: 2016-05-24T00:00:00+02:00", "start: 2016-05-24",
     's.yaml:4: start: "2016-05-24" was given. the time needs a zone, such as +02:00 or +00:00.'),
    ("network: ", "network: nowhere/",
     None),
    ("- houses.delivered_kw", "- house.delivered_kw",
     "s.yaml:15: house.delivered_kw -> meter.load_kw: there is no federate 'house'. Did you mean "
     "'houses'?"),
    ("houses.delivered_kw", "houses.deliverd_kw",
     "s.yaml:15: houses.deliverd_kw -> meter.load_kw: 'houses' has no output 'deliverd_kw'. Did you "
     "mean 'delivered_kw'?"),
    ("houses.delivered_kw -> meter.load_kw", "houses.delivered_kw to meter.load_kw", None),
    ("  - sky.transmission_pu", "  - sky.transmission_pu -> battery.p_kw\n  - sky.transmission_pu",
     "s.yaml:14: sky.transmission_pu -> battery.p_kw: the source is in pu, the target in kW. Both ends "
     "must have the same unit."),
    ("  - sky.transmission_pu", "  - houses.p_kw -> battery.p_kw\n  - sky.transmission_pu",
     "s.yaml:14: houses.p_kw -> battery.p_kw: the source has shape (13,), the target scalar. Both ends "
     "must have the same shape."),
    ("  - sky.transmission_pu", "  - grid.v_pu -> pv.transmission_pu\n  - sky.transmission_pu",
     "s.yaml:15: sky.transmission_pu -> pv.transmission_pu: 'pv.transmission_pu' has two sources. The "
     "other is grid.v_pu -> pv.transmission_pu."),
    ("  - sky.transmission_pu", "  - {link: grid.v_pu -> grid.events}\n  - sky.transmission_pu",
     "s.yaml:14: grid.v_pu -> grid.events: it joins signal to messages."),
    ("  - houses.delivered_kw -> meter.load_kw\n", "",
     "s.yaml:12: federates.meter: its input 'load_kw' (mean power since the last step, injection "
     "positive) is not linked. Add a link 'source.port -> meter.load_kw'."),
    ("target: grid", "target: gird",
     "s.yaml:17: events[0].target: there is no federate 'gird'. Did you mean 'grid'?"),
    ("kind: outage", "kind: outtage",
     "s.yaml:17: events[0].kind: 'grid' knows no event 'outtage'. Did you mean 'outage'?"),
    ("t_h: 1.0", "t_h: 2.0", "s.yaml:17: events[0].t_h: 2 h is not within the run of 2 h."),
    ("kind: outage", "kind: outage, depth: 1",
     "s.yaml:17: events[0].depth: there is no key 'depth' here."),
    ("battery.soc_min_pu", "battery.soc_mn_pu",
     "s.yaml:19: expect: there is no key figure 'battery.soc_mn_pu'. Did you mean "
     "'battery.soc_min_pu'?"),
    ("{min: 0.1}", "{}", "s.yaml:19: expect.battery.soc_min_pu: {} was given. give min, max or both."),
    ("feedertwin: 1", "feedertwin: 2", "s.yaml:1: feedertwin: 2 was given. Allowed is 1."),
    ("name: small", "name: small\nname: big", None),
    ("federates:", "federates: [", None),
]  # fmt: skip


@pytest.mark.parametrize(("written", "instead", "told"), ONE_FAULT)
def test_one_fault_is_told_with_its_line_and_the_next_step(tmp_path, written, instead, told):
    assert written in GOOD
    found = faults(tmp_path, GOOD.replace(written, instead, 1))
    if told is not None:
        assert found == [told]
    else:
        assert len(found) == 1
        assert found[0].startswith(("s.yaml:", str(STREET.parent), str(tmp_path), "nowhere"))


def test_many_faults_are_told_at_once(tmp_path):
    text = GOOD
    for written, instead in (
        ("{model: public_grid}", "{model: public_grid, f_h: 50}"),
        ("e_kwh: 10", "e_kwh: -1, p_kv: 3"),
        ("- sky.transmission_pu -> pv", "- sky.transmission_pu -> vp"),
        ("kind: outage", "kind: outtage"),
    ):
        text = text.replace(written, instead, 1)
    found = faults(tmp_path, text)
    assert [fault.split(":")[1] for fault in found] == ["7", "11", "11", "17", "14"]
    assert "Did you mean 'f_hz'?" in found[0]
    # The event's target could not be built, but its model tells the kinds it knows.
    assert "Did you mean 'outage'?" in found[3]


def test_a_loop_of_undelayed_links_is_printed_with_the_link_to_mark(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "feedertwin: 1\nname: loop\nduration_h: 1\nfederates:\n"
        "  a: {model: battery, e_kwh: 1, p_kw: 1}\n"
        "  m: {model: check_meter, terms: [x]}\n"
        "links:\n  - m.residual_kw -> a.p_kw\n  - a.loss_kw -> m.x_kw\n"
    )
    with pytest.raises(ScenarioError) as caught:
        load(path)
    (fault,) = caught.value.faults
    assert fault.problem == "undelayed links form a loop: a -> m -> a."
    assert fault.advice.endswith("{link: m.residual_kw -> a.p_kw, delayed: true}.")
    assert fault.where.endswith("s.yaml:8")


def test_a_delayed_link_without_a_first_value_says_how_to_give_one(tmp_path):
    text = GOOD.replace(
        "- houses.delivered_kw -> meter.load_kw",
        "- {link: houses.delivered_kw -> meter.load_kw, delayed: true}",
    )
    (told,) = faults(tmp_path, text)
    assert told.endswith(
        "a delayed link needs a value for the first instant. "
        "Write {link: houses.delivered_kw -> meter.load_kw, delayed: true, initial: 0}."
    )


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "federates.battery.e_kwh=-1",
            "--set federates.battery.e_kwh=-1: federates.battery.e_kwh: -1 was",
        ),
        ("federates.battery.ekwh=1", "Did you mean 'e_kwh'?"),
        ("nonsense", "--set: nonsense: is no override. Write --set a.b.c=value."),
        (
            "events.7.t_h=1",
            "--set events.7.t_h=1: there is no 'events[7]': 'events' has 1 item, counted from 0.",
        ),
        ("seed=1.5", "--set seed=1.5: seed: 1.5 was given."),
        ("seed=[", "--set seed=[: '[' is not YAML."),
        ("name.x=1", "--set name.x=1: there is no 'name.x': 'name' is 'small' and has no keys."),
        ("federate.battery.e_kwh=1", "--set federate.battery.e_kwh=1: federate: there is no key"),
        ("federates.batery.e_kwh=1", "--set federates.batery.e_kwh=1: federates.batery.model: is"),
        (
            "federates.battery={model: battery, e_kwh: -1, p_kw: 1}",
            "--set federates.battery={model: battery, e_kwh: -1, p_kw: 1}: federates.battery.e_kwh: -1",
        ),
        (
            "federates.battery.soc_pu=0.01",
            "s.yaml:11, with --set federates.battery.soc_pu=0.01: federates.battery: {",
        ),
        ("events.0.kind=outtage", "--set events.0.kind=outtage: events[0].kind:"),
        ("duration_h=0.5", "1 h is not within the run of 0.5 h (--set duration_h=0.5)."),
        (
            "federates.pv.profiles=no.parquet",
            "--set federates.pv.profiles=no.parquet: no.parquet: ",
        ),
        ("network=no.json", "--set network=no.json: no.json: cannot be read"),
    ],
)
def test_an_override_at_fault_is_named_as_such(tmp_path, override, told):
    found = faults(tmp_path, GOOD, override)
    assert len(found) == 1
    assert told in found[0]


def test_an_override_reaches_mappings_and_lists(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(GOOD)
    loaded = load(path, ["federates.battery.e_kwh=20", "events.0.t_h=0.5", "seed=7"])
    assert loaded.resolved["federates"]["battery"]["e_kwh"] == 20
    assert loaded.resolved["events"][0]["t_h"] == 0.5
    assert loaded.config.seed == 7


def test_a_file_that_is_not_there_and_a_file_that_is_empty(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "missing.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ScenarioError, match="empty or no mapping"):
        load(tmp_path / "empty.yaml")


def test_a_scenario_builds_on_another_and_its_lines_are_its_own(tmp_path):
    (tmp_path / "base.yaml").write_text(GOOD)
    child = tmp_path / "child.yaml"
    child.write_text(
        "extends: base.yaml\nname: child\nfederates:\n  battery: {e_kwh: 20}\nevents: []\n"
    )
    loaded = load(child)
    assert loaded.config.name == "child"
    assert loaded.resolved["federates"]["battery"]["e_kwh"] == 20
    assert loaded.resolved["federates"]["battery"]["p_kw"] == 5  # from the base
    assert loaded.config.events == ()
    child.write_text("extends: base.yaml\nfederates:\n  battery: {e_kwh: -20}\n")
    with pytest.raises(ScenarioError) as caught:
        load(child)
    assert [fault.where for fault in caught.value.faults] == [f"{child}:3"]


def test_a_scenario_that_builds_on_itself_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ScenarioError, match="builds on itself"):
        load(tmp_path / "a.yaml")


def test_a_network_in_two_pieces_names_the_buses_out_of_reach(tmp_path):
    text = (STREET / "network.json").read_text()
    lines = [line for line in text.splitlines() if '"line_13"' not in line]
    (tmp_path / "cut.json").write_text("\n".join(lines))
    scenario = GOOD.replace(str(STREET / "network.json"), "cut.json")
    found = faults(tmp_path, scenario)
    assert found == [
        "cut.json: buses.bus_13: it is not connected to the transformer. Add a line, or take the bus out."
    ]


def test_a_bundled_scenario_can_be_extended_by_its_name_with_the_files_it_names(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: street_island\nname: mine\nfederates:\n  battery: {e_kwh: 20}\n")
    scenario = load(path)
    assert scenario.resolved["federates"]["battery"]["e_kwh"] == 20.0


def test_a_file_is_sought_beside_the_scenario_that_names_it(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "base.yaml").write_text(GOOD)
    (tmp_path / "far" / "near.json").write_bytes((STREET / "network.json").read_bytes())
    child = tmp_path / "child.yaml"
    child.write_text("extends: far/base.yaml\nnetwork: near.json\n")
    with pytest.raises(ScenarioError) as caught:
        load(child)
    assert str(caught.value.faults[0]).startswith(f"{tmp_path / 'near.json'}: cannot be read")
    (tmp_path / "far" / "base.yaml").write_text(
        GOOD.replace(f"network: {STREET / 'network.json'}", "network: near.json")
    )
    child.write_text("extends: far/base.yaml\nname: child\n")
    assert load(child).config.name == "child"


def test_a_mistyped_override_names_the_part_that_was_meant(tmp_path):
    (tmp_path / "s.yaml").write_text(GOOD)
    with pytest.raises(ScenarioError) as told:
        load(tmp_path / "s.yaml", ["federates.batery.e_kwh=90"])
    assert "Did you mean the part 'battery'?" in str(told.value)
