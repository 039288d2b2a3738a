"""Our parts in a mosaik world that knows nothing of us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.run import DONE, RunOptions, run
from gridmodel.errors import ScenarioError
from gridmodel.federate import Message, Signal
from tests.conftest import ROOT, STREET
from tests.cosim.engines.random_federations import built
from tests.cosim.test_mosaik_gateway import _free_port, _wait_for, left_behind

mosaik = pytest.importorskip("mosaik")
import mosaik_api_v3  # noqa: E402

from cosim.mosaik_sim import FederateSimulator, message_of, taker, told_of  # noqa: E402

S = 1_000_000
OURS = {"python": "cosim.mosaik_sim:FederateSimulator"}
ONE = {"public": True, "params": [], "attrs": ["i_kw"]}
TALKER = {
    "period_s": 1.0,
    "outputs": {"o_kw": {"shape": [3]}, "n_count": {"dtype": "int"}},
    "says": [
        {"port": "out", "t_s": 2.0, "count": 3, "hops": 1},
        {"port": "out", "t_s": 4.0, "after_s": 1.5},
    ],
}
LISTENER = {
    "first_s": None,
    "inputs": {"i_kw": {"shape": [3]}, "m_count": {"dtype": "int"}},
    "outputs": {"sum_count": {"dtype": "int"}},
    "hears": ["inbox"],
}
LINKS = {"o_kw": "i_kw", "n_count": "m_count", "out": "inbox"}


class Log(mosaik_api_v3.Simulator):
    """Keeps what it is given, each half second."""

    def __init__(self):
        model = {"public": True, "params": [], "attrs": [], "any_inputs": True}
        super().__init__({"type": "time-based", "models": {"Log": model}})
        self.rows = {}

    def create(self, num, model):
        return [{"eid": "log", "type": model}]

    def step(self, time, inputs, max_advance):
        self.rows[time] = {
            attr: value for attr, by in inputs["log"].items() for value in by.values()
        }
        return time + S // 2


def world_of(*starts: tuple[dict[str, Any], dict[str, Any]], until: int = 7 * S) -> dict[int, Any]:
    """Talker, listener and a log in a plain mosaik world; what the log kept."""
    config = {f"S{k}": start for k, (start, _) in enumerate(starts)}
    rows: dict[int, Any] = {}

    class Keep(Log):
        def finalize(self):
            rows.update(self.rows)

    options = {"skip_greetings": True, "configure_logging": False, "time_resolution": 1e-6}
    with mosaik.World({**config}, {"start_timeout": 60}, **options) as world:
        parts = [world.start(f"S{k}", **params).Federate() for k, (_, params) in enumerate(starts)]
        log = world.start(mosaik.starters.PythonStarter(Keep), sim_id="Log").Log()
        world.connect(parts[0], parts[1], *LINKS.items())
        world.connect(parts[1], log, "sum_count")
        # While a simulator of another process steps, mosaik 3.6 forgets that it may send an
        # event, if something else ends a step then; so the log comes after the talker.
        world.connect(parts[0], log, "n_count")
        world.run(until=until, print_progress=False)
    return rows


def ours_of(folder: Path) -> dict[int, int]:
    """What the listener sent in a scenario of our own, by instant."""
    parts = {"talker": TALKER, "listener": LISTENER}
    data = {
        "feedertwin": 1, "name": "own", "duration_h": 7 / 3600,
        "federates": {name: {"model": "scripted", **part} for name, part in parts.items()},
        "links": [f"talker.{a} -> listener.{b}" for a, b in LINKS.items()],
    }  # fmt: skip
    result = run(built(folder, data), RunOptions(folder))
    assert result.code == DONE
    table = pq.read_table(result.folder / "signals" / "listener.parquet")
    return dict(zip(table["t_us"].to_pylist(), table["sum_count"].to_pylist(), strict=True))


def test_mosaik_finds_that_it_complies_with_its_interface(capsys):
    assert mosaik_api_v3.check_api_compliance(FederateSimulator())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("way", ["python", "cmd", "connect", "python and cmd"])
def test_parts_coupled_by_a_plain_script_do_as_in_a_scenario(tmp_path, way):
    before = left_behind()
    talker, listener = {"config": TALKER}, {"config": LISTENER}
    waiting: subprocess.Popen[bytes] | None = None
    if way == "python":
        starts = [OURS, OURS]
        talker["model"] = listener["model"] = "scripted"
    else:
        command = f"{sys.executable} -m cosim mosaik-sim scripted"
        starts = [{"cmd": f"{command} %(addr)s", "cwd": str(ROOT)}] * 2
    if way == "python and cmd":  # arrays go out as lists, for one who reads them is not here
        starts[0], talker["model"] = OURS, "scripted"
    if way == "connect":
        address = f"127.0.0.1:{_free_port()}"
        waiting = subprocess.Popen([*command.split(), address, "--listen"], cwd=ROOT)
        _wait_for(int(address.partition(":")[2]), waiting.pid)
        starts[1] = {"connect": address}
    rows = world_of((starts[0], talker), (starts[1], listener))
    if waiting is not None:
        assert waiting.wait(10) == 0
    sent = ours_of(tmp_path)
    assert sorted(sent) == [2 * S, 5_500_000]
    for t_us, row in rows.items():
        newest = [value for at_us, value in sent.items() if at_us <= t_us]
        assert row["sum_count"] == (newest[-1] if newest else None)
    assert left_behind() <= before


class Refill(mosaik_api_v3.Simulator):
    """Sends one array, which it fills anew at each step, and hands it out as it is."""

    def __init__(self):
        super().__init__({"type": "time-based", "models": {"Refill": ONE}})
        self.sent = np.zeros(3)

    def create(self, num, model):
        return [{"eid": "e", "type": model}]

    def step(self, time, inputs, max_advance):
        self.sent += 1.0
        return time + S

    def get_data(self, outputs):
        return {"e": {"i_kw": self.sent}}


def test_among_simulators_of_one_process_arrays_stay_arrays_that_nobody_can_change():
    made: list[FederateSimulator] = []
    logs: list[Log] = []

    def ours():
        made.append(FederateSimulator("scripted"))
        return made[-1]

    def log():
        logs.append(Log())
        return logs[-1]

    signal = {"shape": [3]}
    options = {"skip_greetings": True, "configure_logging": False, "time_resolution": 1e-6}
    start = mosaik.starters.PythonStarter
    with mosaik.World(**options) as world:
        first, second = (
            world.start(
                start(ours), sim_id=sid, config={"period_s": 1.0, "inputs": {"i_kw": signal},
                "outputs": {"o_kw": signal}},
            ).Federate()
            for sid in ("first", "second")
        )  # fmt: skip
        world.connect(world.start(start(Refill), sim_id="refill").Refill(), first, "i_kw")
        world.connect(first, second, ("o_kw", "i_kw"))
        world.connect(first, world.start(start(log), sim_id="log").Log(), "o_kw")
        world.run(until=3 * S, print_progress=False)
    given, passed_on = (one._desk.inputs["i_kw"] for one in made)
    assert given is not passed_on
    assert given.tolist() == [3.0, 3.0, 3.0]
    with pytest.raises(ValueError, match="read-only"):
        given[0] = 0.0
    # Nobody copies what cannot change: the reader has the very array that was sent.
    assert passed_on is made[0]._desk.slots["o_kw"].new
    assert logs[0].rows[2 * S]["o_kw"] is passed_on
    assert logs[0].rows[S]["o_kw"].tolist() != passed_on.tolist()


def test_an_array_that_its_sender_may_still_change_is_copied():
    take = taker(Signal("i_kw", (3,)))
    base = np.arange(3.0)
    view = base[:]
    view.setflags(write=False)
    frozen = np.arange(3.0)
    frozen.setflags(write=False)
    kept = [take(base), take(view), take([0, 1, 2]), take(frozen)]
    base[:] = 9.0
    assert [array.tolist() for array in kept] == [[0.0, 1.0, 2.0]] * 4
    assert not any(array.flags.writeable for array in kept)
    assert kept[3] is frozen


def test_a_part_on_a_network_is_built_from_its_file():
    simulator = FederateSimulator("opendss")
    config = {"anchor_house": "house_02", "period_s": 60}
    meta = simulator.init(
        "F", time_resolution=1.0, config=config, network=str(STREET / "network.json")
    )
    assert "v_v" in meta["models"]["Federate"]["persistent"]
    simulator.create(1, "Federate")
    simulator.finalize()


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"model": "battery"}, "e_kwh"),
        ({"model": "battery", "conf": {}}, "Did you mean 'config'"),
        ({"model": "opendss", "config": {"anchor_house": "a"}}, "needs a network file"),
        ({"model": "battery", "time_resolution": 1e-7}, "whole number of microseconds"),
    ],
)
def test_parameters_at_fault_are_told(params, text):
    with pytest.raises(ScenarioError, match=text):
        FederateSimulator().init("F", **params)


def test_a_part_that_fails_says_who_and_when():
    simulator = FederateSimulator("scripted")
    drill = {"period_s": 1.0, "outputs": {"o_kw": {}}, "drill": {"t_s": 1.0, "how": "raise"}}
    simulator.init("F", config=drill)
    assert simulator.step(0, {}, 9) == 1
    with pytest.raises(RuntimeError, match=r"'F' at t = 1.000000 s: ZeroDivisionError"):
        simulator.step(1, {}, 9)


def test_what_is_due_between_two_steps_of_theirs_is_done_at_the_later_one():
    simulator = FederateSimulator("scripted")
    simulator.init("F", time_resolution=1.0, config={"period_s": 0.4, "outputs": {"o_kw": {}}})
    assert simulator.step(0, {}, 9) == 1  # due at 0.4 s
    assert simulator.step(1, {}, 9) == 2  # it steps at 1 s, and next at 1.2 s


plain = st.none() | st.booleans() | st.integers() | st.text() | st.binary()


@given(
    st.integers(0, 2**50), st.text(), st.dictionaries(st.text(), plain | st.tuples(plain, plain))
)
def test_a_message_that_crosses_as_json_is_the_same_message(t_us, kind, data):
    import json

    message = Message(t_us, kind, data)
    assert message_of(json.loads(json.dumps(told_of(message)))) == message
