"""How a run ends: what is judged, what is not, and how the last lines say it."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cosim import run_folder, snapshots
from cosim.cli import application
from cosim.cli.ending import ending
from cosim.cli.run import show
from cosim.pacer import RealTimeConfig
from cosim.run import DONE, FAILED, FELL_SHORT, INTERRUPTED, RunOptions, run
from gridmodel.errors import PluginError, RunError, ScenarioError
from gridmodel.federate import Inputs, Kpi, Signal
from tests.cosim.parts import Part, counter
from tests.cosim.scenarios import scenario
from tests.cosim.scripts import RING, write

S = 1_000_000
EXPECT = {"source.step_count": {"min": 0}}


class Ending(Part):
    """A part with a key figure that does something at 5 s."""

    def kpis(self):
        return (Kpi("step_count", 5.0, "steps"),)


def ending_by(what) -> Ending:
    def behave(part: Part, t_us: int, inputs: Inputs):
        if t_us == 5 * S:
            what()
        return {"n_kw": 1.0}, t_us + S

    return Ending(behave, outputs=[Signal("n_kw")], period_us=S)


def fail() -> None:
    raise ValueError("enough")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def lines(result) -> list[str]:
    return list(ending(result, run_folder.read_run(result.folder)))


@pytest.mark.parametrize(
    ("what", "code", "why"),
    [
        (interrupt, INTERRUPTED, "the run was interrupted at t = 6 s"),
        (fail, FAILED, "the run failed at t = 5 s"),
    ],
)
def test_expectations_of_a_run_that_was_cut_short_are_not_judged(tmp_path, what, code, why):
    made = scenario({"source": ending_by(what)}, hours=0.01, expect=EXPECT)
    result = run(made, RunOptions(tmp_path))
    assert (result.code, result.not_judged, result.shortfalls) == (code, why, [])
    about = run_folder.read_run(result.folder)
    assert about["not_judged"] == why
    assert f"[bold yellow]not judged[/]: 1 expectation, as {why}" in lines(result)
    if code == INTERRUPTED:
        told = "interrupted at t = 6 s, expectations were not judged"
        assert about["status"] == told
        assert told in (result.folder / "report.html").read_text()


def test_key_figures_of_a_run_that_was_cut_short_are_called_neither_met_nor_short(tmp_path, capsys):
    for what, mark in ((interrupt, "not judged"), (int, "met")):
        made = scenario({"source": ending_by(what)}, hours=0.01, expect=EXPECT)
        show(run(made, RunOptions(tmp_path)), as_json=False, quiet=False)
        table = capsys.readouterr().out.splitlines()
        (row,) = [line for line in table if line.startswith("source.step_count")]
        assert row.rstrip().endswith(f"0 {mark}")


def test_expectations_that_shall_not_be_judged_are_not(tmp_path):
    high = {"source.step_count": {"min": 99}}
    made = scenario({"source": ending_by(int)}, hours=0.01, expect=high)
    result = run(made, RunOptions(tmp_path, not_judged="it was cut short before"))
    assert (result.code, result.not_judged) == (DONE, "it was cut short before")
    assert result.shortfalls == []


def test_a_whole_run_and_one_without_expectations_are_not_called_unjudged(tmp_path):
    whole = run(
        scenario({"source": ending_by(int)}, hours=0.01, expect=EXPECT), RunOptions(tmp_path)
    )
    assert (whole.code, whole.not_judged) == (DONE, None)
    cut = run(scenario({"source": ending_by(interrupt)}, hours=0.01), RunOptions(tmp_path))
    assert (cut.reason, cut.not_judged) == ("interrupted at t = 6 s", None)


def test_a_run_that_stops_early_on_demand_says_on_what_it_was_judged(tmp_path):
    made = scenario({"source": ending_by(int)}, hours=0.01, expect=EXPECT)
    said = lines(run(made, RunOptions(tmp_path, until_us=18 * S)))
    assert "expectations were judged on the first 0.005 h of 0.01 h" in said
    assert not any("judged" in line for line in lines(run(made, RunOptions(tmp_path))))


def test_the_last_lines_say_one_thing_each_and_end_with_the_report(tmp_path):
    result = run(scenario({"source": counter(S)}, hours=0.01), RunOptions(tmp_path))
    reason, simulated, report = lines(result)
    assert reason == "[bold green]done[/]"
    assert simulated.startswith("0.01 h simulated in ")
    assert simulated.endswith(" x real time")
    assert report == str(result.folder / "report.html")


def test_a_reason_in_brackets_is_not_taken_for_a_style(tmp_path):
    def nothing() -> None:
        raise ValueError("[red] alert")

    result = run(scenario({"source": ending_by(nothing)}, hours=0.01), RunOptions(tmp_path))
    assert r"\[red] alert" in lines(result)[0]


def test_a_run_in_real_time_says_how_much_faster_than_the_clock_it_was_to_be(tmp_path):
    made = scenario({"source": counter(S)}, hours=0.001)
    result = run(made, RunOptions(tmp_path, real_time=RealTimeConfig(factor=0.01)))
    assert "it was to be 100 times faster than the wall clock" in lines(result)


@pytest.mark.parametrize(
    ("until_us", "text"),
    [(0, "the run begins at 0 h"), (37 * S, "the scenario ends at 0.01 h. Raise duration_h")],
)
def test_an_end_that_is_none_or_too_late_is_refused_and_nothing_is_begun(tmp_path, until_us, text):
    made = scenario({"source": counter(S)}, hours=0.01)
    with pytest.raises(ScenarioError, match=text):
        run(made, RunOptions(tmp_path, until_us=until_us))
    assert list(tmp_path.iterdir()) == []
    assert run(made, RunOptions(tmp_path, until_us=36 * S)).t_us == 36 * S


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A run of 72 s that was stopped after 35 s, with snapshots at 10, 20 and 30 s."""
    folder = tmp_path_factory.mktemp("saved")
    told = cli(
        "run", str(write(folder, RING)), "--until", "35s", "--snapshot-every", "10s",
        "--out", str(folder / "runs"),
    )  # fmt: skip
    return Path(told.stdout.strip().splitlines()[-1]).parent


