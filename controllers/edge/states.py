"""States of an edge node, and its circuits as a mask."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from gridmodel.codes import CIRCUITS

CRITICAL, NORMAL, DEFERRABLE = 1, 2, 4
ALL = CRITICAL | NORMAL | DEFERRABLE


class NodeState(IntEnum):
    """What a node is doing."""

    GRID = 0  # on the public grid, everything connected
    ISLANDED = 1  # on the island, everything connected
    SCARCE = 2  # on the island, deferrable load waits
    SHED = 3  # on the island, normal load is shed too
    RESTORING = 4  # supply is back, the enter-service delay runs
    ISOLATED = 5  # no healthy supply: everything is disconnected
    TRIPPED = 6  # too much current or heat: everything is disconnected


def mask_of(contacts: Mapping[str, bool]) -> int:
    """Return contacts as a mask; a circuit without one counts as open."""
    return sum(bool(contacts.get(name)) << k for k, name in enumerate(CIRCUITS))


def wired(contacts: Mapping[str, bool]) -> int:
    """Return the circuits that have a contact, as a mask."""
    return mask_of(dict.fromkeys(contacts, True))


def contacts_of(mask: int) -> dict[str, bool]:
    """Return a mask as contacts."""
    return {name: bool(mask >> k & 1) for k, name in enumerate(CIRCUITS)}
