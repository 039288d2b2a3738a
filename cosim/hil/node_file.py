"""Node file: the configuration of a node that a run starts, from its seat in the scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from cosim.scenario.build import Scenario
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import NodeSeat

if TYPE_CHECKING:
    from cosim.hil.session import Place

#: Body of each kind of port: ``{"meter": "emulated"}``.
Bodies = Mapping[str, str]
#: Bodies of a node's process that nobody chose.
EMULATED = {"meter": "emulated", "relay": "emulated", "radio": "emulated", "inverter": "simulated"}
#: Rating of an emulated inverter, which decides the steps of its values. [kW], [kWh]
INVERTER_RATING = (100.0, 250.0)
#: Converter chips by their bits.
CHIPS = {10: "mcp3008", 12: "mcp3208", 16: "ads1115"}
#: Pins of emulated relays, by Broadcom's numbers; none is a bus's or the radio's.
RELAY_PINS = (5, 6, 13, 19, 26, 21, 12, 4)


def write_node(
    folder: Path,
    name: str,
    place: Place,
    scenario: Scenario,
    world: str,
    factor: float | None,
    bodies: Bodies,
) -> Path:
    """Write a node's file; return its path."""
    folder.mkdir(exist_ok=True)
    block = scenario.resolved["federates"][place.seat.owner]
    chosen = EMULATED | dict(bodies)
    if block["meter"].get("sampling") != "sampled" and "meter" not in bodies:
        chosen["meter"] = "simulated"  # a converter's own codes would not be the rounded truth
    data = _plain(_data(name, place, block, chosen))
    data |= {"clock": "stepped" if factor is None else "wall", "world": world}
    network = place.seat.network
    if network is not None and place.seat.address == 0:
        file = folder / "network.json"
        file.write_text(network.model_dump_json(), encoding="utf-8")
        data["network"] = file.name
    path = folder / f"{name}.yaml"
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    with path.open("w", encoding="utf-8") as out:
        yaml.dump(data, out)
    return path


def _data(name: str, place: Place, block: Mapping[str, Any], chosen: Bodies) -> dict[str, Any]:
    seat = place.seat
    return {
        "feedertwin_node": 1,
        "node": name,
        "customer": seat.terminal.name,
        "controller": place.controller,
        "settings": place.settings,
        "owner": seat.owner,
        "address": seat.address,
        "cell": seat.cell,
        "peers": seat.peers,
        "seed": seat.seed,
        "modem": seat.modem.model_dump(),
        "scale": block["meter"],
        "meters": _meters(seat, chosen["meter"], block["meter"]["adc_bits"]),
        "relays": _relays(seat, chosen["relay"]),
        "radio": {
            "body": chosen["radio"],
            **({"chip_select": 1} if chosen["radio"] == "emulated" else {}),
        },
        **({"persist": f"{name}.kept"} if seat.terminal.flash else {}),
        **({"thermometer": {"body": "simulated"}} if seat.terminal.temp_c is not None else {}),
        **({"inverter": _inverter(chosen["inverter"])} if seat.terminal.inverter else {}),
    }


def _meters(seat: NodeSeat, body: str, bits: int) -> dict[str, Any]:
    """Return the meters of a seat; those on a converter get two channels each."""
    blocks: dict[str, Any] = {}
    for k, meter in enumerate(seat.meters):
        own = {"chip": CHIPS.get(bits, "mcp3208"), "v_channel": 2 * k, "i_channel": 2 * k + 1}
        blocks[meter] = {"body": body, **(own if body == "emulated" else {})}
    return blocks


def _inverter(body: str) -> dict[str, Any]:
    if body != "emulated":
        return {"body": body}
    return {"body": body, "p_rated_kw": INVERTER_RATING[0], "e_rated_kwh": INVERTER_RATING[1]}


def _relays(seat: NodeSeat, body: str) -> dict[str, Any]:
    """Return the relays of a seat; those on pins get the pins of a usual relay board."""
    if body != "simulated" and len(seat.terminal.relays) > len(RELAY_PINS):
        count = len(seat.terminal.relays)
        problem = f"has {count} relays; an emulated board has {len(RELAY_PINS)}."
        fault = Fault("--node", seat.terminal.name, problem, "Add --body relay=simulated.")
        raise ScenarioError("node cannot be put on emulated hardware", [fault])
    pins = RELAY_PINS + (0,) * len(seat.terminal.relays)  # simulated ones need none
    blocks: dict[str, Any] = {}
    for relay, pin in zip(seat.terminal.relays, pins, strict=False):
        if relay == "tie":  # the anchor's way to the grid is others' to move
            blocks[relay] = {"given": True}
        else:
            own = {"pin": pin, "closed_at_start": seat.terminal.relays[relay]}
            blocks[relay] = {"body": body, **(own if body == "emulated" else {})}
    return blocks


def _plain(value: Any) -> Any:
    """Return what a YAML writer knows: mappings, lists, numbers, text."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
