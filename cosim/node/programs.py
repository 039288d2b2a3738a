"""Programs: puts a controller, found by name, on the bodies of its ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cosim import registry
from cosim.node.runner import NodeRunner
from gridmodel.errors import ScenarioError
from gridmodel.federate import NodeSeat
from gridmodel.inverter_scale import InverterScale
from gridmodel.ports import Inverter, InverterState
from gridmodel.settings import faults_of, parse

#: Meters a simulated node may have.
METERS = ("supply", "grid", "island", "tie")


class ScaledInverter:
    """An inverter port that tells and takes values in the steps of a SunSpec inverter."""

    def __init__(self, inverter: Inverter, scale: InverterScale) -> None:
        self._inverter = inverter
        self._scale = scale

    def read(self) -> InverterState:
        """Return the present state."""
        return self._scale.seen(self._inverter.read())

    def set_power(self, p_kw: float) -> None:
        """Set the power wanted, discharge positive. [kW]"""
        self._inverter.set_power(self._scale.taken_kw(p_kw))


def make_program(
    controller: str,
    settings: Mapping[str, Any],
    seat: NodeSeat,
    inverter_scale: InverterScale | None = None,
) -> NodeRunner:
    """Return the program of a simulated node.

    Parameters
    ----------
    controller : str
        Registered name of the controller.
    settings : mapping
        The controller's own settings.
    seat : NodeSeat
        Terminal, address and radio of the node.
    inverter_scale : InverterScale or None
        Steps of its inverter's values; exact if left out.

    Raises
    ------
    PluginError
        If no controller has the name.
    ScenarioError
        If the settings are at fault.
    """
    cls = registry.load(registry.CONTROLLERS, controller)
    try:
        config = parse(cls.Config, settings)
    except ValidationError as error:
        faults = faults_of(error, cls.Config, lambda _: seat.owner, ("settings",))
        raise ScenarioError(f"controller {controller}", faults) from error
    terminal = seat.terminal
    meter = registry.load(registry.BRIDGES, "meter.simulated")
    relay = registry.load(registry.BRIDGES, "relay.simulated")
    radio = registry.load(registry.BRIDGES, "radio.simulated")
    inverter = registry.load(registry.BRIDGES, "inverter.simulated")
    storage = registry.load(registry.BRIDGES, "storage.simulated")
    thermometer = registry.load(registry.BRIDGES, "thermometer.simulated")
    port = inverter(terminal) if terminal.inverter is not None else None
    if port is not None and inverter_scale is not None:
        port = ScaledInverter(port, inverter_scale)
    return NodeRunner(
        cls(config, seat),
        {name: meter(terminal, name) for name in seat.meters},
        {name: relay(terminal, name) for name in terminal.relays},
        radio(terminal, seat.modem),
        port,
        config.model_dump(),
        storage=storage(terminal) if terminal.flash else None,
        thermometer=thermometer(terminal) if terminal.temp_c is not None else None,
    )
