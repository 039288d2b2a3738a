"""Runs that were killed: how they are listed, and what is made of what they left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from cosim import run_folder
from cosim.cli.runs import runs_command
from cosim.recover import RECOVERED, recover
from cosim.run import RunOptions, run
from cosim.run_owner import lives, owner
from gridmodel.errors import RunError
from tests.conftest import ROOT
from tests.cosim.parts import counter
from tests.cosim.scenarios import scenario

S = 1_000_000
#: A run that kills itself at 20 s.
DEADLY = """\
feedertwin: 1
name: deadly
duration_h: 0.02
federates:
  source: {model: scripted, period_s: 1, outputs: {o_kw: {}}, drill: {t_s: 20, how: kill}}
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "deadly.yaml").write_text(DEADLY)
    command = [sys.executable, "-m", "cosim", "run", str(folder / "deadly.yaml"), "--quiet"]
    ended = subprocess.run(
        [*command, "--snapshot-every", "5s", "--out", str(folder / "runs")], cwd=ROOT, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    (run_of_it,) = run_folder.runs(folder / "runs")
    return run_of_it


def test_a_process_is_known_by_its_number_and_its_start():
    me = owner()
    assert lives(me)
    assert not lives(me | {"started": me["started"] - 1})  # another one with its number
    assert not lives(me | {"boot": "another"})
    assert lives(me | {"host": "elsewhere"}) is None
    assert lives(None) is None
    with subprocess.Popen(["sleep", "60"]) as child:
        ticks = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        other = me | {"pid": child.pid, "started": int(ticks)}
        assert lives(other)
        child.kill()
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            time.sleep(0.01)
        assert not lives(other)  # though nobody has waited for it


def test_a_killed_run_is_called_killed_until_it_is_recovered(killed):
    assert run_folder.state(run_folder.read_run(killed)) == "killed"


def test_a_run_that_lives_is_running_and_is_not_recovered(killed, tmp_path):
    about = run_folder.read_run(killed) | {"process": owner()}
    run_folder.write_json(tmp_path / run_folder.RUN_FILE, about)
    assert run_folder.state(about) == "running"
    with pytest.raises(RunError, match=f"still runs .process {os.getpid()}"):
        recover(tmp_path)


def test_a_recovered_run_says_what_it_lacks_and_how_long_it_ran(killed):
    began = run_folder.read_run(killed)
    found = recover(killed)
    assert found.rows == 20
    assert found.last_us == 19 * S
    about = run_folder.read_run(killed)
    assert (about["status"], about["t_us"]) == (RECOVERED, 19 * S)
    assert run_folder.state(about) == "recovered"
    ended = datetime.fromisoformat(about["ended_utc"])
    took_s = (ended - datetime.fromisoformat(began["started_utc"])).total_seconds()
    assert about["wall_s"] == pytest.approx(took_s, abs=1e-3)
    assert took_s > 0.0
    assert about["warnings"] == [found.lost]
    for words in ("no key figures", "up to t = 0.00527778 h", "snapshot at 0.00555556 h"):
        assert words in found.lost
    assert "judged" not in found.lost  # it expected nothing
    again = recover(killed)
    assert again.rows == 0
    assert run_folder.read_run(killed) == about


def test_runs_are_listed_by_their_begin_with_the_newest_last_and_no_name_is_cut(tmp_path, capsys):
    names = ["zebra", "ape", "a_scenario_with_quite_a_long_name_for_a_table_of_eighty_columns"]
    for name in names:
        run(scenario({"source": counter(S)}, hours=0.001, name=name), RunOptions(tmp_path))
    run(scenario({"source": counter(-S)}, hours=0.001, name="bad"), RunOptions(tmp_path))
    runs_command(tmp_path)
    title, *said = capsys.readouterr().out.splitlines()
    assert title.split() == ["run", "exit", "t", "[h]", "wall", "[s]", "seed", "state"]
    assert [line.partition("-2")[0] for line in said] == [*names, "bad"]
    assert said[0].endswith("done")
    assert "failed: ..." in said[-1]
    for folder in run_folder.runs(tmp_path):
        assert any(line.startswith(f"{folder.name} ") for line in said)


def test_runs_of_usual_names_fit_80_columns_and_a_long_reason_is_cut(tmp_path, capsys):
    run(scenario({"source": counter(-S)}, hours=0.001), RunOptions(tmp_path))
    runs_command(tmp_path)
    title, line = capsys.readouterr().out.splitlines()
    assert len(title) < len(line) <= 80
    assert line.endswith("...")
