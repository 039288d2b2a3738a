"""Codes and names that several rooms share."""

from __future__ import annotations

from enum import IntEnum

#: Classes of load, each on a circuit of its own, in the order of their importance.
CIRCUITS = ("critical", "normal", "deferrable")


class AnchorMode(IntEnum):
    """What the grid-forming inverter is doing."""

    OFF = 0
    FOLLOWING = 1  # on the public grid
    STARTING = 2  # voltage ramp of a black start
    FORMING = 3
    TRIPPED = 4


class Side(IntEnum):
    """Where a customer, plant or charger is connected."""

    NOWHERE = 0
    GRID = 1
    ISLAND = 2