def cli(*arguments: str, code: int = 0):
    answer = CliRunner().invoke(application(), arguments)
    assert answer.exit_code == code, answer.output
    return answer


def refused(*arguments: str) -> str:
    answer = CliRunner().invoke(application(), arguments)
    if answer.exit_code == 2:
        return answer.stderr
    assert isinstance(answer.exception, ScenarioError | RunError | PluginError), answer.output
    return str(answer.exception)


def test_resume_says_which_snapshot_it_goes_on_from(saved, tmp_path):
    out = ["--out", str(tmp_path)]
    answer = cli("resume", str(saved), "--at", "25s", *out)
    origin = f"the snapshot of {saved.name} at 0.00555556 h"
    assert f"goes on from {origin}, the newest at or before 0.00694444 h\n" in answer.stderr
    assert "0.01444 h simulated in" in answer.stdout
    assert f", from {origin}\n" in answer.stdout
    assert "goes on from" in cli("resume", str(saved), "--quiet", *out).stderr
    assert '"at_us": 30000000' in cli("resume", str(saved), "--json", *out).stdout


@pytest.mark.parametrize("command", ["resume", "fork"])
def test_an_instant_that_the_run_did_not_come_to_is_refused(saved, tmp_path, command):
    told = refused(command, str(saved), "--at", "36s", "--out", str(tmp_path))
    assert "ends at 0.00972222 h, before the 0.01 h asked for" in told
    assert "Its snapshots are at 0.00277778, 0.00555556, 0.00833333 h." in told
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_may_be_resumed_at_any_instant_it_was_to_come_to(saved, tmp_path):
    killed = tmp_path / "killed"
    (killed / snapshots.FOLDER).mkdir(parents=True)
    about = run_folder.read_run(saved) | {"exit": None, "t_us": 0, "until_us": 35 * S}
    run_folder.write_json(killed / run_folder.RUN_FILE, about)
    snapshots.save(killed, 10 * S, {})
    assert snapshots.newest_at(killed, 35 * S) == 10 * S
    with pytest.raises(RunError, match=r"before the 0\.01 h"):
        snapshots.newest_at(killed, 36 * S)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--until", "0h"], "'0h' is no time at all"),
        (["--until", "100h"], "the scenario ends at 0.02 h"),
        (["--snapshot-every", "0s"], "'0s' is no time at all"),
        (["--engine", ""], "there is no engine ''. Known are helics, in_process, mosaik."),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, options, text):
    path = str(write(tmp_path, RING))
    assert text in refused("run", path, *options, "--out", str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--until", "10s"], "the run begins at 0.00833333 h"),
        (["--until", "73s"], "the scenario ends at 0.02 h"),
        (["--engine", ""], "there is no engine ''"),
    ],
)
@pytest.mark.parametrize("command", ["resume", "fork"])
def test_resume_and_fork_refuse_them_too(saved, tmp_path, command, options, text):
    assert text in refused(command, str(saved), *options, "--out", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--until", "40s"], "its record ends at 0.00972222 h"),
        (["--at", "20s", "--until", "20s"], "cannot end at 0.00555556 h"),
        (["--until", "0s"], "'0s' is no time at all"),
        (["--at", "1h"], "before the 1 h asked for"),
    ],
)
def test_replay_refuses_what_is_not_on_record(saved, options, text):
    assert text in refused("replay", str(saved), "--federate", "echo", *options)


