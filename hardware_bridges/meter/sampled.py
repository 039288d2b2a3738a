"""Sampled meter: reads a window of codes from a converter and meters it.

The meter of a Raspberry Pi and of its emulation; only the converter differs.
"""

from __future__ import annotations

from typing import Protocol

from gridmodel.metering import EXACT, Calibration, Codes, Metered, MeterScale, meter
from gridmodel.ports import Measurement


class Converter(Protocol):
    """A chip with a voltage and a current channel, behind its driver."""

    def window(self, pairs: int) -> Codes:
        """Return so many pairs of codes, shape (2, pairs): voltage, then current."""
        ...


class SampledMeter:
    """A meter on a converter.

    Parameters
    ----------
    converter : Converter
        Gives the codes.
    scale : MeterScale
        What a code means, and how many make a reading.
    calibration : Calibration
        What the meter's parts are off.
    """

    def __init__(
        self, converter: Converter, scale: MeterScale, calibration: Calibration = EXACT
    ) -> None:
        self._converter = converter
        self._scale = scale
        self._calibration = calibration
        self.metered = Metered(0.0, 0.0, 0.0, 0.0)

    def read(self, now_us: int) -> Measurement:
        """Return the present reading.

        Raises
        ------
        BridgeError
            If the chip does not answer.
        """
        v_codes, i_codes = self._converter.window(self._scale.pairs)
        self.metered = meter(v_codes, i_codes, self._scale, self._calibration)
        return Measurement(now_us, *self.metered[:4])

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the last reading may not be believed; nothing if it may."""
        return self.metered.faults

    def found(self) -> str:
        """Return what a self-test finds: a reading, and what is wrong with it."""
        v_v, i_a, p_kw, f_hz = self.read(0)[1:]
        text = f"{v_v:.1f} V, {i_a:.2f} A, {1e3 * p_kw:.0f} W, {f_hz:.2f} Hz"
        return "; ".join((text, *self.faults))
