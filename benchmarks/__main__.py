"""Run the benchmarks, write the page, say which claims hold.

``python -m benchmarks`` runs all, ``python -m benchmarks street mosaik`` or ``-k EXPRESSION``
some; the other sections of the page stay as they are. ``--page`` only writes the page anew from
``results.json``; ``--quick`` only sees that everything runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks import page, results
from benchmarks.claims import judged


def main() -> int:
    """Return pytest's exit code; a claim that is not met is no failure, only told."""
    asked = _arguments()
    code = 0
    kept = results.read()
    if not asked.page:
        code, found = _run(asked.sections, asked.expression, asked.quick)
        if asked.quick:
            return code
        kept = results.keep(found)
    page.write(kept)
    _tell(kept)
    return code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(results.SECTIONS)
    parser.add_argument("sections", nargs="*", metavar="NAME", help=f"some of {names}")
    parser.add_argument("-k", dest="expression", help="pytest's expression for what to run")
    parser.add_argument("--quick", action="store_true", help="one short round; nothing is kept")
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    asked = parser.parse_args()
    for name in asked.sections:
        if name not in results.SECTIONS:
            parser.error(f"there is no benchmark '{name}'; there are {names}")
    return asked


def _run(
    sections: Sequence[str], expression: str | None, quick: bool
) -> tuple[int, results.Results]:
    """Run benchmarks; return pytest's exit code and the sections that were measured."""
    folder = Path(__file__).parent
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        options = ["-q", "-s", "--benchmark-quiet", f"--benchmark-json={report}"]
        options += ["--quick"] if quick else []
        options += ["-k", expression] if expression else []
        which = [f"{folder}/{results.SECTIONS[name]}" for name in sections] or [str(folder)]
        code = int(pytest.main([*which, *options]))
        measured = report.exists() and report.stat().st_size > 0
        return code, results.of_report(json.loads(report.read_text())) if measured else {}


def _tell(kept: results.Results) -> None:
    """Print each claim: measured, asked, met or not."""
    table = Table(box=None, header_style="bold")
    for heading, justify in (
        ("claim", "left"),
        ("measured", "right"),
        ("asked", "right"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify)
    for claim, figure, met in judged(kept):
        verdict = "[green]met[/]" if met else "[bold red]not met[/]"
        table.add_row(claim.text, claim.form.format(figure), claim.asked, verdict)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
