"""The network: a three-phase distribution network in CIM's terms; immutable.

Terms and structure are those of IEC 61970/61968 (CIM); every conductor is modelled by
itself: phases A, B, C and a neutral N that may be earthed or not. A change makes a new
network that shares everything else. Reading a network means `gridmodel.ingest`; solvers
take the arrays that are compiled from it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from gridmodel.errors import Fault, NetworkError
from gridmodel.network.conductors import (
    ACLineSegment,
    Conductor,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)
from gridmodel.network.controls import (
    InverterControl,
    ShuntCompensatorControl,
    TapChangerControl,
)
from gridmodel.network.element import Element, Positive
from gridmodel.network.equipment import (
    AtBus,
    ElectricVehicleCharger,
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    LinearShuntCompensator,
    PowerElectronicsConnection,
    RotatingMachine,
)
from gridmodel.network.transformer import PowerTransformer
from gridmodel.settings import Settings, faults_of, near


class Bus(Element):
    """A connectivity node: conductors that may each have a voltage of their own."""

    v_nominal_v: Positive = Field(
        description="nominal voltage between phases: root 3 of that to earth, split-phase too"
    )
    x: float | None = Field(None, description="coordinate to the east, or longitude")
    y: float | None = Field(None, description="coordinate to the north, or latitude")


class Network(Settings):
    """A distribution network.

    Parameters
    ----------
    name : str
        What it is called.
    f_nominal_hz : float
        Nominal frequency. [Hz]
    radial : bool
        It is claimed to have no loops; `check` refuses one.

    Raises
    ------
    pydantic.ValidationError
        For values that cannot be; `gridmodel.network.checks.check` finds what does not
        fit together, with the names of the elements.
    """

    name: str
    f_nominal_hz: Positive = Field(60.0, description="nominal frequency")
    radial: bool = Field(False, description="claimed to have no loops; one is refused")
    coordinates: str = Field("", description="what x and y are, e.g. EPSG:4326")
    source: str = Field("", description="where the data come from")
    buses: tuple[Bus, ...]
    energy_sources: tuple[EnergySource, ...] = ()
    impedances: tuple[PerLengthPhaseImpedance, ...] = ()
    lines: tuple[ACLineSegment, ...] = ()
    switches: tuple[Switch, ...] = ()
    series_compensators: tuple[SeriesCompensator, ...] = ()
    transformers: tuple[PowerTransformer, ...] = ()
    consumers: tuple[EnergyConsumer, ...] = ()
    capacitors: tuple[LinearShuntCompensator, ...] = ()
    inverters: tuple[PowerElectronicsConnection, ...] = ()
    ev_chargers: tuple[ElectricVehicleCharger, ...] = ()
    machines: tuple[RotatingMachine, ...] = ()
    groundings: tuple[GroundingImpedance, ...] = ()
    tap_controls: tuple[TapChangerControl, ...] = ()
    capacitor_controls: tuple[ShuntCompensatorControl, ...] = ()
    inverter_controls: tuple[InverterControl, ...] = ()

    #: Groups of elements, by the key they stand under.
    GROUPS: ClassVar[Mapping[str, type[Element]]] = {
        "buses": Bus,
        "energy_sources": EnergySource,
        "impedances": PerLengthPhaseImpedance,
        "lines": ACLineSegment,
        "switches": Switch,
        "series_compensators": SeriesCompensator,
        "transformers": PowerTransformer,
        "consumers": EnergyConsumer,
        "capacitors": LinearShuntCompensator,
        "inverters": PowerElectronicsConnection,
        "ev_chargers": ElectricVehicleCharger,
        "machines": RotatingMachine,
        "groundings": GroundingImpedance,
        "tap_controls": TapChangerControl,
        "capacitor_controls": ShuntCompensatorControl,
        "inverter_controls": InverterControl,
    }

    @cached_property
    def bus(self) -> Mapping[str, Bus]:
        """Buses by name."""
        return {bus.name: bus for bus in self.buses}

    @cached_property
    def bus_index(self) -> Mapping[str, int]:
        """Positions of buses by name."""
        return {bus.name: k for k, bus in enumerate(self.buses)}

    @cached_property
    def impedance(self) -> Mapping[str, PerLengthPhaseImpedance]:
        """Kinds of line by name."""
        return {kind.name: kind for kind in self.impedances}

    def group(self, key: str) -> Mapping[str, Any]:
        """Return the elements of a group by name."""
        return {element.name: element for element in getattr(self, key)}

    @property
    def conductors(self) -> Iterator[Conductor]:
        """Lines, switches and series compensators, open switches included."""
        yield from self.lines
        yield from self.switches
        yield from self.series_compensators

    @property
    def at_buses(self) -> Iterator[AtBus]:
        """Equipment at one bus, sources and earthings aside."""
        yield from self.consumers
        yield from self.capacitors
        yield from self.inverters
        yield from self.ev_chargers
        yield from self.machines

    def with_(self, **changes: Any) -> Network:
        """Return a network with something changed, which shares the rest.

        Parameters
        ----------
        **changes
            A field's new value; or, for a group, the new values of some of its elements
            by name: ``network.with_(switches={"tie": {"open": False}})``.

        Raises
        ------
        NetworkError
            With every fault: unknown groups, elements or fields, impossible values.

        Examples
        --------
        >>> from gridmodel.network.network import Bus, Network
        >>> net = Network(name="one", buses=(Bus(name="a", v_nominal_v=400.0),))
        >>> changed = net.with_(buses={"a": {"v_nominal_v": 416.0}})
        >>> net.bus["a"].v_nominal_v, changed.bus["a"].v_nominal_v
        (400.0, 416.0)
        """
        faults: list[Fault] = []
        update: dict[str, Any] = {}
        for key, value in changes.items():
            if key not in type(self).model_fields:
                problem = f"there is no '{key}'."
                faults.append(Fault("change", key, problem, near(key, type(self).model_fields)))
            elif key in self.GROUPS and isinstance(value, Mapping):
                update[key] = tuple(self._changed(key, value, faults))
            else:
                update[key] = self._validated(key, value, faults)
        if faults:
            raise NetworkError(f"network '{self.name}' cannot be changed so", faults)
        fields = {key: update.get(key, getattr(self, key)) for key in Network.model_fields}
        return Network.model_construct(None, **fields)

    def _validated(self, key: str, value: Any, faults: list[Fault]) -> Any:
        """Return a field's new value, checked by itself."""
        blank = Network.model_construct(name=self.name, buses=())
        try:
            Network.__pydantic_validator__.validate_assignment(blank, key, value)
        except ValidationError as error:
            faults += faults_of(error, Network, lambda _: "change")
        return value

    def _changed(
        self, key: str, by_name: Mapping[str, Mapping[str, Any]], faults: list[Fault]
    ) -> Sequence[Element]:
        elements: list[Element] = list(getattr(self, key))
        where = {element.name: k for k, element in enumerate(elements)}
        for name, fields in by_name.items():
            if name not in where:
                faults.append(Fault("change", f"{key}.{name}", "there is none.", near(name, where)))
                continue
            old = elements[where[name]]
            given = {k: getattr(old, k) for k in type(old).model_fields} | dict(fields)
            try:
                elements[where[name]] = type(old).model_validate(given)
            except ValidationError as error:
                faults += faults_of(error, type(old), lambda _: "change", (key, name))
        return elements
