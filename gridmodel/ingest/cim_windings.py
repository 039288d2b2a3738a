"""Windings: what a CIM file says of a transformer's ends, and the impedances between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from gridmodel.ingest.cim_graph import CimObject
from gridmodel.ingest.cim_places import Places
from gridmodel.network.element import Connection


@dataclass(slots=True)
class Winding:
    """An end of a transformer, as far as it is known."""

    item: CimObject
    bus: str
    nodes: str
    connection: Connection
    volts: float
    va: float
    r_ohm: float | None
    x_ohm: float | None
    clock: int
    info: CimObject | None = None
    terminal: CimObject | None = None

    @property
    def z_ohm(self) -> float:
        """Impedance on which its percentages rest."""
        return self.volts**2 / self.va


def leakage(places: Places, item: CimObject, windings: list[Winding]) -> tuple[float, ...] | None:
    """Return the leakage reactances between ends, on the rating of the first. [%]"""
    graph = places.graph
    base_va = windings[0].va
    found: list[float] = []
    for one, other in combinations(windings, 2):
        x_pu = _of_mesh(places, one, other, base_va)
        if x_pu is None:
            x_pu = _of_test(places, one, other, base_va)
        if x_pu is None:
            x_pu = _of_own(places, one, other, base_va)
        if x_pu is None:
            problem = f"nothing gives the reactance between {one.item.name} and "
            advice = "Give a TransformerMeshImpedance or a ShortCircuitTest."
            graph.fault(item, "", f"{problem}{other.item.name}.", advice)
            return None
        found.append(100.0 * x_pu)
    # What is not a number has had its fault already.
    return None if any(x != x for x in found) else tuple(found)


def _of_mesh(places: Places, one: Winding, other: Winding, base_va: float) -> float | None:
    graph = places.graph
    for start, stop in ((one, other), (other, one)):
        for mesh in graph.back(start.item, "TransformerMeshImpedance.FromTransformerEnd"):
            if stop.item not in graph.refs(mesh, "TransformerMeshImpedance.ToTransformerEnd"):
                continue
            r = graph.number(mesh, "TransformerMeshImpedance.r") or 0.0
            _share(one, other, r * base_va / start.volts**2, base_va)
            x = graph.needed(mesh, "TransformerMeshImpedance.x")
            return x * base_va / start.volts**2
    return None


def _of_test(places: Places, one: Winding, other: Winding, base_va: float) -> float | None:
    graph = places.graph
    for start, stop in ((one, other), (other, one)):
        if start.info is None or stop.info is None:
            continue
        for test in graph.back(start.info, "ShortCircuitTest.EnergisedEnd"):
            if graph.refs(test, "ShortCircuitTest.GroundedEnds") != [stop.info]:
                continue
            per_unit = base_va / start.volts**2
            watts = places.dialect.watts
            z = graph.needed(test, "ShortCircuitTest.leakageImpedance") * per_unit
            tested_va = (graph.number(test, "TransformerTest.basePower") or 0.0) * watts
            loss_w = (graph.number(test, "ShortCircuitTest.loss") or 0.0) * 1e3
            # The loss is measured at the power of the test.
            r = loss_w / tested_va * base_va / tested_va if tested_va > 0.0 else 0.0
            _share(one, other, r, base_va)
            return (z**2 - r**2) ** 0.5 if z > r else z
    return None


def _of_own(places: Places, one: Winding, other: Winding, base_va: float) -> float | None:
    """Return the reactance of ends that bear their own (a star), as in CGMES."""
    if one.x_ohm is None and other.x_ohm is None:
        return None
    return sum((w.x_ohm or 0.0) * base_va / w.volts**2 for w in (one, other))


def core(places: Places, first: Winding) -> tuple[float, float]:
    """Return no-load loss and magnetising current of a transformer. [%]"""
    graph = places.graph
    for item in graph.back(first.item, "TransformerCoreAdmittance.TransformerEnd"):
        g = graph.number(item, "TransformerCoreAdmittance.g") or 0.0
        b = graph.number(item, "TransformerCoreAdmittance.b") or 0.0
        return 100.0 * g * first.z_ohm, 100.0 * abs(b) * first.z_ohm
    if first.info is not None:
        for test in graph.back(first.info, "NoLoadTest.EnergisedEnd"):
            loss_w = (graph.number(test, "NoLoadTest.loss") or 0.0) * 1e3
            current = graph.number(test, "NoLoadTest.excitingCurrent") or 0.0
            loss = 100.0 * loss_w / first.va
            rest = current**2 - loss**2
            return loss, rest**0.5 if rest > 1e-9 * loss**2 else 0.0
    g = graph.number(first.item, "PowerTransformerEnd.g") or 0.0
    b = graph.number(first.item, "PowerTransformerEnd.b") or 0.0
    return 100.0 * g * first.z_ohm, 100.0 * abs(b) * first.z_ohm


def _share(one: Winding, other: Winding, r_pu: float, base_va: float) -> None:
    """Give two ends without a resistance half each of that between them."""
    if one.r_ohm is None and other.r_ohm is None:
        for winding in (one, other):
            winding.r_ohm = r_pu / 2.0 * winding.volts**2 / base_va
