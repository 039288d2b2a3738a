"""Vector group: how two windings with letters and a clock are connected (IEC 60076-1).

The clock is by how many times 30 degrees the lower voltage lags the higher one. Our
transformers know clock 0 (alike) and 1 or 11 (wye and delta); the others of the same
parity come from leading the phases of the lower side to other terminals. Clocks 2, 6 and
10 would need coils turned round, and zigzag does not exist: both are told.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from gridmodel.network.element import Connection

#: Terminals of the lower side, by how many times 120 degrees it lags more.
_TURNED = ("ABC", "CAB", "BCA")


class Windings(NamedTuple):
    """Connections of a high and a low side, and what could not be kept."""

    connections: tuple[Connection, Connection]
    nodes: tuple[str, str]
    lead: bool
    clock: int
    lost: str


def windings(letters: str, clock: int) -> Windings:
    """Return how a transformer of two windings is connected.

    Parameters
    ----------
    letters : str
        The group without its number: ``Dyn``, ``YNd``, ``Yzn``, ``YNyn``.
    clock : int
        Lag of the lower voltage, in hours. [30 deg]

    Examples
    --------
    >>> windings("Dyn", 5).nodes, windings("Dyn", 5).lead
    (('ABC', 'CAB0'), False)
    >>> windings("YNyn", 0).nodes
    ('ABC0', 'ABC0')
    """
    sides = _sides(letters)
    lost = "zigzag is read as a wye or delta of the same clock" if "z" in letters.lower() else ""
    kinds = [_connection(side) for side in sides]
    if "z" in letters.lower():  # a zigzag shifts like the other kind of winding
        other = 1 - [side[0].lower() for side in sides].index("z")
        kinds[other] = "delta" if clock % 2 else "wye"
    mixed = kinds[0] != kinds[1]
    lead, turns, kept = _turns(clock % 12, mixed)
    if kept != clock % 12:
        lost = f"{lost}; " * bool(lost) + f"clock {clock % 12} is read as {kept}"
    first = _terminals("ABC", kinds[0], sides[0])
    second = _terminals(_TURNED[turns], kinds[1], sides[1])
    return Windings((kinds[0], kinds[1]), (first, second), lead, kept, lost)


def _turns(clock: int, mixed: bool) -> tuple[bool, int, int]:
    """Return whether the low side leads, turns by 120 degrees, and the clock reached."""
    if mixed:
        if not clock % 2:
            clock = (clock + 1) % 12
        lead = clock in (3, 7, 11)
        return lead, ((clock - (11 if lead else 1)) % 12) // 4, clock
    reached = {0: 0, 4: 4, 8: 8}.get(clock, 0)
    return False, reached // 4, reached


def _sides(letters: str) -> tuple[str, str]:
    """Return the letters of the high and of the low side."""
    high = letters[:2] if letters[1:2] in ("N", "n") and letters[:1].isupper() else letters[:1]
    if letters[1:2] == "n" and letters[:1].isupper():
        high = letters[:1]
    return high or "YN", letters[len(high) :] or "yn"


def _connection(side: str) -> Literal["wye", "delta"]:
    return "delta" if side[0].lower() == "d" else "wye"


def _terminals(nodes: str, connection: Connection, side: str) -> str:
    if connection == "delta":
        return nodes
    return nodes + ("0" if side.lower().endswith("n") or side[0].lower() == "z" else "N")


def letters_of(connections: tuple[Connection, Connection], stars: tuple[str, str]) -> str:
    """Return the letters of a group, from connections and last terminals.

    Examples
    --------
    >>> letters_of(("delta", "wye"), ("C", "0"))
    'Dyn'
    """
    high, low = (
        "d" if kind == "delta" else "yn" if star == "0" else "y"
        for kind, star in zip(connections, stars, strict=True)
    )
    return high.upper() + low


def clock_of(connections: tuple[Connection, Connection], low_nodes: str, lead: bool) -> int | None:
    """Return the clock of terminals made by `windings`; none if they are led otherwise."""
    low = low_nodes.replace("0", "").replace("N", "")
    if low not in _TURNED:
        return None
    base = (11 if lead else 1) if connections[0] != connections[1] else 0
    return (base + 4 * _TURNED.index(low)) % 12
