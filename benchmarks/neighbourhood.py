"""Neighbourhood: the street of `street_island`, many times over, as a scenario folder.

Every street is a copy of the same feeder with its houses, PV plants and cars; all hang on
one busbar behind one transformer, whose rating grows with the number of streets, as do
the anchor and its battery. The anchor's house stands at the busbar: no street cable
could carry a whole neighbourhood's power. Streets lie on a square grid around the first,
where the coordinator is, so that its radio reaches everyone.

Left out: medium voltage between streets (the power flow knows one transformer).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil, cos, radians, sqrt
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gridmodel.ingest.neighbourhood_file import read_neighbourhood, write_neighbourhood
from gridmodel.neighbourhood import Neighbourhood

STREET = Path(__file__).parents[1] / "scenarios" / "street_island"
ANCHOR = "house_02"
#: From a street to the next one. [m]
SPACING_M = 300.0
M_PER_DEG = 111_195.0
#: The neighbourhood's day begins here: 1 h 45 min before the outage. [h]
BEGIN_H = 17.0
#: Houses of a radio cell, and the raster of its channels. The list from 865.1 MHz has room
#: for 15 channels in the 865-868 MHz sub-band. Both directions use the channel of their cell;
#: their spreading factors differ, so that a node does not hear its neighbours' reports.
CELLS = {"size": 100, "step_mhz": 0.2}
UPLINK = {"spreading_factor": 7, "bandwidth_khz": 125, "frequency_mhz": 865.1, "tx_power_dbm": 14}
DOWNLINK = {**UPLINK, "spreading_factor": 8}


def write(folder: Path, streets: int) -> Path:
    """Write the scenario folder of a neighbourhood; return its scenario file."""
    folder.mkdir(parents=True, exist_ok=True)
    street = read_neighbourhood(STREET / "network.json")
    write_neighbourhood(neighbourhood(street, streets), folder / "network.json")
    shutil.copy(STREET / "profiles.parquet", folder)
    yaml = YAML(typ="safe")
    data = scenario(yaml.load(STREET / "scenario.yaml"), streets)
    path = folder / "scenario.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(data, file)
    return path


def neighbourhood(street: Neighbourhood, streets: int) -> Neighbourhood:
    """Return a network of so many copies of a street behind one transformer."""
    transformer = street.transformers[0]
    shared = {transformer.hv_bus, transformer.lv_bus}
    parts: dict[str, list[Any]] = {"buses": [], "lines": [], "consumers": [], "photovoltaics": []}
    parts["buses"] += [bus for bus in street.buses if bus.name in shared]
    lat = street.buses[0].lat
    for k in range(streets):
        north, east = (SPACING_M / M_PER_DEG * place for place in _place(k, streets))
        at = {name: name if name in shared else named(name, k) for name in street.bus}
        for bus in street.buses:
            if bus.name not in shared:
                place = {"lat": bus.lat + north, "lon": bus.lon + east / cos(radians(lat))}
                parts["buses"].append(bus.model_copy(update={"name": at[bus.name], **place}))
        for line in street.lines:
            ends = {"bus_from": at[line.bus_from], "bus_to": at[line.bus_to]}
            parts["lines"].append(line.model_copy(update={"name": named(line.name, k), **ends}))
        for house in street.consumers:
            bus_name = transformer.lv_bus if (house.name, k) == (ANCHOR, 0) else at[house.bus]
            change = {"name": named(house.name, k), "bus": bus_name}
            parts["consumers"].append(house.model_copy(update=change))
        for plant in street.photovoltaics:
            change = {"name": named(plant.name, k), "consumer": named(plant.consumer, k)}
            parts["photovoltaics"].append(plant.model_copy(update=change))
    larger = {"s_kva": streets * transformer.s_kva, "pfe_kw": streets * transformer.pfe_kw}
    return street.model_copy(
        update={
            "name": f"{streets} streets",
            "transformers": (transformer.model_copy(update=larger),),
            **{key: tuple(elements) for key, elements in parts.items()},
        }
    )


def _place(street: int, streets: int) -> tuple[int, int]:
    """Return row and column of a street on the square grid; the first is in its middle."""
    side = ceil(sqrt(streets))
    row, column = divmod((street + side * (side // 2) + side // 2) % side**2, side)
    return row - side // 2, column - side // 2


def named(name: str, street: int) -> str:
    """Return the name of an element in a street; the first street keeps the original names."""
    return name if street == 0 else f"{name}_{street + 1:03}"


def scenario(data: dict[str, Any], streets: int) -> dict[str, Any]:
    """Return the street's scenario for a neighbourhood, from `BEGIN_H` on."""
    start = datetime.fromisoformat(str(data["start"])) + timedelta(hours=BEGIN_H)
    federates = data["federates"]
    federates["vehicles"]["vehicles"] = [
        _moved(car, k) for k in range(streets) for car in federates["vehicles"]["vehicles"]
    ]
    federates["battery"].update(
        e_kwh=streets * federates["battery"]["e_kwh"],
        p_kw=streets * federates["battery"]["p_kw"],
        soc_pu=0.9,  # what the sun has left there by then
    )
    federates["island"]["anchor"]["s_kva"] *= streets
    federates["nodes"].update(modem=UPLINK, cells=CELLS)
    federates["coordinator"].update(modem=DOWNLINK, cells=CELLS)
    federates["lora"]["cells"] = CELLS
    federates["lora"]["fleets"]["nodes"]["listen"] = DOWNLINK
    federates["lora"]["fleets"]["coordinator"].update(listen=UPLINK, every_cell=True)
    events = [event for event in data["events"] if event["t_h"] >= BEGIN_H]
    copies = [_happens(event, k) for event in events for k in range(streets)]
    return {
        **{key: data[key] for key in ("feedertwin", "seed", "network", "federates", "links")},
        "name": f"neighbourhood_{streets}",
        "about": f"{streets} copies of street_island",
        "start": start.isoformat(),
        "duration_h": 24,
        "events": [event for event in copies if event is not None],
    }


def _moved(car: Mapping[str, Any], street: int) -> dict[str, Any]:
    """Return a car of another street; its hours count from the scenario's start."""
    hours = {key: (car[key] - BEGIN_H) % 24 for key in ("arrives_h", "leaves_h")}
    return {**car, "house": named(car["house"], street), **hours}


def _happens(event: Mapping[str, Any], street: int) -> dict[str, Any] | None:
    """Return what happens in a street: to nodes in each, to everyone once."""
    moved = {**event, "t_h": event["t_h"] - BEGIN_H}
    if "node" in event:
        return {**moved, "node": named(event["node"], street)}
    return moved if street == 0 else None
