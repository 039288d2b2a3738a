"""``feedertwin dist`` where NET is a scenario, and where a solver is not installed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from cosim.cli import main
from cosim.cli.dist_source import net_path
from gridmodel.counted import counted
from gridmodel.errors import NetworkError
from tests.conftest import ROOT, STREET

HEAD = "feedertwin: 1\nname: own\nduration_h: 1\n"


@pytest.fixture
def dist(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["feedertwin", "dist", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("street_island", "network.json"),
        ("street_island/citizen_mesh", "citizen_mesh.json"),
        ("street_island/scarcity", "network.json"),  # it names none itself, its base does
        (str(STREET), "network.json"),
        (str(STREET / "scarcity.yaml"), "network.json"),
        (str(STREET / "network.json"), "network.json"),
    ],
)
def test_a_scenario_by_name_or_path_stands_for_its_network(text, file):
    assert net_path(text).resolve() == (STREET / file).resolve()


def test_an_example_network_and_a_network_in_yaml_are_no_scenarios(tmp_path, monkeypatch):
    assert net_path("village") == ROOT / "scenarios" / "feeders" / "village.json"
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("name: a\nbuses: []\n")
    assert net_path("net.yaml") == Path("net.yaml")
    Path("street_island").mkdir()  # a folder of that name that is no scenario: what is typed
    assert net_path("street_island") == Path("street_island")


def test_all_four_commands_take_a_scenario_and_say_which_file_they_took(dist, tmp_path):
    for words in (("pf",), ("compare",), ("import", "-o", "net.json"), ("draw",)):
        code, said, aside = dist(words[0], "street_island", *words[1:])
        assert code == 0, aside
        assert re.search(r"network of the scenario: .*street_island/network\.json", aside)
        assert said
    assert (tmp_path / "net.json").exists()
    assert (tmp_path / "street_island.svg").exists()
    code, said, _ = dist("pf", "street_island", "--json")
    assert json.loads(said)["network"] == "street_island"


def test_a_scenario_without_a_network_says_so_with_the_other_faults(dist, tmp_path):
    (tmp_path / "own.yaml").write_text(f"{HEAD}federates: {{}}\n")
    code, _, aside = dist("pf", "own.yaml", "--solver", "fbz", "--from", "opendsss")
    assert code == 2
    assert "own.yaml network: this scenario has no network. Give a network file." in aside
    assert "Did you mean 'fbs'?" in aside
    assert "Did you mean 'opendss'?" in aside
    assert "3 faults" in aside


@pytest.mark.parametrize(
    "body",
    [
        "network: [a.json, b.json]\nfederates: {}\n",
        "network: a.json\nfederates: {west: {model: feeder, network: b.json}}\n",
    ],
)
def test_a_scenario_with_several_networks_names_them(tmp_path, monkeypatch, body):
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(HEAD + body)
    with pytest.raises(NetworkError) as caught:
        net_path("own.yaml")
    (fault,) = caught.value.faults
    assert fault.where == "own.yaml:4"
    assert "has 2 networks: a.json, b.json. Give the one that is meant." in str(fault)


def test_one_network_named_twice_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = "network: a.json\nfederates: {west: {model: feeder, network: a.json}}\n"
    Path("own.yaml").write_text(HEAD + body)
    assert net_path("own.yaml") == Path("a.json")


def test_a_scenario_that_is_no_yaml_has_its_line(dist, tmp_path):
    (tmp_path / "own.yaml").write_text("feedertwin: 1\nname: [x\n")
    code, _, aside = dist("draw", "own.yaml")
    assert code == 2
    assert re.search(r"own\.yaml:[23]: not YAML", aside)


def test_the_network_of_a_scenario_is_not_written_over(dist, tmp_path):
    (tmp_path / "net.json").write_bytes((STREET / "network.json").read_bytes())
    (tmp_path / "own.yaml").write_text(f"{HEAD}network: net.json\nfederates: {{}}\n")
    code, _, aside = dist("import", "own.yaml", "-o", "net.json")
    assert code == 2
    assert "is the file that is read" in aside


def test_a_mistyped_scenario_is_met_with_the_right_one_and_no_list_of_folders(dist, tmp_path):
    (tmp_path / "LICENSE").write_text("")
    (tmp_path / "docs").mkdir()
    assert "Did you mean 'street_island'?" in dist("pf", "street_iland")[2]
    told = dist("pf", "nowhere_at_all")[2]
    assert "Known are street_island, " in told
    assert "LICENSE" not in told
    assert "docs" not in told


def test_compare_leaves_out_what_is_not_installed_and_says_how_to_install_it(dist, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandapower", None)
    code, said, aside = dist("compare", "village")
    assert code == 0
    assert re.search(r"^pandapower +left out *$", said, re.M)
    assert re.search(r"^fbs +yes .*\d\.\de-\d\d", said, re.M)  # the others are compared
    assert "pandapower is left out: it is not installed. To compare with it as well:" in aside
    assert '\n  pip install "feedertwin[pandapower]"\n' in aside
    assert "cannot hold" not in aside
    sides = json.loads(dist("compare", "village", "--json")[1])["solvers"]
    assert sides["pandapower"]["why"] == ["it is not installed"]
    assert sides["pandapower"]["install"] == 'pip install "feedertwin[pandapower]"'
    assert "install" not in sides["fbs"]


def test_one_of_a_thing_is_not_several(dist):
    assert "street_island by fbs: converged in 1 solution;" in dist("pf", "street_island")[1]
    said = dist("import", "street_island")[1]
    assert "1 energy source, 1 impedance, 13 lines, 1 transformer, 25 consumers" in said
    assert [counted(n, one) for one in ("bus", "switch", "entry", "day") for n in (1, 2)] == [
        "1 bus", "2 buses", "1 switch", "2 switches", "1 entry", "2 entries", "1 day", "2 days",
    ]  # fmt: skip
    assert counted(8760, "hour") == "8,760 hours"
