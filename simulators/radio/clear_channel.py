"""Clear channel: how a radio listens before it talks, by channel activity detection.

The detector looks for LoRa symbols of its own spreading factor for some symbols and half
of one more. It is not a reliable one, so it may miss a packet or see one where there is
none. After each find the radio waits a random number of slots, twice as many at most as
the time before. Left out: detection by power alone (EN 300 220's alternative to the duty
cycle, Japan's 5 ms at -80 dBm).
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.settings import Settings
from gridmodel.wire.lora import Modem

Pu = Annotated[float, Ge(0.0), Le(1.0)]


class ListenBeforeTalk(Settings):
    """How radios listen before they talk."""

    cad_symbols_count: Literal[1, 2, 4, 8, 16] = Field(
        2, description="symbols a detection looks at, and half a symbol more"
    )
    miss_pu: Pu = Field(0.0, description="probability of not finding a packet that is there")
    false_alarm_pu: Pu = Field(0.0, description="probability of finding one that is not")
    slot_ms: Annotated[float, Gt(0.0)] = Field(30.0, description="slot of the back-off")
    widest_count: Annotated[int, Ge(1), Le(1024)] = Field(
        32, description="most slots a back-off lasts; the first lasts up to two"
    )
    tries_count: Annotated[int, Ge(1)] = Field(
        8, description="detections of a busy channel after which a packet is given up"
    )
    turnaround_us: Annotated[int, Ge(0)] = Field(
        126, description="from the end of a detection to the start of a packet"
    )

    def cad_us(self, modem: Modem) -> int:
        """Return how long a detection lasts. [us]

        Examples
        --------
        >>> ListenBeforeTalk().cad_us(Modem()), ListenBeforeTalk().cad_us(Modem(spreading_factor=12))
        (2560, 81920)
        """
        return round((self.cad_symbols_count + 0.5) * modem.symbol_us)

    def wait_us(self, tries: int, lot: float) -> int:
        """Return a back-off after a number of tries, by a lot from 0 to 1. [us]"""
        slots = 1 + int(lot * min(2**tries, self.widest_count))
        return round(slots * self.slot_ms * 1e3)
