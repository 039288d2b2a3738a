"""Raised: an exception of a part's code in a line, so that its place can be found."""

from __future__ import annotations

import traceback
from pathlib import Path


def raised(error: BaseException) -> str:
    """Return kind and text of an exception; of one without a text, the line it comes from.

    Examples
    --------
    >>> raised(ValueError("p_kw is NaN"))
    'ValueError: p_kw is NaN'
    """
    kind, text = type(error).__name__, str(error)
    if text.strip():
        return f"{kind}: {text}"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return kind
    last = frames[-1]
    return placed(kind, last.name, last.filename, last.lineno or 0, last.line or "")


def placed(kind: str, function: str, file: str, line: int, said: str) -> str:
    """Return kind and place of an exception that has no text of its own, in a line.

    Examples
    --------
    >>> placed("AssertionError", "step", "/home/me/my_sim.py", 76, "assert p_kw > 0")
    'AssertionError in step() at my_sim.py:76: assert p_kw > 0'
    """
    code = f": {said.strip()}" if said.strip() else ""
    return f"{kind} in {function}() at {Path(file).name}:{line}{code}"
