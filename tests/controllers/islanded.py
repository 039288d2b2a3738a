"""A house on an island, where its coordinator's word counts."""

from __future__ import annotations

from tests.controllers.house import House

#: Enter-service delay of address 3: 60 s and three times the stagger of 5 s.
DELAY_S = 75.0


def islanded(order: int | None = None, **settings) -> House:
    """Return a house on an island at 100 s, with an order in force or none yet."""
    house = House(**settings).until(100)
    house.hear(house.beacon(tied=False))
    if order is not None:
        house.hear(house.order(order))
    return house
