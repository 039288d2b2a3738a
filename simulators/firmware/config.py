"""Settings of a fleet of nodes, what may happen to them, and their ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Gt
from pydantic import Field

from gridmodel.codes import CIRCUITS
from gridmodel.federate import Messages, Signal
from gridmodel.metering import MeterScale
from gridmodel.settings import Settings
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import Modem
from simulators.firmware.board import BoardConfig

Ports = tuple[Signal | Messages, ...]


class Crash(Settings):
    """A node's program stops; its relays stay as they are; then it boots."""

    node: str = Field(description="customer of the node")
    for_min: Annotated[float, Gt(0.0)] = Field(description="until it boots again")


class Hang(Settings):
    """A node's program hangs until its watchdog starts it anew."""

    node: str = Field(description="customer of the node")


class FirmwareConfig(Settings):
    """Nodes of one kind."""

    controller: str = Field(description="registered name of the controller they run")
    settings: Mapping[str, Any] = Field({}, description="the controller's own settings")
    at: tuple[str, ...] | None = Field(None, description="customers; all of them if left out")
    modem: Modem = Field(Modem(), description="what they send with")
    meter: MeterScale = Field(MeterScale(), description="what their converters resolve")
    relays: bool = Field(True, description="they switch the customer's circuits")
    transfer_switch: bool = Field(
        False, description="they also switch the customer between public grid and private island"
    )
    cells: CellPlan = Field(CellPlan(), description="how customers share radio channels")
    inverter: bool = Field(
        False, description="they coordinate a cell each, and the first commands the inverter"
    )
    period_s: Annotated[float, Gt(0.0)] = Field(1.0, description="step of readings and comparators")
    board: BoardConfig = Field(BoardConfig(), description="the nodes' hardware")


def ports_of(
    config: FirmwareConfig, customers: tuple[str, ...], labels: tuple[str, ...], v_base_v: float
) -> tuple[Ports, Ports]:
    """Return the inputs and outputs of a fleet.

    Parameters
    ----------
    customers : tuple of str
        All of the network.
    labels : tuple of str
        Names of the nodes.
    v_base_v : float
        Nominal voltage, phase to neutral. [V]
    """
    n = len(customers)
    inputs: list[Signal | Messages] = [
        Messages("frames", "frames the radios received"),
        Messages("events", "crash, hang, sensor_fault"),
        Signal("v_v", (n,), initial=v_base_v, about="voltage at each customer of the street"),
        Signal("p_kw", (n,), initial=0.0, about="power of each customer"),
        Signal("vehicles_p_kw", (n,), initial=0.0, about="power of the chargers there"),
        Signal("q_kvar", (n,), initial=0.0, about="reactive power of each customer"),
        Signal("island_f_hz", about="frequency of the street"),
        Signal("grid_f_hz", initial=0.0, about="frequency of the public grid"),
        Signal("island_v_pu", initial=0.0, about="voltage of the island bus"),
        Signal("grid_v_pu", initial=0.0, about="voltage of the public grid"),
    ]
    outputs: list[Signal | Messages] = [
        Messages("transmit", "frames given to the air"),
        Messages("switched", "circuits or transfer switches that moved"),
        Signal("state", (len(labels),), int, labels=labels, about="state of each program"),
    ]
    if config.relays:
        about = "circuits that are connected"
        outputs.append(
            Signal("closed", (n, 3), bool, labels=customers, columns=CIRCUITS, about=about)
        )
    if config.transfer_switch:
        outputs.append(
            Signal("side", (n,), int, labels=customers, about="0 nowhere, 1 grid, 2 island")
        )
    if config.inverter:
        inputs += [
            Signal("tied", (), bool, initial=True, about="the anchor's way to the grid"),
            Signal("tie_p_kw", initial=0.0, about="import from the public grid"),
            Signal("inverter_p_kw", initial=0.0, about="power of the anchor"),
            Signal("soc_pu", initial=0.5, about="the battery's state of charge"),
            Signal("p_discharge_max_kw", initial=0.0, about="greatest power it gives"),
            Signal("e_full_kwh", initial=0.0, about="energy content of the battery"),
        ]
        outputs.append(Signal("p_set_kw", about="power wanted of the anchor while tied"))
    return tuple(inputs), tuple(outputs)


def illegal(modem: Modem) -> str:
    """Return why a modem may not send as it is set, if so."""
    try:
        modem.rule()
    except ValueError as error:
        return str(error)
    return ""
