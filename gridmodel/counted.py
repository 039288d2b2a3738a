"""Counted: how many there are of something, with its plural where it is not one."""

from __future__ import annotations

_HISSING = ("s", "ch", "sh", "x")
_VOWELS = "aeiou"


def counted(number: int, one: str) -> str:
    """Return how many there are of something by the name of one of it.

    Examples
    --------
    >>> counted(1, "bus"), counted(8760, "hour"), counted(0, "entry")
    ('1 bus', '8,760 hours', '0 entries')
    """
    if number == 1:
        return f"1 {one}"
    if one.endswith("y") and one[-2] not in _VOWELS:
        return f"{number:,} {one[:-1]}ies"
    return f"{number:,} {one}{'es' if one.endswith(_HISSING) else 's'}"
