"""Any model of ours joins somebody else's HELICS federation by a JSON configuration."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from cosim.helics_federate import HelicsFederate
from cosim.run import DONE, FAILED
from gridmodel.errors import ScenarioError
from tests.conftest import ROOT

pytest.importorskip("helics")

BATTERY = {
    "name": "battery",
    "core_type": "zmq",
    "publications": [{"key": "street/soc_pu"}],
    "subscriptions": [{"key": "plan/power", "port": "p_kw"}],
    "feedertwin": {
        "model": "battery",
        "config": {"e_kwh": 10, "p_kw": 5, "soc_pu": 0.5, "period_s": 60, "efficiency_pu": 1.0},
        "duration_h": 0.1,
    },
}


def write(tmp_path: Path, **changes) -> Path:
    path = tmp_path / "battery.json"
    path.write_text(json.dumps(BATTERY | changes))
    return path


def test_a_battery_follows_a_player_and_a_recorder_sees_its_state_of_charge(tmp_path):
    from cosim.engines.helics_border import HelicsBroker, free_port

    broker = HelicsBroker(3, free_port())
    port = broker.address.rpartition(":")[2]
    core = f"--federates=1 --broker_address=tcp://127.0.0.1 --brokerport={port}"
    path = write(tmp_path, core_init_string=core)
    (tmp_path / "player.txt").write_text(
        "#s topic type value\n0 plan/power double 3.0\n120 plan/power double -2.0\n"
    )
    (tmp_path / "rec.txt").write_text("tag street/soc_pu\n")
    scripts = Path(sysconfig.get_path("scripts"))
    at = ["--coretype", "zmq", "--broker", "127.0.0.1", "--brokerport", port, "--stop", "400s"]
    commands = [
        [sys.executable, "-m", "cosim", "helics-federate", str(path)],
        [scripts / "helics_player", "player.txt", "--name", "player", *at],
        [scripts / "helics_recorder", "rec.txt", "--name", "rec", *at, "--output", "out.txt"],
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": str(scripts)}
    started = [subprocess.Popen(words, cwd=tmp_path, env=environment) for words in commands]
    codes = [process.wait(timeout=60) for process in started]
    broker.close()
    assert codes == [DONE] * 3
    lines = (tmp_path / "out.txt").read_text().splitlines()[1:]
    found = {float(line.split()[0]): float(line.split()[-1].strip('"')) for line in lines}
    # Each minute of 3 kW takes 0.005 of 10 kWh; the new plan holds from 120 s on.
    expected = {1e-9: 0.5, 60.0: 0.495, 120.0: 0.49, 180.0: 0.493333, 240.0: 0.496667, 300.0: 0.5}
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_key_that_nobody_publishes_ends_it_with_the_reason(tmp_path):
    from cosim.engines.helics_border import HelicsBroker, free_port

    broker = HelicsBroker(2, free_port())
    port = broker.address.rpartition(":")[2]
    core = f"--federates=1 --broker_address=tcp://127.0.0.1 --brokerport={port}"
    wrong = [{"key": "plan/powr", "port": "p_kw"}]
    path = write(tmp_path, core_init_string=core, subscriptions=wrong)
    (tmp_path / "player.txt").write_text("#s topic type value\n0 plan/power double 3.0\n")
    scripts = Path(sysconfig.get_path("scripts"))
    at = ["--coretype", "zmq", "--broker", "127.0.0.1", "--brokerport", port, "--stop", "400s"]
    commands = [
        [sys.executable, "-m", "cosim", "helics-federate", str(path)],
        [scripts / "helics_player", "player.txt", "--name", "player", *at],
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": str(scripts)}
    ours, player = (
        subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        for words in commands
    )
    _, said = ours.communicate(timeout=60)
    player.communicate(timeout=60)
    broker.close()
    assert ours.returncode == FAILED
    assert "nobody publishes 'plan/powr'. Did you mean 'plan/power'?" in said


def test_seed_name_start_and_network_are_those_of_a_model_alone(tmp_path):
    block = BATTERY["feedertwin"] | {"seed": 4, "name": "b", "start": "2020-01-01T00:00:00Z"}
    federate = HelicsFederate(write(tmp_path, feedertwin=block))
    assert federate._desk.member.name == "b"  # what random draws depend on
    assert federate._name == "battery"  # what it is called in HELICS
    with pytest.raises(ScenarioError, match=r"there is no key 'sed' here\. Did you mean 'seed'"):
        HelicsFederate(write(tmp_path, feedertwin=BATTERY["feedertwin"] | {"sed": 4}))


FAULTS = [
    # what is wrong, and what is said
    ({"publications": [{"key": "street/soc_p"}]}, "no publication 'soc_p'. Did you mean 'soc_pu'?"),
    ({"subscriptions": [{"key": "x/y"}]}, "no subscription 'y'"),
    ({"feedertwin": {"model": "battery", "config": {"e_kwh": -1, "p_kw": 5}, "duration_h": 1}},
     "e_kwh: -1 was given"),
    ({"feedertwin": {"model": "battery"}}, "duration_h: is missing"),
    ({"feedertwin": {}}, "model: is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "text"), FAULTS)
def test_a_wrong_configuration_says_what_and_where(tmp_path, changes, text):
    with pytest.raises(ScenarioError) as error:
        HelicsFederate(write(tmp_path, **changes))
    assert any(text in str(fault) and "battery.json" in str(fault) for fault in error.value.faults)
