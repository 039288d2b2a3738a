"""What fleets on the bundled street share: its size, values for its houses, frames to them."""

from __future__ import annotations

import numpy as np

from gridmodel.control import Decisions
from gridmodel.metering import MeterScale
from tests.simulators.bench import S
from tests.simulators.firmware.nodes import Probe

HOUSES = 13
#: Of a phase. [V]
V_NOMINAL = 400.0 / 3**0.5
SCALE = MeterScale()


def frame_to(destination: int, content: bytes = b"hello") -> bytes:
    """Return a frame with a header, as radios pass it on unread."""
    return bytes([0x11, 7, destination, 0, 1]) + content


def each(value: float, **others: float) -> np.ndarray:
    """Return a value for each customer, and others for some, by number from 1."""
    values = np.full(HOUSES, value)
    for name, other in others.items():
        values[int(name.removeprefix("house_")) - 1] = other
    return values


def each_second(probe: Probe, now_us: int) -> Decisions:
    """Look at the meter each second."""
    return Decisions(now_us + S)
