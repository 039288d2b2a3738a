"""Equipment of pandapower at one bus: loads, generation, storage, shunts, external grids."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

from gridmodel.ingest.assembly import Assembly
from gridmodel.ingest.pandapower_rows import Row
from gridmodel.network.equipment import LoadResponseCharacteristic

#: Factor of the voltage in the short-circuit impedance (IEC 60909-0, greatest currents).
C_MAX = 1.1
_UNITS = {"pv": "photovoltaic", "wp": "wind", "wind": "wind"}


class Reader(Protocol):
    """What of a reader of a net is needed here."""

    into: Assembly
    bus_name: dict[int, str]
    v: dict[str, float]

    def say(self, text: str, name: str) -> None:
        """Tell something about an element."""

    def origin(self, row: Row) -> str:
        """Return where a row is."""

    def present(self, table: str) -> Iterable[Row]:
        """Yield the rows of a table that are in service."""


class PandapowerEquipment:
    """Reads the tables of equipment at one bus."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._into = reader, reader.into

    def read(self, source_impedance: bool) -> None:
        """Make all of it; pandapower's drawn power of storage becomes injection."""
        for row in self._reader.present("ext_grid"):
            self._source(row, row.number("va_degree"), source_impedance)
        for row in self._reader.present("gen"):
            if row.flag("slack", False):
                self._source(row, 0.0, source_impedance)
            else:
                self._machine(row)
        for row in self._reader.present("load"):
            self._load(row)
        for row in self._reader.present("asymmetric_load"):
            self._by_phase(row, -1.0)
        for row in self._reader.present("sgen"):
            unit = _UNITS.get(row.text("type").lower(), "other")
            self._inverter(row, unit, 1.0)
        for row in self._reader.present("storage"):
            self._inverter(row, "battery", -1.0)
        for row in self._reader.present("asymmetric_sgen"):
            self._by_phase(row, 1.0)
        for row in self._reader.present("shunt"):
            self._shunt(row)

    def _at(self, row: Row) -> tuple[str, float]:
        bus = self._reader.bus_name[row.whole("bus")]
        return bus, self._reader.v[bus]

    def _source(self, row: Row, angle_deg: float, source_impedance: bool) -> None:
        bus, v = self._at(row)
        z = dict.fromkeys(("r1_ohm", "x1_ohm", "r0_ohm", "x0_ohm"), 0.0)
        s_mva = row.number("s_sc_max_mva")
        if s_mva > 0.0 and source_impedance:
            z = _short_circuit(row, v, s_mva)
        elif s_mva > 0.0:
            text = "an ideal source, as in runpp: its short-circuit power is not used"
            self._reader.say(text, row.name)
        elif source_impedance:
            self._reader.say("no short-circuit power: an ideal source", row.name)
        fields = {"v_nominal_v": v, "v_pu": row.number("vm_pu", 1.0), "angle_deg": angle_deg}
        name = self._into.free_name("energy_sources", row.name)
        self._into.add("energy_sources", name, self._reader.origin(row), bus=bus, **fields, **z)

    def _machine(self, row: Row) -> None:
        bus, v = self._at(row)
        self._into.add(
            "machines",
            self._into.free_name("machines", row.name),
            self._reader.origin(row),
            bus=bus,
            v_rated_v=v,
            p_kw=row.number("p_mw") * row.number("scaling", 1.0) * 1e3,
            v_set_pu=row.number("vm_pu", 1.0),
            q_min_kvar=max(row.number("min_q_mvar", -1e6) * 1e3, -1e9),
            q_max_kvar=min(row.number("max_q_mvar", 1e6) * 1e3, 1e9),
        )

    def _load(self, row: Row) -> None:
        bus, v = self._at(row)
        scale = row.number("scaling", 1.0) * 1e3
        delta = row.text("type") == "delta"
        shares: dict[str, Any] = {}
        for part in "pq":
            z = row.number(f"const_z_{part}_percent", row.number("const_z_percent")) / 100.0
            i = row.number(f"const_i_{part}_percent", row.number("const_i_percent")) / 100.0
            shares[f"{part}_zip_pu"] = (z, i, 1.0 - z - i)
        self._into.add(
            "consumers",
            self._into.free_name("consumers", row.name),
            self._reader.origin(row),
            bus=bus,
            nodes="ABC" if delta else "ABC0",
            connection="delta" if delta else "wye",
            v_rated_v=v,
            p_rated_kw=row.number("p_mw") * scale,
            q_rated_kvar=row.number("q_mvar") * scale,
            response=LoadResponseCharacteristic(**shares),
        )

    def _by_phase(self, row: Row, sign: float) -> None:
        """Make one load or inverter a phase that has power; one alone keeps the name."""
        bus, v = self._at(row)
        scale = row.number("scaling", 1.0) * 1e3
        delta = row.text("type") == "delta"
        power = {
            phase: complex(row.number(f"p_{phase}_mw"), row.number(f"q_{phase}_mvar")) * scale
            for phase in "abc"
        }
        used = [phase for phase in "abc" if power[phase]] or ["a"]
        group = "consumers" if sign < 0.0 else "inverters"
        for phase in used:
            wanted = row.name if len(used) == 1 else f"{row.name}.{phase}"
            nodes = {"a": "AB", "b": "BC", "c": "CA"}[phase] if delta else f"{phase.upper()}0"
            p, q = power[phase].real, power[phase].imag
            fields = (
                {"p_rated_kw": p, "q_rated_kvar": q}
                if sign < 0.0
                else {"unit": "other", "s_kva": self._rating(row, p, q), "p_kw": p, "q_kvar": q}
            )
            self._into.add(
                group,
                self._into.free_name(group, wanted),
                self._reader.origin(row),
                bus=bus,
                nodes=nodes,
                connection="delta" if delta else "wye",
                v_rated_v=v if delta else v / 3**0.5,
                **fields,
            )

    def _inverter(self, row: Row, unit: str, sign: float) -> None:
        bus, v = self._at(row)
        scale = sign * row.number("scaling", 1.0) * 1e3
        p, q = row.number("p_mw") * scale, row.number("q_mvar") * scale
        self._into.add(
            "inverters",
            self._into.free_name("inverters", row.name),
            self._reader.origin(row),
            bus=bus,
            v_rated_v=v,
            unit=unit,
            s_kva=self._rating(row, p, q),
            p_kw=p + 0.0,
            q_kvar=q + 0.0,
            e_kwh=row.number("max_e_mwh") * 1e3,
        )

    def _rating(self, row: Row, p: float, q: float) -> float:
        """Return the rating; without one the power, and 1 kVA where there is none either."""
        s_kva = row.number("sn_mva") * 1e3
        if s_kva > 0.0:
            return s_kva
        self._reader.say("no rating: its power, or 1 kVA, is taken", row.name)
        return math.hypot(p, q) or 1.0

    def _shunt(self, row: Row) -> None:
        """Make a bank of it; pandapower counts drawn power, of one step."""
        bus, v = self._at(row)
        on = max(round(row.number("step", 1.0)), 0)
        count = max(round(row.number("max_step", 1.0)), on, 1)
        self._into.add(
            "capacitors",
            self._into.free_name("capacitors", row.name),
            self._reader.origin(row),
            bus=bus,
            v_rated_v=row.number("vn_kv", v / 1e3) * 1e3,
            q_kvar=-row.number("q_mvar") * 1e3 * count + 0.0,
            g_kw=row.number("p_mw") * 1e3 * count,
            section_count=count,
            sections_on=on,
        )


def _short_circuit(row: Row, v: float, s_mva: float) -> dict[str, float]:
    """Return the impedances of an external grid with a short-circuit power. [ohm]"""
    r_per_x = row.number("rx_max", 0.1)
    x1 = C_MAX * v**2 / (s_mva * 1e6) / math.hypot(1.0, r_per_x)
    x0 = x1 * row.number("x0x_max", 1.0)
    r0 = x0 * row.number("r0x0_max", r_per_x)
    return {"r1_ohm": x1 * r_per_x, "x1_ohm": x1, "r0_ohm": r0, "x0_ohm": x0}
