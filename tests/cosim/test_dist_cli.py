"""``feedertwin dist``: what a person types, and what comes back."""

from __future__ import annotations

import json
import re
import sys
from typing import NamedTuple

import pytest

from cosim.cli import main
from cosim.cli.dist_compare import difference, standing
from gridmodel.ingest.network_file import write_network
from gridmodel.ingest.read import read_any
from simulators.power_flow.solvers import solve
from tests.conftest import ROOT, STREET
from tests.gridmodel.ingest.test_read_any import CASE, VILLAGE
from tests.test_how_tos import typed


class Said(NamedTuple):
    """What a command printed."""

    out: str
    err: str


@pytest.fixture
def dist(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; its exit code must be the one given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: str, code: int = 0) -> Said:
        monkeypatch.setattr(sys, "argv", ["feedertwin", "dist", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = Said(*capsys.readouterr())
        assert ended.value.code in ((0, None) if code == 0 else (code,)), said
        return said

    return run


@pytest.fixture(scope="module")
def village():
    return read_any(VILLAGE)[0]


@pytest.fixture
def overloaded(village, tmp_path):
    """A network with more load than its line can carry."""
    heavy = {"p_rated_kw": 9000.0, "q_rated_kvar": 4000.0, "v_min_pu": 0.0}
    path = tmp_path / "overloaded.json"
    write_network(village.with_(consumers={"far_farm_dairy": heavy}), path)
    return str(path)


def test_import_writes_our_json_and_tells_what_was_not_taken_over_by_file_and_line(dist, tmp_path):
    script = [
        "clear",
        "new circuit.small bus1=a basekv=12.47",
        "new line.one bus1=a bus2=b length=1",
        "new energymeter.look element=line.one",
        "set voltagebases=[12.47]",
        "calcvoltagebases",
        "solve",
    ]
    (tmp_path / "small.dss").write_text("\n".join(script))
    said = dist("import", str(tmp_path / "small.dss"), "-o", str(tmp_path / "net.json"))
    assert "small: 2 buses, 1 energy source, 1 impedance, 1 line" in said.out
    assert re.search(r"notice .*small\.dss:7: solve", said.err)
    assert read_any(tmp_path / "net.json")[0].bus.keys() == {"a", "b"}


@pytest.mark.parametrize("name", ["v.yaml", "v.dss", "v.xml"])
def test_import_writes_the_format_the_ending_says(dist, tmp_path, village, name):
    dist("import", "village", "-o", name)
    assert len(read_any(tmp_path / name)[0].buses) == len(village.buses)


def test_import_tells_what_the_written_format_cannot_hold(dist):
    said = dist("import", "village", "-o", "v.m")
    assert "sunfield_curve" in said.err


def test_import_refuses_to_write_over_what_it_reads(dist, tmp_path):
    (tmp_path / "pair.m").write_text(CASE)
    said = dist("import", "pair.m", "-o", "pair.m", code=2)
    assert "is the file that is read" in said.err
    assert (tmp_path / "pair.m").read_text() == CASE


def test_every_fault_of_the_command_line_is_told_at_once(dist):
    said = dist("pf", "vilage", "--solver", "fbz", "--from", "opends", "--v-min", "2", code=2)
    for hint in ("'village'", "'fbs'", "'opendss'", "is not below --v-max"):
        assert hint in said.err
    assert "4 faults" in said.err
    said = dist("draw", "vilage", "-o", "nowhere/net.svgg", "--solver", "open_dss", code=2)
    for hint in ("'village'", "'opendss'", "'.svg'", "there is no folder"):
        assert hint in said.err
    said = dist("import", "vilage", "-o", "net.jsn", code=2)
    for hint in ("'village'", "'.json'"):
        assert hint in said.err


def test_every_fault_of_a_file_is_told_at_once(dist, tmp_path):
    data = json.loads(VILLAGE.read_text())
    data["lines"][0]["bus_to"] = "crosroads"
    data["consumers"][0]["bus"] = "markt"
    (tmp_path / "bad.json").write_text(json.dumps(data))
    said = dist("pf", "bad.json", code=2)
    assert "2 faults" in said.err
    assert "Did you mean 'crossroads'" in said.err
    assert "Did you mean 'market'" in said.err


@pytest.mark.parametrize("solver", ["fbs", "opendss"])
def test_pf_shows_voltages_losses_taps_and_what_is_out_of_range(dist, solver):
    said = dist("pf", "village", "--solver", solver)
    assert f"village by {solver}: converged" in said.out
    assert re.search(r"source 2,256\.0\d kW.*losses 43\.4", said.out)
    assert re.search(r"^hill +12,470 +ABC +0\.99\d\d A +1\.03\d\d C *$", said.out, re.M)
    assert "regulator_b.2 1.0437 (+7)" in said.out
    assert "market_capacitor 1 of 1" in said.out
    assert "every phase is within 0.95 to 1.05 pu" in said.out


def test_without_controls_taps_stay_and_low_phases_are_listed(dist):
    said = dist("pf", "village", "--no-controls")
    assert "regulator_b.2 1 (+0)" in said.out
    assert re.search(r"^house_3 .* low$", said.out, re.M)
    assert re.search(r"4 outside 0\.95 to 1\.05 pu: house_3\.A 0\.936", said.out)
    wide = dist("pf", "village", "--no-controls", "--v-min", "0.9", "--v-max", "1.1")
    assert "every phase is within 0.9 to 1.1 pu" in wide.out


def test_a_bus_without_a_source_is_named_and_has_no_voltage(dist, tmp_path, village):
    cut = village.with_(switches={"recloser": {"open": True}})
    write_network(cut, tmp_path / "cut.json")
    said = dist("pf", "cut.json")
    assert "no source reaches gate, hill, sunfield, sunfield_low, far_farm" in said.out
    assert not re.search(r"^hill ", said.out, re.M)


def test_a_street_is_shown_from_phase_to_neutral_with_the_neutrals_voltage(dist):
    said = dist("pf", str(STREET / "network.json"))
    assert "neutral V" in said.out
    assert "notices of the reader" in said.err or "notice of the reader" in said.err


def test_json_is_the_answer_and_nothing_else(dist):
    answer = json.loads(dist("pf", "village", "--json").out)
    assert answer["converged"] is True
    assert {"losses_kw", "source_kw", "taps_pu", "troubles"} <= answer.keys()
    assert answer["buses"]["farm"].keys() == {"C"}
    assert answer["buses"]["farm"]["C"].keys() == {"vm_pu", "va_degree"}
    assert 1.0 < answer["buses"]["farm"]["C"]["vm_pu"] < 1.02


@pytest.mark.parametrize("solver", ["fbs", "opendss"])
def test_what_does_not_converge_says_where_how_it_went_and_the_usual_causes(
    dist, overloaded, solver
):
    said = dist("pf", overloaded, "--solver", solver, code=3)
    assert "not found" in said.err
    assert re.search(r"island fed by 'grid', bus far_farm, phase [ABC]: ", said.err)
    assert "Usual causes: more load" in said.err
    assert "Try the solver" in said.err
    steps = re.findall(r"residuals  1: [\d.e+-]+  2: ", said.err)
    assert len(steps) == (solver == "fbs")  # OpenDSS has but its last, told in the sentence
    answer = json.loads(dist("pf", overloaded, "--solver", solver, "--json", code=3).out)
    assert answer["converged"] is False
    assert answer["troubles"]


def test_compare_shows_the_same_taps_and_where_solvers_are_furthest_apart(dist):
    answer = json.loads(dist("compare", "village", "--json").out)
    assert answer["reference"] == "opendss"
    swept, solved = answer["solvers"]["fbs"], answer["solvers"]["opendss"]
    assert 0.0 < swept["apart_pu"] < 1e-4
    assert swept["taps_pu"] == pytest.approx(solved["taps_pu"])
    assert swept["losses_kw"] == pytest.approx(solved["losses_kw"], rel=1e-4)
    assert solved["apart_pu"] == 0.0


def test_compare_says_why_a_solver_cannot_hold_a_network(dist):
    pytest.importorskip("pandapower")
    said = dist("compare", "village")
    assert re.search(r"^pandapower +left out", said.out, re.M)
    assert "pandapower is left out: it cannot hold this network, for 31 reasons" in said.err
    assert "line_6: has the conductors C" in said.err


def test_three_solvers_agree_on_a_balanced_case(dist, tmp_path):
    pytest.importorskip("pandapower")
    (tmp_path / "pair.m").write_text(CASE)
    answer = json.loads(dist("compare", "pair.m", "--json").out)
    for name in ("fbs", "opendss", "pandapower"):
        assert answer["solvers"][name]["converged"], name
        assert answer["solvers"][name]["apart_pu"] < 1e-6, name


def test_a_solver_without_controls_takes_taps_and_capacitors_where_another_left_them(village):
    off = village.with_(
        capacitor_controls={"market_capacitor": {"on": 110.0, "off": 115.0, "dead_time_s": 0.0}}
    )
    flow = solve(off, "opendss")
    assert flow.sections_on["market_capacitor"] == 0
    taken = standing(off, flow)
    assert taken.group("capacitors")["market_capacitor"].sections_on == 0
    assert (
        taken.group("transformers")["regulator_a"].ends[1].tap_pu == flow.taps_pu["regulator_a.2"]
    )
    assert taken.group("transformers")["regulator_a"].ends[1].tap_pu != 1.0
    apart, _ = difference(solve(taken, "opendss", controls=False), flow)
    frozen, _ = difference(solve(off, "opendss", controls=False), flow)
    assert apart < 2e-3 < frozen  # but for what the inverter's curve does


def test_compare_ends_with_3_where_there_is_no_solution(dist, overloaded):
    said = dist("compare", overloaded, code=3)
    assert re.search(r"^fbs +no", said.out, re.M)
    assert "Usual causes" in said.err


def test_draw_writes_a_picture_beside_which_nothing_changes(dist, tmp_path):
    dist("draw", "village")
    picture = (tmp_path / "village.svg").read_bytes()
    dist("draw", "village", "-o", "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == picture
    dist("draw", str(STREET / "network.json"), "-o", "street.png")
    assert (tmp_path / "street.png").read_bytes().startswith(b"\x89PNG")


def test_what_has_no_solution_is_drawn_all_the_same(dist, tmp_path, overloaded):
    dist("draw", overloaded, "-o", "heavy.svg", code=3)
    assert (tmp_path / "heavy.svg").exists()


def test_the_commands_of_the_how_to_run(tmp_path):
    page = (ROOT / "docs" / "how-to" / "power_flow.md").read_text()
    shown = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    commands = [line for block in shown for line in block.splitlines() if line]
    assert len(commands) >= 6
    said = {command: typed(command, tmp_path) for command in commands}
    answer = json.loads(said["feedertwin dist pf village --solver opendss --json"])
    (sample,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    promised = json.loads(sample)
    farm, given = answer["buses"]["farm"]["C"], promised["buses"]["farm"]["C"]
    assert farm["vm_pu"] == pytest.approx(given["vm_pu"], abs=1e-4)
    assert farm["va_degree"] == pytest.approx(given["va_degree"], abs=0.01)
    assert answer["losses_kw"] == pytest.approx(promised["losses_kw"], abs=0.01)
    assert answer["source_kw"] == pytest.approx(promised["source_kw"], abs=0.01)


def test_python_of_the_how_to_runs(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "how-to" / "power_flow.md").read_text()
    ((code, shown),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
    (tmp_path / "net.json").write_text(VILLAGE.read_text())
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "power_flow.md", "exec"), {})
    assert capsys.readouterr().out == shown
