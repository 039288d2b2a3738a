"""Nodes that are started elsewhere and reached over UDP, TCP, a serial line or a broker."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM

import pytest

from cosim import children
from cosim.cli.arguments import scenario_path
from cosim.hil.hil import compared, hil, inside, replay
from cosim.hil.wish import wishes
from cosim.lines.datagram_line import DatagramLine
from cosim.pacer import RealTimeConfig
from cosim.run import RunOptions
from tests.cosim.lines.test_lines import BROKER, broker, free_port, null_modem

pytest.importorskip("gpiozero")
SCARCITY = scenario_path("street_island/scarcity")
UNTIL_US = 45_000_000
NODE = """\
feedertwin_node: 1
node: nodes.house_03
controller: edge_node
address: 3
seed: 20160524
modem: {{spreading_factor: 7, bandwidth_khz: 125, frequency_mhz: 868.1, tx_power_dbm: 14}}
scale: {{sampling: sampled}}
meters: {{supply: {{body: emulated}}}}
relays:
  critical: {{body: emulated, pin: 5, closed_at_start: true}}
  normal: {{body: emulated, pin: 6, closed_at_start: true}}
  deferrable: {{body: emulated, pin: 13, closed_at_start: true}}
radio: {{body: emulated, chip_select: 1}}
world: {world}
"""


def ways(kind: str, stack: ExitStack) -> tuple[str, str]:
    """Return the address that the simulation uses, and the node's own."""
    if kind == "serial":
        ends = stack.enter_context(null_modem())
        return f"serial:{ends[0]}", f"serial:{ends[1]}"
    if kind == "mqtt":
        pytest.importorskip("paho.mqtt")
        if BROKER is None:
            pytest.skip("no mosquitto here: scripts/install_mosquitto.sh")
        port = stack.enter_context(broker())
    else:
        port = free_port(SOCK_DGRAM if kind == "udp" else SOCK_STREAM)
    return f"{kind}:127.0.0.1:{port}", f"{kind}:127.0.0.1:{port}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["udp", "tcp", "serial", "mqtt"])
def test_a_node_elsewhere_decides_as_it_does_inside(kind, tmp_path):
    with ExitStack() as stack:
        how, world = ways(kind, stack)
        file: Path = tmp_path / "house_3.yaml"
        file.write_text(NODE.format(world=world))
        command = [sys.executable, "-m", "cosim.node", "--config", str(file)]
        with (tmp_path / "log").open("wb") as log:
            child = children.start(command, log=log)
        stack.callback(children.end, [child], 5.0)
        nodes = wishes([f"nodes.house_03={how}"])
        other = hil(SCARCITY, nodes, RunOptions(tmp_path / "outside", UNTIL_US))
        assert child.wait(10.0) == 0, (tmp_path / "log").read_text()
    one = inside(SCARCITY, nodes, RunOptions(tmp_path / "inside", UNTIL_US))
    found = compared(one, other)["nodes.house_03"]
    assert found.equal, found.first
    assert found.same > 4


@pytest.fixture
def lossy(monkeypatch) -> list[bytes]:
    """Every third question of the simulation is lost."""
    asked: list[bytes] = []
    send = DatagramLine.send

    def sometimes(self, data: bytes) -> None:
        if data.startswith(b'["Ask"'):
            asked.append(data)
            if len(asked) % 3 == 2:
                return
        send(self, data)

    monkeypatch.setattr(DatagramLine, "send", sometimes)
    return asked


@pytest.mark.slow
def test_a_run_in_real_time_whose_questions_get_lost_runs_again_to_the_byte(tmp_path, lossy):
    options = RunOptions(tmp_path / "outside", UNTIL_US, real_time=RealTimeConfig(factor=0.1))
    outcome = hil(SCARCITY, wishes(["nodes.house_03=emulated-udp"]), options, deadline_s=0.2)
    line = outcome.lines["nodes.house_03"]
    assert line.late >= len(lossy) // 3 > 0
    assert not line.lost
    assert replay(outcome.result.folder, tmp_path / "again").differs == ()


@pytest.mark.slow
def test_stepped_a_lost_question_is_asked_again_and_changes_nothing(tmp_path, lossy):
    nodes = wishes(["nodes.house_03=emulated-udp"])
    other = hil(SCARCITY, nodes, RunOptions(tmp_path / "outside", UNTIL_US))
    one = inside(SCARCITY, nodes, RunOptions(tmp_path / "inside", UNTIL_US))
    assert other.lines["nodes.house_03"].repeated > 0
    found = compared(one, other)["nodes.house_03"]
    assert found.equal, found.first
