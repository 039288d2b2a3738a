"""What a node says of its buses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cosim.node.config import read_config
from cosim.node.provision import provision_cell
from cosim.node.self_test import Finding, _used, self_test
from gridmodel.ports import InverterState
from hardware_bridges.link_error import LinkError
from hardware_bridges.relay.emulated import EmulatedRelay, EmulatedRelayConfig
from tests.cosim.node.test_node_config import WHOLE, written

pytest.importorskip("gpiozero")


def findings(folder: Path, text: str = WHOLE) -> dict[str, Finding]:
    return {found.port: found for found in self_test(read_config(written(folder, text)))}


def test_everything_is_found_on_emulated_hardware(tmp_path):
    found = findings(tmp_path)
    assert all(finding.good for finding in found.values()), found
    assert "230" in found["meter.supply"].text or "229.9" in found["meter.supply"].text
    assert "not moved" in found["relay.critical"].text
    assert found["radio"].text == "chip in mode RX, 868.1 MHz, SF7/125 kHz, 14 dBm"


def test_a_pin_claimed_twice_names_both_owners(tmp_path):
    found = findings(tmp_path, WHOLE.replace("pin: 6", "pin: 5"))
    assert not found["relay.normal"].good
    assert "'relay normal' wants it, but 'relay critical' has it" in found["relay.normal"].text


def test_a_bus_claimed_twice_names_both_owners(tmp_path):
    found = findings(tmp_path, WHOLE.replace(", chip_select: 1", ""))
    assert "'radio' wants it, but 'meter supply' has it" in found["radio"].text


def test_what_the_machine_lacks_is_missing_with_its_pip_line(tmp_path):
    try:
        import spidev  # noqa: F401
    except ImportError:
        found = findings(tmp_path, WHOLE.replace("emulated, chip: mcp3208", "pi"))
        assert not found["meter.supply"].good
        assert 'pip install "feedertwin[pi]"' in found["meter.supply"].text
        assert found["relay.critical"].good
    else:
        pytest.skip("this machine is a Pi")


@pytest.mark.parametrize(("text", "code"), [(WHOLE, 0), (WHOLE.replace("pin: 6", "pin: 5"), 1)])
def test_the_command_ends_with_1_if_something_is_missing(text, code, tmp_path):
    command = [sys.executable, "-m", "cosim.node", "--self-test", "--config"]
    done = subprocess.run(
        [*command, str(written(tmp_path, text))], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert ("MISSING relay.normal" in done.stdout) == bool(code)


def test_the_command_ends_with_2_on_a_file_that_describes_no_node(tmp_path):
    path = written(tmp_path, WHOLE.replace("address: 3", ""))
    command = [sys.executable, "-m", "cosim.node", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "address: is missing" in done.stderr


def test_keys_and_folders_are_looked_at_too(tmp_path, monkeypatch):
    found = findings(tmp_path, WHOLE + "keys: nowhere\n")
    assert not found["keys"].good
    assert "nowhere/keys.json: cannot be read" in found["keys"].text
    assert found["persist"].good
    assert found["meter.supply"].good
    provision_cell(tmp_path / "cell", 3)
    text = WHOLE + "keys: cell/node_3\njournal: frames.pb\n"
    assert all(findings(tmp_path, text)[port].good for port in ("keys", "persist", "journal"))
    monkeypatch.setattr("os.access", lambda path, mode: False)  # as on a read-only system
    found = findings(tmp_path, text)
    for port in ("keys", "persist", "journal"):
        assert not found[port].good
        assert "cannot be written by this user" in found[port].text


def test_a_welded_relay_is_not_all_there():
    relay = EmulatedRelay(EmulatedRelayConfig(pin=5, feedback_pin=6))
    assert _used("relay", relay, 0)[0]
    relay.contact.stick(True)
    good, text = _used("relay", relay, 0)
    assert not good
    assert "it does not follow" in text


class SlowInverter:
    """An inverter that is found at the third call."""

    def __init__(self) -> None:
        self.calls = 0

    def read(self) -> InverterState:
        self.calls += 1
        if self.calls < 3:
            raise LinkError("192.0.2.1:502", "no answer within 0.5 s; the request goes on.")
        return InverterState(1.0, 0.5, 5.0, 10.0)


def test_an_inverter_is_given_the_time_to_be_found():
    assert _used("inverter", SlowInverter(), 0) == (True, "1.00 kW, 50 % of 10 kWh")
