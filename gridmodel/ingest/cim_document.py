"""Document: a CIM file that is being written, in the profile of GridAPPS-D (CIM100)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape

from gridmodel.ingest.notices import Notice
from gridmodel.network.element import Element
from gridmodel.network.network import Network

_CIM = "http://iec.ch/TC57/CIM100#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


class Ref(str):
    """A reference to another object, by its identifier."""


class Choice(str):
    """A value out of an enumeration: ``SinglePhaseKind.A``."""


Plain = str | float | int | bool | None


@dataclass(slots=True)
class Document:
    """The objects of a file, in the order they were added.

    Parameters
    ----------
    network : Network
        What is written; buses' coordinates and voltages are taken from it.
    """

    network: Network
    lines: list[str] = field(default_factory=list)
    #: A terminal by bus, for what measures there.
    at_bus: dict[str, Ref] = field(default_factory=dict)
    _bases: dict[float, Ref] = field(default_factory=dict)
    _limits: dict[float, Ref] = field(default_factory=dict)
    _profiles: dict[str, list[Ref]] = field(default_factory=dict)
    _said: Counter[tuple[str, str]] = field(default_factory=Counter)
    _first: dict[tuple[str, str], str] = field(default_factory=dict)

    # --------------------------------------------------------------------------- objects

    def ref(self, kind: str, name: str) -> Ref:
        """Return the identifier of an object; the same network gives the same ones."""
        return Ref(uuid5(NAMESPACE_URL, f"feedertwin/{self.network.name}/{kind}/{name}"))

    def add(self, kind: str, name: str, values: Mapping[str, Plain | Sequence[Ref]]) -> Ref:
        """Add an object; a value of None is not written, a list is written one by one."""
        key = self.ref(kind, name)
        self.lines.append(f'<cim:{kind} rdf:about="urn:uuid:{key}">')
        self._value("IdentifiedObject.mRID", str(key))
        self._value("IdentifiedObject.name", name)
        for attribute, value in values.items():
            if isinstance(value, list):
                for single in value:
                    self._value(attribute, single)
            elif value is not None:
                self._value(attribute, value)  # type: ignore[arg-type]
        self.lines.append(f"</cim:{kind}>")
        return key

    def _value(self, attribute: str, value: Plain) -> None:
        if isinstance(value, Ref | Choice):
            target = f"urn:uuid:{value}" if isinstance(value, Ref) else f"{_CIM}{value}"
            self.lines.append(f'  <cim:{attribute} rdf:resource="{target}"/>')
            return
        if isinstance(value, bool):
            text = "true" if value else "false"
        else:
            text = repr(value) if isinstance(value, float) else escape(str(value))
        self.lines.append(f"  <cim:{attribute}>{text}</cim:{attribute}>")

    def base(self, volts: float) -> Ref:
        """Return the BaseVoltage of some volts, added when first asked for."""
        if volts not in self._bases:
            name = f"BaseV_{volts!r}"
            self._bases[volts] = self.add(
                "BaseVoltage", name, {"BaseVoltage.nominalVoltage": float(volts)}
            )
        return self._bases[volts]

    def equipment(
        self,
        kind: str,
        element: Element,
        buses: Sequence[str],
        values: Mapping[str, Plain | Sequence[Ref]],
        ampacity_a: float = 0.0,
        phases: str = "",
    ) -> Ref:
        """Add conducting equipment with its terminals and its place.

        Parameters
        ----------
        kind : str
            Class.
        element : Element
            What it is in the network.
        buses : sequence of str
            Where its terminals are.
        values : mapping
            Its own properties.
        ampacity_a : float
            Current limit at its first terminal; 0: none. [A]
        phases : str
            PhaseCode of its terminals, where no objects of their own say them.
        """
        name = element.name
        location = self._location(kind, name, buses)
        container = {"Equipment.EquipmentContainer": self.ref("Feeder", self.network.name)}
        place = {"PowerSystemResource.Location": location}
        key = self.add(kind, name, {**container, **values, **place})
        for number, bus in enumerate(buses, 1):
            limit = self._limit(ampacity_a) if ampacity_a and number == 1 else None
            self.at_bus[bus] = self.terminal(kind, name, number)
            self.add(
                "Terminal",
                f"{kind}.{name}_T{number}",
                {
                    "Terminal.ConductingEquipment": key,
                    "ACDCTerminal.sequenceNumber": number,
                    "Terminal.ConnectivityNode": self.ref("ConnectivityNode", bus),
                    "Terminal.phases": Choice(f"PhaseCode.{phases}") if phases else None,
                    "ACDCTerminal.OperationalLimitSet": limit,
                },
            )
        return key

    def terminal(self, kind: str, name: str, number: int) -> Ref:
        """Return the identifier of a terminal of some equipment, counted from 1."""
        return self.ref("Terminal", f"{kind}.{name}_T{number}")

    def _location(self, kind: str, name: str, buses: Sequence[str]) -> Ref | None:
        known = [self.network.bus.get(bus) for bus in buses]
        if all(bus is None or bus.x is None or bus.y is None for bus in known):
            return None
        crs = self.ref("CoordinateSystem", "crs") if self.network.coordinates else None
        location = self.add("Location", f"{kind}.{name}_Loc", {"Location.CoordinateSystem": crs})
        for number, bus in enumerate(known, 1):
            if bus is None or bus.x is None or bus.y is None:
                continue
            self.add(
                "PositionPoint",
                f"{kind}.{name}_Loc_{number}",
                {
                    "PositionPoint.Location": location,
                    "PositionPoint.sequenceNumber": number,
                    "PositionPoint.xPosition": float(bus.x),
                    "PositionPoint.yPosition": float(bus.y),
                },
            )
        return location

    def _limit(self, amps: float) -> Ref:
        if amps not in self._limits:
            name = f"OpLimI_{amps!r}"
            if not self._limits:
                self.add(
                    "OperationalLimitType",
                    "normal",
                    {
                        "OperationalLimitType.acceptableDuration": 5e9,
                        "OperationalLimitType.direction": Choice(
                            "OperationalLimitDirectionKind.absoluteValue"
                        ),
                    },
                )
            self._limits[amps] = self.add("OperationalLimitSet", name, {})
            self.add(
                "CurrentLimit",
                f"{name}_Norm",
                {
                    "OperationalLimit.OperationalLimitSet": self._limits[amps],
                    "OperationalLimit.OperationalLimitType": self.ref(
                        "OperationalLimitType", "normal"
                    ),
                    "CurrentLimit.value": float(amps),
                },
            )
        return self._limits[amps]

    def profiled(self, key: Ref, profile: str) -> None:
        """Remember that some equipment follows a profile."""
        if profile:
            self._profiles.setdefault(profile, []).append(key)

    # ------------------------------------------------------------------------------ ends

    def note(self, element: Element, what: str, text: str) -> None:
        """Remember what the format cannot hold; said once for all elements alike."""
        self._said[what, text] += 1
        self._first.setdefault((what, text), element.name)

    def notices(self) -> tuple[Notice, ...]:
        """Return everything the format cannot hold."""
        return tuple(
            Notice(self._first[what, text], what, text + (f" ({count} times)" if count > 1 else ""))
            for (what, text), count in self._said.items()
        )

    def save(self, path: Path) -> None:
        """Write the file."""
        for profile, keys in self._profiles.items():
            values = {"EnergyConnectionProfile.dssYearly": profile}
            self.add(
                "EnergyConnectionProfile",
                profile,
                {**values, "EnergyConnectionProfile.EnergyConnections": keys},
            )
        head = f'<rdf:RDF xmlns:cim="{_CIM}" xmlns:rdf="{_RDF}">'
        text = "\n".join(
            ['<?xml version="1.0" encoding="utf-8"?>', head, *self.lines, "</rdf:RDF>"]
        )
        path.write_text(text + "\n", encoding="utf-8")
