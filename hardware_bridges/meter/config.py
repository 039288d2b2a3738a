"""Settings of a meter that samples: its chip, where it is wired, and what its parts are off."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from gridmodel.metering import Calibration, MeterScale
from gridmodel.settings import Settings
from hardware_bridges.link_error import DeviceError


class Chip(NamedTuple):
    """What a converter is.

    Parameters
    ----------
    bits : int
        Width of its codes. [bit]
    channels : int
        Inputs to choose from; of an ADS1115 the two differential pairs.
    rate_hz : float
        Most pairs of samples a second. [Hz]
    bus : str
        ``SPI`` or ``I2C``.
    """

    bits: int
    channels: int
    rate_hz: float
    bus: str


#: MCP3008 and MCP3208 are as fast as the node's processor; an ADS1115 makes 860
#: conversions a second, and a pair takes two.
CHIPS = {
    "mcp3008": Chip(10, 8, 20000.0, "SPI"),
    "mcp3208": Chip(12, 8, 20000.0, "SPI"),
    "ads1115": Chip(16, 2, 430.0, "I2C"),
}
#: Half swings that an ADS1115's amplifier can be set to, by its register's number. [V]
ADS1115_HALF_SWINGS_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256)


class SampledMeterConfig(Settings):
    """A meter of one place: a voltage and a current channel of a converter chip."""

    chip: Literal["mcp3008", "mcp3208", "ads1115"] = Field("mcp3208", description="the converter")
    bus: Annotated[int, Ge(0)] | None = Field(
        None, description="its SPI bus (0 if left out) or I2C bus (1 if left out)"
    )
    chip_select: Annotated[int, Ge(0), Le(2)] = Field(0, description="its chip select on SPI")
    address: Annotated[int, Ge(0x48), Le(0x4B)] = Field(0x48, description="its address on I2C")
    v_channel: Annotated[int, Ge(0), Le(7)] = Field(0, description="channel of the voltage")
    i_channel: Annotated[int, Ge(0), Le(7)] = Field(1, description="channel of the clamp")
    scale: MeterScale | None = Field(
        None,
        description="what the converter and the parts before it resolve; the node's if left out",
    )
    calibration: Calibration = Field(Calibration(), description="what the meter's parts are off")

    @model_validator(mode="after")
    def _wired_right(self) -> Self:
        channels = CHIPS[self.chip].channels
        if max(self.v_channel, self.i_channel) >= channels:
            raise ValueError(f"an {self.chip} has channels 0 to {channels - 1}")
        if self.v_channel == self.i_channel:
            raise ValueError("v_channel and i_channel must differ")
        if self.scale is not None:
            fitting(self, self.scale)
        return self

    @property
    def bus_number(self) -> int:
        """Number of the bus."""
        if self.bus is not None:
            return self.bus
        return 1 if CHIPS[self.chip].bus == "I2C" else 0

    @property
    def where(self) -> str:
        """Chip's place on the board: ``SPI 0.0``, ``I2C 1 0x48``."""
        if CHIPS[self.chip].bus == "I2C":
            return f"I2C {self.bus_number} {self.address:#04x}"
        return f"SPI {self.bus_number}.{self.chip_select}"


class EmulatedMeterConfig(SampledMeterConfig):
    """A meter whose converter is emulated; a real one brings its own noise."""

    noise_lsb_rms: Annotated[float, Ge(0.0), Le(4096.0)] = Field(
        0.0, description="noise of the converter, root mean square, in its steps"
    )
    noise_seed: Annotated[int, Ge(0)] = Field(
        0, description="from which the noise is made; each meter of a node has its own"
    )


def fitting(config: SampledMeterConfig, scale: MeterScale) -> MeterScale:
    """Return the scale, if it is one that the chip can have.

    Raises
    ------
    DeviceError
        If not, with what the chip has.
    """
    chip, where = CHIPS[config.chip], f"{config.chip} at {config.where}"
    if scale.adc_bits != chip.bits:
        raise DeviceError(
            where,
            f"its scale has {scale.adc_bits} bits, the chip gives {chip.bits}.",
            f"Set 'adc_bits: {chip.bits}' in the scale.",
        )
    if scale.rate_hz > chip.rate_hz:
        raise DeviceError(
            where,
            f"its scale has {scale.rate_hz:g} pairs a second, the chip at most {chip.rate_hz:g}.",
            "Lower 'rate_hz', and set 'skew_us' to half the time between two pairs.",
        )
    if config.chip == "ads1115" and scale.v_reference_v / 2 not in ADS1115_HALF_SWINGS_V:
        swings = ", ".join(f"{2 * v:g}" for v in ADS1115_HALF_SWINGS_V)
        raise DeviceError(
            where,
            f"its scale has a swing of {scale.v_reference_v:g} V.",
            f"Set 'v_reference_v' to one of {swings} V.",
        )
    return scale
