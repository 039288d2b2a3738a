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


def test_a_file_that_is_not_there_is_told_with_where_it_was_looked_for_and_how_to_get_one(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError) as caught:
        read_config(Path("nope.yaml"))
    (fault,) = caught.value.faults
    assert fault.where == "nope.yaml"
    assert fault.problem == f"there is no such file in {tmp_path}."
    assert "feedertwin hil SCENARIO --node NAME=emulated" in fault.advice
    for page in ("house_3.yaml", "raspberry_pi.md"):
        assert f"docs/how-to/{page}" in fault.advice
        assert (ROOT / "docs" / "how-to" / page).exists()


def test_a_folder_is_no_node_s_file(tmp_path):
    with pytest.raises(ScenarioError, match="is a folder"):
        read_config(tmp_path)


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
        ("safe: closed", "saf: closed", 9, "Did you mean 'safe'?"),
        ("chip: mcp3208", "chip: mcp3008", 7, "Set 'adc_bits: 10' in the scale."),
        ("  supply:", "  supply_1:", 6, "'edge_node' reads it; given are: supply_1."),
        ("  critical:", "  critical_1:", 9, "would never move it. Did you mean 'critical'?"),
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


def test_a_fault_of_the_node_hides_none_of_its_blocks(tmp_path):
    text = WHOLE.replace("address: 3", "address_no: 3").replace(
        "controller: edge_node", "controller: x"
    )
    text = text.replace("chip: mcp3208", "chip: mcp3209").replace("pin: 6", "pin: 66, safe: shut")
    text = text.replace("pin: 66, safe: shut, safe: open", "pin: 66, safe: shut")
    with pytest.raises(ScenarioError) as caught:
        read_config(written(tmp_path, text))
    lines = [fault.where.rpartition(":")[2] for fault in caught.value.faults]
    assert {fault.key for fault in caught.value.faults} == {
        "address", "address_no", "controller", "meters.supply.chip", "relays.normal.pin",
        "relays.normal.safe",
    }  # fmt: skip
    numbered = [int(line) for line in lines if line.isdigit()]
    assert numbered == sorted(numbered)


def test_a_relay_that_is_only_read_back_may_have_any_name(tmp_path):
    text = WHOLE.replace("deferrable: {body: simulated}", "tie: {given: true}")
    assert read_config(written(tmp_path, text)).relays["tie"].given


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
