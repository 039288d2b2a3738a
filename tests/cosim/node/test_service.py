"""The systemd unit of the how-to lets its node write what it has to, and never gives it up."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from cosim.node.config import read_config
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "how-to"


@pytest.fixture(scope="module")
def unit() -> ConfigParser:
    parser = ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(FOLDER / "feedertwin-node.service")
    return parser


def test_what_the_node_writes_is_where_it_may(unit):
    service = unit["Service"]
    assert service["ProtectSystem"] == "strict"  # everything else is read-only
    mine = Path("/var/lib") / service["StateDirectory"]
    config = read_config(FOLDER / "house_3.yaml")
    for path in (config.keys, config.persist, service["WorkingDirectory"]):
        assert path is not None
        assert Path(path).is_relative_to(mine), path
    assert "/run/lock" in service["ReadWritePaths"].split()  # claims of the board


def test_it_is_started_anew_without_end_and_watched(unit):
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Service"]["WatchdogSec"]) >= 10
    assert unit["Service"]["NotifyAccess"] == "main"


def test_it_runs_the_file_that_the_how_to_installs(unit):
    path = unit["Service"]["ExecStart"].split("--config ")[1]
    assert f"house_3.yaml {path}" in (FOLDER / "raspberry_pi.md").read_text()
