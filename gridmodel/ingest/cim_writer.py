"""CIM writer: a network as CIM100 RDF/XML in the profile of GridAPPS-D.

Identifiers are made from names, so that the same network gives the same file. What our
model holds and the profile does not is told; `gridmodel.ingest.cim_reader` reads it back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from pathlib import Path

from gridmodel.ingest.cim_document import Choice, Document, Plain, Ref
from gridmodel.ingest.cim_places import SWITCHES
from gridmodel.ingest.cim_write_shunts import Shunts
from gridmodel.ingest.cim_write_transformers import write_transformers
from gridmodel.ingest.notices import Notice
from gridmodel.network.conductors import ACLineSegment, Conductor, PerLengthPhaseImpedance, Switch
from gridmodel.network.controls import ShuntCompensatorControl
from gridmodel.network.equipment import EnergySource
from gridmodel.network.network import Network

_KIND_OF: Mapping[str, str] = {kind: name for name, kind in reversed(list(SWITCHES.items()))}
_MODE_OF: Mapping[str, str] = {
    "voltage": "voltage",
    "current": "currentFlow",
    "kvar": "reactivePower",
    "power_factor": "powerFactor",
    "time": "timeScheduled",
}


def write_cim(network: Network, path: Path) -> tuple[Notice, ...]:
    """Write a network as a CIM100 file.

    Parameters
    ----------
    network : Network
        A network that `gridmodel.network.checks.check` lets pass.
    path : Path
        The file to write.

    Returns
    -------
    tuple of Notice
        What the format cannot hold, once a kind with its number and first element.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    document = Document(network)
    split = split_phase_buses(network)
    _header(document)
    _buses(document)
    for source in network.energy_sources:
        _source(document, source)
    for impedance in network.impedances:
        _impedance(document, impedance)
    for line in network.lines:
        _line(document, line, split)
    for switch in network.switches:
        _switch(document, switch, split)
    _series(document)
    _groundings(document)
    shunts = Shunts(document, split)
    shunts.delay_s = {c.capacitor: float(c.delay_s) for c in network.capacitor_controls}
    shunts.write()
    write_transformers(document, split)
    for control in network.capacitor_controls:
        _capacitor_control(document, control)
    for curve in network.inverter_controls:
        document.note(curve, "InverterControl", "is not written")
    document.save(path)
    return document.notices()


def split_phase_buses(network: Network) -> frozenset[str]:
    """Return the buses behind centre-tapped transformers, whose nodes are two legs.

    Their nodes A and B are 180 degrees apart, and called s1 and s2 in CIM.
    """
    found = {
        end.bus
        for transformer in network.transformers
        if len(transformer.ends) == 3
        and {end.nodes for end in transformer.ends[1:]} == {"A0", "0B"}
        for end in transformer.ends[1:]
    }
    near: dict[str, list[str]] = {}
    for conductor in network.conductors:
        near.setdefault(conductor.bus_from, []).append(conductor.bus_to)
        near.setdefault(conductor.bus_to, []).append(conductor.bus_from)
    queue = list(found)
    while queue:
        fresh = [bus for bus in near.get(queue.pop(), ()) if bus not in found]
        found.update(fresh)
        queue += fresh
    return frozenset(found)


def _header(document: Document) -> None:
    network = document.network
    version = "IEC61970CIMVersion"
    document.add(
        version,
        "version",
        {f"{version}.version": "IEC61970CIM100", f"{version}.date": "2019-04-01"},
    )
    document.add(
        "BaseFrequency", "frequency", {"BaseFrequency.frequency": float(network.f_nominal_hz)}
    )
    if network.coordinates:
        document.add("CoordinateSystem", "crs", {"CoordinateSystem.crsUrn": network.coordinates})
    region = document.add("GeographicalRegion", "region", {})
    sub_region = document.add(
        "SubGeographicalRegion", "subregion", {"SubGeographicalRegion.Region": region}
    )
    substation = document.add("Substation", "substation", {"Substation.Region": sub_region})
    document.add("Feeder", network.name, {"Feeder.NormalEnergizingSubstation": substation})


