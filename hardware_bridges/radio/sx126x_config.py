"""Settings of a radio HAT with an SX126x on SPI."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, field_validator

from gridmodel.settings import Settings
from hardware_bridges.radio.sx126x_codes import TCXO_V

Pin = Annotated[int, Ge(0), Le(27)]


class Sx126xConfig(Settings):
    """A HAT with an SX1261 or SX1262: its pins (BCM numbers) and its board."""

    bus: Annotated[int, Ge(0), Le(6)] = Field(0, description="SPI bus of the Pi")
    chip_select: Annotated[int, Ge(0), Le(2)] = Field(0, description="chip-select of the bus")
    select_pin: Pin | None = Field(
        None, description="GPIO that selects the chip where the board does not use the bus's own"
    )
    spi_hz: Annotated[int, Ge(100_000), Le(16_000_000)] = Field(
        2_000_000, description="clock of the bus"
    )
    busy_pin: Pin = Field(20, description="GPIO of BUSY")
    dio1_pin: Pin = Field(16, description="GPIO of DIO1, the interrupt")
    reset_pin: Pin = Field(18, description="GPIO of NRESET")
    chip: Literal["sx1261", "sx1262"] = Field("sx1262", description="chip on the board")
    tcxo_v: float | None = Field(
        None, description=f"supply of a crystal oscillator on DIO3, one of {TCXO_V}; none: crystal"
    )
    tcxo_start_ms: Annotated[float, Gt(0.0), Le(1000.0)] = Field(
        5.0, description="time the crystal oscillator needs to start"
    )
    rf_switch: bool = Field(True, description="DIO2 drives the antenna switch")
    switching_regulator: bool = Field(True, description="the board has the inductor of the DC-DC")
    boosted_rx: bool = Field(False, description="0.7 mA more for a little sensitivity")
    board_gain_db: Annotated[float, Ge(-20.0), Le(30.0)] = Field(
        0.0, description="what amplifier, cable and antenna add to the chip's power"
    )
    sync_word: Annotated[int, Ge(0), Le(255)] = Field(
        0x12, description="18 (0x12) private, 52 (0x34) LoRaWAN"
    )
    implicit_bytes: Annotated[int, Ge(1), Le(255)] | None = Field(
        None, description="length of every frame; needed without an explicit header"
    )
    listen_first: bool = Field(
        False, description="look for a signal before each sending (activity detection)"
    )

    @field_validator("tcxo_v")
    @classmethod
    def _a_supply(cls, value: float | None) -> float | None:
        if value is not None and value not in TCXO_V:
            raise ValueError(f"one of {', '.join(map(str, TCXO_V))} V is asked for")
        return value

    @property
    def resources(self) -> tuple[str, ...]:
        """What the board occupies, as claims name it."""
        pins = (self.busy_pin, self.dio1_pin, self.reset_pin, self.select_pin)
        return (
            f"SPI {self.bus}.{self.chip_select}",
            *(f"GPIO{pin}" for pin in pins if pin is not None),
        )
