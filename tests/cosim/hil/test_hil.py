"""Runs with nodes in processes of their own, over the street's blackout."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from cosim import run_folder, snapshots
from cosim.cli.arguments import scenario_path
from cosim.cli.hil import _bodies
from cosim.hil.answers import answers_of
from cosim.hil.hil import compared, differing, hil, inside, replay
from cosim.hil.live_node import LiveNode
from cosim.hil.statistics import percentiles
from cosim.hil.wish import wishes
from cosim.run import RunOptions
from gridmodel.errors import RunError, ScenarioError

pytest.importorskip("gpiozero")
SCARCITY = scenario_path("street_island/scarcity")
#: The grid fails at 36 s, the coordinator orders from 37 s on.
UNTIL_US = 50_000_000
BOTH = wishes(["nodes.house_03=emulated", "coordinator.house_02=emulated-udp"])


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The same minute with both nodes inside, and with both outside."""
    options = RunOptions(tmp_path_factory.mktemp("runs"), UNTIL_US)
    return inside(SCARCITY, BOTH, options), hil(SCARCITY, BOTH, options)


def test_every_decision_is_the_same_inside_and_outside(outcomes):
    one, other = outcomes
    assert other.result.code == one.result.code
    for name, found in compared(one, other).items():
        assert found.equal, (name, found.first)
        assert found.same > 4


def test_every_recorded_byte_is_the_same_inside_and_outside(outcomes):
    one, other = outcomes
    assert differing(one.result.folder, other.result.folder) == ()


def test_a_run_with_nodes_outside_runs_again_from_its_arrivals_to_the_byte(outcomes, tmp_path):
    again = replay(outcomes[1].result.folder, tmp_path)
    assert again.differs == ()
    assert again.lines["nodes.house_03"].asked > 5
    assert (again.result.folder / "arrivals" / "nodes.house_03.jsonl").exists()


def test_a_run_with_all_nodes_inside_has_nothing_to_replay(outcomes, tmp_path):
    with pytest.raises(RunError, match="had no nodes outside"):
        replay(outcomes[0].result.folder, tmp_path)


def test_the_run_says_how_well_the_line_worked(outcomes):
    run = json.loads((outcomes[1].result.folder / "run.json").read_text())
    kpis = {name: kpi["value"] for name, kpi in run["kpis"].items()}
    assert kpis["nodes.late_answer_count"] == kpis["nodes.node_lost_count"] == 0
    assert 0.0 < kpis["nodes.round_trip_p50_ms"] <= kpis["nodes.round_trip_max_ms"]
    assert (
        kpis["coordinator.order_count"] == outcomes[0].result.kpis["coordinator.order_count"].value
    )


def test_the_report_tells_answers_and_round_trips_of_each_node(outcomes, tmp_path):
    folder = outcomes[1].result.folder
    page = (folder / "report.html").read_text()
    assert "<h2>Nodes outside</h2>" in page
    assert "<h2>Nodes outside</h2>" not in (outcomes[0].result.folder / "report.html").read_text()
    for told in answers_of(folder):
        line = outcomes[1].lines[told.node]
        assert (told.asked, told.late, told.missing) == (line.asked, 0, 0)
        assert (told.p50_ms, told.p99_ms, told.max_ms) == percentiles(line.round_trips_ms)
        assert f'<td class="n">{told.p50_ms:.2f}</td>' in page
    again = replay(folder, tmp_path).result.folder
    assert answers_of(again) == answers_of(folder)
    assert "(&#39;house" not in page


