"""Metering: the steps a meter's analogue-to-digital converter can resolve.

Every body of the meter port rounds to the same steps, or a node would decide otherwise
on the bench than in the simulation. The defaults are those of a 12-bit MCP3208 with a
2000:1 clamp on 22 ohm and a voltage divider that maps 400 V to the converter's swing.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.settings import Settings

Positive = Annotated[float, Gt(0.0)]


class MeterScale(Settings):
    """Resolution of a node's meter."""

    adc_bits: Annotated[int, Ge(8), Le(24)] = Field(12, description="bits of the converter")
    v_reference_v: Positive = Field(3.3, description="swing of the converter")
    ct_ratio: Positive = Field(2000.0, description="turns of the current clamp")
    burden_ohm: Positive = Field(22.0, description="resistor across the clamp")
    v_peak_v: Positive = Field(400.0, description="mains voltage at half the converter's swing")
    f_step_hz: Positive = Field(0.005, description="step of the frequency reading")

    @property
    def _codes(self) -> float:
        return float(2**self.adc_bits)

    @property
    def v_step_v(self) -> float:
        """Step of the voltage reading, root mean square. [V]"""
        return 2 * self.v_peak_v / self._codes / sqrt(2.0)

    @property
    def i_step_a(self) -> float:
        """Step of the current reading, root mean square. [A]"""
        amplitude_a = self.v_reference_v / self._codes / self.burden_ohm * self.ct_ratio
        return amplitude_a / sqrt(2.0)

    @property
    def p_step_kw(self) -> float:
        """Step of the power reading at 230 V: 48 W with 10 bits, 12 W with 12. [kW]"""
        return self.i_step_a * 230.0 / 1e3
