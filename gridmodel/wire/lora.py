"""LoRa modulation: airtime, sensitivity, and the radio settings of a node.

Airtime follows Semtech's formula as in the SX126x data sheet, section 6.1.4, and its
driver: explicit or implicit header, low data rate optimisation at symbols of 16.38 ms
and longer, and the longer sync of SF5 and SF6. Left out: frequency hopping, FSK.
"""

from __future__ import annotations

from functools import cache
from math import log10
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import Field, field_validator

from gridmodel.settings import Settings

#: Channel widths a modem can be set to. [kHz]
BANDWIDTHS_KHZ = (62.5, 125.0, 250.0, 500.0)
#: Least signal-to-noise ratio that is demodulated, by spreading factor. SX126x data
#: sheet, table 6-1. [dB]
SNR_FLOOR_DB = {5: -2.5, 6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}

#: Symbols at least this long need low data rate optimisation. [us]
_LDRO_SYMBOL_US = 16_380
#: Thermal noise density at 290 K. [dBm/Hz]
_THERMAL_NOISE_DBM_PER_HZ = -174.0


class Modem(Settings):
    """Settings of a LoRa radio."""

    spreading_factor: Annotated[int, Ge(5), Le(12)] = Field(
        7, description="chips per symbol are 2 to this power"
    )
    bandwidth_khz: float = Field(125.0, description="width of the channel: 62.5, 125, 250, 500")
    coding_rate: Annotated[int, Ge(5), Le(8)] = Field(
        5, description="4/5 to 4/8: this is the second figure"
    )
    preamble_symbols: Annotated[int, Ge(6), Le(65535)] = Field(
        8, description="symbols ahead of the sync word; 12 is advised at SF5 and SF6"
    )
    explicit_header: bool = Field(True, description="length and coding rate are sent too")
    crc: bool = Field(True, description="a 16-bit check ends the payload")
    frequency_mhz: Annotated[float, Ge(137.0), Le(1020.0)] = Field(
        868.1, description="centre of the channel"
    )
    tx_power_dbm: Annotated[float, Ge(-9.0), Le(30.0)] = Field(
        14.0, description="power at the antenna (ERP)"
    )

    @field_validator("bandwidth_khz")
    @classmethod
    def _a_width(cls, value: float) -> float:
        if value not in BANDWIDTHS_KHZ:
            raise ValueError("62.5, 125, 250 or 500 is asked for")
        return value

    def airtime_us(self, payload_bytes: int) -> int:
        """Return the time on air of a payload. [us]"""
        return airtime_us(
            payload_bytes,
            self.spreading_factor,
            self.bandwidth_khz,
            self.coding_rate,
            self.preamble_symbols,
            self.explicit_header,
            self.crc,
        )

    @property
    def symbol_us(self) -> float:
        """Length of one symbol. [us]"""
        return float(2**self.spreading_factor / self.bandwidth_khz * 1e3)

    def sensitivity_dbm(self, noise_figure_db: float = 6.0) -> float:
        """Return the weakest signal that is demodulated. [dBm]"""
        return self.noise_dbm(noise_figure_db) + SNR_FLOOR_DB[self.spreading_factor]

    def noise_dbm(self, noise_figure_db: float = 6.0) -> float:
        """Return the noise power in the channel. [dBm]"""
        return _THERMAL_NOISE_DBM_PER_HZ + 10 * log10(self.bandwidth_khz * 1e3) + noise_figure_db


@cache
def airtime_us(
    payload_bytes: int,
    spreading_factor: int = 7,
    bandwidth_khz: float = 125.0,
    coding_rate: int = 5,
    preamble_symbols: int = 8,
    explicit_header: bool = True,
    crc: bool = True,
) -> int:
    """Return the time on air of a LoRa packet.

    Parameters
    ----------
    payload_bytes : int
        Payload with all headers of higher layers, 0..255. [B]
    spreading_factor : int
        5..12.
    bandwidth_khz : float
        62.5, 125, 250 or 500. [kHz]
    coding_rate : int
        5..8 for 4/5 to 4/8.
    preamble_symbols : int
        Symbols of the preamble without the sync word.
    explicit_header, crc : bool
        Whether the physical header and the payload check are sent.

    Returns
    -------
    int
        Microseconds, exact: at these bandwidths every airtime is a whole number.

    Raises
    ------
    ValueError
        If the payload does not fit into a packet.

    Examples
    --------
    >>> airtime_us(20), airtime_us(20, spreading_factor=12)
    (56576, 1318912)
    """
    if not 0 <= payload_bytes <= 255:
        raise ValueError(f"a LoRa payload has 0 to 255 bytes, not {payload_bytes}")
    sf = spreading_factor
    symbol_us = float(2**sf / bandwidth_khz * 1e3)
    short = sf < 7  # SF5 and SF6 have their own sync length and no low data rate form
    optimised = not short and symbol_us >= _LDRO_SYMBOL_US
    bits = 8 * payload_bytes + 16 * crc - 4 * sf + 20 * explicit_header + (0 if short else 8)
    per_block = 4 * (sf - 2 * optimised)
    blocks = -(-max(bits, 0) // per_block)
    symbols = preamble_symbols + (6.25 if short else 4.25) + 8 + blocks * coding_rate
    return round(symbols * symbol_us)
