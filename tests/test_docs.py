"""What the documentation shows, runs; what it points to, exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_stands_beside_it(path: Path):
    command = [sys.executable, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout == path.with_suffix(".out").read_text()


@pytest.mark.parametrize("name", ["own_federate", "simpy_agent"])
def test_an_example_with_a_part_is_imported_by_other_processes_without_running(name: str):
    code = f"import sys; sys.path.insert(0, 'docs/examples'); import {name}"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_points_to_nothing_that_is_not_there(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_code_of_a_how_to_is_the_code_of_its_example():
    page = (ROOT / "docs" / "how-to" / "add_a_federate.md").read_text()
    shown = re.search(r"```python\n(class Heater.*?)```", page, re.DOTALL)
    assert shown is not None
    assert shown.group(1) in (ROOT / "docs" / "examples" / "own_federate.py").read_text()
