"""The neighbourhood: one low-voltage street with its customers and PV plants, checked whole.

The compact description a co-simulation scenario is written in: one transformer, four-wire
cables of one kind each, customers with their shares of the phases. Class names follow the
Common Information Model (IEC 61970/61968); quantities end in their units; coordinates are
WGS 84. `gridmodel.network` is the general three-phase model for everything else, and a
neighbourhood can be turned into one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import cos, hypot, radians
from typing import Annotated, Protocol

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.errors import Fault, NetworkError
from gridmodel.settings import Settings, near

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]
Share = Annotated[float, Ge(0.0), Le(1.0)]

#: Resistance from a star point to ground, which a neighbourhood's data do not say. [ohm]
EARTHING_OHM = 1.0
#: Short-circuit level of the public grid that feeds a neighbourhood: stiff. [MVA]
GRID_MVA = 200.0

#: Metres in a degree of latitude (WGS 84 mean).
_M_PER_DEG = 111_195.0


class Bus(Settings):
    """A connectivity node."""

    name: str
    v_nominal_v: Positive = Field(description="nominal voltage between phases")
    lat: float = Field(0.0, description="latitude, WGS 84")
    lon: float = Field(0.0, description="longitude, WGS 84")


class LineCode(Settings):
    """A kind of four-wire cable, all four conductors alike."""

    name: str
    r_ohm_per_km: NonNegative = Field(description="positive-sequence resistance")
    x_ohm_per_km: NonNegative = Field(description="positive-sequence reactance")
    c_nf_per_km: NonNegative = Field(0.0, description="capacitance of a phase to ground")
    ampacity_a: Positive = Field(description="continuous current a conductor may carry")


class ACLineSegment(Settings):
    """A length of cable between two buses."""

    name: str
    bus_from: str
    bus_to: str
    length_km: Positive
    code: str = Field(description="name of its line code")


class PowerTransformer(Settings):
    """A two-winding Dyn transformer from medium to low voltage."""

    name: str
    hv_bus: str
    lv_bus: str
    s_kva: Positive = Field(description="rating")
    vk_percent: Positive = Field(description="short-circuit voltage")
    vkr_percent: NonNegative = Field(description="its resistive part")
    pfe_kw: NonNegative = Field(0.0, description="no-load loss")
    i0_percent: NonNegative = Field(0.0, description="no-load current")


class EnergyConsumer(Settings):
    """A customer: a house, a farm."""

    name: str
    bus: str
    phase_share_pu: tuple[Share, Share, Share] = Field(
        description="parts of its power on phases A, B, C; they add up to 1"
    )
    p_rated_kw: Positive = Field(description="power at a profile value of 1")
    q_rated_kvar: float = Field(0.0, description="reactive power at a profile value of 1")
    profile: str = Field(description="name of its load profile")
    origin: str = Field("", description="its name in the source data")


class PhotovoltaicUnit(Settings):
    """A PV plant with its inverter, three-phase, at a customer's bus."""

    name: str
    consumer: str = Field(description="the customer it belongs to")
    s_kva: Positive = Field(description="rating of the inverter")
    profile: str = Field(description="name of its generation profile")
    origin: str = Field("", description="its name in the source data")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class Neighbourhood(Settings):
    """A street behind one transformer.

    ``private_lines`` is a second network between the customers themselves (a citizen
    mesh); its line ends are names of customers, not buses.
    """

    name: str
    f_nominal_hz: Positive = 50.0
    source: str = Field("", description="where the data come from")
    buses: tuple[Bus, ...]
    line_codes: tuple[LineCode, ...] = ()
    lines: tuple[ACLineSegment, ...] = ()
    transformers: tuple[PowerTransformer, ...] = ()
    consumers: tuple[EnergyConsumer, ...] = ()
    photovoltaics: tuple[PhotovoltaicUnit, ...] = ()
    private_lines: tuple[ACLineSegment, ...] = ()

    @cached_property
    def bus(self) -> Mapping[str, Bus]:
        """Buses by name."""
        return {bus.name: bus for bus in self.buses}

    @cached_property
    def consumer(self) -> Mapping[str, EnergyConsumer]:
        """Customers by name."""
        return {consumer.name: consumer for consumer in self.consumers}

    @cached_property
    def line_code(self) -> Mapping[str, LineCode]:
        """Line codes by name."""
        return {code.name: code for code in self.line_codes}

    @cached_property
    def consumer_names(self) -> tuple[str, ...]:
        """Names of the customers, in order."""
        return tuple(consumer.name for consumer in self.consumers)

    @cached_property
    def pv_names(self) -> tuple[str, ...]:
        """Names of the PV plants, in order."""
        return tuple(plant.name for plant in self.photovoltaics)

    def position_m(self, consumer: str) -> tuple[float, float]:
        """Return a customer's place, east and north of the first bus. [m]"""
        origin = self.buses[0]
        bus = self.bus[self.consumer[consumer].bus]
        east = (bus.lon - origin.lon) * _M_PER_DEG * cos(radians(origin.lat))
        return east, (bus.lat - origin.lat) * _M_PER_DEG

    def distance_m(self, consumer_a: str, consumer_b: str) -> float:
        """Return the distance between two customers. [m]"""
        ax, ay = self.position_m(consumer_a)
        bx, by = self.position_m(consumer_b)
        return hypot(ax - bx, ay - by)


