"""Noise of a converter: what its codes scatter by, the same at each run."""

from __future__ import annotations

from random import Random


class ConverterNoise:
    """Gaussian noise on codes, rounded to whole ones as a converter does.

    What is added has the variance ``lsb_rms**2 + 1/12``, the twelfth by rounding, for
    ``lsb_rms`` of 0.5 and more. Left out: noise of the mains themselves, and of what is
    coupled in at the mains' frequency, which does not average out.

    Parameters
    ----------
    lsb_rms : float
        Standard deviation before rounding, in steps of the converter.
    seed : str
        Of the generator.
    """

    def __init__(self, lsb_rms: float, seed: str) -> None:
        self._lsb_rms = lsb_rms
        self._random = Random(seed)

    def on(self, code: int) -> int:
        """Return a code with noise on it; it may lie outside the converter's range."""
        return code + round(self._random.gauss(0.0, self._lsb_rms))
