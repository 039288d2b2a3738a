"""Programs: puts a controller, found by name, on the bodies of its ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cosim import registry
from cosim.node.runner import NodeRunner
from gridmodel.errors import ScenarioError
from gridmodel.federate import NodeSeat
from gridmodel.settings import faults_of, parse

#: Meters a simulated node may have.
METERS = ("supply", "grid", "island", "tie")


def make_program(controller: str, settings: Mapping[str, Any], seat: NodeSeat) -> NodeRunner:
    """Return the program of a simulated node.

    Parameters
    ----------
    controller : str
        Registered name of the controller.
    settings : mapping
        The controller's own settings.
    seat : NodeSeat
        Terminal, address and radio of the node.

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
    return NodeRunner(
        cls(config, seat),
        {name: meter(terminal, name) for name in seat.meters},
        {name: relay(terminal, name) for name in terminal.relays},
        radio(terminal, seat.modem),
        inverter(terminal) if terminal.inverter is not None else None,
        config.model_dump(),
    )
