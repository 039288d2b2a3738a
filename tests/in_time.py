"""Limits on time that a busy machine cannot break alone.

Others on the machine only ever make a run slower. A limit is therefore asked of the quickest
of three runs: a run that is late is played again, and one that is wrong is not.
"""

from __future__ import annotations

import os

import pytest

#: Of a test that calls `assert_in_time`: when it was late it is played again, twice at most.
again_if_late = pytest.mark.flaky(reruns=2, only_rerun=["LateError"])


class LateError(AssertionError):
    """What was right, but not in time."""


def assert_in_time(took_s: float, limit_s: float = 3.0, hang_s: float = 0.0) -> None:
    """Ask that something took less than its limit.

    Parameters
    ----------
    took_s : float
        Time it took. [s]
    limit_s : float
        Limit on a machine with nothing else to do; longer by as much as others keep the
        processors busy. By default the three seconds in which every fault ends a run. [s]
    hang_s : float
        Time that passes before the fault can be seen. [s]

    Raises
    ------
    LateError
        If it took longer.
    """
    limit_s *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    if took_s >= limit_s + hang_s:
        raise LateError(f"took {took_s:.2f} s, limit {limit_s:.2f} s after {hang_s:g} s")
