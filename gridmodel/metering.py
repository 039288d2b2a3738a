"""Metering: from the codes of an analogue-to-digital converter to a meter's readings.

Every body of the meter port rounds to the same steps, or a node would decide otherwise
on the bench than in the simulation. The defaults are those of a 12-bit MCP3208 with a
2000:1 clamp on 22 ohm and a voltage divider that maps 400 V to the converter's swing.

A window of pairs of codes (voltage, then current) gives true root mean squares, active
power and frequency. It is weighted with Hann's window: ten cycles need not be whole ones,
and what is left of the ripple of the squares is below 1e-4 from 45 Hz to 66 Hz. All sums
are of integers, so numpy on a node and numba in a fleet have the same bits; the few
operations after the sums are elementwise and correctly rounded everywhere.

Left out: reactive power and the phase error of harmonics, as one delay, exact for the
fundamental, brings voltage and current together.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gridmodel.settings import Settings
from gridmodel.sine import ONE, TURN, sine

Positive = Annotated[float, Gt(0.0)]
Array = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Fewer volts than this make no frequency reading. [V]
DARK_V = 10.0
#: Frequencies a mains meter may believe. [Hz]
F_MIN_HZ, F_MAX_HZ = 40.0, 70.0
#: A mean this far from the middle of the swing means a broken bias divider. [pu of half the swing]
OFF_CENTRE_PU = 0.1
#: Times between crossings may differ from their mean by this share before they are no cycles.
IRREGULAR_PU = 0.1
IRREGULAR = "voltage crosses zero at irregular times: is it the mains?"
#: Bits of a converter and pairs of a window up to which sums stay below 2**53.
MOST_BITS, MOST_PAIRS = 16, 4096


class MeterScale(Settings):
    """Resolution of a node's meter, and how it is read."""

    adc_bits: Annotated[int, Ge(8), Le(24)] = Field(12, description="bits of the converter")
    v_reference_v: Positive = Field(3.3, description="swing of the converter")
    ct_ratio: Positive = Field(2000.0, description="turns of the current clamp")
    burden_ohm: Positive = Field(22.0, description="resistor across the clamp")
    v_peak_v: Positive = Field(400.0, description="mains voltage at half the converter's swing")
    f_step_hz: Positive = Field(0.005, description="step of the frequency reading")
    sampling: Literal["rounded", "sampled"] = Field(
        "rounded",
        description="'rounded': the true value in whole steps; 'sampled': metered from the "
        "converter's codes of the wave, as on a bench",
    )
    rate_hz: Annotated[float, Ge(250.0), Le(20000.0)] = Field(
        2000.0, description="pairs of samples, voltage and then current, a second"
    )
    skew_us: Annotated[float, Ge(0.0)] = Field(
        100.0, description="time from the voltage's sample to the current's"
    )
    window_ms: Annotated[float, Ge(80.0), Le(1000.0)] = Field(
        200.0, description="time that one reading looks at; ten cycles of 50 Hz"
    )

    @model_validator(mode="after")
    def _can_be_sampled(self) -> Self:
        if self.skew_us * self.rate_hz >= 1e6:
            raise ValueError(
                f"skew_us must be less than the time between two pairs, {1e6 / self.rate_hz:g} us"
            )
        if self.pairs > MOST_PAIRS:
            raise ValueError(f"rate_hz times window_ms must be at most {MOST_PAIRS} pairs")
        if self.sampling == "sampled" and self.adc_bits > MOST_BITS:
            raise ValueError(f"sampling: sampled is for converters of up to {MOST_BITS} bits")
        return self

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

    @property
    def steps(self) -> Array:
        """Steps of voltage, current, power and frequency, shape (4,). [V, A, kW, Hz]"""
        return np.array([self.v_step_v, self.i_step_a, self.p_step_kw, self.f_step_hz])

    @property
    def v_code_v(self) -> float:
        """Voltage of one code. [V]"""
        return 2 * self.v_peak_v / self._codes

    @property
    def i_code_a(self) -> float:
        """Current of one code. [A]"""
        return self.v_reference_v / self._codes / self.burden_ohm * self.ct_ratio

    @property
    def midpoint(self) -> int:
        """Code of no voltage and no current."""
        return int(2 ** (self.adc_bits - 1))

    @property
    def pairs(self) -> int:
        """Pairs of samples in a window."""
        return round(self.rate_hz * self.window_ms / 1e3)


class Calibration(Settings):
    """What one meter's own parts are off, as its owner has measured."""

    v_gain_pu: Positive = Field(1.0, description="true voltage by voltage read")
    i_gain_pu: Positive = Field(1.0, description="true current by current read")
    i_lead_deg: Annotated[float, Ge(-30.0), Le(30.0)] = Field(
        0.0, description="angle by which the clamp's current is ahead of the true one"
    )
    i_reversed: bool = Field(False, description="the clamp sits the wrong way round")


