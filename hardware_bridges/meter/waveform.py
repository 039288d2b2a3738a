"""Waveform generator: what an emulated converter's inputs see, sample by sample.

It replays one window of the truth's wave. A reading takes whole windows, so it is the same
however often it is taken, and the same as the simulated front end's.
"""

from __future__ import annotations

from gridmodel.metering import MeterScale
from gridmodel.waveform import DARK, Waveform, window


class WaveformGenerator:
    """Codes of a voltage and a current."""

    def __init__(self, scale: MeterScale) -> None:
        self._scale = scale
        self._codes: tuple[list[int], list[int]] = ([], [])
        self._at = [0, 0]
        self._truth: Waveform | None = None
        self.set(DARK)

    def set(self, truth: tuple[float, float, float, float]) -> None:
        """Show another wave, from its start.

        Parameters
        ----------
        truth : Waveform
            Voltage [V], current [A], power [kW], frequency [Hz].
        """
        truth = Waveform(*truth)
        if truth != self._truth:
            v_codes, i_codes = window(truth, self._scale).tolist()
            self._codes = v_codes, i_codes
            self._truth = truth
        self._at = [0, 0]

    def voltage(self) -> int:
        """Return the next code of the voltage."""
        return self._next(0)

    def current(self) -> int:
        """Return the next code of the current."""
        return self._next(1)

    def _next(self, row: int) -> int:
        codes, at = self._codes[row], self._at[row]
        self._at[row] = (at + 1) % len(codes)
        return codes[at]