def _buses(document: Document) -> None:
    for bus in document.network.buses:
        node = document.add(
            "TopologicalNode",
            bus.name,
            {"TopologicalNode.BaseVoltage": document.base(bus.v_nominal_v)},
        )
        feeder = document.ref("Feeder", document.network.name)
        document.add(
            "ConnectivityNode",
            bus.name,
            {
                "ConnectivityNode.TopologicalNode": node,
                "ConnectivityNode.ConnectivityNodeContainer": feeder,
            },
        )
    used = {bus for c in document.network.conductors for bus in (c.bus_from, c.bus_to)}
    used |= {end.bus for t in document.network.transformers for end in t.ends}
    used |= {element.bus for element in document.network.at_buses}
    used |= {source.bus for source in document.network.energy_sources}
    for bus in document.network.buses:
        if bus.x is not None and bus.name not in used:
            text = "coordinates of a bus without equipment have no place in CIM"
            document.note(bus, "Bus", text)


def _source(document: Document, source: EnergySource) -> None:
    own = "EnergySource."
    key = document.equipment(
        "EnergySource",
        source,
        [source.bus],
        {
            "ConductingEquipment.BaseVoltage": document.base(source.v_nominal_v),
            f"{own}nominalVoltage": float(source.v_nominal_v),
            f"{own}voltageMagnitude": source.v_nominal_v * source.v_pu,
            f"{own}voltageAngle": math.radians(source.angle_deg),
            f"{own}r": float(source.r1_ohm),
            f"{own}x": float(source.x1_ohm),
            f"{own}r0": float(source.r0_ohm),
            f"{own}x0": float(source.x0_ohm),
        },
    )
    if source.nodes != "ABC":
        for phase in source.nodes.replace("0", ""):
            document.add(
                "EnergySourcePhase",
                f"{source.name}_{phase}",
                {
                    "EnergySourcePhase.phase": Choice(f"SinglePhaseKind.{phase}"),
                    "EnergySourcePhase.EnergySource": key,
                },
            )


def _impedance(document: Document, kind: PerLengthPhaseImpedance) -> None:
    size = len(kind.r_ohm_per_km)
    key = document.add(
        "PerLengthPhaseImpedance", kind.name, {"PerLengthPhaseImpedance.conductorCount": size}
    )
    siemens = 2.0 * math.pi * document.network.f_nominal_hz * 1e-9
    own = "PhaseImpedanceData."
    for i in range(size):
        for j in range(i + 1):
            c = kind.c_nf_per_km[i][j] if kind.c_nf_per_km else 0.0
            document.add(
                "PhaseImpedanceData",
                f"{kind.name}_{i + 1}_{j + 1}",
                {
                    f"{own}PhaseImpedance": key,
                    f"{own}row": i + 1,
                    f"{own}column": j + 1,
                    f"{own}r": kind.r_ohm_per_km[i][j] / 1e3,
                    f"{own}x": kind.x_ohm_per_km[i][j] / 1e3,
                    f"{own}b": c * siemens / 1e3,
                },
            )


def _phase(node: str, bus: str, split: Set[str]) -> Choice:
    name = {"A": "s1", "B": "s2"}.get(node, node) if bus in split else node
    return Choice(f"SinglePhaseKind.{name}")


def _ends(document: Document, conductor: Conductor) -> tuple[list[str], dict[str, Plain]]:
    """Return the buses of a conductor and its base voltage."""
    bus = document.network.bus[conductor.bus_from]
    base = {"ConductingEquipment.BaseVoltage": document.base(bus.v_nominal_v)}
    return [conductor.bus_from, conductor.bus_to], dict(base)


def _line(document: Document, line: ACLineSegment, split: Set[str]) -> None:
    buses, base = _ends(document, line)
    kind = document.network.impedance[line.impedance]
    if line.phases_to not in (None, line.phases):
        document.note(line, "ACLineSegment: phases_to", "has no place in CIM")
    key = document.equipment(
        "ACLineSegment",
        line,
        buses,
        {
            **base,
            "Conductor.length": line.length_km * 1e3,
            "ACLineSegment.PerLengthImpedance": document.ref("PerLengthPhaseImpedance", kind.name),
        },
        line.ampacity_a or kind.ampacity_a,
    )
    for number, node in enumerate(line.phases, 1):
        document.add(
            "ACLineSegmentPhase",
            f"{line.name}_{node}",
            {
                "ACLineSegmentPhase.phase": _phase(node, line.bus_from, split),
                "ACLineSegmentPhase.sequenceNumber": number,
                "ACLineSegmentPhase.ACLineSegment": key,
            },
        )


