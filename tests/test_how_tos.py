"""What a how-to shows, a newcomer can type: its files are written and its commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import ROOT

HOW_TO = ROOT / "docs" / "how-to"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
#: Page, and the names of the files it shows, in their order; None for what is no file.
PAGES = {
    "import_oedisi.md": ("system.json", "mapping.yaml"),
    "join_helics.md": ("joined.yaml", "player.txt", "recorder.txt", "battery.json", "runner.json"),
}


def blocks(page: str, *languages: str) -> list[str]:
    """Return the blocks of a page in some languages."""
    text = (HOW_TO / page).read_text()
    return [code for language, code in BLOCK.findall(text) if language in languages]


def written(page: str, folder: Path) -> None:
    """Write the files that a page shows."""
    for name, code in zip(PAGES[page], blocks(page, "yaml", "json", "text"), strict=True):
        (folder / name).write_text(code)


def typed(command: str, folder: Path) -> str:
    """Run a command as it stands in a page; return what it prints."""
    done = ran(command, folder)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def ran(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command, however it ends."""
    words = command.split()
    if words[0] == "feedertwin":
        words[:1] = [sys.executable, "-m", "cosim"]
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_imported_diagram_runs(tmp_path):
    written("import_oedisi.md", tmp_path)
    (commands,) = blocks("import_oedisi.md", "sh")
    said = "".join(typed(command, tmp_path) for command in commands.splitlines())
    assert "it is good: 2 federates, 2 links" in said
    assert "done\n2 h simulated" in said


def test_the_keys_of_a_cell_are_made_and_found_by_the_node_of_their_address(tmp_path):
    shown = [code.strip() for code in blocks("raspberry_pi.md", "sh")]
    (command,) = [code for code in shown if code.startswith("feedertwin keys")]
    (carried,) = [code for code in shown if "node_3 " in code]
    home = re.search(r"sudo mv node_3 (\S+)", carried)
    assert home is not None
    file = (HOW_TO / "house_3.yaml").read_text()
    assert f"keys: {home.group(1)} " in file  # where the node of the page looks for them
    typed(command, tmp_path)
    assert {path.name for path in (tmp_path / "cell").iterdir()} == {
        "coordinator", *(f"node_{k}" for k in range(1, 14)),
    }  # fmt: skip
    for member, told in (
        ("node_3", "keys are there"),
        ("node_2", "are of address 2 in cell 0, not 3"),
    ):
        (tmp_path / "house_3.yaml").write_text(file.replace(home.group(1), f"cell/{member}"))
        command = "feedertwin node --config house_3.yaml --self-test --set persist=kept"
        done = ran(command, tmp_path)
        (line,) = [line for line in done.stdout.splitlines() if " keys " in line]
        assert told in line
        assert line.startswith("ok" if member == "node_3" else "MISSING")


def test_outside_helics_federates_join_a_scenario(tmp_path):
    pytest.importorskip("helics")
    written("join_helics.md", tmp_path)
    assert "feedertwin run joined.yaml" in blocks("join_helics.md", "sh")[0]
    assert "done\n0.0025 h simulated" in typed("feedertwin run joined.yaml", tmp_path)
    assert "street/load" in (tmp_path / "recorded.txt").read_text()


def test_helics_runner_starts_a_model_of_ours(tmp_path):
    """On its own port: HELICS's usual one may be taken by another run on this host."""
    pytest.importorskip("helics")
    from cosim.engines.helics_border import free_port

    if shutil.which("feedertwin", path=sysconfig.get_path("scripts")) is None:
        pytest.skip("the command is not installed")
    written("join_helics.md", tmp_path)
    (tmp_path / "plan.txt").write_text("0 plan/power double 3.0\n")
    port = free_port()
    changes = {
        "runner.json": [
            ('"broker": true, "federates": [', '"federates": [{"name": "broker", "host": "localhost", '
             f'"directory": ".", "exec": "helics_broker -f 2 --coretype zmq --port {port}"}},'),
            ("--coretype zmq --stop", f"--coretype zmq --brokerport {port} --stop"),
        ],
        "battery.json": [
            ('"core_type": "zmq",', f'"core_type": "zmq", "core_init_string": "-f1 --brokerport={port}",')
        ],
    }  # fmt: skip
    for name, pairs in changes.items():
        text = (tmp_path / name).read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / name).write_text(text)
    typed("helics run --path runner.json", tmp_path)