def test_the_pace_is_told_before_the_run(tmp_path):
    path = str(write(tmp_path, RING))
    out = ["--out", str(tmp_path / "runs")]
    answer = cli("run", path, "--real-time", "0.001", "--until", "20s", *out)
    assert "1000 times faster than the wall clock: 20 s will take 0.02 s\n" in answer.stderr


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_falls_short_and_has_a_report(tmp_path, value):
    part = ending_by(int)
    part.kpis = lambda: (Kpi("step_count", value, "steps"),)  # type: ignore[method-assign]
    bound = {"source.step_count": {"min": 0.0, "max": 9.0}}
    result = run(scenario({"source": part}, expect=bound, hours=0.002), RunOptions(tmp_path))
    assert result.code == FELL_SHORT
    read = json.loads(
        (result.folder / "run.json").read_text(), parse_constant=lambda text: pytest.fail(text)
    )
    assert read["kpis"]["source.step_count"]["value"] is None
    assert "no number" in (result.folder / "report.html").read_text()


def test_a_run_that_raises_is_over_though_its_process_lives(tmp_path):
    def progress(now_us: int, until_us: int) -> None:
        raise LookupError("of the caller")

    with pytest.raises(LookupError):
        run(scenario({"source": counter(S)}, hours=0.002), RunOptions(tmp_path), progress)
    (folder,) = tmp_path.iterdir()
    read = run_folder.read_run(folder)
    assert (read["status"], read["exit"]) == ("LookupError: of the caller", FAILED)
    assert not (folder / "live").exists()


def test_a_part_that_exits_at_its_end_is_named_and_the_others_end_too(tmp_path):
    ended = []
    first, second = ending_by(int), ending_by(int)
    first.close = lambda: sys.exit(3)  # type: ignore[method-assign]
    second.close = lambda: ended.append(2)  # type: ignore[method-assign]
    made = scenario({"one": first, "two": second}, hours=0.002)
    result = run(made, RunOptions(tmp_path))
    assert result.code == FAILED
    assert "federate 'one'" in result.reason
    assert ended == [2]
