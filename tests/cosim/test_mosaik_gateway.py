"""A foreign mosaik simulator is a part like any other, on every engine, until it fails."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cosim.run import DONE, FAILED, RunOptions, run
from cosim.scenario.build import Scenario, load
from gridmodel.errors import ScenarioError
from tests.conftest import ROOT
from tests.cosim.engines.random_federations import write
from tests.in_time import again_if_late, assert_in_time

pytest.importorskip("mosaik")

S = 1_000_000
HERE = "tests.cosim.foreign_sim:Foreign"
THERE = f"%(python)s {ROOT / 'tests' / 'cosim' / 'foreign_sim.py'} %(addr)s"


def foreign(start: dict[str, Any], **params: Any) -> dict[str, Any]:
    """Two adders in W and with the load's sign, ours in kW and with the generator's."""
    places = {"entities": ["adder_0", "adder_1"], "scale": -0.001}
    return {
        "model": "mosaik",
        "start": start,
        "params": params,
        "create": [{"model": "Adder", "count": 2, "params": {"start": 500.0}}],
        "inputs": {"p_kw": {"attr": "add", **places}},
        "outputs": {"total_kw": {"attr": "total", **places}},
    }


def scenario(folder: Path, part: dict[str, Any], **more: Any) -> Scenario:
    plan = {"shape": [2], "values": [1.0, 3.0]}
    return load(
        write(
            folder,
            {
                "feedertwin": 1,
                "name": "foreign",
                "duration_h": 10 / 3600,
                "stall_timeout_s": 2.0,
                "federates": {
                    "plan": {"model": "scripted", "period_s": 1.0, "outputs": {"o_kw": plan}},
                    "outside": part,
                },
                "links": ["plan.o_kw -> outside.p_kw"],
                **more,
            },
        )
    )


def left_behind() -> set[str]:
    """Children of this process, and its sockets; fewer of earlier tests may be left later."""
    found: set[str] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found |= set(task.read_text().split())
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            found.add(str(entry.readlink()))
    return {name for name in found if name.isdigit() or name.startswith("socket:")}


@pytest.mark.parametrize("engine", ["in_process", "mosaik"])
@pytest.mark.parametrize("start", [{"python": HERE}, {"cmd": THERE}], ids=["python", "cmd"])
def test_units_and_signs_are_mapped_and_nothing_is_left_behind(tmp_path, engine, start):
    before = left_behind()
    result = run(scenario(tmp_path, foreign(start)), RunOptions(tmp_path, engine=engine))
    assert result.code == DONE, result.reason
    table = pq.read_table(result.folder / "signals" / "outside.parquet")
    # 1 kW of generation is a load of -1000 W, added to 500 W: 0.5 kW in our sign.
    assert table["total_kw.0"].to_pylist()[:3] == pytest.approx([0.5, 3.5, 4.5])
    assert table["total_kw.1"].to_pylist()[:3] == pytest.approx([1.5, 5.5, 7.5])
    assert left_behind() <= before


def test_a_simulator_that_waits_at_an_address_is_connected_to_and_never_killed(tmp_path):
    command = [sys.executable, str(ROOT / "tests/cosim/foreign_sim.py"), "127.0.0.1:0", "--remote"]
    with subprocess.Popen(["sleep", "60"]) as bystander:
        port = _free_port()
        command[2] = f"127.0.0.1:{port}"
        with subprocess.Popen(command) as theirs:
            _wait_for(port, theirs.pid)
            part = foreign({"connect": f"127.0.0.1:{port}"})
            result = run(scenario(tmp_path, part), RunOptions(tmp_path))
            assert result.code == DONE, result.reason
            assert theirs.wait(5) == 0  # it ended by itself, on mosaik's word
        assert bystander.poll() is None
        bystander.terminate()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait_for(port: int, pid: int) -> None:
    """Wait until a process listens; connecting would use up its one connection."""
    end = time.monotonic() + 20
    wanted = f":{port:04X} "
    while time.monotonic() < end:
        table = Path("/proc/net/tcp").read_text().splitlines()
        if any(wanted in line and " 0A " in line for line in table):
            return
        time.sleep(0.05)
    raise TimeoutError(pid)


FAULTS = [
    # its fault, a word of the text
    ("raise", "ValueError: p_kw is NaN"),
    ("assert", "AssertionError in step() at foreign_sim.py:"),
    ("text", "a number is asked"),
    ("none", "gave no 'total'"),
    ("nan", "total = nan"),
    ("list", "a number is asked"),
    ("missing", "gave no 'total'"),
    ("back", "is not after 5"),
    ("float", "no int"),
    ("exit", "3"),
    ("hang", "stall_timeout_s"),
]


def failed(tmp_path: Path, engine: str, part: dict[str, Any]) -> str:
    """Run a scenario that must fail in time, and leave nothing; return the reason."""
    before, began = left_behind(), time.monotonic()
    result = run(scenario(tmp_path, part), RunOptions(tmp_path, engine=engine))
    took_s = time.monotonic() - began
    assert result.code == FAILED
    assert "'outside' at t = 5.000000 s" in result.reason
    assert left_behind() <= before
    rows = pq.read_table(result.folder / "signals" / "plan.parquet").num_rows
    assert rows in (5, 6)
    assert_in_time(took_s, limit_s=5.0, hang_s=2.0)  # with the start of processes
    return result.reason


@again_if_late
@pytest.mark.parametrize("engine", ["in_process", "mosaik"])
@pytest.mark.parametrize(("how", "text"), [*FAULTS, ("numpy_int", "int64")])
def test_a_simulator_of_this_process_that_fails_is_named(tmp_path, engine, how, text):
    assert text in failed(tmp_path, engine, foreign({"python": HERE}, how=how))


REMOTE = [("kill", "killed by SIGKILL"), ("stop", "stall_timeout_s")]


@again_if_late
@pytest.mark.parametrize("engine", ["in_process", "mosaik"])
@pytest.mark.parametrize(
    ("how", "text"),
    [*(f for f in FAULTS if f[0] in {"raise", "assert", "text", "hang", "exit"}), *REMOTE],
)
def test_a_simulator_of_another_process_that_fails_is_named(tmp_path, engine, how, text):
    assert text in failed(tmp_path, engine, foreign({"cmd": THERE}, how=how))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"start": {"cmd": "no_such_command %(addr)s"}}, "cannot be started"),
        ({"start": {"cmd": "false", "timeout_s": 5}}, "did not connect"),
        ({"start": {"connect": "127.0.0.1:1"}}, "nobody answers"),
        ({"create": [{"model": "Adder"}]}, "no entity 'adder_1'. Did you mean 'adder_0'"),
        (
            {"outputs": {"x_kw": {"attr": "total", "every": "Adder", "count": 3}}},
            "is for 3 of 'Adder'; there are 2",
        ),
    ],
)
def test_a_simulator_that_cannot_be_had_says_why(tmp_path, changes, text):
    part = {**foreign({"python": HERE}), **changes}
    result = run(scenario(tmp_path, part), RunOptions(tmp_path))
    assert result.code == FAILED
    assert text in result.reason


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"start": {"python": "nowhere:Sim"}}, "cannot be imported"),
        ({"start": {}}, "give one of python, cmd and connect"),
        ({"start": {"connect": "127.0.0.1"}}, "connect is host:port"),
        ({"period_s": 0.5}, "whole number of steps"),
        ({"outputs": {"x_kw": {"attr": "a", "entity": "b", "scale": 0.0}}}, "loses the value"),
        ({"outputs": {"x_kw": {"attr": "a"}}}, "one of entity, entities and every"),
    ],
)
def test_a_gateway_that_makes_no_sense_is_refused(tmp_path, changes, text):
    with pytest.raises(ScenarioError, match=text):
        scenario(tmp_path, {**foreign({"python": HERE}), **changes})


def test_a_run_with_a_foreign_part_has_no_snapshots_and_says_so(tmp_path):
    options = RunOptions(tmp_path, snapshot_every_us=S)
    result = run(scenario(tmp_path, foreign({"python": HERE})), options)
    assert result.code == FAILED
    assert "without --snapshot-every" in result.reason


def loop(gain: float = 0.5) -> dict[str, Any]:
    """x = gain y + 1 + plan, y = x / 2, solved within each instant."""

    def part(**params: float) -> dict[str, Any]:
        place = {"entity": "affine"}
        return {
            "model": "mosaik", "group": "solve",
            "start": {"python": "tests.cosim.foreign_sim:Affine"},
            "create": [{"model": "Affine", "params": params}],
            "inputs": {"in_kw": {"attr": "in", **place}},
            "outputs": {"out_kw": {"attr": "out", **place}},
        }  # fmt: skip

    sink = {"model": "scripted", "period_s": 1.0, "inputs": {"x_kw": {}}, "outputs": {"o_kw": {}}}
    return {
        "federates": {
            "x": part(gain=gain, offset=1.0),
            "y": part(gain=0.5, offset=0.0),
            "sink": sink,
        },
        "links": [
            "x.out_kw -> y.in_kw",
            {"link": "y.out_kw -> x.in_kw", "delayed": True},
            "x.out_kw -> sink.x_kw",
        ],
    }


def test_a_group_is_solved_within_each_instant(tmp_path):
    result = run(scenario(tmp_path, {}, **loop()), RunOptions(tmp_path, engine="mosaik"))
    assert result.code == DONE, result.reason
    for name, value in (("x", 4 / 3), ("y", 2 / 3)):
        table = pq.read_table(result.folder / "signals" / f"{name}.parquet")
        assert table["t_us"].to_pylist() == [k * S for k in range(10)]  # one row an instant
        assert table["out_kw"].to_pylist() == pytest.approx([value] * 10, rel=1e-12)
    # Who reads it sees where it came to rest, in the same instant.
    seen = pq.read_table(result.folder / "signals" / "sink.parquet")["o_kw"].to_pylist()
    assert seen[0] == round(4 / 3 * 8) / 8.0


def test_a_group_that_never_comes_to_rest_ends_the_run(tmp_path):
    options = RunOptions(tmp_path, engine="mosaik")
    result = run(scenario(tmp_path, {}, **loop(gain=-2.0)), options)
    assert result.code == FAILED
    assert "more than 100 times" in result.reason


def test_a_group_is_refused_where_there_are_no_loops_and_the_reason_is_told(tmp_path):
    wired = scenario(tmp_path, {}, **loop())
    assert "only mosaik's scheduler does that" in wired.warnings[0]
    result = run(wired, RunOptions(tmp_path))
    assert result.code == FAILED
    assert "'x' at t = 0.000000 s" in result.reason
    assert "--engine mosaik" in result.reason


# Simulators that no one here wrote.

HOUSES = """\
# meta
{"start_date": "2014-01-01 00:00", "resolution": 15, "unit": "W", "num_profiles": 2}
# id_list
{"grid": ["node_a", "node_b"]}
# attrs
num_hh,1,1
num_residents,2,3
# profiles
2014-01-01 00:00,400,800
2014-01-01 00:15,500,900
"""


def needs(module: str, package: str) -> pytest.MarkDecorator:
    missing = find_spec(module.partition(".")[0]) is None or find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f'pip install {package} (extra "mosaik-parts")')


def their(tmp_path: Path, part: dict[str, Any], engine: str, **more: Any) -> Path:
    slow = {"stall_timeout_s": 60.0, **more}  # the first step may compile something
    result = run(scenario(tmp_path, part, **slow), RunOptions(tmp_path, engine=engine))
    assert result.code == DONE, result.reason
    return result.folder


ENGINES = pytest.mark.parametrize("engine", ["in_process", "mosaik"])


@ENGINES
@needs("mosaik_csv", "mosaik-csv")
def test_mosaik_csv_gives_its_rows(tmp_path, engine):
    rows = [f"2016-01-01 00:00:{k:02d},{1000 * k}" for k in range(12)]
    (tmp_path / "pv.csv").write_text("\n".join(["PV", "Date,P", *rows]))
    part = {
        "model": "mosaik",
        "start": {"python": "mosaik_csv:CSV"},
        "params": {"sim_start": "2016-01-01 00:00:00", "datafile": str(tmp_path / "pv.csv")},
        "create": [{"model": "PV", "count": 2}],
        "outputs": {"p_kw": {"attr": "P", "every": "PV", "count": 2, "scale": 0.001}},
    }
    folder = their(tmp_path, part, engine, links=[])
    table = pq.read_table(folder / "signals" / "outside.parquet")
    assert table["p_kw.1"].to_pylist() == [float(k) for k in range(10)]


@ENGINES
@needs("mosaik_hdf5", "mosaik-hdf5")
@pytest.mark.filterwarnings("ignore:The mosaik-api package has been")
def test_mosaik_hdf5_stores_what_we_send(tmp_path, engine):
    import h5py

    part = {
        "model": "mosaik",
        "start": {"python": "mosaik_hdf5:MosaikHdf5"},
        "params": {"step_size": 1, "duration": 10},
        "create": [{"model": "Database", "params": {"filename": str(tmp_path / "out.h5")}}],
        "inputs": {"p_kw": {"attr": "P", "entity": "hdf5db", "scale": -0.001}},
    }
    plan = {"model": "scripted", "period_s": 1.0, "outputs": {"o_kw": {"values": [1.0, 3.0]}}}
    their(tmp_path, part, engine, federates={"plan": plan, "outside": part})
    with h5py.File(tmp_path / "out.h5") as file:
        stored = list(file["Series/feedertwin.p_kw/P"])
    assert stored == [-1000.0, -3000.0] * 5


@ENGINES
@needs("mosaik_components.household", "mosaik-householdsim")
@pytest.mark.filterwarnings("ignore:.*unclosed file")  # it leaves its profiles open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mosaik_householdsim_feeds_our_battery(tmp_path, engine):
    profile = tmp_path / "profiles.data"
    profile.write_text(HOUSES)
    part = {
        "model": "mosaik",
        "start": {"python": "mosaik_components.household.mosaik:Simulator"},
        "create": [
            {
                "model": "ResidentialLoads",
                "params": {
                    "sim_start": "2014-01-01 00:00:00",
                    "profile_file": str(profile),
                    "grid_name": "grid",
                },
            }
        ],
        "outputs": {"p_kw": {"attr": "P_out", "entity": "House_1", "scale": -0.001}},
    }
    battery = {"model": "battery", "e_kwh": 10.0, "p_kw": 5.0}
    folder = their(
        tmp_path, part, engine, federates={"outside": part, "battery": battery},
        links=["outside.p_kw -> battery.p_kw"],
    )  # fmt: skip
    table = pq.read_table(folder / "signals" / "outside.parquet")
    assert table["p_kw"].to_pylist() == pytest.approx([-0.8])  # a load draws


@ENGINES
@needs("mosaik_components.pandapower", "mosaik-pandapower-2")
@pytest.mark.filterwarnings("ignore")
def test_mosaik_pandapower_drops_voltage_under_our_load(tmp_path, engine):
    part = {
        "model": "mosaik",
        "start": {"python": "mosaik_components.pandapower:Simulator"},
        "params": {"step_size": 1},
        "create": [{"model": "Grid", "params": {"network_function": "create_kerber_landnetz_freileitung_1"}}],
        "inputs": {"p_kw": {"attr": "P_load[MW]", "entities": ["Bus-1", "Bus-2"], "scale": -1000.0}},
        "outputs": {"vm_pu": {"attr": "Vm[pu]", "entities": ["Bus-1", "Bus-2"]}},
    }  # fmt: skip
    folder = their(tmp_path, part, engine)
    table = pq.read_table(folder / "signals" / "outside.parquet")
    first, second = table["vm_pu.0"].to_pylist()[:2]
    assert 0.9 < first < second < 1.1  # 3 kW fed in raise it above what 1 kW does
