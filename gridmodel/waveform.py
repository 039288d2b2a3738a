"""Waveform: the codes a converter gives while it looks at a voltage and a current.

The simulated front end and the emulated converters make them by these functions, so a
node meters the same codes in a simulation and on a bench. The wave is a sine that begins
each window at the same angle; phases and amplitudes are integers (see `gridmodel.sine`).

Left out: harmonics and noise. Tests of the metering make waves with both by themselves.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridmodel.metering import DARK_V, MeterScale
from gridmodel.sine import TURN, sine

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Phase of the voltage at a window's start: a tenth of a turn, so no sample is a crossing.
START = TURN // 10
#: Amplitudes are in 1/2**14 of a code, and cut at so many half swings, far in the clipping.
AMPLITUDE_ONE, LARGEST = 1 << 14, 4


class Waveform(NamedTuple):
    """What is there at one place, root mean squares: the truth that a meter looks at.

    Parameters
    ----------
    v_v : float
        Voltage. [V]
    i_a : float
        Current; where it is too small for the power, what the power needs counts. [A]
    p_kw : float
        Active power, injection positive. [kW]
    f_hz : float
        Frequency; 0 is dark: nothing alternates. [Hz]
    """

    v_v: float = 0.0
    i_a: float = 0.0
    p_kw: float = 0.0
    f_hz: float = 0.0


#: Nothing there.
DARK = Waveform()


@lru_cache(maxsize=64)
def carrier(f_hz: float, rate_hz: float, skew_us: float, pairs: int) -> Codes:
    """Return the waves of size one, shape (3, pairs), times `gridmodel.sine.ONE`.

    The rows are the voltage's wave, and at the instants of the current's samples the
    part in phase with the voltage and the part a quarter of a turn ahead.
    """
    step = round(f_hz / rate_hz * TURN)
    voltage = START + step * np.arange(pairs, dtype=np.int64)
    current = voltage + round(f_hz * skew_us * 1e-6 * TURN)
    waves = sine(np.stack((voltage, current, current + TURN // 4)))
    waves.flags.writeable = False
    return waves


def amplitudes(truth: Array, scale: MeterScale) -> Codes:
    """Return the sizes of the waves in codes, times `AMPLITUDE_ONE`.

    Parameters
    ----------
    truth : ndarray, shape (..., 4)
        A `Waveform` each.
    scale : MeterScale
        The converter.

    Returns
    -------
    ndarray of int64, shape (..., 3)
        Of the rows of `carrier`.
    """
    v_v, i_a, p_kw = truth[..., 0], truth[..., 1], truth[..., 2]
    active_a = 1e3 * p_kw / np.maximum(v_v, DARK_V)
    reactive_a = np.sqrt(np.maximum(i_a * i_a - active_a * active_a, 0.0))
    size = np.stack(
        (v_v / scale.v_code_v, active_a / scale.i_code_a, reactive_a / scale.i_code_a), axis=-1
    )
    largest = float(LARGEST * scale.midpoint)
    cut = np.clip(size * sqrt(2.0), -largest, largest)
    return np.asarray(np.rint(cut * AMPLITUDE_ONE).astype(np.int64))


def codes(waves: Codes, sizes: Codes, midpoint: int) -> Codes:
    """Return one window of codes; numba compiles this function as it stands.

    Parameters
    ----------
    waves : ndarray of int64, shape (3, pairs)
        `carrier`.
    sizes : ndarray of int64, shape (3,)
        `amplitudes`.
    midpoint : int
        Code of no voltage and no current.

    Returns
    -------
    ndarray of int64, shape (2, pairs)
        Codes of voltage and current, within the converter's range.
    """
    found = np.empty((2, waves.shape[1]), dtype=np.int64)
    # 44 bits of fraction, 30 of the wave and 14 of its size; half of one to round
    found[0] = (sizes[0] * waves[0] + (1 << 43)) >> 44
    found[1] = (sizes[1] * waves[1] + sizes[2] * waves[2] + (1 << 43)) >> 44
    return np.minimum(np.maximum(found + midpoint, 0), 2 * midpoint - 1)


def window(truth: tuple[float, float, float, float], scale: MeterScale) -> Codes:
    """Return one window of codes of one meter, shape (2, pairs).

    Parameters
    ----------
    truth : Waveform
        What is there.
    scale : MeterScale
        The converter.
    """
    waves = carrier(float(truth[3]), scale.rate_hz, scale.skew_us, scale.pairs)
    return codes(waves, amplitudes(np.array(truth, dtype=np.float64), scale), scale.midpoint)
