"""Emulated meter: the driver and the metering of a real one, on an emulated converter.

`Config` is `EmulatedMeterConfig`; `set` says what there is to be measured.
"""

from __future__ import annotations

from typing import Any, Self

from gridmodel.metering import MeterScale
from hardware_bridges.claims import Claims, claims_of
from hardware_bridges.meter.ads1115 import Ads1115
from hardware_bridges.meter.ads1115_chip import Ads1115Chip
from hardware_bridges.meter.config import EmulatedMeterConfig, SampledMeterConfig, fitting
from hardware_bridges.meter.mcp3xxx import Mcp3xxx
from hardware_bridges.meter.mcp3xxx_chip import Mcp3xxxChip
from hardware_bridges.meter.noise import ConverterNoise
from hardware_bridges.meter.sampled import Converter, SampledMeter
from hardware_bridges.meter.waveform import WaveformGenerator
from hardware_bridges.meter.wiring import claimed


class EmulatedMeter(SampledMeter):
    """A meter on an emulated chip.

    Parameters
    ----------
    config : SampledMeterConfig
        Chip and channels; as an `EmulatedMeterConfig` also its noise.
    name : str
        Owner of the channels, as errors name it.
    claims : Claims, optional
        What is in use on the emulated board.
    scale : MeterScale, optional
        The node's scale, where the configuration has none of its own.
    """

    Config = EmulatedMeterConfig

    def __init__(
        self,
        config: SampledMeterConfig,
        name: str = "meter",
        claims: Claims | None = None,
        scale: MeterScale | None = None,
    ) -> None:
        scale = fitting(config, config.scale or scale or MeterScale())
        self._claims = claims if claims is not None else Claims()
        self._claimed = claimed(config, name, self._claims)
        self._generator = WaveformGenerator(scale)
        noise = None
        if isinstance(config, EmulatedMeterConfig) and config.noise_lsb_rms > 0.0:
            noise = ConverterNoise(config.noise_lsb_rms, f"{config.noise_seed} {name}")
        super().__init__(self._converter_of(config, scale, noise), scale, config.calibration)

    def _converter_of(
        self, config: SampledMeterConfig, scale: MeterScale, noise: ConverterNoise | None
    ) -> Converter:
        inputs = {
            config.v_channel: self._generator.voltage,
            config.i_channel: self._generator.current,
        }
        if config.chip == "ads1115":
            i2c = Ads1115Chip(config.address, inputs, scale.v_reference_v / 2, noise=noise)
            return Ads1115(i2c, config.address, scale, config.v_channel, config.i_channel)
        spi = Mcp3xxxChip(scale.adc_bits, inputs, noise)
        return Mcp3xxx(spi, scale, config.v_channel, config.i_channel)

    def set(self, truth: tuple[float, float, float, float]) -> None:
        """Say what there is to be measured.

        Parameters
        ----------
        truth : Waveform
            Voltage [V], current [A], power [kW] with injection positive, frequency [Hz].
        """
        self._generator.set(truth)

    def release(self) -> None:
        """Give the channels back."""
        self._claims.give_back(self._claimed)

    @staticmethod
    def fits(config: Any, scale: MeterScale) -> None:
        """Check its chip against the node's scale; raise `DeviceError` if it cannot have it."""
        fitting(config, config.scale or scale)

    @classmethod
    def fit(cls, config: Any, name: str, bench: Any) -> Self:
        """Return the meter in a node's process; the simulation's truth feeds it."""
        meter = cls(config, f"meter {name}", claims_of(bench), bench.scale)

        def feed(ask: Any) -> None:
            if name in ask.truth:
                meter.set(ask.truth[name])

        bench.feeds.append(feed)
        bench.closes.append(meter.release)
        return meter