def test_snapshots_are_refused_before_anything_runs_and_resume_names_the_replay(outcomes, tmp_path):
    with pytest.raises(RunError, match=r"cannot be saved or forked.*hil --replay"):
        hil(SCARCITY, BOTH, RunOptions(tmp_path, UNTIL_US, snapshot_every_us=1_000_000))
    assert not list(tmp_path.iterdir())
    folder = outcomes[1].result.folder
    with pytest.raises(RunError, match=f"nodes were outside.*hil --replay {folder.name}"):
        snapshots.newest_at(folder, None)
    with pytest.raises(RunError, match="Run with --snapshot-every 1h"):
        snapshots.newest_at(outcomes[0].result.folder, None)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The minute with a node whose process is killed at 40 s."""
    ask = LiveNode.ask
    patch = pytest.MonkeyPatch()

    def deadly(self, question):
        if question.t_us >= 40_000_000 and not self.gone:
            place = next(p for p in sessions[-1].places.values() if p.node is self)
            place.process.kill()
            place.process.wait()
        return ask(self, question)

    from cosim.hil import hil as module

    sessions: list = []

    class Noted(module.Session):
        def __init__(self, *args, **named) -> None:
            super().__init__(*args, **named)
            sessions.append(self)

    patch.setattr(module, "Session", Noted)
    patch.setattr(LiveNode, "ask", deadly)
    outcome = hil(SCARCITY, BOTH[:1], RunOptions(tmp_path_factory.mktemp("runs"), 70_000_000))
    patch.undo()
    return outcome


def test_a_node_that_is_killed_is_named_and_the_run_goes_on(killed):
    assert killed.result.reason != "failed"
    assert killed.result.t_us == 70_000_000
    (warning,) = [w for w in killed.scenario.warnings if "node outside died" in w]
    assert "nodes.house_03" in warning
    assert "code -9" in warning
    page = (killed.result.folder / "report.html").read_text()
    assert "nodes.house_03: the node outside died at t = 6" in page
    assert killed.result.kpis["nodes.node_lost_count"].value == 1


def test_a_node_that_is_killed_leaves_its_contacts_and_is_silent(killed, outcomes):
    trace = killed.traces["nodes.house_03"]
    whole = outcomes[0].traces["nodes.house_03"]
    last_us = max(decision.t_us for decision in trace)
    assert 36_000_000 <= last_us < 40_000_000
    assert list(trace) == [d for d in whole if d.t_us <= last_us]
    state = killed.scenario.federation["nodes"].federate
    assert state._terminals[2].relays == {"critical": False, "normal": False, "deferrable": False}


def test_a_run_with_a_death_in_it_is_replayed_to_the_byte(killed, tmp_path):
    assert replay(killed.result.folder, tmp_path).differs == ()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("house_3=emulated", "Did you mean 'house_03'?"),
        ("house_02=emulated", "Say which: nodes.house_02, coordinator.house_02"),
    ],
)
def test_a_wish_that_finds_none_or_several_is_refused(wish, words, tmp_path):
    with pytest.raises(ScenarioError) as caught:
        hil(SCARCITY, wishes([wish]), RunOptions(tmp_path, UNTIL_US))
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_two_wishes_for_one_node_are_told_before_anything_runs(tmp_path):
    asked = wishes(["house_03=emulated", "nodes.house_03=emulated"])
    for run_it in (hil, inside):
        with pytest.raises(ScenarioError, match="names that node already"):
            run_it(scenario_path("street_island/scarcity"), asked, RunOptions(tmp_path))
    assert not list(tmp_path.iterdir())


def test_bodies_that_are_none_are_told_all_at_once():
    with pytest.raises(ScenarioError) as told:
        _bodies(["radio=emulatd", "x=1", "relay=simulated"])
    assert "Did you mean 'radio.emulated'?" in str(told.value)
    assert "x=1: is no PORT=BODY" in str(told.value)


def test_a_node_that_cannot_start_is_told_with_its_last_words(tmp_path):
    with pytest.raises(ScenarioError) as caught:
        hil(SCARCITY, BOTH, RunOptions(tmp_path, UNTIL_US), bodies={"inverter": "none"})
    text = str(caught.value)
    assert "coordinator.house_02" in text
    assert "there is no bridge 'inverter.none'" in text
    assert not list(tmp_path.iterdir())  # nothing was begun


def test_the_command_prints_one_json_object(tmp_path):
    command = [
        sys.executable, "-m", "cosim", "hil", "street_island/scarcity", "--until", "10s", "--json",
        "--node", "nodes.house_03=emulated", "--out", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert said["nodes"]["nodes.house_03"]["late_answer_count"] == 0


def test_meters_that_cannot_be_emulated_are_told(tmp_path):
    sets = ["federates.nodes.meter.sampling=rounded"]
    outcome = hil(SCARCITY, BOTH[:1], RunOptions(tmp_path, 1_000_000), sets)
    (warning,) = [text for text in outcome.scenario.warnings if "stay simulated" in text]
    assert "--set federates.nodes.meter.sampling=sampled" in warning


def test_a_run_without_nodes_outside_asks_for_one():
    command = [sys.executable, "-m", "cosim", "hil", "street_island/scarcity"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--node house_03=emulated" in done.stderr


@pytest.fixture
def killed_run(tmp_path):
    """The folder of a run in real time whose process was killed with a node outside."""
    command = [
        sys.executable, "-m", "cosim", "hil", "street_island/scarcity", "--real-time", "0.04",
        "--node", "nodes.house_03=emulated", "--out", str(tmp_path / "runs"), "--quiet",
    ]  # fmt: skip
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        arrivals = "*/arrivals/nodes.house_03.jsonl"
        while process.poll() is None and not any(
            path.stat().st_size > 4000 for path in (tmp_path / "runs").glob(arrivals)
        ):
            time.sleep(0.05)
        process.kill()
    (run,) = run_folder.runs(tmp_path / "runs")
    return run


@pytest.mark.slow
def test_a_node_of_a_run_that_was_killed_ends_safely_and_no_socket_is_left(killed_run, tmp_path):
    log = killed_run / "nodes" / "nodes.house_03.log"
    until_s = time.monotonic() + 20.0
    words = ("told to end by SIGTERM", "the other end is gone")
    while not any(w in log.read_text() for w in words) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert any(word in log.read_text() for word in words)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.slow
def test_a_run_that_was_killed_is_replayed_as_far_as_its_record_goes(killed_run, tmp_path):
    run = killed_run
    with pytest.raises(RunError, match="feedertwin recover"):
        replay(run, tmp_path / "again")
    subprocess.run([sys.executable, "-m", "cosim", "recover", str(run)], check=True)
    again = replay(run, tmp_path / "again")
    assert again.differs == ()
    assert again.result.t_us == run_folder.read_run(run)["t_us"] > 1_000_000
    table = again.result.folder / "signals" / "nodes.parquet"
    rows = pq.read_table(table)
    pq.write_table(rows.slice(0, rows.num_rows // 2), table)
    assert differing(run, again.result.folder, again.result.t_us) == ("signals/nodes.parquet",)


def test_an_interrupt_ends_the_wait_for_a_node_and_leaves_nothing(tmp_path):
    command = [
        sys.executable, "-m", "cosim", "hil", "street_island/scarcity",
        "--node", f"nodes.house_03=unix:{tmp_path / 'nobody'}", "--out", str(tmp_path / "runs"),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (tmp_path / "nobody").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert "no run was begun" in said
    assert not list((tmp_path / "runs").iterdir())


def test_addresses_that_are_taken_are_told_all_at_once(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = [taken.getsockname()[1] for taken in (one, other)]
        asked = [
            f"nodes.house_0{k}=tcp:127.0.0.1:{port}" for k, port in zip("35", ports, strict=True)
        ]
        with pytest.raises(ScenarioError) as told:
            hil(SCARCITY, wishes(asked), RunOptions(tmp_path, UNTIL_US))
    for port in ports:
        assert f"tcp:127.0.0.1:{port} cannot be listened at" in str(told.value)
    assert not list(tmp_path.iterdir())
