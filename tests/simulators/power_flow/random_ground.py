"""Ground on which a network grows: what chance draws, and the places there are so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from gridmodel.network.equipment import EnergySource
from gridmodel.network.network import Bus, Network
from tests.simulators.power_flow.random_places import FLOATING, Place, Zone

T = TypeVar("T")
ROOT3 = 3**0.5


class Ground:
    """A source, and what has grown from it."""

    def __init__(self, draw: st.DrawFn, controls: bool) -> None:
        self._draw = draw
        self._controls = controls
        self.groups: dict[str, list[Any]] = {key: [] for key in Network.GROUPS}
        v_v = self.pick((4160.0, 12470.0, 20000.0))
        self.zones = [Zone(0, v_v, v_v / 4.0, earthed=True)]
        self.places: list[Place] = []
        self._arrive("ABC", self.zones[0])
        self._source("grid", "b0", v_v)

    # drawing

    def pick(self, choices: Sequence[T]) -> T:
        return self._draw(st.sampled_from(choices))

    def number(self, low: float, high: float) -> float:
        return low + (high - low) * self._draw(st.integers(0, 100)) / 100.0

    def some(self, phases: str) -> str:
        kept = "".join(p for p in phases if self._draw(st.booleans()))
        return kept or self.pick(phases)

    # what there is

    def _add(self, key: str, element: Any) -> None:
        self.groups[key].append(element)

    def name(self, key: str) -> str:
        return f"{key.rstrip('s')}_{len(self.groups[key])}"

    def _arrive(self, nodes: str, zone: Zone) -> Place:
        letter = "b" if zone.earthed else FLOATING
        place = Place(f"{letter}{len(self.places)}", nodes, zone)
        self._add("buses", Bus(name=place.bus, v_nominal_v=zone.v_v))
        self.places.append(place)
        return place

    def _zone(self, v_v: float, s_kva: float, earthed: bool) -> Zone:
        self.zones.append(Zone(len(self.zones), v_v, s_kva, earthed))
        return self.zones[-1]

    def _source(self, name: str, bus: str, v_v: float, angle_deg: float = 0.0) -> None:
        z_ohm = 0.02 * v_v**2 / (self.zones[0].s_kva * 1e3)
        self._add(
            "energy_sources",
            EnergySource(
                name=name, bus=bus, v_nominal_v=v_v, v_pu=self.number(0.99, 1.03),
                angle_deg=angle_deg, r1_ohm=0.3 * z_ohm, x1_ohm=z_ohm,
                r0_ohm=0.5 * z_ohm, x0_ohm=self.number(0.5, 2.0) * z_ohm,
            ),
        )  # fmt: skip
