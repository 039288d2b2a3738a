"""Networks grown at random, bus by bus, for laws that hold on every one of them.

One to three phases and four wires, transformers in all connections, banks of regulators,
capacitors, loads in wye and delta that follow the voltage in every way, loops, a second
source. Lines are as long, and loads as large, as leaves the voltage a solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from gridmodel.network.conductors import (
    ACLineSegment,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)
from gridmodel.network.controls import ShuntCompensatorControl, TapChangerControl
from gridmodel.network.element import Connection
from gridmodel.network.equipment import (
    ElectricVehicleCharger,
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    RotatingMachine,
)
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import (
    PowerTransformer,
    PowerTransformerEnd,
    RatioTapChanger,
)
from tests.simulators.power_flow.random_places import FLOATING, Place, Zone

T = TypeVar("T")
ROOT3 = 3**0.5
#: Share of nominal voltage that a line takes at most if its zone's whole power flows there.
_DROP_PU = 0.03
_RESPONSES = (
    LoadResponseCharacteristic(),
    LoadResponseCharacteristic(p_zip_pu=(1.0, 0.0, 0.0), q_zip_pu=(1.0, 0.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.0, 1.0, 0.0), q_zip_pu=(0.0, 1.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.0, 0.0, 1.0), q_zip_pu=(1.0, 0.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.5, 0.3, 0.2), q_zip_pu=(1.4, -0.9, 0.5)),
    LoadResponseCharacteristic(p_exponent=0.8, q_exponent=3.0),
)


class Grower:
    """Grows a network from its source."""

    def __init__(self, draw: st.DrawFn, controls: bool) -> None:
        self._draw = draw
        self._controls = controls
        self.groups: dict[str, list[Any]] = {key: [] for key in Network.GROUPS}
        v_v = self.pick((4160.0, 12470.0, 20000.0))
        self.zones = [Zone(0, v_v, v_v / 4.0, earthed=True)]
        self.places: list[Place] = []
        self._arrive("ABC", self.zones[0])
        self._source("grid", "b0", v_v)

    # -- drawing ---------------------------------------------------------------------

    def pick(self, choices: Sequence[T]) -> T:
        return self._draw(st.sampled_from(choices))

    def number(self, low: float, high: float) -> float:
        return low + (high - low) * self._draw(st.integers(0, 100)) / 100.0

    def some(self, phases: str) -> str:
        kept = "".join(p for p in phases if self._draw(st.booleans()))
        return kept or self.pick(phases)

    # -- what there is ---------------------------------------------------------------

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

    # -- branches --------------------------------------------------------------------

    def branch(self) -> None:
        """Hang one more bus on one that is there."""
        at = self.pick(self.places)
        kinds = [self._line] * 4 + [self._switch, self._series]
        if at.zone.earthed or len(at.phases) > 1:
            kinds += [self._single]
        if at.phases == "ABC":
            kinds += [self._bank, self._bank]
        if at.zone.earthed and at.phases == "ABC":
            kinds += [self._open_delta]
        if at.zone.earthed and "N" not in at.nodes:
            kinds += [self._split, self._regulator]
        self.pick(kinds)(at)

    def _line(self, at: Place) -> None:
        nodes = self.some(at.phases) + ("N" if "N" in at.nodes else "")
        self._lay(at, self._arrive(nodes, at.zone), nodes)

    def _lay(self, one: Place, other: Place, phases: str) -> None:
        size, zone = len(phases), one.zone
        r, x = self.number(0.1, 0.8), self.number(0.2, 0.9)
        c = self.number(5.0, 300.0) if zone.v_v > 1e3 and self.pick((True, False)) else 0.0
        z_zone_ohm = zone.v_v**2 / (zone.s_kva * 1e3)
        kind = PerLengthPhaseImpedance(
            name=self.name("impedances"),
            r_ohm_per_km=_matrix(size, r + 0.06, 0.06),
            x_ohm_per_km=_matrix(size, x + 0.3, 0.3),
            c_nf_per_km=_matrix(size, c, -0.15 * c) if c else (),
        )
        self._add("impedances", kind)
        self._add(
            "lines",
            ACLineSegment(
                name=self.name("lines"), bus_from=one.bus, bus_to=other.bus, phases=phases,
                impedance=kind.name,
                length_km=self.number(0.01, 1.0) * _DROP_PU * z_zone_ohm / abs(complex(r, x)),
            ),
        )  # fmt: skip

    def _switch(self, at: Place) -> None:
        to = self._arrive(at.nodes, at.zone)
        self._add(
            "switches",
            Switch(
                name=self.name("switches"), bus_from=at.bus, bus_to=to.bus, phases=at.nodes,
                r_ohm=self.number(1e-4, 1e-2), open=self.pick((False, False, False, True)),
            ),
        )  # fmt: skip

    def _series(self, at: Place) -> None:
        to = self._arrive(at.nodes, at.zone)
        z_ohm = _DROP_PU * at.zone.v_v**2 / (at.zone.s_kva * 1e3)
        self._add(
            "series_compensators",
            SeriesCompensator(
                name=self.name("series_compensators"), bus_from=at.bus, bus_to=to.bus,
                phases=at.nodes, r_ohm=self.number(0.1, 0.5) * z_ohm,
                x_ohm=self.number(-0.5, 1.0) * z_ohm,
            ),
        )  # fmt: skip

    def _end(
        self, place: Place, nodes: str, v_v: float, connection: Connection = "wye", **more: Any
    ) -> PowerTransformerEnd:
        s_kva = more.pop("s_kva", place.zone.s_kva)
        return PowerTransformerEnd(
            bus=place.bus, nodes=nodes, connection=connection, v_rated_v=v_v, s_kva=s_kva,
            r_percent=self.number(0.2, 1.0), **more,
        )  # fmt: skip

    def _unit(self, *ends: PowerTransformerEnd, **more: Any) -> PowerTransformer:
        x = self.number(2.0, 6.0)
        unit = PowerTransformer(
            name=self.name("transformers"), ends=ends,
            x_percent=(x,) if len(ends) == 2 else (x, x, 0.6 * x),
            no_load_loss_percent=self.number(0.0, 0.5), magnetizing_percent=self.number(0.0, 1.0),
            **more,
        )  # fmt: skip
        self._add("transformers", unit)
        return unit

    def _bank(self, at: Place) -> None:
        """Three phases, in every connection; a star point in the earth, free or led along."""
        star = "ABCN" if "N" in at.nodes else "ABC0"
        above = self.pick(("delta", "wye", "free"))
        below = self.pick(("delta", "wye", "led"))
        if above == "free" and ("N" in at.nodes or below != "delta"):
            above = "delta"  # a free star point is a node of its own
        if not at.zone.earthed:
            above = "delta"
        v_v, s_kva = self.pick((480.0, 4160.0)), 0.6 * at.zone.s_kva
        to = self._arrive(
            "ABCN" if below == "led" else "ABC", self._zone(v_v, s_kva, below != "delta")
        )
        first = self._end(
            at, {"delta": "ABC", "wye": star, "free": "ABCN"}[above], at.zone.v_v,
            "delta" if above == "delta" else "wye", s_kva=s_kva,
            tap_pu=self.pick((1.0, 0.975, 1.05)),
        )  # fmt: skip
        second = self._end(
            to, {"delta": "ABC", "wye": "ABC0", "led": "ABCN"}[below], v_v,
            "delta" if below == "delta" else "wye",
        )  # fmt: skip
        self._unit(first, second, lead=self.pick((False, True)))
        if below == "led":
            self._earth(to)

    def _earth(self, place: Place) -> None:
        name, r_ohm = self.name("groundings"), self.number(0.1, 20.0)
        self._add("groundings", GroundingImpedance(name=name, bus=place.bus, r_ohm=r_ohm))

    def earthing(self) -> None:
        """Earth a neutral somewhere on its way, if there is one."""
        led = [place for place in self.places if "N" in place.nodes]
        if led:
            self._earth(self.pick(led))

    def _open_delta(self, at: Place) -> None:
        """Two transformers of one phase make three phases."""
        to = self._arrive("ABC", self._zone(480.0, 0.3 * at.zone.s_kva, earthed=False))
        star = "N" if "N" in at.nodes else "0"
        for above, below in (("A" + star, "AB"), ("B" + star, "BC")):
            v_v = at.zone.v_v / ROOT3
            self._unit(
                self._end(at, above, v_v, s_kva=to.zone.s_kva),
                self._end(to, below, 480.0, self.pick(("wye", "delta"))),
            )

    def _single(self, at: Place) -> None:
        """One phase, from a phase to the earth or from phase to phase."""
        s_kva = 0.3 * at.zone.s_kva
        to = self._arrive(self.pick("ABC"), self._zone(416.0, s_kva, earthed=True))
        pair, v_v = at.phases[:2], at.zone.v_v
        if len(pair) < 2 or ("N" in at.nodes and self.pick((True, False))):
            pair, v_v = pair[0] + ("N" if "N" in at.nodes else "0"), v_v / ROOT3
        self._unit(
            self._end(at, pair, v_v, s_kva=s_kva), self._end(to, f"{to.nodes}0", 416.0 / ROOT3)
        )

    def _split(self, at: Place) -> None:
        """A North American service: 120 V on both sides of an earthed middle."""
        to = self._arrive("AB", self._zone(120.0 * ROOT3, 0.1 * at.zone.s_kva, earthed=True))
        above = self._end(at, f"{self.pick(at.phases)}0", at.zone.v_v / ROOT3, s_kva=to.zone.s_kva)
        self._unit(above, self._end(to, "A0", 120.0), self._end(to, "0B", 120.0))

    def _regulator(self, at: Place) -> None:
        to = self._arrive(at.phases, self._zone(at.zone.v_v, at.zone.s_kva, earthed=True))
        ganged = at.phases == "ABC" and self.pick((True, False))
        for nodes in ["ABC0"] if ganged else [f"{phase}0" for phase in at.phases]:
            v_v = at.zone.v_v if ganged else at.zone.v_v / ROOT3
            tap_pu = 1.0 + 0.00625 * self.pick(range(-8, 9))
            changer = RatioTapChanger()
            second = self._end(to, nodes, v_v, tap_pu=tap_pu, tap_changer=changer)
            unit = self._unit(self._end(at, nodes, v_v), second)
            if self._controls:
                self._add(
                    "tap_controls",
                    TapChangerControl(
                        name=f"control_{unit.name}", transformer=unit.name, v_set_v=self.number(
                            118.0, 124.0), band_v=self.number(1.5, 3.0),
                        pt_ratio=at.zone.v_v / ROOT3 / 120.0, delay_s=self.pick((15.0, 30.0, 45.0)),
                        ct_rated_a=self.pick((0.0, 400.0)), r_v=self.number(0.0, 3.0),
                        x_v=self.number(0.0, 3.0), coil=self.pick((1, 2, 3)) if ganged else 1,
                    ),
                )  # fmt: skip

    def loop(self) -> None:
        """Lay one more line between two buses of a zone, if there are two."""
        pairs = [
            (a, b)
            for k, a in enumerate(self.places)
            for b in self.places[:k]
            if a.zone == b.zone and set(a.nodes) & set(b.nodes) - {"N"}
        ]
        if pairs:
            one, other = self.pick(pairs)
            self._lay(one, other, "".join(n for n in one.nodes if n in other.nodes))

    def second_source(self) -> None:
        first = self.places[0].zone
        ends = [p for p in self.places[1:] if p.nodes == "ABC" and p.zone == first]
        if ends:
            self._source("other_grid", self.pick(ends).bus, first.v_v, self.number(-0.5, 0.5))

    # -- at buses --------------------------------------------------------------------

    def _terminals(self, free: bool = False) -> tuple[dict[str, Any], float]:
        """Return a bus with terminals and a rated voltage, and a rating to take from.

        What is not earthed itself takes no power to the earth.
        """
        at = self.pick([p for p in self.places if p.zone.earthed or len(p.phases) > 1])
        phases = self.some(at.phases)
        star = "N" if "N" in at.nodes else "0"
        wye = (at.zone.earthed or free) and (len(phases) == 1 or self.pick((True, False)))
        if not wye and len(phases) < 2:
            phases = at.phases[:2]
            wye = len(phases) < 2
        v_v = at.zone.v_v * self.pick((1.0, 0.98))
        if wye:
            nodes = phases + star
            v_v = v_v if len(phases) > 1 else v_v / ROOT3
        else:
            nodes = phases
        if at.nodes == "AB" and not wye:
            v_v = 240.0  # split phase: the two halves add up
        where = {
            "bus": at.bus, "nodes": nodes, "v_rated_v": v_v, "connection": "wye" if wye else "delta"
        }  # fmt: skip
        return where, at.zone.s_kva / 6.0

    def load(self) -> None:
        where, s_kva = self._terminals()
        response = self.pick(_RESPONSES)
        # OpenDSS's law jumps at v_min: an exponent's, and a motor's q, become constant power
        jumps = response.p_exponent is not None or response.p_zip_pu != response.q_zip_pu
        jumps &= response != _RESPONSES[4]
        self._add(
            "consumers",
            EnergyConsumer(
                name=self.name("consumers"), p_rated_kw=self.number(0.0, s_kva),
                q_rated_kvar=self.number(-0.1 * s_kva, 0.4 * s_kva), response=response,
                v_min_pu=0.4 if jumps else self.pick((0.0, 0.4, 0.85, 0.95)),
                v_max_pu=2.0 if jumps else self.pick((2.0, 1.05, 1.0)), **where,
            ),
        )  # fmt: skip

    def capacitor(self) -> None:
        where, s_kva = self._terminals(free=True)
        # several sections in delta: OpenDSS adds the first ones up again (engine 0.14.5)
        sections = 1 if where["connection"] == "delta" else self.pick((1, 3))
        bank = LinearShuntCompensator(
            name=self.name("capacitors"), q_kvar=self.number(0.1 * s_kva, s_kva),
            section_count=sections, sections_on=self.pick(range(sections + 1)), **where,
        )  # fmt: skip
        self._add("capacitors", bank)
        if self._controls and "0" in bank.nodes and self.pick((True, False)):
            self._add(
                "capacitor_controls",
                ShuntCompensatorControl(
                    name=f"control_{bank.name}", capacitor=bank.name, mode="voltage", on=115.0,
                    off=126.0, pt_ratio=bank.coil_v / 120.0, node=bank.nodes[0],
                ),
            )  # fmt: skip

    def generator(self) -> None:
        where, s_kva = self._terminals()
        p, q = self.number(0.0, s_kva), self.number(-0.3 * s_kva, 0.3 * s_kva)
        kind = self.pick(("inverters", "ev_chargers", "machines"))
        name = self.name(kind)
        if kind == "inverters":
            whole = dict(name=name, s_kva=2.0 * s_kva, p_kw=p, q_kvar=q, **where)
            self._add(kind, PowerElectronicsConnection(**whole))
        elif kind == "ev_chargers":
            self._add(kind, ElectricVehicleCharger(name=name, p_rated_kw=p, **where))
        else:
            self._add(kind, RotatingMachine(name=name, p_kw=p, q_kvar=q, **where))


def _matrix(size: int, own: float, other: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(own if i == j else other for j in range(size)) for i in range(size))


@st.composite
def networks(
    draw: st.DrawFn, meshed: bool = True, controls: bool = False, most_branches: int = 8
) -> Network:
    """Draw a network.

    Parameters
    ----------
    meshed : bool
        It may have loops and a second source.
    controls : bool
        Its regulators and capacitors may be controlled.
    most_branches : int
        Most buses beside the source's.
    """
    grower = Grower(draw, controls)
    for _ in range(draw(st.integers(1, most_branches))):
        grower.branch()
    for _ in range(draw(st.integers(0, 2)) if meshed else 0):
        grower.loop()
    if meshed and draw(st.booleans()):
        grower.second_source()
    for _ in range(draw(st.integers(0, 2))):
        grower.earthing()
    for _ in range(draw(st.integers(1, 5))):
        grower.load()
    for _ in range(draw(st.integers(0, 2))):
        grower.capacitor()
    for _ in range(draw(st.integers(0, 2))):
        grower.generator()
    return Network(name="grown", **{key: tuple(found) for key, found in grower.groups.items()})
