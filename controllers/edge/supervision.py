"""Supervision: how many heartbeats may be missed before their sender counts as lost."""

from __future__ import annotations

_YEAR_S = 365.25 * 86_400.0
#: A beacon tells its period in steps of this. [s]
_LEAST_S = 5.0


def beacons_missed(period_s: float, loss_pu: float, false_alarms_per_year: float) -> int:
    """Return how many heartbeats missed in a row mean that their sender is gone.

    The more often they come, the more of them may be lost by chance in a year; how often
    they may come is a matter of the duty cycle. Losses are taken as independent.

    Parameters
    ----------
    period_s : float
        Between two of them. [s]
    loss_pu : float
        Share that the radio loses, below 1. [pu]
    false_alarms_per_year : float
        Accepted mistakes of one node. [1/a]

    Examples
    --------
    >>> [beacons_missed(period_s, 0.1, 1.0) for period_s in (30.0, 60.0, 300.0)]
    [7, 6, 6]
    """
    count, alarms = 1, _YEAR_S / max(period_s, _LEAST_S) * loss_pu
    while alarms > false_alarms_per_year:
        count, alarms = count + 1, alarms * loss_pu
    return count
