"""Any network file: its format is found out, and everything wrong is said at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gridmodel.errors import NetworkError
from gridmodel.ingest.formats import FORMATS, WRITABLE
from gridmodel.ingest.read import format_of, read_any
from gridmodel.ingest.write import write_any
from tests.conftest import ROOT, STREET

VILLAGE = ROOT / "scenarios" / "feeders" / "village.json"
CASE = """function mpc = pair
mpc.version = '2';
mpc.baseMVA = 10;
mpc.bus = [
  1 3 0.0 0.0 0 0 1 1 0 12.66 1 1.1 0.9;
  2 1 0.1 0.06 0 0 1 1 0 12.66 1 1.1 0.9;
];
mpc.gen = [1 0 0 10 -10 1 100 1 10 0];
mpc.branch = [1 2 0.0058 0.0029 0 0 0 0 0 0 1 -360 360];
"""


@pytest.fixture(scope="module")
def village():
    return read_any(VILLAGE)[0]


@pytest.mark.parametrize("name", ["v.json", "v.yaml", "v.yml"])
def test_our_own_files_bring_the_same_network_back(village, tmp_path, name):
    assert write_any(village, tmp_path / name) == ()
    assert format_of(tmp_path / name) == "feedertwin"
    assert read_any(tmp_path / name) == (village, ())


@pytest.mark.parametrize(("name", "form"), [("v.dss", "opendss"), ("v.xml", "cim")])
def test_a_written_file_is_read_by_the_reader_of_its_format(village, tmp_path, name, form):
    write_any(village, tmp_path / name)
    assert format_of(tmp_path / name) == form
    back, _ = read_any(tmp_path / name)
    assert {bus.name for bus in back.buses} == {bus.name for bus in village.buses}
    assert len(back.consumers) >= len(village.consumers)


def test_a_matpower_case_is_read_and_written(tmp_path):
    (tmp_path / "pair.m").write_text(CASE)
    network, _ = read_any(tmp_path / "pair.m")
    write_any(network, tmp_path / "again.m")
    again, _ = read_any(tmp_path / "again.m")
    assert [bus.v_nominal_v for bus in again.buses] == [12660.0, 12660.0]
    assert sum(one.p_rated_kw for one in again.consumers) == pytest.approx(100.0)


def test_pandapower_is_told_from_our_own_json_by_its_content(tmp_path):
    pytest.importorskip("pandapower")
    (tmp_path / "pair.m").write_text(CASE)
    network, _ = read_any(tmp_path / "pair.m")
    write_any(network, tmp_path / "net.json", "pandapower")
    assert format_of(tmp_path / "net.json") == "pandapower"
    back, _ = read_any(tmp_path / "net.json")
    assert sum(one.p_rated_kw for one in back.consumers) == pytest.approx(100.0)


def test_a_grid_of_simbench_is_read_by_its_code():
    pytest.importorskip("simbench")
    network, _ = read_any(Path("simbench:1-LV-rural1--0-sw"))
    assert len(network.consumers) == 13
    assert len(network.lines) == 13


@pytest.mark.parametrize("name", ["network.json", "citizen_mesh.json"])
def test_a_neighbourhood_is_told_from_a_network_by_its_keys(name):
    assert format_of(STREET / name) == "neighbourhood"
    network, notices = read_any(STREET / name)
    assert len(network.lines) == 13 + 12 * (name == "citizen_mesh.json")
    assert notices


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("! a feeder\nClear\nNew Circuit.a\n", "opendss"),
        ("New object=circuit.a basekv=12\n", "opendss"),
        (CASE, "matpower"),
        ('<?xml version="1.0"?>\n<rdf:RDF xmlns:cim="x">', "cim"),
        ('{"name": "a", "buses": []}', "feedertwin"),
        ('\ufeff{"name": "a", "buses": [], "line_codes": []}', "neighbourhood"),
        ('{"_module": "pandapower.auxiliary", "_class": "pandapowerNet"}', "pandapower"),
    ],
)
def test_content_says_the_format_whatever_the_name(tmp_path, text, form):
    (tmp_path / "file.txt").write_text(text, encoding="utf-8")
    assert format_of(tmp_path / "file.txt") == form


def test_a_given_format_is_not_found_out(tmp_path):
    shutil.copy(VILLAGE, tmp_path / "village.json")
    with pytest.raises(NetworkError) as raised:
        read_any(tmp_path / "village.json", "matpower")
    assert "mpc" in str(raised.value)  # what a MATPOWER case must have


def test_a_mistyped_file_and_a_mistyped_format_are_told_together(tmp_path):
    shutil.copy(VILLAGE, tmp_path / "village.json")
    (tmp_path / "village.png").write_text("no network")
    with pytest.raises(NetworkError) as raised:
        read_any(tmp_path / "vilage.json", "opends")
    advice = [fault.advice for fault in raised.value.faults]
    assert advice == ["Did you mean 'village.json'?", "Did you mean 'opendss'?"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.yaml", "network: net.json\nfederates: {}\n", "is a scenario, not a network"),
        ("s.glm", "object node { name a; }\n", "in no format that can be read"),
        ("s.xml", "<html></html>", "is XML, and no CIM"),
        ("s.json", "[1, 2]", "holds no keys"),
        ("s.json", '{"name": "a",\n"buses": [}', "s.json:2"),  # the line
        ("s.yaml", "name: a\nbuses: [\n", "is not YAML"),
        ("s.json", '{"name": "a", "bussen": []}', "Did you mean 'buses'"),
        ("s.json", "", "is not JSON"),
        ("s.dss", "clear\nnew circuit.a bus1=x\nnew lime.a\n", "s.dss:3"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(NetworkError, match=words):
        read_any(tmp_path / name)


def test_a_scenario_names_the_network_to_give_instead():
    with pytest.raises(NetworkError, match=r"Give its network, .*network\.json"):
        read_any(STREET / "scenario.yaml")


def test_a_folder_names_the_files_in_it(tmp_path):
    (tmp_path / "Master.dss").write_text("clear\n")
    (tmp_path / "Lines.dss").write_text("\n")
    with pytest.raises(NetworkError, match=r"is a folder\. Name a file in it: Master\.dss"):
        read_any(tmp_path)


def test_all_faults_of_a_target_are_told_together(village, tmp_path):
    with pytest.raises(NetworkError) as raised:
        write_any(village, tmp_path / "nowhere" / "v.jsn")
    problems = " ".join(str(fault) for fault in raised.value.faults)
    assert "Did you mean '.json'" in problems
    assert "there is no folder" in problems
    with pytest.raises(NetworkError, match="'neighbourhood' cannot be written"):
        write_any(village, tmp_path / "v.json", "neighbourhood")


def test_every_format_says_what_it_is():
    assert set(WRITABLE) < set(FORMATS)
    for one in FORMATS.values():
        assert one.about
