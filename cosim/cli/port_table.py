"""Port table: what a part receives and sends, for ``feedertwin explain``.

Ports follow from a part's keys and from the network, so a model by itself is shown as a bundled
scenario has it, or as it is built from its defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cosim import registry
from cosim.cli.console import out, print_table
from cosim.node.programs import make_program
from cosim.scenario import bundled
from cosim.scenario.build import load
from cosim.scenario.document import read
from gridmodel.errors import FeedertwinError
from gridmodel.federate import BuildContext, Federate, Port, Signal
from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.settings import parse
from gridmodel.units import US_PER_S

#: Keys that a model of ours must have, where no bundled scenario has it.
_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "formed_street": {"formers": {"anchor": {"s_kva": 60.0}}},
    "lora_mesh": {"path_loss": "oulu", "fleets": {"nodes": {}}},
    "lora_star": {
        "path_loss": "oulu",
        "fleets": {"nodes": {}, "masts": {"at": ["house_02"]}},
        "gateways": "masts",
    },
    "standard_inverters": {"s_kva": {"roof": 10.0}},
}
#: Bundled scenario whose network a part is built on that cannot do without.
_NETWORK_OF = "street_island"
COLUMNS = ("port", "", "unit", "shape", "meaning")


def print_ports(title: str, federate: Federate) -> None:
    """Print the inputs and the outputs of a part as one table."""
    rows = [_row(port, "in") for port in federate.inputs]
    rows += [_row(port, "out") for port in federate.outputs]
    if rows:
        print_table(f"ports of {title}", COLUMNS, rows)
        out.print()


def print_ports_of_model(name: str) -> None:
    """Print the ports of a model without a scenario, and where they are from."""
    found = _in_a_scenario(name) or _from_defaults(name)
    if found is None:
        out.print(
            f"ports: they follow from its keys; 'feedertwin explain SCENARIO' shows those of a "
            f"part with model {name}",
            soft_wrap=True,
        )
        return
    federate, origin = found
    print_ports(f"{name}, {origin}", federate)


def _row(port: Port, way: str) -> tuple[str, ...]:
    if not isinstance(port, Signal):
        return (port.name, way, "messages", "", port.about)
    unit = port.unit or {bool: "yes/no", int: "number"}.get(port.dtype, "1")
    initial = "" if port.initial is None or way == "out" else f"; {port.initial:g} at first"
    return (port.name, way, unit, _shape(port), f"{port.about}{initial}")


def _shape(port: Signal) -> str:
    """Return a port's shape: ``3 x 2``, ``any``, and the first of its elements' names."""
    if port.shape is None:
        return "any"
    lengths = " x ".join("any" if length is None else str(length) for length in port.shape)
    more = ", ..." if len(port.labels) > 1 else ""
    return f"{lengths} ({port.labels[0]}{more})" if port.labels else lengths


def _in_a_scenario(name: str) -> tuple[Federate, str] | None:
    """Return a part of a bundled scenario with this model."""
    for scenario in bundled.names():
        path = bundled.find(scenario)
        assert path is not None
        for part, block in read(path).data["federates"].items():
            if block.get("model") == name:
                return load(path).federation[part].federate, f"as in {scenario}"
    return None


def _from_defaults(name: str) -> tuple[Federate, str] | None:
    """Return a part with all keys left out, or with the least it must have."""
    keys = _EXAMPLES.get(name, {})
    cls: Any = registry.load(registry.FEDERATES, name)
    street = bundled.find(_NETWORK_OF) if cls.needs_network else None
    network = read_neighbourhood(street.parent / "network.json") if street is not None else None
    context = BuildContext(name, 0, {}, network, 3600 * US_PER_S, 0.0, make_program)
    try:
        federate: Federate = cls.build(parse(cls.Config, keys), context)
    except (ValidationError, FeedertwinError):
        return None
    federate.close()
    origin = f"with {json.dumps(keys)}" if keys else "by its defaults"
    return (federate, origin) if federate.inputs or federate.outputs else None
