"""Equipment at one bus: sources, consumers, capacitors, generators, earthing.

Ratings of what consumes are drawn power and positive, as on a name plate; power at a port
of a simulator is injection (see docs/decisions/0002).
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, model_validator

from gridmodel.network.element import Connection, Element, Nodes, NonNegative, Positive, coils
from gridmodel.settings import Settings

Share = Annotated[float, Ge(-10.0), Le(10.0)]


class AtBus(Element):
    """Equipment whose phases are connected to the nodes of one bus."""

    bus: str
    nodes: Nodes = Field("ABC0", description="its terminals; of a wye the last is the star point")
    connection: Connection = Field("wye", description="of its phases")

    @model_validator(mode="after")
    def _terminals(self) -> AtBus:
        if len(set(self.nodes)) != len(self.nodes) or len(self.nodes) < 2:
            raise ValueError(f"terminals '{self.nodes}' must be two or more different ones")
        return self

    @property
    def coils(self) -> tuple[tuple[str, str], ...]:
        """Pairs of nodes its phases lie between."""
        return coils(self.nodes, self.connection)


class Rated(AtBus):
    """Equipment with a rated voltage."""

    v_rated_v: Positive = Field(
        description="rated voltage: of one phase its own, of two or three between phases"
    )

    @property
    def coil_v(self) -> float:
        """Rated voltage of one phase of it. [V]"""
        several = self.connection == "wye" and len(self.coils) > 1
        return self.v_rated_v / 3**0.5 if several else float(self.v_rated_v)


class EnergySource(Element):
    """The public grid: a voltage behind an impedance."""

    bus: str
    nodes: Nodes = Field("ABC", description="its phases")
    v_nominal_v: Positive = Field(description="nominal voltage between phases")
    v_pu: Positive = Field(1.0, description="voltage behind the impedance, of nominal")
    angle_deg: float = Field(0.0, description="angle of the first phase")
    r1_ohm: NonNegative = Field(0.0, description="positive-sequence resistance")
    x1_ohm: NonNegative = Field(1e-6, description="positive-sequence reactance")
    r0_ohm: NonNegative = Field(0.0, description="zero-sequence resistance")
    x0_ohm: NonNegative = Field(1e-6, description="zero-sequence reactance")

    @model_validator(mode="after")
    def _phases(self) -> EnergySource:
        if len(set(self.nodes)) != len(self.nodes) or not set(self.nodes) <= set("ABC"):
            raise ValueError(f"its phases '{self.nodes}' must be different ones of A, B and C")
        return self


class LoadResponseCharacteristic(Settings):
    """How a load follows the voltage: shares of a polynomial, or exponents.

    With ``v`` in per unit of the rated voltage, ``p = p0 (z v^2 + i v + s)``, or
    ``p = p0 v^p_exponent`` where an exponent is given.
    """

    p_zip_pu: tuple[Share, Share, Share] = Field(
        (0.0, 0.0, 1.0), description="shares of constant impedance, current, power in p"
    )
    q_zip_pu: tuple[Share, Share, Share] = Field((0.0, 0.0, 1.0), description="the same in q")
    p_exponent: float | None = Field(None, description="exponent of p, instead of shares")
    q_exponent: float | None = Field(None, description="exponent of q, instead of shares")

    @model_validator(mode="after")
    def _sums(self) -> LoadResponseCharacteristic:
        for key in ("p_zip_pu", "q_zip_pu"):
            total = sum(getattr(self, key))
            if abs(total - 1.0) > 1e-6:
                raise ValueError(f"the shares of {key} add up to {total:g}, not to 1")
        return self


class EnergyConsumer(Rated):
    """A load: one customer or several."""

    p_rated_kw: float = Field(description="power drawn at a profile value of 1, all phases")
    q_rated_kvar: float = Field(0.0, description="reactive power drawn at a profile value of 1")
    response: LoadResponseCharacteristic = Field(
        LoadResponseCharacteristic(), description="how it follows the voltage"
    )
    v_min_pu: NonNegative = Field(0.0, description="below it the load is a constant impedance")
    v_max_pu: Positive = Field(2.0, description="above it the load is a constant impedance")
    profile: str = Field("", description="name of its profile; none: always 1")
    customer_count: Annotated[int, Ge(0)] = Field(1, description="customers behind it")


class LinearShuntCompensator(Rated):
    """A capacitor bank (or, with negative kvar, a reactor), in equal sections."""

    q_kvar: float = Field(description="reactive power of all sections at rated voltage")
    section_count: Annotated[int, Ge(1)] = Field(1, description="number of sections")
    sections_on: Annotated[int, Ge(0)] = Field(1, description="sections that are connected")
    g_kw: NonNegative = Field(0.0, description="losses of all sections at rated voltage")

    @model_validator(mode="after")
    def _sections(self) -> LinearShuntCompensator:
        if self.sections_on > self.section_count:
            raise ValueError(f"{self.sections_on} of {self.section_count} sections cannot be on")
        return self


class PowerElectronicsConnection(Rated):
    """An inverter with what is behind it: PV, a battery."""

    unit: Literal["photovoltaic", "battery", "wind", "other"] = Field(
        "photovoltaic", description="what is behind the inverter"
    )
    s_kva: Positive = Field(description="rating of the inverter")
    p_kw: float = Field(0.0, description="injection at a profile value of 1")
    q_kvar: float = Field(0.0, description="injection of reactive power at a profile value of 1")
    e_kwh: NonNegative = Field(0.0, description="capacity of a battery")
    v_min_pu: NonNegative = Field(0.0, description="below it it is a constant impedance")
    v_max_pu: Positive = Field(2.0, description="above it it is a constant impedance")
    profile: str = Field("", description="name of its profile; none: always 1")
    control: str = Field("", description="name of its inverter control; none: p and q as given")


class ElectricVehicleCharger(Rated):
    """A charging point."""

    p_rated_kw: NonNegative = Field(description="power drawn at a profile value of 1")
    q_rated_kvar: float = Field(0.0, description="reactive power drawn at a profile value of 1")
    profile: str = Field("", description="name of its profile; none: always 1")


class RotatingMachine(Rated):
    """A generator: given power, or power and a voltage it holds (PV) within its limits."""

    p_kw: float = Field(description="injection")
    q_kvar: float = Field(0.0, description="injection, where it holds no voltage")
    v_set_pu: Annotated[float, Gt(0.0)] | None = Field(
        None, description="voltage it holds, of rated; none: it holds none"
    )
    q_min_kvar: float = Field(-1e9, description="least reactive power it can give")
    q_max_kvar: float = Field(1e9, description="most reactive power it can give")
    v_min_pu: NonNegative = Field(0.0, description="below it it is a constant impedance")
    v_max_pu: Positive = Field(2.0, description="above it it is a constant impedance")


class GroundingImpedance(Element):
    """A connection of a node to the earth."""

    bus: str
    node: Annotated[str, Field(pattern=r"^[ABCN]$")] = Field("N", description="which conductor")
    r_ohm: NonNegative = Field(description="resistance")
    x_ohm: float = Field(0.0, description="reactance")
