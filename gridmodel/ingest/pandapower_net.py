"""pandapower: its networks, and SimBench's, as three-phase networks and back.

Sequence values become phase matrices of transposed lines. An external grid is an ideal
source unless its impedance is asked for: pandapower's power flow holds the voltage at its
bus and uses the short-circuit power for faults only. A switch at the end of a line or a
transformer makes a bus of its own, ``line@bus``, so that it can be operated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gridmodel.counted import counted
from gridmodel.errors import Fault, MissingExtraError, NetworkError
from gridmodel.ingest.assembly import Assembly
from gridmodel.ingest.notices import Notice
from gridmodel.ingest.pandapower_equipment import PandapowerEquipment
from gridmodel.ingest.pandapower_rows import Row, pandapower, rows
from gridmodel.ingest.pandapower_transformers import read_transformer, read_transformer3w
from gridmodel.ingest.pandapower_writer import write_pandapower
from gridmodel.ingest.sequence import phase_matrix
from gridmodel.network.network import Network

__all__ = ["read_pandapower", "write_pandapower"]

_SIMBENCH = "simbench:"
_KINDS = {"CB": "breaker", "LBS": "load_break_switch", "DS": "disconnector"}
#: Resistance over reactance of a switch with an impedance, as `runpp` takes it by default.
_SWITCH_R_PER_X = 2.0
#: Tables that say something about a power flow or its results; the rest is told.
_READ = {
    "bus", "line", "trafo", "trafo3w", "load", "sgen", "asymmetric_load", "asymmetric_sgen",
    "storage", "shunt", "ext_grid", "gen", "switch", "impedance",
}  # fmt: skip


def read_pandapower(
    source: Any, *, source_impedance: bool = False, z0_per_z1: float = 1.0
) -> tuple[Network, tuple[Notice, ...]]:
    """Return the network of a pandapower net.

    Parameters
    ----------
    source : Path, str or pandapowerNet
        A JSON file as `pandapower.to_json` writes it, a net, or ``simbench:CODE`` for a grid
        of SimBench, such as ``simbench:1-LV-rural1--0-sw``.
    source_impedance : bool
        Give external grids the impedance of their greatest short-circuit power,
        ``1.1 Vn^2 / S`` (IEC 60909-0); else they are ideal sources, as in `runpp`.
    z0_per_z1 : float
        Zero-sequence impedance of lines that have none, as multiple of the positive one.

    Returns
    -------
    network : Network
        Elements by their names where those are unique, else with a number.
    notices : tuple of Notice
        What is assumed, and what of the net is left out.

    Raises
    ------
    NetworkError
        With every fault of the net.
    MissingExtraError
        If pandapower, or SimBench for its grids, is not installed.
    """
    net, where = _net(source)
    reader = _Reader(net, where, source_impedance, z0_per_z1)
    network = reader.read()
    return network, tuple(reader.into.notices)


def _net(source: Any) -> tuple[Any, str]:
    """Return a net and where it comes from."""
    if not isinstance(source, str | Path):
        return source, str(getattr(source, "name", "") or "pandapower net")
    text = str(source)
    if text.startswith(_SIMBENCH):
        return _simbench(text.removeprefix(_SIMBENCH)), text
    title = f"pandapower net {Path(source).name} cannot be used"
    try:
        data = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        line = getattr(error, "lineno", 0)
        where = f"{text}:{line}" if line else text
        raise NetworkError(title, [Fault(where, "", f"cannot be read: {error}.")]) from error
    if not isinstance(data, dict) or data.get("_class") != "pandapowerNet":
        advice = "Write it with pandapower.to_json."
        raise NetworkError(title, [Fault(text, "", "is no pandapower net.", advice)])
    with pandapower("reading a pandapower net") as library:
        try:
            net = library.from_json(text)
        except Exception as error:  # whatever its decoder meets
            fault = Fault(text, "", f"pandapower cannot read it: {error}.")
            raise NetworkError(title, [fault]) from error
    return net, text


def _simbench(code: str) -> Any:
    with pandapower("reading a SimBench grid"):
        try:
            import simbench
        except ImportError as error:
            raise MissingExtraError("simbench", f"the grid simbench:{code}") from error
        try:
            return simbench.get_simbench_net(code)
        except Exception as error:  # it has no error of its own for an unknown code
            fault = Fault(f"{_SIMBENCH}{code}", "", f"SimBench has no such grid: {error}.")
            raise NetworkError(f"SimBench grid {code} cannot be used", [fault]) from error


class _Reader:
    """One net while it is read."""

    def __init__(self, net: Any, where: str, source_impedance: bool, z0_per_z1: float) -> None:
        self.net, self.z0_per_z1 = net, z0_per_z1
        self.into = Assembly(where)
        self.f_hz = float(net.get("f_hz") or 50.0)
        self.bus_name: dict[int, str] = {}
        self.v: dict[str, float] = {}
        self._source_impedance = source_impedance
        self._said: dict[str, list[str]] = {}
        self._switched: dict[tuple[str, int, int], Row] = {}

    def read(self) -> Network:
        """Return the network."""
        self._buses()
        self._bus_switches()
        for row in self._present("line", ("from_bus", "to_bus")):
            self._line(row)
        for row in self._present("trafo", ("hv_bus", "lv_bus")):
            if self._in_service(row):
                read_transformer(self, row)
        for row in self._present("trafo3w", ("hv_bus", "mv_bus", "lv_bus")):
            if self._in_service(row):
                read_transformer3w(self, row)
        for row in self._present("impedance", ("from_bus", "to_bus")):
            self._impedance(row)
        PandapowerEquipment(self).read(self._source_impedance)
        self._leftovers()
        name = str(self.net.get("name") or "") or Path(self.into.where).stem
        return self.into.network(
            name=name.removeprefix(_SIMBENCH),
            f_nominal_hz=self.f_hz,
            source=f"pandapower net {name}".strip(),
        )

    def say(self, text: str, name: str) -> None:
        """Tell something about an element; one notice for all that share it."""
        self._said.setdefault(text, []).append(name)

    def present(self, table: str) -> Iterable[Row]:
        """Yield the rows of equipment at one bus that is in service, at a bus that is."""
        return (row for row in self._present(table, ("bus",)) if self._in_service(row))

    def origin(self, row: Row) -> str:
        """Return where a row is."""
        return f"{self.into.where}:{row.table}[{row.index}]"

    def end(self, row: Row, kind: str, key: str, name: str) -> str:
        """Return the bus an end of a branch is at: beyond its switch, if it has one."""
        at = self.bus_name[row.whole(key)]
        switch = self._switched.pop((kind, row.index, row.whole(key)), None)
        if switch is None:
            return at
        bus = self.into.free_name("buses", f"{name}@{at}")
        self.into.add("buses", bus, self.origin(switch), v_nominal_v=self.v[at])
        self.v[bus] = self.v[at]
        self._switch(switch, at, bus)
        return bus

    def _present(self, table: str, keys: tuple[str, ...]) -> Iterable[Row]:
        """Yield the rows of a table whose buses are in service."""
        for row in rows(self.net, table):
            gone = [row.whole(key) for key in keys if row.whole(key) not in self.bus_name]
            if any(bus not in self._all_buses for bus in gone):
                problem = f"is at bus {gone[0]}, which does not exist."
                self.into.fault(f"{table}.{row.index}", problem, "", self.origin(row))
            elif gone:
                self.say("at a bus out of service: left out", row.name)
            else:
                yield row

    def _in_service(self, row: Row) -> bool:
        if row.flag("in_service"):
            return True
        self.say(f"{row.table} out of service: left out", row.name)
        return False

    def _buses(self) -> None:
        self._all_buses = set()
        for row in rows(self.net, "bus"):
            self._all_buses.add(row.index)
            if not row.flag("in_service"):
                self.say("bus out of service: left out", row.name)
                continue
            name = self.into.free_name("buses", row.text("name") or str(row.index))
            self.bus_name[row.index] = name
            self.v[name] = row.number("vn_kv") * 1e3
            x, y = self._place(row)
            where = self.origin(row)
            self.into.add("buses", name, where, v_nominal_v=self.v[name], x=x, y=y)

    def _place(self, row: Row) -> tuple[float | None, float | None]:
        """Return the coordinates of a bus; of a longer one, such as a busbar, its first."""
        text = row.text("geo")
        if not text:
            return None, None
        try:
            at = json.loads(text)["coordinates"]
            while isinstance(at[0], list):
                at = at[0]
            x, y = float(at[0]), float(at[1])
        except (ValueError, KeyError, TypeError, IndexError):
            self.say("its coordinates are no GeoJSON: left out", row.name)
            return None, None
        return (x, y) if math.isfinite(x) and math.isfinite(y) else (None, None)

    def _bus_switches(self) -> None:
        """Make the switches between buses; keep those at the ends of branches for later."""
        for row in self._present("switch", ("bus",)):
            kind = row.text("et")
            if kind != "b":
                self._switched[(kind, row.whole("element"), row.whole("bus"))] = row
            elif row.whole("element") in self.bus_name:
                self._switch(
                    row, self.bus_name[row.whole("bus")], self.bus_name[row.whole("element")]
                )
            else:
                self.say("at a bus out of service: left out", row.name)

    def _switch(self, row: Row, bus_from: str, bus_to: str) -> None:
        z_ohm = row.number("z_ohm")
        x_ohm = z_ohm / math.hypot(1.0, _SWITCH_R_PER_X)
        self.into.add(
            "switches",
            self.into.free_name("switches", row.name),
            self.origin(row),
            bus_from=bus_from,
            bus_to=bus_to,
            phases="ABC",
            kind=_KINDS.get(row.text("type"), "switch"),
            open=not row.flag("closed"),
            r_ohm=x_ohm * _SWITCH_R_PER_X,
            x_ohm=x_ohm,
            ampacity_a=row.number("in_ka") * 1e3,
        )

    def _line(self, row: Row) -> None:
        parallel, where = row.number("parallel", 1.0), self.origin(row)
        length = row.number("length_km")
        ampacity_a = row.number("max_i_ka") * row.number("df", 1.0) * parallel * 1e3
        ampacity_a = ampacity_a if ampacity_a < 9e7 else 0.0  # 99999 kA: not known
        r, x = (row.number(key) / parallel for key in ("r_ohm_per_km", "x_ohm_per_km"))
        fields = {"phases": "ABC", "ampacity_a": ampacity_a}
        if not row.flag("in_service"):
            self.say("line out of service: an open switch with its impedance", row.name)
            fields |= {"r_ohm": r * length, "x_ohm": x * length, "open": True}
            ends = [self.bus_name[row.whole(key)] for key in ("from_bus", "to_bus")]
            name = self.into.free_name("switches", row.name)
            fields |= {"kind": "load_break_switch", "bus_from": ends[0], "bus_to": ends[1]}
            self.into.add("switches", name, where, **fields)
            return
        if row.number("g_us_per_km"):
            self.say("its shunt conductance is left out", row.name)
        name = self.into.free_name("lines", row.name)
        fields |= {"impedance": self._kind(row, name, r, x, parallel), "length_km": length}
        fields["bus_from"] = self.end(row, "l", "from_bus", name)
        fields["bus_to"] = self.end(row, "l", "to_bus", name)
        self.into.add("lines", name, where, **fields)

    def _kind(self, row: Row, name: str, r: float, x: float, parallel: float) -> str:
        if not (row.has("r0_ohm_per_km") and row.has("x0_ohm_per_km")):
            text = f"no zero sequence: {self.z0_per_z1:g} times the positive one is taken"
            self.say(text, row.name)
        r0 = row.number("r0_ohm_per_km", r * parallel * self.z0_per_z1) / parallel
        x0 = row.number("x0_ohm_per_km", x * parallel * self.z0_per_z1) / parallel
        c = row.number("c_nf_per_km") * parallel
        c0 = row.number("c0_nf_per_km", c / parallel) * parallel
        wanted = row.text("std_type", name) + (f" x{parallel:g}" if parallel != 1.0 else "")
        return self.into.kind(
            wanted,
            self.origin(row),
            r_ohm_per_km=phase_matrix(r, r0),
            x_ohm_per_km=phase_matrix(x, x0),
            c_nf_per_km=phase_matrix(c, c0) if c or c0 else (),
        )

    def _impedance(self, row: Row) -> None:
        """Make a series compensator of an impedance that is alike both ways."""
        alike = all(row.number(f"{k}ft_pu") == row.number(f"{k}tf_pu") for k in "rx")
        shunts = any(row.number(key) for key in ("gf_pu", "bf_pu", "gt_pu", "bt_pu"))
        if not self._in_service(row):
            return
        if not alike or shunts:
            self.say("an impedance unlike both ways or with shunts: left out", row.name)
            return
        ends = [self.bus_name[row.whole(key)] for key in ("from_bus", "to_bus")]
        base = self.v[ends[0]] ** 2 / (row.number("sn_mva", 1.0) * 1e6)
        name = self.into.free_name("series_compensators", row.name)
        z = {"r_ohm": row.number("rft_pu") * base, "x_ohm": row.number("xft_pu") * base}
        at = {"bus_from": ends[0], "bus_to": ends[1], "phases": "ABC"}
        self.into.add("series_compensators", name, self.origin(row), **at, **z)

    def _leftovers(self) -> None:
        """Tell of switches whose branch is not there, and of tables nobody has read."""
        for row in self._switched.values():
            self.say("a switch of a branch that is left out: left out", row.name)
        for text, names in self._said.items():
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            self.into.note(", ".join(names[:20]) + more, text)
        for table, frame in self.net.items():
            unread = not table.startswith(("_", "res_")) and table not in _READ
            if unread and hasattr(frame, "columns") and len(frame):
                rows = counted(len(frame), "row")
                self.into.note(table, f"{rows} left out: nothing of ours is like it")
        profiles = self.net.get("profiles")
        if isinstance(profiles, dict) and profiles:
            self.into.note("profiles", "left out: values of the net's own tables are taken")
