"""Stuck contacts: those that do not follow, welded or without their coil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controllers.edge.states import mask_of, wired
from gridmodel.kpi import Kpi


@dataclass(slots=True)
class StuckContacts:
    """Which contacts of a node do not follow, by their read-back.

    A contact that was told in the step before, and still is not there, is stuck.
    """

    count: int = 0
    mask: int = 0
    _told: int = -1  # what the contacts were told last; -1: nothing yet

    def observe(self, told: int, relays: Mapping[str, bool]) -> int:
        """Return the contacts as the coordinator is to know them.

        Parameters
        ----------
        told : int
            Circuits to connect from now on, as a mask.
        relays : mapping
            The contacts as they were read back before that.
        """
        before, self._told = self._told, told
        if before < 0:
            return told
        stuck = (mask_of(relays) ^ told) & ~(before ^ told) & wired(relays)
        self.count += (stuck & ~self.mask).bit_count()
        self.mask = stuck
        return told ^ stuck

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how often a contact got stuck, if one ever did."""
        if not self.count:
            return ()
        return (Kpi("stuck_contact_count", self.count, "times a contact did not follow"),)
