"""A thermometer that Linux shows as a file: a DS18B20 on one wire, or the processor's own.

Both give thousandths of a degree: ``/sys/bus/w1/devices/28-*/temperature`` (w1_therm) and
``/sys/class/thermal/thermal_zone0/temp``. A DS18B20 converts for 0.75 s while its file is
read (data sheet, 12 bits), so that file is read in a thread: a step does not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from gridmodel.errors import BridgeError
from gridmodel.settings import Settings
from hardware_bridges.bounded_call import BoundedCaller, StillRunning

#: What a DS18B20 says after a loss of power, before it has measured. [deg C]
_POWER_UP_C = 85.0
#: A sensor on one wire is asked so often, and believed so long. [s]
_PERIOD_S, _HOLD_S = 5.0, 20.0


class SysfsThermometerConfig(Settings):
    """A thermometer behind a file."""

    path: str = Field(description="the file, such as /sys/class/thermal/thermal_zone0/temp")


class SysfsThermometer:
    """A thermometer behind a file.

    Parameters
    ----------
    config : SysfsThermometerConfig
        Where it is.
    clock_s : callable
        Time since any instant. [s]
    """

    Config = SysfsThermometerConfig

    def __init__(
        self, config: SysfsThermometerConfig, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(config.path)
        self._one_wire = "w1" in self._path.parts
        self._clock_s = clock_s
        self._caller = BoundedCaller("thermometer")
        self._asked_s = self._answered_s = -inf
        self._answer: float | BridgeError = BridgeError(config.path, "has said nothing yet.")

    @classmethod
    def fit(cls, config: Any, name: str, bench: Any) -> Self:
        """Return the thermometer in a node's process."""
        thermometer = cls(config)
        thermometer.read()
        bench.closes.append(thermometer.close)
        return thermometer

    def close(self) -> None:
        """End the thread, if there is one, without waiting for the sensor."""
        self._caller.close(0.0)

    def read(self) -> float:
        """Return the temperature: the present one, or on one wire the last that was said. [deg C]

        Raises
        ------
        BridgeError
            If the file cannot be read, says no number, or what a sensor says that has not
            measured yet; on one wire also if it has said nothing for 20 s.
        """
        if not self._one_wire:
            return self._measure()
        first, now_s = self._asked_s == -inf, self._clock_s()
        if now_s - self._asked_s >= _PERIOD_S:
            self._asked_s = now_s
            if first:
                self._ask()
            else:
                with suppress(StillRunning):
                    self._caller.call(self._ask, 0.0)
        answer, age_s = self._answer, now_s - self._answered_s
        if isinstance(answer, BridgeError):
            raise answer
        if age_s > _HOLD_S:
            advice = "Check its wires and 'dtoverlay=w1-gpio'."
            raise BridgeError(str(self._path), f"has said nothing for {age_s:.0f} s.", advice)
        return answer

    def _ask(self) -> None:
        """Keep what the file says."""
        try:
            self._answer = self._measure()
        except BridgeError as error:
            self._answer = error
        self._answered_s = self._clock_s()

    def _measure(self) -> float:
        """Return what the file says now. [deg C]

        Raises
        ------
        BridgeError
            If the file cannot be read, says no number, or what a sensor says that has not
            measured yet.
        """
        try:
            temp_c = int(self._path.read_text().strip()) / 1e3
        except OSError as error:
            advice = "Check its wires and 'dtoverlay=w1-gpio'."
            raise BridgeError(str(self._path), f"cannot be read: {error}.", advice) from error
        except ValueError as error:
            raise BridgeError(str(self._path), f"says no temperature: {error}.") from error
        if self._one_wire and temp_c == _POWER_UP_C:
            raise BridgeError(str(self._path), "says 85 degrees, as before its first measurement.")
        return temp_c
