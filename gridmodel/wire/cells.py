"""Radio cells: which nodes share a channel, an address space and a coordinator's radio.

A frame has one byte for an address, so a cell has at most 254 nodes; the next cell
sends on the next channel, and its coordinator has a radio of its own there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from annotated_types import Ge, Le
from pydantic import Field

from gridmodel.settings import Settings
from gridmodel.wire.frames import COORDINATOR, EVERYONE
from gridmodel.wire.lora import Modem


class CellSeat(NamedTuple):
    """Place of one radio: its customer, its cell, its address there, and who else is."""

    customer: str
    cell: int
    address: int
    peers: tuple[str, ...]


class CellPlan(Settings):
    """How the customers of a network, in its order, are divided into cells."""

    size: Annotated[int, Ge(1), Le(EVERYONE - 1)] = Field(
        EVERYONE - 1, description="customers that share a cell"
    )
    step_mhz: Annotated[float, Ge(0.0)] = Field(
        0.2, description="from a cell's channel to the next cell's"
    )

    def nodes(self, customers: Sequence[str], at: Sequence[str]) -> list[CellSeat]:
        """Return the seat of the node at each of some customers, addresses from 1."""
        cells = self._cells(customers)
        row = {name: k for k, name in enumerate(customers)}
        return [
            CellSeat(name, row[name] // self.size, row[name] % self.size + 1,
                     cells[row[name] // self.size])
            for name in at
        ]  # fmt: skip

    def coordinators(self, customers: Sequence[str], at: Sequence[str]) -> list[CellSeat]:
        """Return the seats of a coordinator's radios: at each place one for every cell."""
        cells = self._cells(customers)
        return [
            CellSeat(name, cell, COORDINATOR, peers)
            for name in at
            for cell, peers in enumerate(cells)
        ]

    def tuned(self, modem: Modem, cell: int) -> Modem:
        """Return a modem on the channel of a cell; the first cell has the modem's own."""
        frequency_mhz = round(modem.frequency_mhz + cell * self.step_mhz, 6)
        return modem.model_copy(update={"frequency_mhz": frequency_mhz})

    def _cells(self, customers: Sequence[str]) -> list[tuple[str, ...]]:
        return [
            tuple(customers[low : low + self.size]) for low in range(0, len(customers), self.size)
        ]