#: A meter that is as its scale says.
EXACT = Calibration()


class Metered(NamedTuple):
    """What one window gave: rounded readings, and why they may not be believed.

    Parameters
    ----------
    v_v, i_a : float
        Root mean squares. [V], [A]
    p_kw : float
        Active power, injection positive. [kW]
    f_hz : float
        Frequency, 0 where there is no voltage. [Hz]
    faults : tuple of str
        Empty when all is plausible.
    """

    v_v: float
    i_a: float
    p_kw: float
    f_hz: float
    faults: tuple[str, ...] = ()


# Columns of `sums`. 'Next' is the voltage's sample after the current's.
(
    WEIGHT, V_SUM, NEXT_SUM, I_SUM, VV, II, VI, NEXT_I,
    CROSSINGS, FIRST, FIRST_BELOW, FIRST_ABOVE, LAST, LAST_BELOW, LAST_ABOVE, GAP_MIN, GAP_MAX,
    V_MIN, V_MAX, I_MIN, I_MAX,
) = range(21)  # fmt: skip


@lru_cache(maxsize=8)
def weights(pairs: int) -> Codes:
    """Return Hann's window for a number of pairs, shape (pairs - 1,), in 1/4096."""
    angle = (2 * np.arange(pairs - 1, dtype=np.int64) + 1) * TURN // (2 * (pairs - 1))
    hann: Codes = (ONE - sine(angle + TURN // 4) + (1 << 18)) >> 19
    hann.flags.writeable = False
    return hann


def sums(v_codes: Codes, i_codes: Codes, hann: Codes, midpoint: int) -> Codes:
    """Return the integer sums of one window; numba compiles this function as it stands.

    Parameters
    ----------
    v_codes, i_codes : ndarray of int64, shape (pairs,)
        The converter's codes.
    hann : ndarray of int64, shape (pairs - 1,)
        `weights`.
    midpoint : int
        Code of no voltage and no current.

    Returns
    -------
    ndarray of int64, shape (21,)
        Weighted sums of codes and products, crossings of the voltage, extreme codes.
    """
    v, i = v_codes - midpoint, i_codes - midpoint
    here, after, current = v[:-1], v[1:], i[:-1]
    weight = hann.sum()
    v_sum = (hann * here).sum()
    level = weight * v - v_sum  # the voltage without its offset, times the sum of weights
    rising = np.flatnonzero((level[:-1] < 0) & (level[1:] >= 0))
    count = rising.shape[0]
    first, last, least, most = 0, 0, 0, 0
    if count > 1:
        first, last = rising[0], rising[-1]
        gaps = rising[1:] - rising[:-1]
        least, most = gaps.min(), gaps.max()
    return np.array(
        [
            weight, v_sum, (hann * after).sum(), (hann * current).sum(),
            (hann * here * here).sum(), (hann * current * current).sum(),
            (hann * here * current).sum(), (hann * after * current).sum(),
            count, first, level[first], level[first + 1], last, level[last], level[last + 1],
            least, most,
            v.min(), v.max(), i.min(), i.max(),
        ],
        dtype=np.int64,
    )  # fmt: skip


def readings(found: Codes, scale: MeterScale, calibration: Calibration = EXACT) -> Array:
    """Return what meters show, in whole steps.

    Parameters
    ----------
    found : ndarray of int64, shape (..., 21)
        `sums` of each meter's window.
    scale : MeterScale
        The converter.
    calibration : Calibration
        What the meter's parts are off.

    Returns
    -------
    ndarray, shape (..., 4)
        Voltage [V], current [A], power [kW] with injection positive, frequency [Hz].
    """
    s = np.moveaxis(found, -1, 0).astype(np.float64)  # exact: all sums are below 2**53
    weight = s[WEIGHT]
    v_mean, next_mean, i_mean = s[V_SUM] / weight, s[NEXT_SUM] / weight, s[I_SUM] / weight
    v_code = scale.v_code_v * calibration.v_gain_pu
    i_code = scale.i_code_a * calibration.i_gain_pu
    v_v = np.sqrt(np.maximum(s[VV] / weight - v_mean * v_mean, 0.0)) * v_code
    i_a = np.sqrt(np.maximum(s[II] / weight - i_mean * i_mean, 0.0)) * i_code
    f_hz = np.where(v_v < DARK_V, 0.0, _frequency(s, scale.rate_hz))
    now, after = _meeting(f_hz, scale, calibration)
    here = s[VI] / weight - v_mean * i_mean
    there = s[NEXT_I] / weight - next_mean * i_mean
    watt = (now * here + after * there) * (v_code * i_code)
    p_kw = (-watt if calibration.i_reversed else watt) / 1e3
    whole = np.rint(np.stack((v_v, i_a, p_kw, f_hz), axis=-1) / scale.steps)
    return np.asarray(whole * scale.steps + 0.0)  # no negative zero


def _frequency(s: Array, rate_hz: float) -> Array:
    """Return frequencies by interpolated rising crossings, 0 where there are not two. [Hz]"""
    with np.errstate(divide="ignore", invalid="ignore"):
        start = s[FIRST_BELOW] / (s[FIRST_BELOW] - s[FIRST_ABOVE])
        end = s[LAST_BELOW] / (s[LAST_BELOW] - s[LAST_ABOVE])
        cycles, samples = s[CROSSINGS] - 1.0, s[LAST] - s[FIRST]
        f_hz = cycles / (samples + end - start) * rate_hz
        # A sine is not straight between two samples: the next term of its series.
        step_rad = 2 * pi * f_hz / rate_hz
        bend = step_rad * step_rad / 6.0
        start = start + bend * start * (1.0 - start) * (2.0 * start - 1.0)
        end = end + bend * end * (1.0 - end) * (2.0 * end - 1.0)
        f_hz = cycles / (samples + end - start) * rate_hz
    return np.where(s[CROSSINGS] > 1.0, f_hz, 0.0)


def _meeting(f_hz: Array, scale: MeterScale, calibration: Calibration) -> tuple[Array, Array]:
    """Return by how much a voltage sample and the next one make the voltage at the current's.

    A sine at a time d after one sample, with T between samples, is (sin(w (T - d)) of
    this one + sin(w d) of the next) / sin(w T): exact for the fundamental.
    """
    alive = f_hz > 0.0
    step = np.where(alive, f_hz / scale.rate_hz, 0.25)
    delay = f_hz * (scale.skew_us * 1e-6) + calibration.i_lead_deg / 360.0
    delay = np.where(alive, delay, 0.0)
    whole = _sine_of(step)
    return _sine_of(step - delay) / whole, _sine_of(delay) / whole


def _sine_of(turns: Array) -> Array:
    """Return sines that have the same bits on every machine."""
    return sine(np.rint(turns * float(TURN)).astype(np.int64)) / float(ONE)


def faults(found: Codes, f_hz: float, scale: MeterScale) -> tuple[str, ...]:
    """Return why one window may not be believed; nothing if it may.

    Parameters
    ----------
    found : ndarray of int64, shape (21,)
        `sums` of the window.
    f_hz : float
        Frequency of its reading. [Hz]
    scale : MeterScale
        The converter.
    """
    half = scale.midpoint
    s = found.tolist()
    reasons = []
    for name, least, most, total in (
        ("voltage", V_MIN, V_MAX, V_SUM),
        ("current", I_MIN, I_MAX, I_SUM),
    ):
        if s[least] == s[most] and s[least] in (-half, half - 1):
            reasons.append(f"{name} stuck at code {s[least] + half}: is the converter connected?")
        elif s[least] == -half or s[most] == half - 1:
            reasons.append(f"{name} clipped: it is beyond the converter's swing")
        elif abs(s[total]) > OFF_CENTRE_PU * half * s[WEIGHT]:
            reasons.append(f"{name} off centre: is the bias divider at half the swing?")
    if f_hz > 0.0:
        mean = (s[LAST] - s[FIRST]) / (s[CROSSINGS] - 1)
        if s[GAP_MIN] < (1 - IRREGULAR_PU) * mean - 1 or s[GAP_MAX] > (1 + IRREGULAR_PU) * mean + 1:
            reasons.append(IRREGULAR)
        elif not F_MIN_HZ <= f_hz <= F_MAX_HZ:
            reasons.append(f"frequency {f_hz:g} Hz is outside {F_MIN_HZ:g}..{F_MAX_HZ:g} Hz")
    return tuple(reasons)


def meter(
    v_codes: Codes, i_codes: Codes, scale: MeterScale, calibration: Calibration = EXACT
) -> Metered:
    """Return what one window of codes gives.

    Parameters
    ----------
    v_codes, i_codes : ndarray of int64, shape (pairs,)
        The converter's codes, `MeterScale.pairs` of them.
    scale : MeterScale
        The converter.
    calibration : Calibration
        What the meter's parts are off.
    """
    found = sums(v_codes, i_codes, weights(len(v_codes)), scale.midpoint)
    v_v, i_a, p_kw, f_hz = readings(found, scale, calibration).tolist()
    return Metered(v_v, i_a, p_kw, f_hz, faults(found, f_hz, scale))
