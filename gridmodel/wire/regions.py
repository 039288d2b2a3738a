"""Regions: what the law of a place allows a radio, as data.

A region is a list of stretches of spectrum with their limits. What was compared with what
stands in ``docs/reference/radio.md``; a limit taken from memory is marked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gridmodel.units import US_PER_S

HOUR_US = 3600 * US_PER_S


@dataclass(frozen=True, slots=True)
class SubBand:
    """A stretch of spectrum with its own limits.

    Parameters
    ----------
    name : str
        Its borders in MHz.
    low_mhz, high_mhz : float
        A channel must lie within, whole. [MHz]
    duty_pu : float
        Greatest share of any hour on air, all channels together; 1 is no limit. [pu]
    power_dbm : float
        Greatest power, as the region counts it. [dBm]
    dwell_us : int
        Greatest airtime on one channel within any ``dwell_window_us``, so also of one
        packet; 0 is no limit. [us]
    dwell_window_us : int
        See ``dwell_us``; 0 limits single packets only. [us]
    widths_khz : tuple of float
        Channel widths it is for; empty is any. [kHz]
    """

    name: str
    low_mhz: float
    high_mhz: float
    duty_pu: float
    power_dbm: float
    dwell_us: int = 0
    dwell_window_us: int = 0
    widths_khz: tuple[float, ...] = ()

    def holds(self, frequency_mhz: float, bandwidth_khz: float) -> bool:
        """Return whether a whole channel lies within."""
        half_mhz = bandwidth_khz / 2e3
        return (
            self.low_mhz <= frequency_mhz - half_mhz
            and frequency_mhz + half_mhz <= self.high_mhz
            and (not self.widths_khz or bandwidth_khz in self.widths_khz)
        )

    @property
    def packet_us(self) -> int:
        """Greatest airtime of one packet. [us]"""
        duty_us = int(self.duty_pu * HOUR_US)
        return min(duty_us, self.dwell_us) if self.dwell_us else duty_us


@dataclass(frozen=True, slots=True)
class Region:
    """The law of a place."""

    name: str
    sub_bands: tuple[SubBand, ...]
    power_kind: str

    def rule(self, frequency_mhz: float, bandwidth_khz: float) -> SubBand:
        """Return the sub-band that holds a whole channel.

        Raises
        ------
        ValueError
            If the channel lies in no sub-band, or crosses a border.
        """
        for band in self.sub_bands:
            if band.holds(frequency_mhz, bandwidth_khz):
                return band
        names = ", ".join(dict.fromkeys(band.name for band in self.sub_bands))
        raise ValueError(
            f"a {bandwidth_khz:g} kHz channel at {frequency_mhz:g} MHz fits no {self.name} "
            f"sub-band; these are {names} MHz."
        )

    def permit(self, frequency_mhz: float, bandwidth_khz: float, power_dbm: float) -> SubBand:
        """Return the sub-band of a channel on which a radio may send with a power.

        Raises
        ------
        ValueError
            As `rule`, or if the power is above the sub-band's limit.
        """
        band = self.rule(frequency_mhz, bandwidth_khz)
        if power_dbm > band.power_dbm:
            raise ValueError(
                f"{power_dbm:g} dBm at {frequency_mhz:g} MHz is above the {band.power_dbm:g} dBm "
                f"({self.power_kind}) of {self.name} {band.name} MHz; lower tx_power_dbm."
            )
        return band


#: Semtech's LoRa Basics Modem, region_eu_868_defs.h, whose 16 dBm EIRP are 14 dBm ERP; the
#: 27 dBm as in Meshtastic's firmware.
_EU868 = Region("EU868", (
    SubBand("863.0-865.0", 863.0, 865.0, 0.001, 14.0),
    SubBand("865.0-868.0", 865.0, 868.0, 0.01, 14.0),
    SubBand("868.0-868.6", 868.0, 868.6, 0.01, 14.0),
    SubBand("868.7-869.2", 868.7, 869.2, 0.001, 14.0),
    SubBand("869.4-869.65", 869.4, 869.65, 0.10, 27.0),
    SubBand("869.7-870.0", 869.7, 870.0, 0.01, 14.0),
), "ERP")  # fmt: skip

#: FCC 15.247(a)(1)(i) and (b)(2) as meter makers' manuals quote them: hopping over 50
#: channels or, from 250 kHz on, 25. Channels of 500 kHz are LoRaWAN's "digital
#: modulation", which has no dwell time. That all channels are used alike is not checked.
_US915 = Region("US915", (
    SubBand("902-928", 902.0, 928.0, 1.0, 30.0, 400_000, 20 * US_PER_S, (62.5, 125.0)),
    SubBand("902-928 at 250 kHz", 902.0, 928.0, 1.0, 24.0, 400_000, 10 * US_PER_S, (250.0,)),
    SubBand("902-928 at 500 kHz", 902.0, 928.0, 1.0, 30.0, widths_khz=(500.0,)),
), "conducted")  # fmt: skip

#: Semtech's LoRa Basics Modem, region_as_923_defs.h, group 1: 16 dBm, dwell time on, no
#: duty cycle. National rules (Japan: listen before talk) are not in here.
_AS923 = Region("AS923", (SubBand("915-928", 915.0, 928.0, 1.0, 16.0, 400_000),), "EIRP")

REGIONS: Mapping[str, Region] = MappingProxyType({r.name: r for r in (_EU868, _US915, _AS923)})
