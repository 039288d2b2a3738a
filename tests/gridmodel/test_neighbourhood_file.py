"""Our network file: what is written is read again, and a broken file says where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridmodel.errors import NetworkError
from gridmodel.ingest.neighbourhood_file import read_neighbourhood, write_neighbourhood

STREET = Path(__file__).parents[2] / "scenarios" / "street_island"


@pytest.mark.parametrize(
    "name",
    [
        "network.json",  # a street on the public grid
        "citizen_mesh.json",  # with private cables between the houses
    ],
)
def test_a_bundled_network_survives_reading_and_writing(name, tmp_path):
    network = read_neighbourhood(STREET / name)
    write_neighbourhood(network, tmp_path / name)
    assert read_neighbourhood(tmp_path / name) == network
    assert (tmp_path / name).read_bytes() == (STREET / name).read_bytes()


def test_the_bundled_mesh_is_the_bundled_street_with_private_cables():
    mesh = read_neighbourhood(STREET / "citizen_mesh.json")
    street = read_neighbourhood(STREET / "network.json")
    assert mesh.private_lines
    assert not street.private_lines
    assert mesh.buses == street.buses
    assert mesh.consumers == street.consumers


def test_each_element_is_on_a_line_of_its_own(street, tmp_path):
    path = tmp_path / "network.json"
    write_neighbourhood(street, path)
    lines = path.read_text().splitlines()
    for element in (*street.buses, *street.lines, *street.consumers):
        assert sum(f'"name": "{element.name}"' in text for text in lines) == 1


def faults(path):
    with pytest.raises(NetworkError, match=r"network file .* cannot be used") as error:
        read_neighbourhood(path)
    return error.value.faults


def test_a_missing_file_is_named(tmp_path):
    (fault,) = faults(tmp_path / "nowhere.json")
    assert fault.where == str(tmp_path / "nowhere.json")
    assert "No such file" in fault.problem


def test_a_folder_is_not_a_network(tmp_path):
    (fault,) = faults(tmp_path)
    assert "cannot be read" in fault.problem


def test_broken_json_is_shown_with_its_line(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{\n  "name": "x",\n  "buses": [,]\n}\n')
    (fault,) = faults(path)
    assert fault.where == f"{path}:3"
    assert fault.problem == "is not JSON: Expecting value."


def test_bytes_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00PAR1")
    (fault,) = faults(path)
    assert str(path) in fault.where


def test_all_faults_of_a_file_come_at_once_with_their_elements(street, tmp_path):
    data = json.loads(STREET.joinpath("network.json").read_text())
    data["buses"][1]["v_nominal_v"] = -400.0
    data["buses"][2]["v_nominl_v"] = data["buses"][2].pop("v_nominal_v")
    data["consumers"][0]["p_rated_kw"] = float("nan")
    data["linse"] = data.pop("lines")
    path = tmp_path / "network.json"
    path.write_text(json.dumps(data))
    found = {fault.key: fault.advice for fault in faults(path)}
    assert found == {
        "buses[1].v_nominal_v": "Allowed is greater than 0.",
        "buses[2].v_nominal_v": "It is the nominal voltage between phases.",
        "buses[2].v_nominl_v": "Did you mean 'v_nominal_v'?",
        "consumers[0].p_rated_kw": "Allowed is a finite number.",
        "linse": "Did you mean 'lines'?",
    }


def test_a_well_formed_file_of_an_impossible_network_is_refused(street, tmp_path):
    data = json.loads(STREET.joinpath("network.json").read_text())
    data["consumers"][3]["bus"] = "bus_99"
    path = tmp_path / "network.json"
    path.write_text(json.dumps(data))
    with pytest.raises(NetworkError, match=r"network 'street_island' cannot be used") as error:
        read_neighbourhood(path)
    (fault,) = error.value.faults
    assert (fault.where, fault.key) == (str(path), "house_04.bus")
