"""The law of the duty cycle, said in the plainest way: the most airtime in any hour."""

from __future__ import annotations

from collections.abc import Sequence

from gridmodel.wire.duty_cycle import HOUR_US


def worst_hour_us(sent: Sequence[tuple[int, int]]) -> int:
    """Return the most airtime in any hour, by looking at every one that could be it. [us]

    Airtime within a sliding window changes its slope only where an edge of the window
    meets an edge of a packet; so the greatest value is found at such a place.

    Parameters
    ----------
    sent : sequence of tuple
        Start and airtime of each packet. [us]
    """
    edges = [edge for start, airtime in sent for edge in (start, start + airtime)]
    begins = {edge for e in edges for edge in (e, e - HOUR_US)}
    return max(
        (
            sum(
                max(min(start + airtime, begin + HOUR_US) - max(start, begin), 0)
                for start, airtime in sent
            )
            for begin in begins
        ),
        default=0,
    )
