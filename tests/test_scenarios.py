"""Every bundled scenario runs to its end and meets its own expectations."""

from __future__ import annotations

import pytest

from cosim.cli.arguments import scenario_path
from cosim.run import DONE, RunOptions, run
from cosim.scenario import bundled
from cosim.scenario.build import load


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled.names())
def test_a_bundled_scenario_meets_its_expectations(name, tmp_path):
    result = run(load(scenario_path(name)), RunOptions(tmp_path))
    assert result.code == DONE, (result.reason, result.shortfalls)
