"""The command line: what a person types, and what comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cosim.cli.arguments import duration_us, scenario_path
from cosim.scenario import bundled
from gridmodel.errors import ScenarioError
from tests.conftest import ROOT, STREET
from tests.cosim.scenario.test_oedisi import DIAGRAM, MAPPING
from tests.cosim.scripts import RING, write


def cli(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cosim", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer


def test_run_prints_key_figures_and_the_report_and_the_run_can_be_listed(tmp_path):
    out = str(tmp_path)
    answer = cli("run", "street_island", "--until", "10min", "--out", out, "--seed", "3")
    assert "households.critical_served_pu" in answer.stdout
    report = Path(answer.stdout.strip().splitlines()[-1])
    assert report.name == "report.html"
    assert report.exists()
    assert "x real time" in answer.stderr
    listed = cli("runs", "--out", out).stdout
    assert report.parent.name in listed
    assert "done" in listed
    report.unlink()
    assert cli("report", "last", "--out", out).stdout.strip() == str(report)
    assert report.exists()
    assert json.loads((report.parent / "run.json").read_text())["seed"] == 3


def test_json_is_one_object_and_nothing_else(tmp_path):
    answer = cli("run", "street_island", "--until", "1min", "--json", "--out", str(tmp_path))
    data = json.loads(answer.stdout)
    assert set(data) == {"run", "exit", "reason", "kpis"}
    assert data["exit"] == 0
    assert data["kpis"]["meter.balance_worst_pu"] < 1e-6
    assert answer.stderr == ""


def test_a_shortfall_is_exit_code_1_and_says_which(tmp_path):
    setting = "expect={battery.soc_min_pu: {min: 0.9}}"
    command = ["run", "street_island", "--until", "1min", "--out", str(tmp_path), "--set", setting]
    assert "battery.soc_min_pu is 0.4, expected at least 0.9" in cli(*command, code=1).stderr


def test_bad_input_is_exit_code_2_with_all_faults(tmp_path):
    settings = ["--set", "federates.battery.e_kwh=-1", "--set", "federates.mid.modl=x"]
    answer = cli("run", "street_island", "--out", str(tmp_path), *settings, code=2)
    assert "2 faults" in answer.stderr
    assert "greater than 0" in answer.stderr
    assert "there is no key 'modl' here" in answer.stderr
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_a_scenario_that_does_not_exist_names_the_bundled_ones():
    assert "Did you mean 'street_island'?" in cli("validate", "street_iland", code=2).stderr


def test_validate_warns_of_the_traps_with_numbers():
    answer = cli("validate", "street_island/grid_code_pv")
    said = " ".join(answer.stderr.split())
    assert "cannot be throttled below 48% by frequency" in said
    assert "51.5 Hz" in said
    said = " ".join(cli("validate", "street_island/short_filter").stderr.split())
    assert "H = 0.5 s" in said
    assert "25 Hz/s" in said
    assert "4 Hz/s" in said
    assert cli("validate", "street_island").stderr == ""


def test_an_ieee_inverter_is_warned_of_with_61_percent():
    answer = cli("validate", "street_island", "--set", "federates.island.grid_code=ieee_1547_2018")
    assert "cannot be throttled below 61% by frequency" in " ".join(answer.stderr.split())


def test_explain_gives_default_unit_and_meaning_of_every_key():
    text = cli("explain", "battery").stdout
    for key in ("e_kwh", "kWh", "required", "soc_min_pu", "0.05", "no discharge below"):
        assert key in text
    assert "spreading_factor" in cli("explain", "lora").stdout
    assert "enter_delay_s" in cli("explain", "edge_node").stdout
    assert "duration_h" in cli("explain", "scenario").stdout
    everything = cli("explain").stdout
    assert "photovoltaics" in everything
    assert "coordinator" in everything
    values = cli("explain", "street_island", "--set", "federates.battery.e_kwh=99").stdout
    assert "99" in values


def test_graph_shows_levels_and_delays_and_writes_a_picture(tmp_path):
    target = tmp_path / "graph.svg"
    text = cli("graph", "street_island", "-o", str(target)).stdout
    assert "level 2  island  (every 1 s)" in text
    assert "from mid (delayed): tied, form, sync" in text
    root = ET.fromstring(target.read_text())
    names = {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"island", "lora", "level 0", "every 60 s", "on events"} <= names


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("5h", 18_000_000_000),
        ("90min", 5_400_000_000),
        ("1.5 s", 1_500_000),
        ("2d", 172_800_000_000),
    ],
)
def test_durations(text, us):
    assert duration_us(text) == us


def test_a_duration_without_a_unit_is_refused():
    assert "write 5h" in cli("run", "street_island", "--until", "5", code=2).stderr


def test_every_bundled_scenario_can_be_named_and_is_good():
    names = bundled.names()
    assert "street_island" in names
    assert "street_island/citizen_mesh" in names
    assert scenario_path("street_island") == STREET / "scenario.yaml"
    assert scenario_path(str(STREET)) == STREET / "scenario.yaml"
    with pytest.raises(ScenarioError):
        scenario_path("nowhere")


def ring(tmp_path: Path) -> str:
    return str(write(tmp_path, RING))


def test_fork_compare_and_replay_go_together(tmp_path):
    out = ["--out", str(tmp_path / "runs")]
    first = json.loads(cli("run", ring(tmp_path), "--snapshot-every", "10s", "--json", *out).stdout)
    setting = ["--set", "federates.clock.says.1.t_s=50.5"]
    answer = cli("fork", first["run"], "--at", "35s", *setting, *out)
    assert "federates.clock.says.1.t_s: 30.5 -> 50.5" in answer.stderr
    second = answer.stdout.strip().splitlines()[-1].removesuffix("/report.html")
    said = cli("compare", first["run"], second, *out, code=1).stdout
    assert "they part at t = 30.500000 s (0.0085 h) in clock" in said
    assert Path(said.strip().splitlines()[-1]).read_bytes().startswith(b"\x89PNG")
    assert "the same" in cli("compare", first["run"], first["run"]).stdout
    assert "the same" in cli("replay", "last", "--federate", "echo", *out).stdout
    other = cli("replay", first["run"], "--federate", "clock", *setting, code=1)
    assert "differs first at t = 30.500000 s" in other.stdout
    data = json.loads(cli("replay", "last", "--federate", "clock", "--json", *out).stdout)
    assert data["same"]
    assert data["steps"] > 40
    bad = cli("replay", "last", "--federate", "clok", *out, code=2).stderr
    assert "Did you mean 'clock'" in bad


def test_a_profile_is_printed_as_tables_and_left_as_a_trace(tmp_path):
    answer = cli("run", ring(tmp_path), "--profile", "--out", str(tmp_path / "runs"))
    lines = [line.split() for line in answer.stdout.splitlines()]
    (clock,) = [line for line in lines if line[:1] == ["clock"]]
    assert clock[1] == "75"  # its own 72 steps and three for answers
    assert next(line for line in lines if line[:1] == ["federate"])[2:4] == ["time", "[s]"]
    assert "clock.tick_kw -> echo.tick_kw" in answer.stdout
    (trace,) = (tmp_path / "runs").glob("*/profile.json")
    assert str(trace) in answer.stdout


def test_real_time_on_the_command_line_overrides_the_factor_and_tells_lateness(tmp_path):
    path = write(
        tmp_path, RING,
        ("duration_h: 0.02", "duration_h: 0.02\nreal_time: {factor: 1.0, deadline_ms: 5000}"),
    )  # fmt: skip
    out = str(tmp_path / "runs")
    answer = cli("run", str(path), "--real-time", "0.01", "--until", "20s", "--out", out)
    assert "real time x 0.01: instants began" in answer.stdout
    assert "0 overruns" in answer.stdout
    assert "real" in cli("run", str(path), "--real-time", "0", "--out", out, code=2).stderr


@pytest.mark.parametrize("command", [["run"], ["fork", "--at", "10s"], ["resume"]])
def test_an_engine_that_does_not_exist_is_answered_with_the_nearest(tmp_path, command):
    out = ["--out", str(tmp_path / "runs")]
    path = ring(tmp_path)
    target = path if command == ["run"] else "last"
    if target == "last":
        cli("run", path, "--snapshot-every", "10s", "--quiet", *out)
    before = sorted((tmp_path / "runs").glob("*"))
    answer = cli(command[0], target, *command[1:], "--engine", "in_proces", *out, code=2)
    assert "there is no engine 'in_proces'. Did you mean 'in_process'?" in answer.stderr
    assert sorted((tmp_path / "runs").glob("*")) == before


def test_graph_tells_partitions(tmp_path):
    deploy = "deploy: {partitions: {west: [clock], east: [echo]}}"
    path = write(tmp_path, RING, ("duration_h: 0.02", f"duration_h: 0.02\n{deploy}"))
    said = cli("graph", str(path)).stdout
    assert "echo  (every 2.5 s)  in east" in said
    assert "listener  (on events)  in west" in said


def test_import_oedisi_writes_a_scenario_and_tells_what_it_did_not_take_over(tmp_path):
    diagram, mapping = tmp_path / "system.json", tmp_path / "mapping.yaml"
    diagram.write_text(json.dumps(DIAGRAM))
    mapping.write_text(MAPPING)
    said = cli("import", "oedisi", str(diagram), code=2).stderr
    assert "components.sensor-1: its type 'ToySensor' has no mapping" in said
    answer = cli("import", "oedisi", str(diagram), "--models", str(mapping))
    assert "it is good: 3 federates, 3 links" in answer.stdout
    assert "not taken over: variance: 0.5" in " ".join(answer.stderr.split())
    assert "is good" in cli("validate", str(tmp_path / "system.yaml")).stdout


def test_mosaik_sim_says_at_once_what_is_wrong():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        wrong = cli("mosaik-sim", "batery", address, code=2).stderr
        assert "Did you mean 'battery'" in wrong
        answer = cli("mosaik-sim", "battery", address, "--listen", code=3).stderr
        assert f"cannot listen at {address}" in answer
    answer = cli("mosaik-sim", "battery", address, code=3).stderr
    assert f"nobody listens at {address}" in answer
    assert "Traceback" not in answer
