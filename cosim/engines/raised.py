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
    said = f": {last.line}" if last.line else ""
    return f"{kind} in {last.name}() at {Path(last.filename).name}:{last.lineno}{said}"
