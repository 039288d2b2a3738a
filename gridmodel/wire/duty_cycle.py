"""Duty cycle: who may send when, by sub-band and sliding hour (EU 863-870 MHz).

ETSI EN 300 220-2 and ERC Recommendation 70-03 limit the share of any hour a device may
be on air. The ledger below keeps each transmission of the last hour, so the sum over
*every* window of one hour stays within the limit, not only over clock hours.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gridmodel.units import US_PER_S

HOUR_US = 3600 * US_PER_S


@dataclass(frozen=True, slots=True)
class SubBand:
    """A stretch of spectrum with its own limits."""

    name: str
    low_mhz: float
    high_mhz: float
    duty_pu: float
    power_dbm: float


#: EU 863-870 MHz sub-bands with duty cycle and effective radiated power, as Semtech's
#: LoRa Basics Modem has them in region_eu_868_defs.h.
EU868 = (
    SubBand("863.0-865.0", 863.0, 865.0, 0.001, 14.0),
    SubBand("865.0-868.0", 865.0, 868.0, 0.01, 14.0),
    SubBand("868.0-868.6", 868.0, 868.6, 0.01, 14.0),
    SubBand("868.7-869.2", 868.7, 869.2, 0.001, 14.0),
    SubBand("869.4-869.65", 869.4, 869.65, 0.10, 27.0),
    SubBand("869.7-870.0", 869.7, 870.0, 0.01, 14.0),
)


def sub_band(frequency_mhz: float, bandwidth_khz: float) -> SubBand:
    """Return the sub-band that holds a whole channel.

    Raises
    ------
    ValueError
        If the channel lies in no sub-band, or crosses a border.
    """
    half_mhz = bandwidth_khz / 2e3
    for band in EU868:
        if band.low_mhz <= frequency_mhz - half_mhz and frequency_mhz + half_mhz <= band.high_mhz:
            return band
    names = ", ".join(band.name for band in EU868)
    raise ValueError(
        f"a {bandwidth_khz:g} kHz channel at {frequency_mhz:g} MHz fits no EU868 sub-band; "
        f"these are {names} MHz."
    )


@dataclass(slots=True)
class DutyLedger:
    """Airtime of one radio in one sub-band over the last hour.

    Parameters
    ----------
    duty_pu : float
        Greatest share of any hour on air. [pu]
    """

    duty_pu: float
    _sent: deque[tuple[int, int]] = field(default_factory=deque)  # start, airtime
    _total_us: int = 0

    @property
    def budget_us(self) -> int:
        """Airtime allowed in an hour. [us]"""
        return int(self.duty_pu * HOUR_US)

    def used_us(self, end_us: int) -> int:
        """Return the airtime within the hour that ends at ``end_us``. [us]"""
        begin_us = end_us - HOUR_US
        used = self._total_us
        for start, airtime in self._sent:  # the oldest may lie outside, in whole or in part
            if start >= begin_us:
                break
            used -= min(begin_us - start, airtime)
        return used

    def allows(self, now_us: int, airtime_us: int) -> bool:
        """Return whether a packet may start now.

        The window that matters ends with the packet: it holds the packet whole and the
        most of what came before.
        """
        self._forget(now_us)
        return airtime_us + self.used_us(now_us + airtime_us) <= self.budget_us

    def earliest_us(self, now_us: int, airtime_us: int) -> int:
        """Return the first instant from which a packet may start. [us]

        Raises
        ------
        ValueError
            If the packet is longer than a whole hour's budget.
        """
        if airtime_us > self.budget_us:
            raise ValueError(
                f"a packet of {airtime_us / 1e3:.1f} ms never fits a budget of "
                f"{self.budget_us / 1e3:.0f} ms an hour"
            )
        excess = airtime_us + self._total_us - self.budget_us
        for start, airtime in self._sent:  # the oldest leave the window first
            if excess <= 0:
                break
            leaves = min(airtime, excess)
            # The window ends with the packet, so it may start one airtime sooner.
            earliest = start + leaves + HOUR_US - airtime_us
            excess -= airtime
            if excess <= 0:
                return max(now_us, earliest)
        return now_us

    def book(self, start_us: int, airtime_us: int) -> None:
        """Note a transmission."""
        self._sent.append((start_us, airtime_us))
        self._total_us += airtime_us

    def _forget(self, now_us: int) -> None:
        """Drop transmissions that ended an hour ago or longer."""
        while self._sent and self._sent[0][0] + self._sent[0][1] <= now_us - HOUR_US:
            self._total_us -= self._sent.popleft()[1]
