"""CIM reader: a network out of CIM RDF/XML, as GridAPPS-D, CGMES and OpenDSS write it.

IEC 61970-301 and 61968-11; the profile of GridAPPS-D (CIM100) is read in full as far as
the network model holds it, the older CDPSM export of OpenDSS (CIM15) and CGMES's bus-branch
and node-breaker files as far as they share it. What is read past is told by kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.cim_controls import Controls
from gridmodel.ingest.cim_dialect import dialect_of
from gridmodel.ingest.cim_equipment import Equipment
from gridmodel.ingest.cim_graph import Graph, read_graph
from gridmodel.ingest.cim_lines import Lines
from gridmodel.ingest.cim_places import Places
from gridmodel.ingest.cim_shunts import Shunts
from gridmodel.ingest.cim_transformers import Transformers
from gridmodel.ingest.notices import Notice
from gridmodel.network.checks import check
from gridmodel.network.network import Network


def read_cim(path: Path, f_nominal_hz: float | None = None) -> tuple[Network, tuple[Notice, ...]]:
    """Return the network in a CIM file, checked whole, and what was read past.

    Parameters
    ----------
    path : Path
        An XML file, a zip file of them, or a folder of them (CGMES's profiles).
    f_nominal_hz : float, optional
        Nominal frequency, which most files do not say. [Hz]

    Returns
    -------
    tuple
        The network, and notices: every class and property that is not read, once a kind
        with its number and first place, and everything that was assumed or changed.

    Raises
    ------
    NetworkError
        With every fault of the file: broken XML, references to nothing, missing terminals
        and values, impossible values.
    """
    graph = read_graph(path)
    title = f"CIM file {path.name} cannot be used"
    network = _network(graph, f_nominal_hz)
    if graph.faults:
        raise NetworkError(title, dict.fromkeys(graph.faults))
    if network is None:
        problem = "holds no equipment at a bus."
        raise NetworkError(title, [Fault(str(path), "", problem, "Give a network model.")])
    check(network, str(path))
    return network, graph.report()


def _network(graph: Graph, f_hz: float | None) -> Network | None:
    dialect = dialect_of(graph, f_hz)
    places = Places(graph, dialect)
    places.find_voltages()
    lines = Lines(places)
    conductors = {
        "lines": lines.lines(),
        "switches": lines.switches(),
        "series_compensators": lines.series(),
    }
    found = Transformers(places)
    transformers = found.transformers()
    neutrals = {
        bus
        for group in conductors.values()
        for conductor in group
        if "N" in conductor.phases
        for bus in (conductor.bus_from, conductor.bus_to)
    } | {end.bus for transformer in transformers for end in transformer.ends if "N" in end.nodes}
    equipment = Equipment(places, Shunts(places, neutrals))
    capacitors = equipment.capacitors()
    controls = Controls(places, found)
    fields: dict[str, Any] = {
        **conductors,
        "transformers": transformers,
        "energy_sources": equipment.sources(),
        "consumers": equipment.consumers(),
        "capacitors": capacitors,
        "inverters": equipment.inverters(),
        "machines": equipment.machines(),
        "groundings": (*found.groundings, *equipment.groundings()),
        "tap_controls": controls.taps({t.name: t for t in transformers}),
        "capacitor_controls": controls.capacitors(capacitors),
    }
    buses = places.buses()
    if graph.faults or not buses:
        return None
    return Network(
        name=_name(graph),
        f_nominal_hz=dialect.f_hz,
        coordinates=_coordinates(graph),
        source=str(graph.path),
        buses=buses,
        impedances=tuple(lines.impedances.values()),
        **fields,
    )


def _name(graph: Graph) -> str:
    for item in graph.of("Feeder", "Line", "Substation"):
        graph.ask(item)
        return item.name
    return graph.path.stem


def _coordinates(graph: Graph) -> str:
    for item in graph.of("CoordinateSystem"):
        return graph.text(item, "CoordinateSystem.crsUrn") or ""
    return ""
