"""Page: ``docs/explanation/performance.md``, whose tables stand between markers."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import plots, tables
from benchmarks.results import Results

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"


def write(results: Results) -> None:
    """Put all results into the page, and draw the pictures of all sections."""
    text = PAGE.read_text(encoding="utf-8")
    text = _filled(text, "claims", tables.claims(results))
    for name, result in results.items():
        text = _filled(text, name, tables.section(name, result))
        plots.draw(name, result)
    PAGE.write_text(text, encoding="utf-8")


def _filled(text: str, marker: str, content: str) -> str:
    """Return the text with new content between a pair of markers.

    Raises
    ------
    LookupError
        If the page has no such markers.
    """
    begin, end = f"<!-- begin {marker} -->", f"<!-- end {marker} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise LookupError(f"{PAGE.name} has no place for '{marker}': add {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)
