"""A node loads nothing that a Pi Zero has no room for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cosim.node.test_node_config import WHOLE, written

#: Solvers, tables and plots, and the machinery of a run.
HEAVY = {
    "pandas", "scipy", "numba", "opendssdirect", "pyarrow", "matplotlib", "jinja2", "rich",
    "mosaik", "helics", "simpy",
}  # fmt: skip
OURS = {"cosim.run", "cosim.engines", "cosim.recorder", "cosim.scenario.build", "simulators"}

SCRIPT = """
import sys
{code}
import json
print(json.dumps(sorted(sys.modules)))
"""


def loaded(code: str) -> set[str]:
    command = [sys.executable, "-c", SCRIPT.format(code=code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    import json

    return set(json.loads(done.stdout.splitlines()[-1]))


def heavy(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] in HEAVY or name in OURS}


@pytest.mark.parametrize(
    "module",
    [
        "cosim.node.process",
        "cosim.node.self_test",
        "controllers.edge.node",
        "controllers.coordinator.coordinator",
    ],
)
def test_importing_a_part_of_a_node_loads_nothing_heavy(module):
    modules = loaded(f"import {module}")
    assert module in modules
    assert not heavy(modules)


def test_an_assembled_node_on_emulated_hardware_has_loaded_nothing_heavy(tmp_path):
    pytest.importorskip("gpiozero")
    path = written(tmp_path)
    code = f"""
from pathlib import Path
from cosim.node.assembly import assemble
from cosim.node.config import read_config
node = assemble(read_config(Path({str(path)!r})))
node.runner.step(0)
node.close()
"""
    assert not heavy(loaded(code))


def test_the_command_feedertwin_node_loads_nothing_heavy_but_its_own_help(tmp_path):
    path = written(tmp_path, WHOLE.replace("emulated, chip: mcp3208", "simulated"))
    code = f"""
sys.argv = ["feedertwin", "node", "--self-test", "--config", {str(path)!r}]
from cosim.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""
    assert heavy(loaded(code)) <= {m for m in loaded("import typer") if m.startswith("rich")}
