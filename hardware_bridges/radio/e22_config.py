"""Settings of a UART radio HAT with an EBYTE E22 module."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, field_validator

from gridmodel.settings import Settings, near
from gridmodel.wire.regions import REGIONS

Pin = Annotated[int, Ge(0), Le(27)]
#: Lowest channel of the 900 MHz modules; the others follow at 1 MHz. [MHz]
FIRST_MHZ = 850.125
LAST_CHANNEL = 80
#: Air speeds by code. [kbit/s]
AIR_SPEED_KBPS = (0.3, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 62.5)
_SPEEDS = ", ".join(f"{speed:g}" for speed in AIR_SPEED_KBPS)


class E22Airtime(Settings):
    """A measured time on air."""

    payload_bytes: Annotated[int, Ge(1), Le(240)] = Field(description="bytes given to the module")
    airtime_ms: Annotated[float, Gt(0.0)] = Field(description="measured time on air")


class E22Air(Settings):
    """What was measured of the module's signal at the air speed it is used with."""

    bandwidth_khz: Annotated[float, Gt(0.0), Le(1000.0)] = Field(
        description="width of the signal, as a spectrum analyser shows it"
    )
    airtimes: tuple[E22Airtime, ...] = Field(
        description="times on air; the shortest entry not shorter than the packet counts",
        min_length=1,
    )


class E22Config(Settings):
    """A HAT with an E22-900T module: its port, its pins (BCM numbers), its settings."""

    port: str = Field("/dev/ttyS0", description="serial port of the HAT")
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = Field(
        9600, description="speed of the serial port"
    )
    m0_pin: Pin = Field(22, description="GPIO of M0")
    m1_pin: Pin = Field(27, description="GPIO of M1")
    aux_pin: Pin | None = Field(None, description="GPIO of AUX, high when idle, if wired")
    address: Annotated[int, Ge(0), Le(65535)] = Field(65535, description="own address")
    to_address: Annotated[int, Ge(0), Le(65535)] = Field(
        65535, description="address of the others; 65535 is everyone on the channel"
    )
    network: Annotated[int, Ge(0), Le(255)] = Field(0, description="network number")
    frequency_mhz: float = Field(868.125, description="channel: 850.125 and up, in steps of 1 MHz")
    region: str = Field("EU868", description=f"whose law it sends under: {', '.join(REGIONS)}")
    air_speed_kbps: float = Field(
        2.4, description=f"the maker's name for a modulation it does not tell: {_SPEEDS}"
    )
    power_dbm: Literal[22, 17, 13, 10] = Field(10, description="power of a 22 dBm module")
    antenna_gain_db: Annotated[float, Ge(-20.0), Le(20.0)] = Field(
        0.0, description="what cable and antenna add"
    )
    packet_bytes: Annotated[int, Ge(2), Le(240)] = Field(
        96, description="every packet has this length, so that its time on air is one figure"
    )
    key: Annotated[int, Ge(0), Le(65535)] = Field(0, description="the module's own scrambling key")
    listen_first: bool = Field(False, description="the module looks for a signal before sending")
    rssi_halved: bool = Field(
        False, description="older firmware: strength is -byte/2 dBm and not byte - 256"
    )
    keep: bool = Field(False, description="write the settings to the module's flash (C0, not C2)")
    measured: E22Air | None = Field(
        None, description="what was measured of this module; without it nothing is sent"
    )

    @field_validator("frequency_mhz")
    @classmethod
    def _a_channel(cls, value: float) -> float:
        channel = round(value - FIRST_MHZ)
        if not 0 <= channel <= LAST_CHANNEL or abs(value - FIRST_MHZ - channel) > 1e-6:
            near = min(max(channel, 0), LAST_CHANNEL) + FIRST_MHZ
            raise ValueError(f"a channel of the module is asked for; the nearest is {near} MHz")
        return value

    @field_validator("region")
    @classmethod
    def _a_region(cls, value: str) -> str:
        if value not in REGIONS:
            raise ValueError(f"'{value}' is no region. {near(value, REGIONS)}")
        return value

    @field_validator("air_speed_kbps")
    @classmethod
    def _a_speed(cls, value: float) -> float:
        if value not in AIR_SPEED_KBPS:
            raise ValueError(f"one of {_SPEEDS} is asked for")
        return value

    @property
    def channel(self) -> int:
        """Number of the channel: whole MHz above 850."""
        return round(self.frequency_mhz - FIRST_MHZ)

    @property
    def resources(self) -> tuple[str, ...]:
        """What the HAT occupies, as claims name it."""
        pins = (self.m0_pin, self.m1_pin, self.aux_pin)
        return f"serial {self.port}", *(f"GPIO{pin}" for pin in pins if pin is not None)
