"""Wires: kinds of line of a CIM file that are given by conductors and their places."""

from __future__ import annotations

from dataclasses import replace

from gridmodel.ingest.carson import (
    Shield,
    Wire,
    capacitance,
    concentric_neutral,
    series_impedance,
    tape_shield,
)
from gridmodel.ingest.cim_graph import CimObject, Graph
from gridmodel.ingest.cim_places import Places
from gridmodel.network.conductors import PerLengthPhaseImpedance


def wire_infos(graph: Graph, line: CimObject, phases: list[CimObject]) -> list[CimObject | None]:
    """Return the wire of each phase of a line, its own or its asset's."""
    shared = _asset_info(graph, line, "Wire", "Cable")
    return [
        graph.ref(phase, "ACLineSegmentPhase.WireInfo")
        or _asset_info(graph, phase, "Wire", "Cable")
        or shared
        for phase in phases
    ]


def spacing_of(graph: Graph, line: CimObject) -> CimObject | None:
    """Return how a line's wires are spaced, if it says so."""
    return graph.ref(line, "ACLineSegment.WireSpacingInfo") or _asset_info(graph, line, "Spacing")


def _asset_info(graph: Graph, item: CimObject, *parts: str) -> CimObject | None:
    """Return the data sheet that an asset ties to an object."""
    direct = graph.refs(item, "PowerSystemResource.AssetDatasheet")
    assets = graph.back(item, "Asset.PowerSystemResources")
    for info in (*direct, *(graph.ref(asset, "Asset.AssetInfo") for asset in assets)):
        if info is not None and any(part in info.kind for part in parts):
            return info
    return None


def impedance_of_wires(
    places: Places, line: CimObject, name: str, keep: int, infos: list[CimObject | None]
) -> PerLengthPhaseImpedance | None:
    """Return the impedance of a line that is given by its wires; None, with a fault, if not.

    Parameters
    ----------
    places : Places
        The file.
    line : CimObject
        The line.
    name : str
        Name of the new kind of line.
    keep : int
        Number of its phases; what comes after them are neutrals.
    infos : list
        The wire of each of its conductors.
    """
    graph = places.graph
    spacing = spacing_of(graph, line)
    if spacing is None:
        return None
    positions = graph.back(spacing, "WirePosition.WireSpacingInfo")
    positions.sort(key=lambda item: graph.number(item, "WirePosition.sequenceNumber") or 0.0)
    if len(positions) < len(infos) or None in infos:
        problem = f"'{spacing.name}' has {len(positions)} places for {len(infos)} conductors"
        graph.fault(line, "WireSpacingInfo", f"{problem}, or a wire is missing.", "Add them.")
        return None
    wires = [
        _placed(graph, _wire(graph, info), position)
        for info, position in zip(infos, positions, strict=False)
        if info is not None
    ]
    if any(w.gmr_m <= 0.0 or w.radius_m <= 0.0 or w.r_ohm_per_km < 0.0 for w in wires):
        graph.fault(line, "WireInfo", "gmr, radius or resistance is not positive.", "Mend it.")
        return None
    try:
        z = series_impedance(wires, keep, places.dialect.f_hz)
        c = capacitance(wires, keep)
    except ZeroDivisionError:
        graph.fault(line, "WireSpacingInfo", "two wires are at one place.", "Part them.")
        return None
    graph.note(line, line.kind, "its impedance is computed from its wires by Carson's equations")
    return places.make(
        PerLengthPhaseImpedance,
        line,
        name=name,
        r_ohm_per_km=tuple(map(tuple, z.real.tolist())),
        x_ohm_per_km=tuple(map(tuple, z.imag.tolist())),
        c_nf_per_km=tuple(map(tuple, c.tolist())),
        ampacity_a=_ampacity(graph, infos[:keep]),
    )


def _ampacity(graph: Graph, infos: list[CimObject | None]) -> float:
    rated = [graph.number(info, "WireInfo.ratedCurrent") for info in infos if info is not None]
    return min((value for value in rated if value is not None and value > 0.0), default=0.0)


def _wire(graph: Graph, info: CimObject) -> Wire:
    """Return a wire, not yet at its place."""
    r_keys = ("WireInfo.rAC50", "WireInfo.rAC25", "WireInfo.rAC75", "WireInfo.rDC20")
    core = graph.number(info, "CableInfo.diameterOverCore") or 0.0
    radius = graph.number(info, "WireInfo.radius") or 0.0
    wire = Wire(
        0.0,
        0.0,
        (graph.number(info, *r_keys) or 0.0) * 1e3,
        graph.needed(info, "WireInfo.gmr"),
        radius or core / 2.0,
    )
    shield = _shield(graph, info)
    if shield is None:
        return wire
    return replace(
        wire,
        # The field begins at the screen on the core, not at its strands.
        radius_m=core / 2.0 or radius,
        shield=shield,
        insulation_m=graph.needed(info, "CableInfo.diameterOverInsulation") / 2.0,
        permittivity=graph.number(info, "CableInfo.relativePermittivity") or 2.3,
    )


def _shield(graph: Graph, info: CimObject) -> Shield | None:
    if info.kind == "ConcentricNeutralCableInfo":
        key = "ConcentricNeutralCableInfo."
        return concentric_neutral(
            int(graph.needed(info, f"{key}neutralStrandCount")),
            graph.needed(info, f"{key}neutralStrandRDC20") * 1e3,
            graph.needed(info, f"{key}neutralStrandGmr"),
            graph.needed(info, f"{key}diameterOverNeutral"),
            2.0 * graph.needed(info, f"{key}neutralStrandRadius"),
        )
    if info.kind == "TapeShieldCableInfo":
        return tape_shield(
            graph.needed(info, "CableInfo.diameterOverScreen"),
            graph.needed(info, "TapeShieldCableInfo.tapeThickness"),
            graph.number(info, "TapeShieldCableInfo.tapeLap") or 0.0,
        )
    return None


def _placed(graph: Graph, wire: Wire, position: CimObject) -> Wire:
    return replace(
        wire,
        x_m=graph.needed(position, "WirePosition.xCoord"),
        y_m=graph.needed(position, "WirePosition.yCoord"),
    )
