"""Controls of a CIM file: what moves taps and what switches capacitors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gridmodel.ingest.cim_graph import CimObject
from gridmodel.ingest.cim_places import LINES, NODE_OF, SWITCHES, Places
from gridmodel.ingest.cim_shunts import ROOT3
from gridmodel.ingest.cim_transformers import Transformers
from gridmodel.network.controls import ShuntCompensatorControl, TapChangerControl
from gridmodel.network.equipment import LinearShuntCompensator
from gridmodel.network.transformer import PowerTransformer

#: Modes of a capacitor's control, and by how much the file's unit is larger than ours.
_MODES: Mapping[str, tuple[str, float]] = {
    "voltage": ("voltage", 1.0),
    "currentFlow": ("current", 1.0),
    "reactivePower": ("kvar", 1e-3),
    "powerFactor": ("power_factor", 1.0),
    "timeScheduled": ("time", 1.0),
}


@dataclass(slots=True)
class Controls:
    """What acts on the equipment of a file.

    Parameters
    ----------
    places : Places
        The file.
    found : Transformers
        Its transformers.
    """

    places: Places
    found: Transformers

    # ----------------------------------------------------------------------------- taps

    def taps(self, transformers: Mapping[str, PowerTransformer]) -> tuple[TapChangerControl, ...]:
        """Return the controls of tap changers; one that is off is noted."""
        graph = self.places.graph
        made: list[TapChangerControl | None] = []
        for changer in graph.of("RatioTapChanger"):
            end = graph.ref(changer, "RatioTapChanger.TransformerEnd")
            control = graph.ref(changer, "TapChanger.TapChangerControl")
            if control is None or end is None or end.key not in self.found.ends:
                continue
            on = graph.flag(control, "RegulatingControl.enabled")
            own = graph.flag(changer, "TapChanger.controlEnabled")
            if on is False or own is False:
                graph.note(control, control.kind, "is switched off: left out, its tap stays")
                continue
            mode = graph.choice(control, "RegulatingControl.mode")
            if mode not in ("", "voltage"):
                graph.note(control, control.kind, f"the mode {mode} is not modelled: left out")
                continue
            name, number = self.found.ends[end.key]
            if name in transformers:
                made.append(self._tap(changer, control, transformers[name], number))
        return tuple(control for control in made if control is not None)

    def _tap(
        self, changer: CimObject, control: CimObject, transformer: PowerTransformer, number: int
    ) -> TapChangerControl | None:
        graph = self.places.graph
        target, band = (
            graph.needed(control, "RegulatingControl.targetValue"),
            graph.number(control, "RegulatingControl.targetDeadband") or 0.0,
        )
        pt_ratio, ct_rated = self._ratios(changer)
        if pt_ratio is None:  # CGMES: between phases on the line itself
            scale = self.places.dialect.volts / ROOT3
            target, band, pt_ratio = target * scale, band * scale, 1.0
        drop = graph.flag(control, "TapChangerControl.lineDropCompensation")
        compensation = 0.0 if drop is False else 1.0
        key = "TapChangerControl.lineDrop"
        letter = NODE_OF.get(graph.choice(control, "RegulatingControl.monitoredPhase"))
        end = transformer.ends[number - 1]
        where = self._elsewhere(control, transformer.name, number, end.bus)
        return self.places.make(
            TapChangerControl,
            control,
            name=self.places.unique("tap_control", changer),
            transformer=transformer.name,
            end=number,
            v_set_v=target,
            band_v=band or 0.02 * target,
            pt_ratio=pt_ratio,
            ct_rated_a=ct_rated,
            r_v=compensation * (graph.number(control, f"{key}R") or 0.0),
            x_v=compensation * (graph.number(control, f"{key}X") or 0.0),
            coil=self._coil(end.nodes, end.coil_count, letter),
            bus=where,
            node=letter if where else None,
            **self._delays(changer),
        )

    def _delays(self, changer: CimObject) -> dict[str, float]:
        pairs = (("delay_s", "initialDelay"), ("tap_delay_s", "subsequentDelay"))
        found = {ours: self.places.graph.number(changer, f"TapChanger.{s}") for ours, s in pairs}
        return {ours: value for ours, value in found.items() if value is not None}

    def _ratios(self, changer: CimObject) -> tuple[float | None, float]:
        """Return the ratio of the voltage transformer and the rating of the current one."""
        graph = self.places.graph
        assets = graph.back(changer, "Asset.PowerSystemResources")
        for item in (changer, *(graph.ref(asset, "Asset.AssetInfo") for asset in assets)):
            if item is None:
                continue
            kind = "TapChangerInfo" if item.kind == "TapChangerInfo" else "TapChanger"
            ratio = graph.number(item, f"{kind}.ptRatio")
            if ratio:
                return ratio, graph.number(item, f"{kind}.ctRating") or 0.0
        return None, 0.0

    def _coil(self, nodes: str, count: int, letter: str | None) -> int:
        at = nodes.find(letter) if letter else 0
        return at + 1 if 0 <= at < count else 1

    def _elsewhere(self, control: CimObject, transformer: str, number: int, own: str) -> str:
        """Return the bus that is measured, if it is not that of the end itself."""
        terminal = self.places.graph.ref(control, "RegulatingControl.Terminal")
        if terminal is None or self.found.at_terminal.get(terminal.key) == (transformer, number):
            return ""
        bus = self.places.bus_of(terminal)
        return "" if bus is None or bus == own else bus

    # ----------------------------------------------------------------------- capacitors

    def capacitors(
        self, capacitors: tuple[LinearShuntCompensator, ...]
    ) -> tuple[ShuntCompensatorControl, ...]:
        """Return the controls of capacitors; one that is off is noted."""
        graph = self.places.graph
        made: list[ShuntCompensatorControl | None] = []
        for item in graph.of("LinearShuntCompensator"):
            controls = graph.back(item, "RegulatingControl.RegulatingCondEq")
            controls += graph.refs(item, "RegulatingCondEq.RegulatingControl")
            own = [capacitor for capacitor in capacitors if capacitor.origin == item.where]
            for control in dict.fromkeys(item.key for item in controls):
                made += self._capacitor(item, graph.objects[control], own)
        return tuple(control for control in made if control is not None)

    def _capacitor(
        self, item: CimObject, control: CimObject, own: list[LinearShuntCompensator]
    ) -> list[ShuntCompensatorControl | None]:
        graph = self.places.graph
        mode = graph.choice(control, "RegulatingControl.mode")
        off = graph.flag(control, "RegulatingControl.enabled") is False
        off |= graph.flag(item, "RegulatingCondEq.controlEnabled") is False
        if off or mode not in _MODES:
            text = "is switched off" if off else f"the mode {mode or 'of nothing'} is not modelled"
            graph.note(control, control.kind, f"{text}: left out")
            return []
        return [
            self.places.make(
                ShuntCompensatorControl,
                control,
                name=self.places.unique("capacitor_control", control),
                capacitor=capacitor.name,
                pt_ratio=1.0,  # the file's set-points are those of the line itself
                ct_ratio=1.0,
                **self._thresholds(control, mode),
                **self._measured(control, item),
                **self._delay(item),
            )
            for capacitor in own
        ]

    def _thresholds(self, control: CimObject, mode: str) -> dict[str, object]:
        """Return mode, and the values at which a capacitor goes on and off."""
        graph, dialect = self.places.graph, self.places.dialect
        ours, factor = _MODES[mode]
        factor *= {"voltage": dialect.volts / (ROOT3 if dialect.volts > 1.0 else 1.0)}.get(
            mode, dialect.watts if mode == "reactivePower" else 1.0
        )
        target = graph.needed(control, "RegulatingControl.targetValue") * factor
        band = (graph.number(control, "RegulatingControl.targetDeadband") or 0.0) * factor
        if ours in ("current", "kvar"):  # on at the higher value; OpenDSS gives a negative band
            return {"mode": ours, "on": target + abs(band) / 2, "off": target - abs(band) / 2}
        return {"mode": ours, "on": target - band / 2, "off": target + band / 2}

    def _measured(self, control: CimObject, capacitor: CimObject) -> dict[str, object]:
        """Return the element, its end and the phase that a control looks at."""
        graph = self.places.graph
        node = NODE_OF.get(graph.choice(control, "RegulatingControl.monitoredPhase"))
        terminal = graph.ref(control, "RegulatingControl.Terminal")
        if terminal is None:
            return {"node": node}
        if terminal.key in self.found.at_terminal:
            name, number = self.found.at_terminal[terminal.key]
            return {"element": name, "terminal": number, "node": node}
        equipment = graph.ref(terminal, "Terminal.ConductingEquipment")
        if equipment is None or equipment is capacitor:
            return {"node": node}
        if equipment.kind not in (*LINES, *SWITCHES):
            text = f"looks at a {equipment.kind}: taken as looking at the capacitor's bus"
            graph.note(control, control.kind, text)
            return {"node": node}
        number = self.places.terminals(equipment).index(terminal) + 1
        return {"element": equipment.name, "terminal": number, "node": node}

    def _delay(self, item: CimObject) -> dict[str, Any]:
        delay = self.places.graph.number(item, "ShuntCompensator.aVRDelay")
        return {} if delay is None else {"delay_s": delay, "delay_off_s": delay}
