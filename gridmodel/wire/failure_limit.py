"""Limit on failures: how often a forger may try.

A tag of 4 bytes is guessed once in 2^32 tries. A channel full of short frames offers about
twenty a second, which takes seven years. The limit holds a forger to that also where frames
come faster than by radio, and bites nobody below it: one that bit sooner would let a few forged
frames a second keep the true ones out.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridmodel.errors import FrameError
from gridmodel.units import US_PER_S


@dataclass(slots=True)
class FailureLimit:
    """Tokens that failed frames use up and time brings back.

    Parameters
    ----------
    burst : int
        Failures in a row that are borne.
    refill_us : int
        Time that brings one back. [us]
    """

    burst: int = 32
    refill_us: int = US_PER_S // 20
    failures: int = 0
    since_us: int = 0  # from when on the time for the next token counts

    def check(self, now_us: int) -> None:
        """Refuse to try another frame while no token is left.

        Raises
        ------
        FrameError
            If there were too many failures of late.
        """
        back = min(max(now_us - self.since_us, 0) // self.refill_us, self.failures)
        self.failures -= back
        self.since_us = self.since_us + back * self.refill_us if self.failures else now_us
        if self.failures >= self.burst:
            raise FrameError(
                f"{self.failures} frames failed of late; one is tried each "
                f"{self.refill_us / 1e6:g} s until no more come"
            )

    def failed(self) -> None:
        """Note a frame that failed."""
        self.failures += 1
