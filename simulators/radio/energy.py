"""Energy of a radio: currents by state, times supply voltage.

Currents are those of Semtech's LoRa Basics Modem for the SX126x (``ral_sx126x_bsp.c``):
the SX1262 has the high-power amplifier, the SX1261 the low-power one. Left out: the
microcontroller, energy of switching between states, the battery's own losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.settings import Settings
from gridmodel.units import US_PER_S

Array = NDArray[np.float64]

#: Power at the antenna at which each table below begins; it goes on in steps of 1 dB. [dBm]
FIRST_DBM: Mapping[str, float] = {"sx1262": -9.0, "sx1261": -17.0}
#: Current while sending. [mA]
SENDING_MA: Mapping[tuple[str, str], tuple[float, ...]] = {
    ("sx1262", "dcdc"): (
        24.0, 25.4, 26.7, 28.0, 30.6, 31.9, 33.2, 35.7, 38.2, 40.6, 42.9, 46.2, 48.2, 51.8,
        54.1, 57.0, 60.3, 63.5, 67.1, 70.5, 74.2, 78.4, 83.5, 89.3, 92.4, 94.5, 95.4, 97.5,
        100.1, 103.8, 109.1, 117.9,
    ),
    ("sx1262", "ldo"): (
        25.9, 27.4, 28.7, 30.0, 32.6, 33.9, 35.2, 37.7, 40.1, 42.6, 44.9, 48.2, 50.2, 53.8,
        56.1, 59.0, 62.3, 65.5, 69.0, 72.5, 76.2, 80.4, 85.4, 90.2, 94.4, 96.5, 97.7, 99.5,
        102.1, 105.8, 111.0, 119.8,
    ),
    ("sx1261", "dcdc"): (
        5.2, 5.4, 5.6, 5.7, 5.8, 6.0, 6.1, 6.2, 6.5, 6.8, 7.0, 7.3, 7.5, 7.9, 8.3, 8.8, 9.3,
        9.8, 10.6, 11.4, 12.2, 12.9, 13.8, 14.7, 15.7, 16.6, 17.9, 18.5, 20.5, 21.9, 23.5,
        25.5, 32.5,
    ),
    ("sx1261", "ldo"): (
        9.8, 10.3, 10.5, 10.8, 11.1, 11.3, 11.6, 11.9, 12.4, 12.9, 13.4, 13.9, 14.5, 15.3,
        16.0, 17.0, 18.0, 19.0, 20.6, 22.0, 23.5, 24.9, 26.6, 28.4, 30.2, 32.0, 34.3, 36.6,
        39.2, 41.7, 44.7, 48.2, 52.2,
    ),
}  # fmt: skip
#: Current while receiving, by regulator and boosted gain. [mA]
RECEIVING_MA: Mapping[tuple[str, bool], float] = {
    ("dcdc", False): 4.6, ("dcdc", True): 5.3, ("ldo", False): 8.88, ("ldo", True): 10.1,
}  # fmt: skip
#: Current in standby on the internal oscillator (from memory), and asleep with its
#: settings kept (a search excerpt). [mA]
STANDBY_MA, SLEEP_MA = 0.6, 0.0006
_US_PER_H = 3600.0 * US_PER_S
_H_PER_DAY = 24.0


class EnergyConfig(Settings):
    """What radios run on."""

    chip: Literal["sx1262", "sx1261"] = Field("sx1262", description="its amplifier")
    regulator: Literal["dcdc", "ldo"] = Field("dcdc", description="its supply")
    supply_v: Annotated[float, Gt(0.0)] = Field(3.3, description="voltage of the supply")
    boosted: bool = Field(False, description="receivers run at boosted gain")
    idle: Literal["receive", "standby", "sleep"] = Field(
        "receive",
        description="what radios do when they neither send nor listen before talk; "
        "in standby and asleep they hear nothing",
    )
    battery_kwh: Annotated[float, Gt(0.0)] | None = Field(
        None, description="usable energy of a node's battery; gives its life"
    )

    def reaches(self, power_dbm: float) -> bool:
        """Return whether the chip can send with a power. [dBm]"""
        row = power_dbm - FIRST_DBM[self.chip]
        return 0.0 <= row <= len(SENDING_MA[self.chip, self.regulator]) - 1

    def sending_ma(self, power_dbm: float) -> float:
        """Return the current while sending; between table values linear. [mA]

        Raises
        ------
        ValueError
            If the chip cannot send with that power.
        """
        table = SENDING_MA[self.chip, self.regulator]
        row = power_dbm - FIRST_DBM[self.chip]
        if not 0.0 <= row <= len(table) - 1:
            raise ValueError(
                f"an {self.chip.upper()} sends with {FIRST_DBM[self.chip]:g} to "
                f"{FIRST_DBM[self.chip] + len(table) - 1:g} dBm, not {power_dbm:g} dBm"
            )
        return float(np.interp(row, np.arange(len(table)), table))

    @property
    def receiving_ma(self) -> float:
        """Current while receiving or listening before talk. [mA]"""
        return RECEIVING_MA[self.regulator, self.boosted]

    @property
    def idle_ma(self) -> float:
        """Current the rest of the time. [mA]"""
        return self.current_ma(self.idle)

    def current_ma(self, idle: str) -> float:
        """Return the current while a radio does one of what `idle` may be. [mA]"""
        return {"receive": self.receiving_ma, "standby": STANDBY_MA, "sleep": SLEEP_MA}[idle]


class EnergyMeter:
    """What each of some radios has used; ``idle`` says what each does between packets."""

    def __init__(self, config: EnergyConfig, idle: Sequence[str]) -> None:
        self._config = config
        self._idle_ma = np.array([config.current_ma(one) for one in idle])
        self._active_us = np.zeros(len(idle))  # sending or listening before talk
        self._active_ma_us = np.zeros(len(idle))

    def send(self, radio: int, power_dbm: float, airtime_us: int) -> None:
        """Book a packet."""
        self._book(radio, self._config.sending_ma(power_dbm), airtime_us)

    def listen(self, radio: int, for_us: int) -> None:
        """Book listening before talk."""
        self._book(radio, self._config.receiving_ma, for_us)

    def used_kwh(self, t_us: int) -> Array:
        """Return the energy since the start, shape (n,). [kWh]

        A packet counts from its start, whole.
        """
        idle_us = np.maximum(t_us - self._active_us, 0.0)
        ma_us = self._active_ma_us + self._idle_ma * idle_us
        return np.asarray(ma_us * self._config.supply_v / _US_PER_H / 1e6)

    def life_days(self, t_us: int) -> Array:
        """Return how long a full battery lasts at the mean power so far, shape (n,). [d]"""
        assert self._config.battery_kwh is not None
        p_kw = self.used_kwh(t_us) / max(t_us / _US_PER_H, 1e-12)
        return np.asarray(self._config.battery_kwh / np.maximum(p_kw, 1e-15) / _H_PER_DAY)

    def _book(self, radio: int, current_ma: float, for_us: int) -> None:
        self._active_us[radio] += for_us
        self._active_ma_us[radio] += current_ma * for_us