def check_neighbourhood(network: Neighbourhood, where: str) -> None:
    """Refuse a network that cannot exist or cannot be solved.

    Parameters
    ----------
    network : Neighbourhood
        The network.
    where : str
        The file it comes from, for the fault list.

    Raises
    ------
    NetworkError
        With every fault: duplicate names, references to nothing, phase shares that do
        not add up to 1, parts that are not connected to the source.
    """
    faults = [
        *_duplicates(network, where),
        *_dangling(network, where),
        *_shares(network, where),
    ]
    if not faults:  # connectivity needs references that hold
        faults = [*_unconnected(network, where)]
    if faults:
        raise NetworkError(f"network '{network.name}' cannot be used", faults)


def _groups(network: Neighbourhood) -> Mapping[str, Sequence[_Named]]:
    return {
        "buses": network.buses,
        "line_codes": network.line_codes,
        "lines": network.lines,
        "transformers": network.transformers,
        "consumers": network.consumers,
        "photovoltaics": network.photovoltaics,
        "private_lines": network.private_lines,
    }


def _duplicates(network: Neighbourhood, where: str) -> Iterable[Fault]:
    for group, elements in _groups(network).items():
        seen: set[str] = set()
        for element in elements:
            if element.name in seen:
                yield Fault(where, group, f"the name '{element.name}' is there twice.")
            seen.add(element.name)


def _dangling(network: Neighbourhood, where: str) -> Iterable[Fault]:
    for owner, field, name, known in _references(network):
        if name not in known:
            problem = f"'{name}' does not exist."
            yield Fault(where, f"{owner}.{field}", problem, near(name, known))


def _references(network: Neighbourhood) -> Iterable[tuple[str, str, str, Mapping[str, object]]]:
    """Yield who refers, by which field, to which name, among which names."""
    for line in network.lines:
        yield line.name, "bus_from", line.bus_from, network.bus
        yield line.name, "bus_to", line.bus_to, network.bus
    for line in network.private_lines:
        yield line.name, "bus_from", line.bus_from, network.consumer
        yield line.name, "bus_to", line.bus_to, network.consumer
    for line in (*network.lines, *network.private_lines):
        yield line.name, "code", line.code, network.line_code
    for transformer in network.transformers:
        yield transformer.name, "hv_bus", transformer.hv_bus, network.bus
        yield transformer.name, "lv_bus", transformer.lv_bus, network.bus
    for consumer in network.consumers:
        yield consumer.name, "bus", consumer.bus, network.bus
    for plant in network.photovoltaics:
        yield plant.name, "consumer", plant.consumer, network.consumer


def _shares(network: Neighbourhood, where: str) -> Iterable[Fault]:
    for consumer in network.consumers:
        total = sum(consumer.phase_share_pu)
        if abs(total - 1.0) > 1e-9:
            yield Fault(
                where,
                f"{consumer.name}.phase_share_pu",
                f"the shares add up to {total:g} pu.",
                "They must add up to 1.",
            )


def _unconnected(network: Neighbourhood, where: str) -> Iterable[Fault]:
    if not network.transformers:
        yield Fault(where, "transformers", "there is none.", "One feeds the network.")
        return
    edges = [(line.bus_from, line.bus_to) for line in network.lines]
    edges += [(transformer.hv_bus, transformer.lv_bus) for transformer in network.transformers]
    reached = reachable(network.transformers[0].hv_bus, edges)
    for bus in network.buses:
        if bus.name not in reached:
            yield Fault(
                where,
                f"buses.{bus.name}",
                "it is not connected to the transformer.",
                "Add a line, or take the bus out.",
            )
    if network.private_lines:
        ends = [(line.bus_from, line.bus_to) for line in network.private_lines]
        reached = reachable(ends[0][0], ends)
        for name in network.consumer_names:
            if name not in reached:
                yield Fault(
                    where,
                    f"consumers.{name}",
                    "no private line reaches it.",
                    "Add a private line to it.",
                )


def reachable(start: str, edges: Iterable[tuple[str, str]]) -> set[str]:
    """Return the nodes connected to ``start`` by undirected edges."""
    neighbours: dict[str, list[str]] = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    reached = {start}
    frontier = [start]
    while frontier:
        for neighbour in neighbours.get(frontier.pop(), ()):
            if neighbour not in reached:
                reached.add(neighbour)
                frontier.append(neighbour)
    return reached
