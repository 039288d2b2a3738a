"""An emulated inverter: a SunSpec server fed by the simulation, and the client a node uses.

The node's driver is the real one; only the device behind the socket is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gridmodel.ports import InverterState
from hardware_bridges.inverter.sunspec import SunSpecInverter
from hardware_bridges.inverter.sunspec_config import EmulatedInverterConfig, SunSpecConfig
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_server import SunSpecServer


class EmulatedInverter:
    """Server and client in one.

    Parameters
    ----------
    config : EmulatedInverterConfig
        Rating and port.
    now_s : callable
        The controller's clock. [s]
    """

    Config = EmulatedInverterConfig

    def __init__(
        self, config: EmulatedInverterConfig, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        device = EmulatedSunSpecDevice(config.p_rated_kw, config.e_rated_kwh, config.unit_id)
        self.server = SunSpecServer(device, config.unit_id, port=config.port).start()
        self._client = SunSpecInverter(
            SunSpecConfig(
                host=self.server.host,
                port=self.server.port,
                unit_id=config.unit_id,
                timeout_s=config.timeout_s,
                hold_s=config.hold_s,
                reversion_s=config.reversion_s,
            ),
            now_s,
        )

    @classmethod
    def fit(cls, config: EmulatedInverterConfig, name: str, bench: Any) -> EmulatedInverter:
        """Return the inverter of a node, fed by the simulation's questions."""
        inverter = cls(config, lambda: bench.now_us() * 1e-6)

        def feed(ask: Any) -> None:
            if ask.inverter is not None:
                inverter.set(InverterTruth(ask.t_us, ask.inverter))

        def after() -> None:
            bench.terminal.p_set_kw = inverter.p_set_kw or 0.0

        bench.feeds.append(feed)
        bench.after.append(after)
        bench.closes.append(inverter.close)
        return inverter

    def set(self, truth: InverterTruth) -> None:
        """Give the device what the simulation knows."""
        self.server.set(truth)

    @property
    def p_set_kw(self) -> float | None:
        """Power the controller wants; None while nobody sets it. [kW]"""
        return self.server.p_set_kw

    def read(self) -> InverterState:
        """Return the present state, by way of the socket."""
        return self._client.read()

    def set_power(self, p_kw: float) -> None:
        """Set the power wanted, discharge positive, by way of the socket. [kW]"""
        self._client.set_power(p_kw)

    def describe(self) -> str:
        """Return what the client found."""
        return self._client.describe()

    def close(self) -> None:
        """Close client and server."""
        self._client.close()
        self.server.close()
