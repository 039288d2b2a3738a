"""A thermometer that Linux shows as a file: a DS18B20 on one wire, or the processor's own.

Both give thousandths of a degree: ``/sys/bus/w1/devices/28-*/temperature`` (w1_therm) and
``/sys/class/thermal/thermal_zone0/temp``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field

from gridmodel.errors import BridgeError
from gridmodel.settings import Settings

#: What a DS18B20 says after a loss of power, before it has measured. [deg C]
_POWER_UP_C = 85.0


class SysfsThermometerConfig(Settings):
    """A thermometer behind a file."""

    path: str = Field(description="the file, such as /sys/class/thermal/thermal_zone0/temp")


class SysfsThermometer:
    """A thermometer behind a file.

    Parameters
    ----------
    config : SysfsThermometerConfig
        Where it is.
    """

    Config = SysfsThermometerConfig

    def __init__(self, config: SysfsThermometerConfig) -> None:
        self._path = Path(config.path)
        self._one_wire = "w1" in self._path.parts

    @classmethod
    def fit(cls, config: Any, name: str, bench: Any) -> Self:
        """Return the thermometer in a node's process."""
        thermometer = cls(config)
        thermometer.read()
        return thermometer

    def read(self) -> float:
        """Return the present temperature. [deg C]

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
