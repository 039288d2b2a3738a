"""A workbench for the SunSpec driver: an emulated device on a server, and the driver on it."""

from __future__ import annotations

from contextlib import contextmanager

from gridmodel.ports import InverterState
from hardware_bridges.inverter.sunspec import SunSpecInverter
from hardware_bridges.inverter.sunspec_config import SunSpecConfig
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_server import SunSpecServer

TRUTH = InverterTruth(0, InverterState(-1.234, 0.4567, 4.2, 13.5))
S_US = 1_000_000


class HandClock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def showing(truth):
    """An emulated device that shows a state."""
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(truth)
    return device


@contextmanager
def driven(device=None, clock=None, **settings):
    """A device with TRUTH on a server, and our driver on it."""
    clock = clock or HandClock()
    with SunSpecServer(device or showing(TRUTH)) as server:
        config = SunSpecConfig(port=server.port, timeout_s=5.0, retry_first_s=1e-3, **settings)
        inverter = SunSpecInverter(config, clock)
        try:
            yield server, inverter
        finally:
            inverter.close()
