"""Radios of a recorded run: their names, places and channels, as the run's file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import hypot
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cosim import run_folder
from cosim.scenario.document import read
from gridmodel.errors import Fault, InputError
from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import near, parse
from gridmodel.wire.lora import Modem
from simulators.radio.lora_config import LoraConfig
from simulators.radio.path_loss import Loss, loss_of, range_m
from simulators.radio.sensitivity import sensitivity_dbm

#: Registered name of the model that carries packets.
_MODEL = "lora"


@dataclass(frozen=True)
class Radio:
    """One radio.

    Parameters
    ----------
    name : str
        Its fleet and its customer, ``nodes.house_01``; also the cell where there are several.
    fleet : str
        Federate that sends by it.
    place_m : (float, float)
        East and north of the network's first bus. [m]
    listen : Modem
        What its receiver is tuned to.
    """

    name: str
    fleet: str
    place_m: tuple[float, float]
    listen: Modem

    def distance_m(self, other: Radio) -> float:
        """Return the distance to another radio. [m]"""
        (ax, ay), (bx, by) = self.place_m, other.place_m
        return hypot(ax - bx, ay - by)


@dataclass(frozen=True)
class Air:
    """A channel of a run with all its radios.

    Parameters
    ----------
    name : str
        The channel's federate.
    config : LoraConfig
        Its settings.
    radios : tuple of Radio
        In the channel's own order.
    first : mapping
        Number of the first radio of each fleet.
    """

    name: str
    config: LoraConfig
    radios: tuple[Radio, ...]
    first: Mapping[str, int]

    @cached_property
    def loss(self) -> Loss:
        """The run's path loss."""
        config = self.config
        return loss_of(config.path_loss, config.log_distance, config.masts)

    def budget_db(self, modem: Modem) -> float:
        """Return the path loss at which a packet is just received. [dB]"""
        config = self.config
        return modem.tx_power_dbm - sensitivity_dbm(
            config.sensitivity, modem, config.noise_figure_db
        )

    def range_m(self, modem: Modem) -> float:
        """Return how far the run's path loss lets a packet reach. [m]"""
        return range_m(self.loss, self.budget_db(modem), modem.frequency_mhz)


def read_air(folder: Path, channel: str = "", network: Path | None = None) -> Air:
    """Return the channel of a run.

    Parameters
    ----------
    folder : Path
        The run.
    channel : str
        The channel's federate; may be left out if there is one only.
    network : Path, optional
        The network's file; where the scenario names it if left out.

    Raises
    ------
    RunError
        If the folder is no run.
    InputError
        If the run has no such channel, or its network is gone.
    """
    run = run_folder.read_run(folder)
    blocks = run["resolved"]["federates"]
    name = _channel(folder, blocks, channel)
    block = {k: v for k, v in blocks[name].items() if k in LoraConfig.model_fields}
    try:
        config = parse(LoraConfig, block)
    except ValidationError as error:
        problem = f"the settings of '{name}' were made by another version."
        fault = Fault(str(folder / run_folder.RUN_FILE), "", problem, "Run the scenario again.")
        raise InputError("radios cannot be read", [fault]) from error
    radios, first = _radios(config, _network(run, folder, network))
    return Air(name, config, radios, first)


def _channel(folder: Path, blocks: Mapping[str, Any], wanted: str) -> str:
    names = [name for name, block in blocks.items() if block.get("model") == _MODEL]
    title = "radios cannot be read"
    if not names:
        problem = f"no federate of this run is a '{_MODEL}' channel."
        advice = "Trace a run whose scenario has one, such as street_island."
        raise InputError(title, [Fault(str(folder), "", problem, advice)])
    if wanted and wanted not in names:
        problem = f"there is no channel '{wanted}'."
        raise InputError(title, [Fault("--channel", "", problem, near(wanted, names))])
    if not wanted and len(names) > 1:
        advice = f"Name one of {', '.join(names)}."
        problem = f"the run has {len(names)} channels."
        raise InputError(title, [Fault("--channel", "", problem, advice)])
    return wanted or names[0]


def _network(run: Mapping[str, Any], folder: Path, given: Path | None) -> Neighbourhood:
    """Return the network of a run, by its scenario if no file is given."""
    if given is not None:
        return read_neighbourhood(given)
    try:
        document = read(Path(run["scenario_file"]), run["overrides"])
        return read_neighbourhood(document.file(("network",), run["resolved"]["network"]))
    except InputError as error:
        problem = f"the network of its scenario cannot be read: {error.faults[0].problem}"
        fault = Fault(str(folder), "", problem, "Name the file by --network.")
        raise InputError("radios cannot be placed", [fault]) from error


def _radios(
    config: LoraConfig, network: Neighbourhood
) -> tuple[tuple[Radio, ...], Mapping[str, int]]:
    """Return the radios in the order of the channel, and the first of each fleet."""
    radios: list[Radio] = []
    first = {}
    names = network.consumer_names
    for fleet, block in config.fleets.items():
        first[fleet] = len(radios)
        place = config.cells.coordinators if block.every_cell else config.cells.nodes
        seats = place(names, names if block.at is None else block.at)
        twice = len({seat.customer for seat in seats}) < len(seats)
        for seat in seats:
            name = f"{fleet}.{seat.customer}" + (f".{seat.cell}" if twice else "")
            tuned = config.cells.tuned(block.listen, seat.cell)
            radios.append(Radio(name, fleet, network.position_m(seat.customer), tuned))
    return tuple(radios), first
