"""Air: what an emulated modem sends into. The channel behind it decides who hears it."""

from __future__ import annotations

from typing import Protocol


class Air(Protocol):
    """Takes the frames of one modem."""

    def send(self, frame: bytes, airtime_us: int) -> None:
        """Take a frame whose sending begins now.

        Parameters
        ----------
        frame : bytes
            The payload, 0..255 B.
        airtime_us : int
            Time on air. [us]
        """
