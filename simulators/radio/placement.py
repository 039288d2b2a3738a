"""Placement: which radios stand where, by fleet, as rows of one array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import near
from gridmodel.wire.cells import CellPlan, CellSeat
from simulators.radio.terrain import Terrain

Array = NDArray[np.float64]


class Radios(Protocol):
    """Settings of a fleet's radios."""

    @property
    def at(self) -> tuple[str, ...] | None:
        """Customers; all of them if None."""

    @property
    def every_cell(self) -> bool:
        """Whether each place has a radio for every cell."""


class Placement:
    """Radios of all fleets in the order of their rows.

    Parameters
    ----------
    fleets : mapping
        Radios by name of their federate.
    cells : CellPlan
        How customers share cells.
    network : Neighbourhood
        Where customers are.
    """

    def __init__(
        self, fleets: Mapping[str, Radios], cells: CellPlan, network: Neighbourhood
    ) -> None:
        self.rows: dict[str, range] = {}
        self.seats: list[CellSeat] = []
        for name, fleet in fleets.items():
            at = network.consumer_names if fleet.at is None else fleet.at
            place = cells.coordinators if fleet.every_cell else cells.nodes
            found = place(network.consumer_names, at)
            self.rows[name] = range(len(self.seats), len(self.seats) + len(found))
            self.seats += found
        self.fleet_of = [name for name, rows in self.rows.items() for _ in rows]
        self.cell = np.array([seat.cell for seat in self.seats])
        self._network = network

    def loss_db(self, terrain: Terrain, f_mhz: float, rng: np.random.Generator) -> Array:
        """Return the path loss between all radios, symmetric, shape (n, n). [dB]"""
        at = [seat.customer for seat in self.seats]
        distance = np.array([[self._network.distance_m(a, b) for b in at] for a in at])
        shadow = np.triu(terrain.shadowing_db * rng.standard_normal(distance.shape), 1)
        return np.asarray(terrain.losses_db(distance, f_mhz) + shadow + shadow.T, dtype=np.float64)

    def by_fleet(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return which of some rows are whose: positions in ``rows``, by fleet, if any."""
        found = {
            name: np.flatnonzero((rows >= span.start) & (rows < span.stop))
            for name, span in self.rows.items()
        }
        return {name: at for name, at in found.items() if len(at)}


def faults_of_placement(
    where: str, fleets: Mapping[str, Radios], network: Neighbourhood
) -> list[Fault]:
    """Return the places of fleets that are no customers, and that there is no radio at all."""
    faults = [
        Fault(where, f"fleets.{name}.at", f"there is no customer '{house}'.",
              near(house, network.consumer))
        for name, fleet in fleets.items()
        for house in fleet.at or ()
        if house not in network.consumer
    ]  # fmt: skip
    if not any(
        network.consumer_names if fleet.at is None else fleet.at for fleet in fleets.values()
    ):
        faults.append(Fault(where, "fleets", "no fleet has a radio.", "Name one, and customers."))
    return faults
