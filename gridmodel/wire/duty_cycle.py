"""Duty cycle and dwell time: who may send when, by sub-band and sliding window.

A law that limits the share of an hour on air means any hour. The ledger below keeps each
transmission of the last window, so the sum over *every* window stays within the limit, not
only over clock hours. A token bucket that starts full would not do: it allows its whole
content at once and then refills, so nearly twice the limit fits an hour.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from gridmodel.wire.lora import Modem
from gridmodel.wire.regions import HOUR_US as HOUR_US
from gridmodel.wire.regions import REGIONS, SubBand

#: Sub-bands of the European 863-870 MHz.
EU868 = REGIONS["EU868"].sub_bands


def sub_band(frequency_mhz: float, bandwidth_khz: float, region: str = "EU868") -> SubBand:
    """Return the sub-band that holds a whole channel.

    Raises
    ------
    ValueError
        If the channel lies in no sub-band, or crosses a border.
    """
    return REGIONS[region].rule(frequency_mhz, bandwidth_khz)


class _Channel(NamedTuple):
    """A channel with a dwell time."""

    region: str
    band: str
    frequency_mhz: float
    bandwidth_khz: float

    def overlaps(self, other: _Channel) -> bool:
        """Return whether two channels of one sub-band share spectrum."""
        apart_khz = abs(self.frequency_mhz - other.frequency_mhz) * 1e3
        width_khz = (self.bandwidth_khz + other.bandwidth_khz) / 2
        # Hertz are what channels are told in: a rounded sum must not make neighbours overlap.
        return self[:2] == other[:2] and round(width_khz - apart_khz, 3) > 0.0


class AirtimeAccount:
    """What one radio sent, by all limits of its region.

    A packet starts when every ledger it counts in has room: its sub-band's for the duty
    cycle, and where there is a dwell time its channel's and that of each channel sent on
    before that it overlaps.
    """

    def __init__(self) -> None:
        self._sub_bands: dict[tuple[str, str], DutyLedger] = {}
        self._channels: dict[_Channel, DutyLedger] = {}

    def earliest_us(self, now_us: int, modem: Modem, airtime_us: int) -> int:
        """Return the first instant from which a packet may start; ``now_us`` if now. [us]

        Raises
        ------
        ValueError
            If no such instant will ever come: the packet alone breaks a limit, or its
            channel or power does.
        """
        band = modem.rule()
        if band.dwell_us and airtime_us > band.dwell_us:
            raise ValueError(
                f"a packet of {airtime_us / 1e3:.1f} ms is longer than the dwell time of "
                f"{band.dwell_us / 1e3:.0f} ms in {modem.region} {band.name} MHz"
            )
        ledgers = self._of(band, modem)
        return max((one.earliest_us(now_us, airtime_us) for one in ledgers), default=now_us)

    def book(self, start_us: int, modem: Modem, airtime_us: int) -> None:
        """Note a transmission."""
        for ledger in self._of(modem.rule(), modem):
            ledger.forget(start_us)
            ledger.book(start_us, airtime_us)

    def used_pu(self, end_us: int, modem: Modem) -> float:
        """Return the most used-up of a channel's limits, in its window to ``end_us``. [pu]"""
        ledgers = self._of(modem.rule(), modem)
        shares = (one.used_us(end_us) / one.window_us / one.duty_pu for one in ledgers)
        return max(shares, default=0.0)

    def _of(self, band: SubBand, modem: Modem) -> list[DutyLedger]:
        found = []
        if band.duty_pu < 1.0:
            key = (modem.region, band.name)
            found.append(self._sub_bands.setdefault(key, DutyLedger(band.duty_pu)))
        if band.dwell_window_us:
            own = _Channel(modem.region, band.name, modem.frequency_mhz, modem.bandwidth_khz)
            dwell = DutyLedger(band.dwell_us / band.dwell_window_us, band.dwell_window_us)
            self._channels.setdefault(own, dwell)
            found += [one for key, one in self._channels.items() if own.overlaps(key)]
        return found


@dataclass(slots=True)
class DutyLedger:
    """Airtime of one radio in one sub-band, or on one channel, over the last window.

    Parameters
    ----------
    duty_pu : float
        Greatest share of any window on air. [pu]
    window_us : int
        Length of the window: an hour. [us]
    """

    duty_pu: float
    window_us: int = HOUR_US
    _sent: deque[tuple[int, int]] = field(default_factory=deque)  # start, airtime
    _total_us: int = 0

    @property
    def budget_us(self) -> int:
        """Airtime allowed in a window. [us]"""
        return int(self.duty_pu * self.window_us)

    @property
    def sent(self) -> tuple[tuple[int, int], ...]:
        """Starts and airtimes that still count, the oldest first. [us]"""
        return tuple(self._sent)

    def used_us(self, end_us: int) -> int:
        """Return the airtime within the window that ends at ``end_us``. [us]"""
        begin_us = end_us - self.window_us
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
        self.forget(now_us)
        return airtime_us + self.used_us(now_us + airtime_us) <= self.budget_us

    def earliest_us(self, now_us: int, airtime_us: int) -> int:
        """Return the first instant from which a packet may start. [us]

        Raises
        ------
        ValueError
            If the packet is longer than a whole window's budget.
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
            earliest = start + leaves + self.window_us - airtime_us
            excess -= airtime
            if excess <= 0:
                return max(now_us, earliest)
        return now_us

    def book(self, start_us: int, airtime_us: int) -> None:
        """Note a transmission."""
        self._sent.append((start_us, airtime_us))
        self._total_us += airtime_us

    def forget(self, now_us: int) -> None:
        """Drop transmissions that ended a window ago or longer."""
        while self._sent and self._sent[0][0] + self._sent[0][1] <= now_us - self.window_us:
            self._total_us -= self._sent.popleft()[1]
