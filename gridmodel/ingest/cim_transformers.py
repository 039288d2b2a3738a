"""Transformers of a CIM file: whole ones with ends, and banks of tanks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gridmodel.ingest.cim_graph import CimObject
from gridmodel.ingest.cim_places import Places, nodes_of_code
from gridmodel.ingest.cim_windings import Winding, core, leakage
from gridmodel.ingest.vector_group import windings as vector_group
from gridmodel.network.element import Connection
from gridmodel.network.equipment import GroundingImpedance
from gridmodel.network.transformer import (
    PowerTransformer,
    PowerTransformerEnd,
    RatioTapChanger,
)

_END_NUMBER = "TransformerEnd.endNumber"


@dataclass(slots=True)
class Transformers:
    """The transformers of a file and what follows from them.

    Parameters
    ----------
    places : Places
        The file.
    """

    places: Places
    groundings: list[GroundingImpedance] = field(default_factory=list)
    #: Name of the transformer and number of the end, by the key of an end in the file.
    ends: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: Name of the transformer and number of the end, by the key of a terminal in the file.
    at_terminal: dict[str, tuple[str, int]] = field(default_factory=dict)

    def transformers(self) -> tuple[PowerTransformer, ...]:
        """Return the transformers; each tank of a bank is one."""
        graph = self.places.graph
        made: list[PowerTransformer | None] = []
        for item in graph.of("PowerTransformer"):
            graph.ask(item)
            if not self.places.in_service(item):
                continue
            tanks = graph.back(item, "TransformerTank.PowerTransformer")
            ends = graph.back(item, "PowerTransformerEnd.PowerTransformer")
            if len(tanks) > 1:
                graph.note(item, item.kind, "is a bank: each of its tanks is a transformer")
            if not tanks and not ends:
                graph.fault(item, "", "has no ends.", "Give it PowerTransformerEnds or tanks.")
            made += [self._of_tank(tank) for tank in tanks]
            if ends:
                made.append(self._of_ends(item, ends))
        return tuple(transformer for transformer in made if transformer is not None)

    # -------------------------------------------------------------------- the two forms

    def _sorted(self, ends: list[CimObject]) -> list[CimObject]:
        return sorted(ends, key=lambda end: self.places.graph.number(end, _END_NUMBER) or 0.0)

    def _of_ends(self, item: CimObject, ends: list[CimObject]) -> PowerTransformer | None:
        """Return a transformer whose ends have all data themselves."""
        graph = self.places.graph
        windings = []
        for end in self._sorted(ends):
            key = "PowerTransformerEnd."
            kind = graph.choice(end, f"{key}connectionKind")
            delta = kind.startswith("D")
            if delta:
                graph.flag(end, "TransformerEnd.grounded")
            star = "" if delta else self._star(end, kind)
            windings.append(
                self._winding(
                    end,
                    (f"ABC{star}", "delta" if delta else "wye"),
                    (graph.needed(end, f"{key}ratedU"), graph.needed(end, f"{key}ratedS")),
                    (graph.number(end, f"{key}r"), graph.number(end, f"{key}x")),
                    int(graph.number(end, f"{key}phaseAngleClock") or 0),
                )
            )
            if kind[:1] not in ("D", "Y"):
                problem = f"the connection '{kind}' is given."
                graph.fault(end, "connectionKind", problem, "Allowed are D, Y and Yn.")
        return self._put_together(item, [w for w in windings if w is not None], len(ends))

    def _of_tank(self, tank: CimObject) -> PowerTransformer | None:
        """Return a transformer whose data are on the sheet of its tank."""
        graph = self.places.graph
        graph.ask(tank)
        ends = self._sorted(graph.back(tank, "TransformerTankEnd.TransformerTank"))
        sheet = self._sheet(tank)
        if sheet is None or not ends:
            problem = "has no ends." if not ends else "has no TransformerTankInfo."
            graph.fault(tank, "", problem, "Add it: without it, it cannot be modelled.")
            return None
        infos = {
            int(graph.number(info, "TransformerEndInfo.endNumber") or 0): info
            for info in graph.back(sheet, "TransformerEndInfo.TransformerTankInfo")
        }
        windings = [
            self._of_tank_end(end, infos.get(int(graph.number(end, _END_NUMBER) or 0)))
            for end in ends
        ]
        return self._put_together(tank, [w for w in windings if w is not None], len(ends))

    def _sheet(self, tank: CimObject) -> CimObject | None:
        graph = self.places.graph
        direct = graph.refs(
            tank, "TransformerTank.TransformerTankInfo", "PowerSystemResource.AssetDatasheet"
        )
        assets = graph.back(tank, "Asset.PowerSystemResources")
        for sheet in (*direct, *(graph.ref(asset, "Asset.AssetInfo") for asset in assets)):
            if sheet is not None and sheet.kind == "TransformerTankInfo":
                return sheet
        return None

    def _of_tank_end(self, end: CimObject, info: CimObject | None) -> Winding | None:
        graph = self.places.graph
        if info is None:
            problem = "its number is not among the TransformerEndInfo of its tank."
            graph.fault(end, _END_NUMBER, problem, "Add one.")
            return None
        key = "TransformerEndInfo."
        kind = graph.choice(info, f"{key}connectionKind")
        clock = int(graph.number(info, f"{key}phaseAngleClock") or 0)
        winding = self._winding(
            end,
            self._tank_nodes(end, kind, clock),
            (graph.needed(info, f"{key}ratedU"), graph.needed(info, f"{key}ratedS")),
            (graph.number(info, f"{key}r"), None),
            clock,
        )
        if winding is not None:
            winding.info = info
        return winding

    def _tank_nodes(self, end: CimObject, kind: str, clock: int) -> tuple[str, Connection]:
        """Return the terminals of a tank's winding and how they are connected."""
        graph = self.places.graph
        ordered = graph.choice(end, "TransformerTankEnd.orderedPhases")
        code = ordered or graph.choice(end, "TransformerTankEnd.phases")
        letters = nodes_of_code(code)
        phases = letters.replace("N", "")
        if not phases:
            problem = f"'{code}' is given."
            graph.fault(end, "orderedPhases", problem, "Allowed are AN, BC, ABCN, s1N and so on.")
            return "A0", "wye"
        if kind.startswith("D") or ("N" not in letters and len(phases) > 1):
            graph.flag(end, "TransformerEnd.grounded")
            return phases, "delta"
        star = self._star(end, kind if kind.startswith("Y") else "Yn")
        turned = letters.startswith("N") or (not ordered and len(phases) == 1 and clock == 6)
        return (star + phases if turned else phases + star), "wye"

    def _star(self, end: CimObject, kind: str) -> str:
        """Return the node of a star point: earth, or N."""
        graph = self.places.graph
        grounded = graph.flag(end, "TransformerEnd.grounded")
        r = graph.number(end, "TransformerEnd.rground") or 0.0
        x = graph.number(end, "TransformerEnd.xground") or 0.0
        if self.places.dialect.cdpsm and not grounded:
            text = "this dialect does not know earthed star points: taken as earthed"
            graph.note(end, end.kind, text)
            return "0"
        if grounded is None:
            graph.note(end, end.kind, "does not say whether its star point is earthed: by its kind")
            grounded = "n" in kind
        if not grounded:
            return "N"
        if r == x == 0.0:
            return "0"
        terminal = graph.ref(end, "TransformerEnd.Terminal")
        bus = self.places.bus_of(terminal) if terminal is not None else None
        if bus is not None:
            name = self.places.unique("grounding", end)
            made = self.places.make(GroundingImpedance, end, name=name, bus=bus, r_ohm=r, x_ohm=x)
            self.groundings += [made] if made is not None else []
        return "N"

    def _winding(
        self,
        end: CimObject,
        shape: tuple[str, Connection],
        rated: tuple[float, float],
        z_ohm: tuple[float | None, float | None],
        clock: int,
    ) -> Winding | None:
        """Return a winding from its terminals, rated voltage and power, resistance and reactance."""
        volts, va = rated[0] * self.places.dialect.volts, rated[1] * self.places.dialect.watts
        graph = self.places.graph
        graph.ask(end)
        terminal = graph.ref(end, "TransformerEnd.Terminal")
        if terminal is None:
            if "TransformerEnd.Terminal" not in end.values:
                graph.fault(end, "TransformerEnd.Terminal", "is missing.", "Give it a Terminal.")
            return None
        bus = self.places.bus_of(terminal)
        if bus is None or not volts > 0.0 or not va > 0.0:
            if volts <= 0.0 or va <= 0.0:
                graph.fault(end, "ratedU, ratedS", f"{volts:g} V, {va:g} VA: must be positive.")
            return None
        return Winding(end, bus, *shape, volts, va, *z_ohm, clock, terminal=terminal)

    # ------------------------------------------------------------------------- together

    def _put_together(
        self, item: CimObject, windings: list[Winding], count: int
    ) -> PowerTransformer | None:
        places = self.places
        if len(windings) != count:
            return None  # with a fault already
        name = places.unique("transformer", item)
        places.locate(item, [winding.bus for winding in windings])
        first = windings[0]
        x_percent = leakage(places, item, windings)
        if x_percent is None:
            return None
        loss, current = core(places, first)
        lead = self._turn(item, windings)
        ends = [
            places.make(PowerTransformerEnd, winding.item, **self._end(winding, k, name, first.va))
            for k, winding in enumerate(windings, 1)
        ]
        made = [end for end in ends if end is not None]
        if len(made) != count:
            return None
        return places.make(
            PowerTransformer,
            item,
            name=name,
            ends=tuple(made),
            x_percent=x_percent,
            no_load_loss_percent=loss,
            magnetizing_percent=current,
            lead=lead,
        )

    def _end(self, winding: Winding, number: int, name: str, base_va: float) -> dict[str, Any]:
        self.ends[winding.item.key] = (name, number)
        if winding.terminal is not None:
            self.at_terminal[winding.terminal.key] = (name, number)
        changer, tap = self._tap(winding.item)
        return {
            "bus": winding.bus,
            "nodes": winding.nodes,
            "connection": winding.connection,
            "v_rated_v": winding.volts,
            "s_kva": winding.va / 1e3,
            "r_percent": 100.0 * (winding.r_ohm or 0.0) * base_va / winding.volts**2,
            "tap_pu": tap,
            "tap_changer": changer,
        }

    def _tap(self, end: CimObject) -> tuple[RatioTapChanger | None, float]:
        """Return the tap changer of an end and the ratio it stands at."""
        graph = self.places.graph
        for item in graph.back(end, "RatioTapChanger.TransformerEnd"):
            graph.ask(item)
            step = graph.needed(item, "RatioTapChanger.stepVoltageIncrement") / 100.0
            low = graph.needed(item, "TapChanger.lowStep")
            high = graph.needed(item, "TapChanger.highStep")
            neutral = graph.needed(item, "TapChanger.neutralStep")
            states = graph.back(item, "SvTapStep.TapChanger")
            at = graph.number(states[0], "SvTapStep.position") if states else None
            if at is None:
                at = graph.number(item, "TapChanger.step", "TapChanger.normalStep")
            at = neutral if at is None else at
            if step != step or not low < high:
                if low >= high:
                    graph.fault(item, "TapChanger.lowStep", f"{low:g} is not below {high:g}.")
                return None, 1.0
            # CIM15 gives the ratio itself where later ones count steps.
            cdpsm = self.places.dialect.cdpsm
            ratio = at if cdpsm else 1.0 + (at - neutral) * step
            changer = RatioTapChanger(
                tap_min_pu=round(1.0 + (low - neutral) * step, 12),
                tap_max_pu=round(1.0 + (high - neutral) * step, 12),
                step_count=int(high - low),
            )
            return changer, round(ratio, 12)
        return None, 1.0

    def _turn(self, item: CimObject, windings: list[Winding]) -> bool:
        """Lead phases to the terminals that a clock asks for; tell whether the low side leads.

        The clock of an end is counted from the first one, ours from the higher voltage.
        """
        first = windings[0]
        lead = False
        if len(first.nodes) == 2:
            return lead  # of one phase: its terminals say how it is turned
        for other in windings[1:]:
            mixed = other.connection != first.connection
            falls = first.volts >= other.volts
            clock = other.clock if falls else -other.clock % 12
            high, low = (first, other) if falls else (other, first)
            letters = ("D" if high.connection == "delta" else "YN") + (
                "d" if low.connection == "delta" else "yn"
            )
            group = vector_group(letters, clock)
            phases = group.nodes[1].replace("0", "").replace("N", "")
            if group.lost or (phases != "ABC" and not (falls and other.nodes.startswith("ABC"))):
                text = (
                    f"a phase shift of clock {clock} is not modelled: {1 if mixed else 0} is taken"
                )
                self.places.graph.note(item, item.kind, text)
                continue
            if phases != "ABC":
                other.nodes = phases + other.nodes[3:]
            lead |= mixed and group.lead
        return lead
