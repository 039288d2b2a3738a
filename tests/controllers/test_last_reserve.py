"""A coordinator whose cell is dark sleeps between its commands, and starts it after a restart."""

from __future__ import annotations

import pytest

from controllers.coordinator.coordinator import CoordinatorConfig
from controllers.coordinator.last_reserve import LastReserve, LastReserveConfig
from gridmodel.settings import parse
from gridmodel.wire.frames import FrameKind

S = 1_000_000


def test_a_restarted_coordinator_starts_the_cell_when_there_is_enough():
    reserve = LastReserve(LastReserveConfig(starts_count=1))
    reserve.boot(100 * S)
    assert reserve.decide(100 * S, False, 0.10) is None
    assert reserve.decide(200 * S, False, 0.20) == FrameKind.BLACK_START
    assert reserve.decide(300 * S, False, 0.20) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [("beacon_period_s", 7.0), ("beacon_period_s", 1800.0), ("order_valid_s", 14_400.0),
     ("last_reserve", {"delay_s": 2.0})],
)  # fmt: skip
def test_what_a_frame_cannot_tell_is_refused(setting, value):
    with pytest.raises(ValueError, match=r"multiple of|less than or equal"):
        parse(CoordinatorConfig, {setting: value})
