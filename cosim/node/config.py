"""Node configuration: the YAML file of one node, checked with the line of every fault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, ValidationError, field_validator, model_validator

from cosim.lines.address import address
from cosim.node.blocks import BodyBlock, RelayBlock
from cosim.node.config_faults import file_faults
from cosim.scenario.document import read
from gridmodel.errors import Fault, ScenarioError
from gridmodel.metering import MeterScale
from gridmodel.settings import Settings, faults_of, parse
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.lora import Modem


class NodeConfig(Settings):
    """One node in a process of its own."""

    feedertwin_node: Literal[1] = Field(description="version of this format")
    node: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="the node's name")
    customer: str | None = Field(
        None, description="whose house it is in, as the network has it; its name if left out"
    )
    controller: str = Field(description="registered name of the controller it runs")
    settings: Mapping[str, Any] = Field({}, description="the controller's own settings")
    owner: str = Field("nodes", description="fleet it belongs to in the scenario")
    address: Annotated[int, Ge(0), Le(EVERYONE - 1)] = Field(
        description="radio address in its cell; 0 is the coordinator"
    )
    cell: Annotated[int, Ge(0)] = Field(0, description="its radio cell")
    peers: tuple[str, ...] = Field((), description="nodes of the cell, by address from 1")
    seed: Annotated[int, Ge(0)] = Field(0, description="from which the cell's keys are made")
    keys: str | None = Field(
        None, description="folder made by `feedertwin keys`; simulated keys if left out"
    )
    network: str | None = Field(
        None, description="network file, for a coordinator; relative to this one"
    )
    modem: Modem = Field(Modem(), description="settings of its radio")
    scale: MeterScale = Field(MeterScale(), description="what its meters resolve")
    meters: Mapping[str, BodyBlock] = Field(
        {"supply": BodyBlock()}, description="bodies of its meters, by name"
    )
    relays: Mapping[str, RelayBlock] = Field({}, description="bodies of its relays, by name")
    radio: BodyBlock = Field(BodyBlock(), description="body of its radio")
    inverter: BodyBlock | None = Field(None, description="body of its inverter, if it has one")
    thermometer: BodyBlock | None = Field(None, description="body of its thermometer, if any")
    persist: str | None = Field(
        None, description="folder of what a loss of power must not forget; relative to this file"
    )
    journal: str | None = Field(
        None,
        description="file of every frame sent and heard, sealed; none if left out; relative to "
        "this file",
    )
    journal_kib: Annotated[int, Ge(16), Le(65536)] = Field(
        1024, description="the journal's limit in KiB; beyond it the older half goes"
    )
    clock: Literal["wall", "stepped"] = Field(
        "wall", description="its own clock, or one that the simulation steps"
    )
    world: str | None = Field(
        None, description="address of the simulation around it; none on real hardware alone"
    )
    sample_s: Annotated[float, Gt(0.0)] = Field(
        1.0, description="time between two looks at the meters, without a simulation"
    )
    guard_s: Annotated[float, Gt(0.0)] = Field(
        5.0,
        description="wall-clock time after which an overdue node no longer waits for a question",
    )

    @field_validator("world")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None:
            address(value)
        return value

    @model_validator(mode="after")
    def _somebody_steps_it(self) -> NodeConfig:
        if self.clock == "stepped" and self.world is None:
            raise ValueError("a stepped clock needs a simulation that steps it: give its 'world'")
        return self


#: Ports by name, each with its block: ``meter.supply``.
Ports = dict[str, tuple[str, str, BodyBlock]]


def ports_of(config: NodeConfig) -> Ports:
    """Return a node's ports: kind, name and block by ``kind.name``."""
    found: Ports = {f"meter.{n}": ("meter", n, block) for n, block in config.meters.items()}
    found |= {f"relay.{n}": ("relay", n, block) for n, block in config.relays.items()}
    found["radio"] = ("radio", "radio", config.radio)
    if config.inverter is not None:
        found["inverter"] = ("inverter", "inverter", config.inverter)
    if config.thermometer is not None:
        found["thermometer"] = ("thermometer", "thermometer", config.thermometer)
    return found


def read_config(path: Path, overrides: tuple[str, ...] = ()) -> NodeConfig:
    """Return the configuration in a file.

    Parameters
    ----------
    path : Path
        The YAML file.
    overrides : tuple of str
        ``a.b=value``, applied last.

    Raises
    ------
    ScenarioError
        If there is no such file; with every fault: also of the controller's and of the bodies'
        own settings.
    """
    if not path.exists() or path.is_dir():
        raise _no_file(path)
    document = read(path, overrides)
    config, faults = None, []
    try:
        config = parse(NodeConfig, document.data)
    except ValidationError as error:
        faults = faults_of(error, NodeConfig, document.where)
    faults += file_faults(document, config)
    if faults or config is None:
        raise ScenarioError(f"{path} describes no node", sorted(set(faults), key=_line))
    folder = path.resolve().parent
    absolute = {
        key: str(folder / value)
        for key in ("keys", "network", "persist", "journal")
        if (value := getattr(config, key)) is not None
    }
    return config.model_copy(update=absolute)


def _no_file(path: Path) -> ScenarioError:
    """Return where the file was looked for, and how one comes by it."""
    problem = "is a folder."
    if not path.exists():
        problem = f"there is no such file in {path.resolve().parent}."
    advice = (
        "docs/how-to/house_3.yaml is one to begin with, docs/how-to/raspberry_pi.md says what is in "
        "it; or let 'feedertwin hil SCENARIO --node NAME=emulated' write one: nodes/NAME.yaml in the "
        "run's folder."
    )
    return ScenarioError("node cannot be run", [Fault(str(path), "", problem, advice)])


def _line(fault: Fault) -> tuple[str, int]:
    """Return file and line of a fault, to tell them in order."""
    path, _, line = fault.where.rpartition(":")
    return (path, int(line)) if line.isdigit() else (fault.where, 0)