def _switch(document: Document, switch: Switch, split: Set[str]) -> None:
    buses, base = _ends(document, switch)
    for name in ("r_ohm", "x_ohm"):
        if getattr(switch, name) != Switch.model_fields[name].default:
            document.note(switch, f"Switch: {name}", "has no place in CIM")
    key = document.equipment(
        _KIND_OF[switch.kind],
        switch,
        buses,
        {
            **base,
            "Switch.normalOpen": switch.open,
            "Switch.open": switch.open,
            "Switch.retained": True,
            "Switch.ratedCurrent": float(switch.ampacity_a) or None,
        },
    )
    if switch.phases == "ABC" and switch.phases_to in (None, "ABC"):
        return
    for one, other in zip(switch.phases, switch.phases_to or switch.phases, strict=True):
        document.add(
            "SwitchPhase",
            f"{switch.name}_{one}",
            {
                "SwitchPhase.closed": not switch.open,
                "SwitchPhase.normalOpen": switch.open,
                "SwitchPhase.phaseSide1": _phase(one, switch.bus_from, split),
                "SwitchPhase.phaseSide2": _phase(other, switch.bus_to, split),
                "SwitchPhase.Switch": key,
            },
        )


def _series(document: Document) -> None:
    own = "SeriesCompensator."
    for element in document.network.series_compensators:
        buses, base = _ends(document, element)
        if element.phases_to not in (None, element.phases):
            document.note(element, "SeriesCompensator: phases_to", "has no place in CIM")
        r, x = float(element.r_ohm), float(element.x_ohm)
        document.equipment(
            "SeriesCompensator",
            element,
            buses,
            {**base, f"{own}r": r, f"{own}x": x, f"{own}r0": r, f"{own}x0": x},
            element.ampacity_a,
            element.phases if element.phases != "ABC" else "",
        )


def _groundings(document: Document) -> None:
    for element in document.network.groundings:
        values = {
            "EarthFaultCompensator.r": float(element.r_ohm),
            "GroundingImpedance.x": float(element.x_ohm),
        }
        document.equipment(
            "GroundingImpedance", element, [element.bus], values, phases=element.node
        )


def _capacitor_control(document: Document, control: ShuntCompensatorControl) -> None:
    kind = "ShuntCompensatorControl"
    if control.delay_off_s != control.delay_s:
        document.note(control, f"{kind}: delay_off_s", "has no place in CIM")
    for name in ("dead_time_s", "v_override"):
        if getattr(control, name) != ShuntCompensatorControl.model_fields[name].default:
            document.note(control, f"{kind}: {name}", "has no place in CIM")
    ratio = {"voltage": control.pt_ratio, "current": control.ct_ratio, "kvar": 1e3}
    factor = ratio.get(control.mode, 1.0)
    own = "RegulatingControl."
    document.add(
        "RegulatingControl",
        control.name,
        {
            f"{own}RegulatingCondEq": document.ref("LinearShuntCompensator", control.capacitor),
            f"{own}Terminal": _looked_at(document, control),
            f"{own}monitoredPhase": Choice(f"PhaseCode.{control.node}") if control.node else None,
            f"{own}mode": Choice(f"RegulatingControlModeKind.{_MODE_OF[control.mode]}"),
            f"{own}discrete": True,
            f"{own}enabled": True,
            f"{own}targetValue": factor * (control.on + control.off) / 2.0,
            f"{own}targetDeadband": factor * (control.off - control.on),
        },
    )


def _looked_at(document: Document, control: ShuntCompensatorControl) -> Ref:
    network = document.network
    name = control.element
    if name in network.group("transformers"):
        return document.terminal("PowerTransformer", name, control.terminal)
    switch = network.group("switches").get(name)
    if switch is not None:
        return document.terminal(_KIND_OF[switch.kind], name, control.terminal)
    if name:
        return document.terminal("ACLineSegment", name, control.terminal)
    return document.terminal("LinearShuntCompensator", control.capacitor, 1)
