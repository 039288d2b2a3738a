"""A node's YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.node.config import ports_of, read_config
from gridmodel.errors import ScenarioError
from tests.conftest import ROOT

WHOLE = """\
feedertwin_node: 1
node: house_03
controller: edge_node
address: 3
settings: {report_period_s: 30}
meters:
  supply: {body: emulated, chip: mcp3208}
relays:
  critical: {body: emulated, pin: 5, safe: closed}
  normal: {body: emulated, pin: 6, safe: open}
  deferrable: {body: simulated}
radio: {body: emulated, chip_select: 1}
persist: kept
"""


def written(folder: Path, text: str = WHOLE) -> Path:
    path = folder / "house_3.yaml"
    path.write_text(text)
    return path


def faults(folder: Path, old: str, new: str) -> list[str]:
    assert old in WHOLE
    with pytest.raises(ScenarioError) as caught:
        read_config(written(folder, WHOLE.replace(old, new)))
    return [str(fault) for fault in caught.value.faults]


def test_a_whole_file_is_read_with_its_bodies(tmp_path):
    config = read_config(written(tmp_path))
    assert list(ports_of(config)) == [
        "meter.supply", "relay.critical", "relay.normal", "relay.deferrable", "radio",
    ]  # fmt: skip
    assert config.relays["normal"].own == {"pin": 6}
    assert config.persist == str(tmp_path / "kept")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [  # a fault: what is written instead, its line, what is said
        ("address: 3", "address: 3\nowners: x", 5, "Did you mean 'owner'?"),
        ("controller: edge_node", "controller: edgenode", 3, "Did you mean 'edge_node'?"),
        ("report_period_s: 30", "report_period_s: 0", 5, "settings.report_period_s: 0 was given"),
        ("body: emulated, chip: mcp3208", "body: emulatd", 7, "Did you mean"),
        ("chip: mcp3208", "chip: mcp3209", 7, "meters.supply.chip"),
        ("pin: 5,", "", 9, "relays.critical.pin: is missing"),
        ("pin: 6", "pin: 66", 10, "relays.normal.pin: 66 was given"),
        ("chip_select: 1", "chip_select: 9", 12, "radio.chip_select: 9 was given"),
        ("persist: kept", "network: nowhere.json", 13, "there is no file 'nowhere.json'"),
        ("persist: kept", "world: fax:1", 13, "is no address"),
        ("address: 3", "address: 255", 4, "address: 255 was given"),
    ],
)
def test_a_fault_has_its_line_and_the_next_step(old, new, line, words, tmp_path):
    (fault,) = faults(tmp_path, old, new)
    assert f"house_3.yaml:{line}:" in fault
    assert words in fault


def test_all_faults_of_controller_and_bodies_come_at_once(tmp_path):
    text = WHOLE.replace("report_period_s: 30", "reprt: 1").replace("pin: 6", "pinn: 6")
    with pytest.raises(ScenarioError) as caught:
        read_config(written(tmp_path, text))
    assert {fault.key for fault in caught.value.faults} == {
        "settings.reprt", "relays.normal.pin", "relays.normal.pinn",
    }  # fmt: skip


def test_a_stepped_clock_needs_a_simulation(tmp_path):
    (fault,) = faults(tmp_path, "persist: kept", "clock: stepped")
    assert "give its 'world'" in fault


def test_a_setting_can_be_changed_from_outside(tmp_path):
    config = read_config(written(tmp_path), ("relays.normal.pin=13",))
    assert config.relays["normal"].own == {"pin": 13}


def test_the_file_of_the_how_to_describes_a_node():
    config = read_config(ROOT / "docs" / "how-to" / "house_3.yaml")
    assert {block.body for _, _, block in ports_of(config).values()} == {"pi"}
    assert config.relays["critical"].safe == "closed"
    assert config.persist == "/var/lib/feedertwin/house_03"
