"""Branches of a network that grows: lines, switches, transformers in all connections, loops."""

from __future__ import annotations

from typing import Any

from gridmodel.network.conductors import (
    ACLineSegment,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)
from gridmodel.network.controls import TapChangerControl
from gridmodel.network.element import Connection
from gridmodel.network.equipment import GroundingImpedance
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd, RatioTapChanger
from tests.simulators.power_flow.random_ground import ROOT3, Ground
from tests.simulators.power_flow.random_places import Place

#: Share of nominal voltage that a line takes at most if its zone's whole power flows there.
_DROP_PU = 0.03


class Branches(Ground):
    """Grows buses, and what leads to them."""

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


def _matrix(size: int, own: float, other: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(own if i == j else other for j in range(size)) for i in range(size))
