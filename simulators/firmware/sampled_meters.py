"""Sampled meters: a fleet's readings, metered from the codes of each converter's window.

Codes and sums are made by the very functions that a node's meter uses, compiled; so the
readings have the bits of that meter behind an emulated converter.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gridmodel import metering, waveform
from gridmodel.metering import MeterScale

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_codes, _sums = njit(cache=True)(waveform.codes), njit(cache=True)(metering.sums)


@njit(cache=True)
def _sums_of(
    waves: Codes, which: Codes, sizes: Codes, weights: Codes, midpoint: int, found: Codes
) -> None:
    """Put the sums of each meter's window into `found`.

    Parameters
    ----------
    waves : ndarray, shape (n_frequency, 3, pairs)
        Waves of size one.
    which : ndarray, shape (n,)
        The waves of each meter.
    sizes : ndarray, shape (n, 3)
        Their sizes.
    weights : ndarray, shape (pairs - 1,)
        Of the window.
    midpoint : int
        Code of no voltage and no current.
    found : ndarray, shape (n, 21)
        Where the sums go.
    """
    for meter in range(which.shape[0]):
        seen = _codes(waves[which[meter]], sizes[meter], midpoint)
        found[meter] = _sums(seen[0], seen[1], weights, midpoint)


class SampledMeters:
    """Converters of a fleet, all of one scale."""

    def __init__(self, scale: MeterScale) -> None:
        self._scale = scale
        self._weights = metering.weights(scale.pairs)

    def read(self, truth: Array, readings: Array) -> None:
        """Put readings of a truth into `readings`; both have shape (n, n_meter, 4)."""
        scale = self._scale
        # Meters that look at the same thing read the same: houses share a view of the grid.
        unique, back = np.unique(truth.reshape(-1, 4), axis=0, return_inverse=True)
        f_hz, which = np.unique(unique[:, 3], return_inverse=True)
        waves = np.stack(
            [waveform.carrier(f, scale.rate_hz, scale.skew_us, scale.pairs) for f in f_hz.tolist()]
        )
        sizes = waveform.amplitudes(unique, scale)
        found = np.empty((len(unique), 21), dtype=np.int64)
        _sums_of(waves, which, sizes, self._weights, scale.midpoint, found)
        readings[:] = metering.readings(found, scale)[back.ravel()].reshape(readings.shape)
