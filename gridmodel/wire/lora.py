"""LoRa modulation: airtime, sensitivity, and the radio settings of a node.

Airtime follows Semtech's formula as in the SX126x data sheet, section 6.1.4, and its
driver: explicit or implicit header, low data rate optimisation at symbols of 16.38 ms
and longer, and the longer sync of SF5 and SF6. Semtech's driver of the older SX127x has
the same formula; that chip has no SF5, and SF6 with an implicit header only. Left out:
frequency hopping, FSK.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import log10
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Le
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from gridmodel.settings import Settings, near
from gridmodel.wire.regions import REGIONS, SubBand

#: Channel widths a modem can be set to. [kHz]
BANDWIDTHS_KHZ = (62.5, 125.0, 250.0, 500.0)
#: Least signal-to-noise ratio that is demodulated, by spreading factor. SX126x data
#: sheet, table 6-1. [dB]
SNR_FLOOR_DB = {5: -2.5, 6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
#: Last symbols of the preamble that a receiver needs (LoRaSim).
SYNC_SYMBOLS = 5
#: Bytes of the longest payload.
LONGEST_BYTES = 255

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
        14.0, description="power at the antenna, as the region counts it (EU868: ERP)"
    )
    chip: Literal["sx126x", "sx127x"] = Field(
        "sx126x", description="the SX127x has no SF5, and SF6 without header only"
    )
    region: str = Field("EU868", description=f"whose law it sends under: {', '.join(REGIONS)}")

    @field_validator("bandwidth_khz")
    @classmethod
    def _a_width(cls, value: float) -> float:
        if value not in BANDWIDTHS_KHZ:
            raise ValueError("62.5, 125, 250 or 500 is asked for")
        return value

    @field_validator("region")
    @classmethod
    def _a_region(cls, value: str) -> str:
        if value not in REGIONS:
            raise ValueError(f"'{value}' is no region. {near(value, REGIONS)}")
        return value

    @model_validator(mode="after")
    def _of_the_chip(self) -> Self:
        if self.chip == "sx127x" and self.spreading_factor == 5:
            raise ValueError("an SX127x has no SF5; use SF6 to SF12, or chip: sx126x")
        if self.chip == "sx127x" and self.spreading_factor == 6 and self.explicit_header:
            raise ValueError("an SX127x sends SF6 with explicit_header: false only")
        return self

    @model_serializer(mode="wrap")
    def _without_defaults_that_came_later(
        self, handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        # Packets carry these values in this order, and records are compared byte by byte:
        # one written before there was a chip or a region must stay what it is.
        data: dict[str, Any] = handler(self)
        if self.region == "EU868":
            del data["region"]
            if self.chip == "sx126x":
                del data["chip"]
        return data

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        """Return the modem whose ``model_dump().values()`` these are, as a packet has them."""
        return cls(**dict(zip(cls.model_fields, values, strict=False)))

    def rule(self) -> SubBand:
        """Return the limits this modem sends under.

        Raises
        ------
        ValueError
            If its channel fits no sub-band of its region, or its power is above the limit.
        """
        return REGIONS[self.region].permit(
            self.frequency_mhz, self.bandwidth_khz, self.tx_power_dbm
        )

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
    def optimised(self) -> bool:
        """Whether low data rate optimisation is on: symbols carry two bits less."""
        return _is_optimised(self.spreading_factor, self.symbol_us)

    @property
    def symbol_us(self) -> float:
        """Length of one symbol. [us]"""
        return float(2**self.spreading_factor / self.bandwidth_khz * 1e3)

    def spare_us(self, sync_symbols: int = SYNC_SYMBOLS) -> int:
        """Return how much of a packet's beginning a receiver may miss. [us]"""
        return round(max(self.preamble_symbols - sync_symbols, 0) * self.symbol_us)

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
    if not 0 <= payload_bytes <= LONGEST_BYTES:
        raise ValueError(f"a LoRa payload has 0 to 255 bytes, not {payload_bytes}")
    sf = spreading_factor
    symbol_us = float(2**sf / bandwidth_khz * 1e3)
    short = sf < 7  # SF5 and SF6 have their own sync length and no low data rate form
    bits = 8 * payload_bytes + 16 * crc - 4 * sf + 20 * explicit_header + (0 if short else 8)
    per_block = 4 * (sf - 2 * _is_optimised(sf, symbol_us))
    blocks = -(-max(bits, 0) // per_block)
    symbols = preamble_symbols + (6.25 if short else 4.25) + 8 + blocks * coding_rate
    return round(symbols * symbol_us)


def _is_optimised(spreading_factor: int, symbol_us: float) -> bool:
    return spreading_factor >= 7 and symbol_us >= _LDRO_SYMBOL_US
