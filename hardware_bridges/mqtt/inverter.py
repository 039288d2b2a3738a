"""An inverter behind a broker."""

from __future__ import annotations

from math import isfinite
from typing import Any

from gridmodel.ports import InverterState
from hardware_bridges.link_error import DeviceError
from hardware_bridges.mqtt.content import INVERTER_COMMAND, INVERTER_STATE
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.port import FittedPort, MqttPort
from hardware_bridges.mqtt.session import MqttSession


class MqttInverter(FittedPort):
    """A battery inverter that a device at a broker commands.

    Parameters
    ----------
    session : MqttSession
        The controller's session.
    name : str
        The inverter's name.
    """

    def __init__(self, session: MqttSession, name: str = "inverter") -> None:
        self.port = MqttPort(session, "inverter", name, INVERTER_STATE, INVERTER_COMMAND)

    @classmethod
    def fit(cls, config: MqttConfig, name: str, bench: Any) -> MqttInverter:
        """Return the inverter of a node."""
        return cls(cls.session(config, bench), name)

    def read(self) -> InverterState:
        """Return the newest state. Raises LinkError when none is younger than ``lost_s``."""
        state, _ = self.port.state()
        return InverterState(*(state[name] for name in InverterState._fields))

    def set_power(self, p_kw: float) -> None:
        """Set the power wanted, discharge positive. [kW]"""
        if not isfinite(p_kw):
            raise DeviceError("inverter", f"{p_kw} kW wanted.", "Give a finite power.")
        self.port.command({"p_kw": p_kw})
