"""Meter of a Raspberry Pi: spidev or smbus2 under the same driver as on the bench.

`Config` is `SampledMeterConfig`. Importing this module needs neither library; opening the
meter does.
"""

from __future__ import annotations

from typing import Any, Self

from gridmodel.metering import IRREGULAR, Metered, MeterScale
from gridmodel.ports import Measurement
from hardware_bridges.claims import Claims, board_claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.meter.ads1115 import Ads1115
from hardware_bridges.meter.config import SampledMeterConfig, fitting
from hardware_bridges.meter.mcp3xxx import Mcp3xxx
from hardware_bridges.meter.pace import WallPace
from hardware_bridges.meter.sampled import Converter, SampledMeter
from hardware_bridges.meter.wiring import claimed
from hardware_bridges.pi_extra import pi_module

#: A window with a sample this late has not seen the mains as they are: a pause of one cycle
#: reads as 44.4 Hz. Up to here its power is off by at most 1 % and its frequency by nothing. [us]
MOST_LATE_US = 2000.0
#: Windows that a reading takes until one is in time and whole cycles. One sample that a
#: contactor's spark has spoilt would be a cycle more, 56 Hz.
MOST_WINDOWS = 3
#: Both chips take 1 MHz at 2.7 V and more (DS21295, DS21298). [Hz]
SPI_HZ = 1_000_000


class PiMeter(SampledMeter):
    """A meter on a real chip; its parameters are those of `EmulatedMeter`."""

    Config = SampledMeterConfig

    def __init__(
        self,
        config: SampledMeterConfig,
        name: str = "meter",
        claims: Claims | None = None,
        scale: MeterScale | None = None,
    ) -> None:
        scale = fitting(config, config.scale or scale or MeterScale())
        self._config = config
        self._claims = claims if claims is not None else Claims()
        self._period_us = 1e6 / scale.rate_hz
        self._pace = WallPace()
        self._claimed = claimed(config, name, self._claims)
        try:
            self._bus, converter = _open(config, scale, self._pace)
        except BaseException:
            self._claims.give_back(self._claimed)
            raise
        super().__init__(converter, scale, config.calibration)

    def read(self, now_us: int) -> Measurement:
        """Return the present reading; it takes a window's time.

        Raises
        ------
        BridgeError
            If the chip does not answer, or the processor is too busy to sample in time.
        """
        for _ in range(MOST_WINDOWS):
            reading = super().read(now_us)
            if self._pace.late_us <= MOST_LATE_US and IRREGULAR not in self.faults:
                break
        if self._pace.late_us > MOST_LATE_US:
            raise LinkError(
                f"{self._config.chip} at {self._config.where}",
                f"samples come up to {self._pace.late_us:.0f} us late.",
                "Lower 'rate_hz', end what keeps the processor busy, or let an I2C bus run at "
                "400 kHz ('dtparam=i2c_arm_baudrate=400000').",
            )
        if self._pace.late_us > self._period_us:
            late = f"samples up to {self._pace.late_us:.0f} us late: is the processor busy?"
            self.metered = Metered(*self.metered[:4], (*self.metered.faults, late))
        return reading

    def release(self) -> None:
        """Close the bus and give the channels back."""
        self._bus.close()
        self._claims.give_back(self._claimed)

    @staticmethod
    def fits(config: Any, scale: MeterScale) -> None:
        """Check its chip against the node's scale; raise `DeviceError` if it cannot have it."""
        fitting(config, config.scale or scale)

    @classmethod
    def fit(cls, config: Any, name: str, bench: Any) -> Self:
        """Return the meter in a node's process."""
        meter = cls(config, f"meter {name}", board_claims(), bench.scale)
        bench.closes.append(meter.release)
        return meter


def _open(config: SampledMeterConfig, scale: MeterScale, pace: WallPace) -> tuple[Any, Converter]:
    """Return the open bus and the driver on it."""
    channels = config.v_channel, config.i_channel
    try:
        if config.chip == "ads1115":
            bus = pi_module("smbus2", "a meter on I2C").SMBus(config.bus_number)
            return bus, Ads1115(bus, config.address, scale, *channels, pace)
        spi = pi_module("spidev", "a meter on SPI").SpiDev()
        spi.open(config.bus_number, config.chip_select)
        spi.max_speed_hz, spi.mode = SPI_HZ, 0
    except OSError as error:
        kind = config.where.split()[0]
        raise LinkError(
            f"{config.chip} at {config.where}",
            f"the bus cannot be opened ({error}).",
            f"Turn {kind} on with 'sudo raspi-config nonint do_{kind.lower()} 0' and restart.",
        ) from error
    return spi, Mcp3xxx(spi, scale, *channels, pace)
