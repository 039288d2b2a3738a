"""Fork: a what-if from the middle of a run."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from cosim import run_folder, snapshots
from cosim.compare import compare
from cosim.fork import said_once, say_again
from cosim.run import DONE, RunOptions, run
from cosim.scenario.build import load
from gridmodel.errors import RunError
from gridmodel.federate import Inputs, Signal
from tests.conftest import STREET
from tests.cosim.parts import Part, watcher
from tests.cosim.scenarios import scenario
from tests.cosim.scripts import RING, write
from tests.cosim.test_determinism import record, window

S = 1_000_000


def forked(path, folder, at_us, sets, out):
    return run(load(path, sets), RunOptions(out), None, (folder, at_us), sets)


def test_a_fork_is_the_run_up_to_its_instant_and_parts_from_it_there(tmp_path):
    path = write(tmp_path, RING)
    whole = run(load(path), RunOptions(tmp_path / "a", snapshot_every_us=10 * S)).folder
    sets = ["federates.clock.says.1.t_s=50.5"]
    fork = forked(path, whole, 30 * S, sets, tmp_path / "b").folder
    assert run_folder.read_run(fork)["goes_on_from"]["at_us"] == 30 * S
    found = compare(whole, fork)
    assert found.partings[0].federate == "clock"
    assert found.partings[0].t_us == 30_500_000  # where the other one spoke
    assert "Goes on from" in (fork / "report.html").read_text()


def test_a_fork_that_changes_nothing_has_the_bytes_of_the_run(tmp_path):
    path = write(tmp_path, RING)
    whole = run(load(path), RunOptions(tmp_path / "a", snapshot_every_us=10 * S)).folder
    assert record(forked(path, whole, 20 * S, [], tmp_path / "b").folder) == record(whole)


def test_a_fork_of_a_fork_can_be_made_without_the_first_run(tmp_path):
    path = write(tmp_path, RING)
    whole = run(load(path), RunOptions(tmp_path / "a", snapshot_every_us=10 * S)).folder
    fork = forked(path, whole, 20 * S, [], tmp_path / "b").folder
    assert snapshots.instants(fork) == [20 * S]
    assert forked(path, fork, 20 * S, [], tmp_path / "c").code == DONE


def test_events_of_a_fork_are_those_of_its_settings(tmp_path):
    path = window(tmp_path)
    options = RunOptions(tmp_path / "a", until_us=600 * S, snapshot_every_us=300 * S)
    begun = run(load(path), options).folder
    later = ["events.0.t_h=0.15"]  # 0.1 h, 6 min, in the run
    fork = run(
        load(path, later), RunOptions(tmp_path / "b", 600 * S), None, (begun, 300 * S), later
    ).folder
    table = pq.read_table(fork / "signals" / "grid.parquet", columns=["t_us", "v_pu"])
    dark = [row["t_us"] for row in table.to_pylist() if row["v_pu"] == 0.0]
    assert dark[0] == 540 * S
    none = run(
        load(path, ["events=[]"]), RunOptions(tmp_path / "c", 600 * S), None, (begun, 300 * S)
    ).folder
    column = pq.read_table(none / "signals" / "grid.parquet", columns=["v_pu"])["v_pu"]
    assert min(column.to_pylist()) > 0.9


def rated(p_kw: float) -> Part:
    """A part that says its rating at its first step only."""

    def behave(part: Part, t_us: int, inputs):
        part.memory["n"] = part.memory.get("n", 0) + 1
        return ({"p_rated_kw": p_kw} if t_us == 0 else {}), t_us + S

    return Part(behave, outputs=[Signal("p_rated_kw")], period_us=S)


@pytest.mark.parametrize("at_s", [1, 5])
def test_what_a_part_says_once_is_said_again_with_other_settings(tmp_path, at_s):
    def made(p_kw: float):
        parts = {"source": rated(p_kw), "sink": watcher(S)}
        link = "source.p_rated_kw -> sink.x_kw"
        return scenario(parts, link, hours=0.005, federates={"source": {"p_kw": p_kw}})

    begun = run(made(60.0), RunOptions(tmp_path / "a", snapshot_every_us=S)).folder
    what_if = made(30.0)
    fork = run(what_if, RunOptions(tmp_path / "b"), None, (begun, at_s * S))
    seen = what_if.federation["sink"].federate.seen  # type: ignore[attr-defined]
    assert seen[at_s - 1 : at_s + 1] == [((at_s - 1) * S, 60.0), (at_s * S, 30.0)]
    rows = pq.read_table(fork.folder / "signals" / "source.parquet").to_pylist()
    assert rows == [
        {"t_us": 0, "p_rated_kw": 60.0},
        {"t_us": at_s * S, "p_rated_kw": 30.0},
    ]
    again = made(20.0)  # a fork of the fork, after it has said its new rating
    later = RunOptions(tmp_path / "d", until_us=(at_s + 3) * S, snapshot_every_us=S)
    second = run(made(30.0), later, None, (begun, at_s * S)).folder
    run(again, RunOptions(tmp_path / "c"), None, (second, (at_s + 2) * S))
    seen = again.federation["sink"].federate.seen  # type: ignore[attr-defined]
    assert seen[at_s + 1 : at_s + 3] == [((at_s + 1) * S, 30.0), ((at_s + 2) * S, 20.0)]
    count = what_if.federation["source"].federate.memory["n"]  # type: ignore[attr-defined]
    assert count == 18  # asking it for its rating was no step of its own


def test_a_snapshot_of_other_parts_or_ports_is_refused_and_nothing_is_begun(tmp_path):
    path = write(tmp_path, RING)
    whole = run(load(path), RunOptions(tmp_path / "a", snapshot_every_us=10 * S)).folder
    more = ["federates.clok={model: scripted}"]
    with pytest.raises(RunError, match=r"no federate 'clok'. Did you mean 'clock'"):
        forked(path, whole, 20 * S, more, tmp_path / "b")
    port = ["federates.echo.outputs.more_kw={}"]
    with pytest.raises(RunError, match="'echo' has other outputs than in the snapshot: more_kw"):
        forked(path, whole, 20 * S, port, tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def test_asking_a_part_for_its_first_words_leaves_it_as_it_was():
    made = scenario({"source": rated(30.0)}, hours=0.005)
    desk = {"inputs": {}, "slots": {"p_rated_kw": (0, 60.0, -1, None)}}
    state = {"desks": {"source": desk}}
    again = said_once(state, made.federation, {"source"})
    assert again == {"source": ["p_rated_kw"]}
    say_again(state, made.federation, again)
    source = made.federation["source"].federate
    assert source.memory == {}  # type: ignore[attr-defined]
    assert desk["again"] == {"p_rated_kw": 30.0}
    assert source.step(5 * S, Inputs())[0] == {}


@pytest.mark.parametrize("engine", ["mosaik", "helics"])
def test_a_fork_on_another_engine_says_new_ratings_again_too(tmp_path, engine):
    pytest.importorskip(engine)
    path = STREET / "scenario.yaml"
    begun = run(load(path), RunOptions(tmp_path / "a", 120 * S, snapshot_every_us=60 * S)).folder
    sets = ["federates.battery.p_kw=7"]

    def fork(engine: str):
        options = RunOptions(tmp_path / engine, 120 * S, engine=engine)
        return run(load(path, sets), options, None, (begun, 60 * S), sets).folder

    found = fork(engine)
    ratings = pq.read_table(found / "signals" / "battery.parquet", columns=["t_us", "p_rated_kw"])
    assert [row for row in ratings.to_pylist() if row["p_rated_kw"] is not None][-1] == {
        "t_us": 60 * S,
        "p_rated_kw": 7.0,
    }
    assert record(found) == record(fork("in_process"))
