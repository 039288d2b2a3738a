"""What a node says of its buses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cosim.node.config import read_config
from cosim.node.self_test import Finding, self_test
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
