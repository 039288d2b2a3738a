"""The network: a change makes a new one that shares the rest, or is refused whole."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from gridmodel.errors import NetworkError
from gridmodel.ingest.network_file import read_network, write_network
from gridmodel.network.network import Bus, Network
from tests.conftest import ROOT
from tests.simulators.power_flow.random_networks import networks

VILLAGE = ROOT / "scenarios" / "feeders" / "village.json"


@pytest.fixture(scope="module")
def village() -> Network:
    return read_network(VILLAGE)


def test_a_change_shares_everything_else(village: Network) -> None:
    changed = village.with_(switches={"tie": {"open": False}})
    assert not changed.group("switches")["tie"].open
    assert village.group("switches")["tie"].open
    for key in Network.GROUPS:
        if key != "switches":
            assert getattr(changed, key) is getattr(village, key), key
    for old, new in zip(village.switches, changed.switches, strict=True):
        assert (old is new) == (old.name != "tie")


def test_a_change_of_buses_is_seen_by_name(village: Network) -> None:
    assert village.bus["hill"].v_nominal_v == 12470.0  # fills what is cached
    changed = village.with_(buses={"hill": {"v_nominal_v": 13200.0}})
    assert changed.bus["hill"].v_nominal_v == 13200.0
    assert changed.with_(buses=(Bus(name="one", v_nominal_v=1.0),)).bus_index == {"one": 0}
    assert village.bus["hill"].v_nominal_v == 12470.0


def test_changes_that_cannot_be_are_all_told(village: Network) -> None:
    with pytest.raises(NetworkError) as caught:
        village.with_(
            switchez={},
            switches={"tei": {"open": False}, "tie": {"open": "perhaps"}},
            lines={"line_2": {"length_km": -1.0, "lenght_km": 2.0}},
            f_nominal_hz=-50.0,
        )
    told = {fault.key: fault for fault in caught.value.faults}
    assert set(told) == {
        "switchez", "switches.tei", "switches.tie.open", "lines.line_2.length_km",
        "lines.line_2.lenght_km", "f_nominal_hz",
    }  # fmt: skip
    assert "Did you mean 'switches'?" in told["switchez"].advice
    assert "Did you mean 'tie'?" in told["switches.tei"].advice
    assert "Did you mean 'length_km'?" in told["lines.line_2.lenght_km"].advice


def test_a_network_and_its_elements_cannot_be_changed(village: Network) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        village.name = "town"
    with pytest.raises(ValidationError, match="frozen"):
        village.buses[0].v_nominal_v = 1.0
    with pytest.raises(ValidationError, match="frozen"):
        village.with_(name="town").name = "city"


def test_a_network_travels_between_processes(village: Network) -> None:
    assert pickle.loads(pickle.dumps(village)) == village


@settings(max_examples=20)
@given(networks(controls=True))
def test_any_network_is_the_same_from_json_and_from_yaml(
    tmp_path_factory: pytest.TempPathFactory, network: Network
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for name in ("net.json", "net.yaml"):
        write_network(network, folder / name)
        assert read_network(folder / name) == network
    again = folder / "again.json"
    write_network(read_network(folder / "net.json"), again)
    assert again.read_bytes() == (folder / "net.json").read_bytes()


def written(tmp_path: Path, network: Network) -> list[str]:
    write_network(network, tmp_path / "net.json")
    return (tmp_path / "net.json").read_text(encoding="utf-8").splitlines()


def test_json_has_one_element_a_line(tmp_path: Path, village: Network) -> None:
    lines = written(tmp_path, village)
    for key in ("buses", "lines", "consumers"):
        for element in getattr(village, key):
            assert sum(f'{{"name": "{element.name}", ' in line for line in lines) >= 1
    changed = written(tmp_path, village.with_(lines={"line_2": {"length_km": 9.9}}))
    assert sum(a != b for a, b in zip(lines, changed, strict=True)) == 1


def test_faults_of_a_file_are_told_at_their_lines(tmp_path: Path, village: Network) -> None:
    lines = written(tmp_path, village)
    rows = {}
    for wrong, right, text in (
        ("length", '"name": "line_2"', '"length_km": -1.0, "x"'),
        ("key", '"name": "line_3"', '"colour": "red", "x"'),
        ("volts", '"name": "hill"', '"v_nominal_v": 0.0, "x"'),
    ):
        row = next(k for k, line in enumerate(lines) if right in line and "{" in line)
        rows[wrong] = row + 1
        what = text.split(":")[0].strip('"')
        start = lines[row].index("{") + 1
        lines[row] = (
            lines[row].replace(f'"{what}":', '"origin":', 1) if what != "colour" else lines[row]
        )
        lines[row] = f"{lines[row][:start]}{text.rsplit(',', 1)[0]}, {lines[row][start:]}"
    path = tmp_path / "net.json"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    told = {fault.where for fault in caught.value.faults}
    assert {f"{path}:{row}" for row in rows.values()} <= told


@pytest.mark.parametrize(
    ("name", "text", "place", "problem"),
    [
        ("net.json", '{"name": "n",\n "buses": [\n', ":3", "is not JSON"),
        ("net.yaml", "name: n\nbuses: [\n", ":3", "is not YAML"),
        ("net.json", '{"name": "n"}', "", "is missing"),
        ("net.json", '{"name": "n", "buses": [], "lines": []}', "", "there is none"),
    ],
)
def test_a_file_that_is_no_network_is_refused_at_its_place(
    tmp_path: Path, name: str, text: str, place: str, problem: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    (told,) = caught.value.faults
    assert told.where == f"{path}{place}"
    assert problem in told.problem


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="cannot be read") as caught:
        read_network(tmp_path / "lost.json")
    assert "lost.json" in caught.value.faults[0].where


def test_what_does_not_fit_together_in_a_file_is_told_with_its_elements(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(
        '{"name": "n", "buses": [{"name": "a", "v_nominal_v": 400.0}],\n'
        ' "energy_sources": [{"name": "grid", "bus": "b", "v_nominal_v": 400.0}],\n'
        ' "consumers": [{"name": "house", "bus": "c", "v_rated_v": 400.0, "p_rated_kw": 1.0}]}',
        encoding="utf-8",
    )
    with pytest.raises(NetworkError) as caught:
        read_network(path)
    assert [fault.key for fault in caught.value.faults] == ["house.bus", "grid.bus"]
    assert all(str(path) in fault.where for fault in caught.value.faults)
