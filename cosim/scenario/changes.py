"""Changes: in what two resolved scenarios differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return each value that differs: ``federates.battery.e_kwh: 180 -> 90``.

    Examples
    --------
    >>> changes({"a": {"x_kw": 1, "y": [1, 2]}}, {"a": {"x_kw": 2, "y": (1, 2)}, "b": True})
    ['a.x_kw: 1 -> 2', 'b: nothing -> true']
    """
    return list(_walk(_plain(before), _plain(after), ""))


def _plain(value: Any) -> Any:
    """Return what it looks like in ``run.json``: no tuples."""
    return json.loads(json.dumps(value, default=str))


def _walk(before: Any, after: Any, above: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            name = f"{above}.{key}" if above else key
            yield from _walk(before.get(key, _NOTHING), after.get(key, _NOTHING), name)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _walk(old, new, f"{above}.{index}")
    elif before != after:
        yield f"{above}: {_text(before)} -> {_text(after)}"


_NOTHING = object()


def _text(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
