"""MATPOWER: cases as three-phase networks of the same positive sequence.

A case file (version 1 or 2) is a MATLAB program; see `gridmodel.ingest.matlab` for the part of
the language that is read. Columns are those of MATPOWER's case format. Phases are alike.
Left out, with a notice: costs, limits of the optimal power flow, direct-current lines.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.assembly import Assembly
from gridmodel.ingest.matlab import Workspace, evaluate
from gridmodel.ingest.matpower_columns import BRANCH, BUS, FUNCTIONS, GEN, Table
from gridmodel.ingest.matpower_writer import write_matpower
from gridmodel.ingest.notices import Notice
from gridmodel.ingest.sequence import phase_matrix
from gridmodel.ingest.vector_group import windings
from gridmodel.network.network import Network

__all__ = ["read_matpower", "write_matpower"]

_LOAD, _HOLDS_V, _REFERENCE, _ISOLATED = 1, 2, 3, 4
#: Reactance of a transformer said to have none. [%]
_LEAST_X = 1e-6
_Q_MOST = 1e9


def read_matpower(
    path: Path, *, f_nominal_hz: float = 60.0, z0_per_z1: float = 1.0
) -> tuple[Network, tuple[Notice, ...]]:
    """Return the network of a MATPOWER case.

    Parameters
    ----------
    path : Path
        The ``.m`` file.
    f_nominal_hz : float
        Frequency at which its susceptances hold; a case does not say. [Hz]
    z0_per_z1 : float
        Zero-sequence impedance of lines, as multiple of the positive one; a case does not say.

    Returns
    -------
    network : Network
        Buses by their number, or by ``mpc.bus_name`` where that names each; branches as
        ``from-to``. A line out of service is an open switch with the line's impedance.
    notices : tuple of Notice
        What is assumed, and what of the file is left out.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        fault = Fault(str(path), "", f"cannot be read: {error}.")
        raise NetworkError(f"MATPOWER case {path.name} cannot be used", [fault]) from error
    space = evaluate(text, FUNCTIONS)
    case = _Case(path, space, f_nominal_hz, z0_per_z1)
    network = case.read()
    return network, tuple(case.into.notices)


class _Case:
    """One case while it is read."""

    def __init__(self, path: Path, space: Workspace, f_hz: float, z0_per_z1: float) -> None:
        self.path, self.f_hz, self.z0_per_z1 = path, f_hz, z0_per_z1
        self.into = Assembly(str(path))
        self._prefix = f"{space.outputs[0]}." if len(space.outputs) == 1 else ""
        if not space.outputs:
            self._prefix = "mpc."
        self._space = space
        self._names: dict[int, str] = {}
        self._v: dict[int, float] = {}
        self._isolated: set[int] = set()

    def read(self) -> Network:
        """Return the network."""
        self._tell_unknown()
        self._base_mva = self._base()
        bus, gen, branch = (self._table(name, cols) for name, cols in _TABLES)
        if not self.into.faults:
            self._buses(bus)
            self._generators(gen, bus)
            for k in range(len(branch)):
                self._branch(branch, k)
            self._tell_assumptions(branch)
        return self.into.network(
            name=self.path.stem, f_nominal_hz=self.f_hz, source=f"MATPOWER case {self.path.name}"
        )

    def _tell_unknown(self) -> None:
        """Statements that decide about a needed value are faults, others notices."""
        needed = {f"{self._prefix}{name}" for name in (*dict(_TABLES), "baseMVA")}
        for unknown in self._space.unknown:
            where = f"{self.path}:{unknown.line}"
            if unknown.control or needed & set(unknown.targets):
                advice = "Evaluate the case in MATLAB or Octave and save it by savecase."
                problem = f"is not understood: {unknown.reason}."
                self.into.fault(unknown.said, problem, advice, where)
            else:
                text = f"not understood, left out: {unknown.reason}"
                self.into.note(unknown.said, text, where)
        known = needed | {f"{self._prefix}{name}" for name in ("version", "bus_name")}
        for name in self._space.values:
            line = self._space.assigned.get(name)
            if self._prefix and line and name.startswith(self._prefix) and name not in known:
                self.into.note(name, "left out: not part of a power flow", f"{self.path}:{line}")

    def _base(self) -> float:
        value = self._space.values.get(f"{self._prefix}baseMVA")
        if isinstance(value, np.ndarray) and value.size == 1 and 0.0 < value.item() < math.inf:
            return float(value.item())
        if not self.into.faults:
            said = "is missing" if value is None else f"{value} was given"
            self.into.fault(f"{self._prefix}baseMVA", f"{said}.", "It is a positive number of MVA.")
        return 1.0

    def _table(self, name: str, columns: dict[str, int]) -> Table:
        full = f"{self._prefix}{name}"
        value = self._space.values.get(full)
        lines = self._space.lines.get(full, [])
        table = Table(value, columns, f"{self.path}", lines, self._space.assigned.get(full, 1))
        if not any(full in unknown.targets for unknown in self._space.unknown):
            self.into.faults += table.faults(full)
        return table

    def _buses(self, bus: Table) -> None:
        names = self._space.values.get(f"{self._prefix}bus_name")
        named = isinstance(names, list) and len(names) == len(bus)
        texts = [str(name).strip() for name in names] if named and names is not None else []
        if len(set(texts)) != len(bus):
            texts = []
        for k in range(len(bus)):
            number = int(bus.at(k, "BUS_I"))
            where = bus.where(k)
            if number in self._names:
                self.into.fault(f"bus {number}", "is there twice.", "Renumber one.", where)
            if bus.at(k, "BASE_KV") <= 0.0:
                given = f"baseKV is {bus.at(k, 'BASE_KV'):g}."
                self.into.fault(f"bus {number}", given, "A positive voltage is needed.", where)
            if bus.at(k, "BUS_TYPE") == _ISOLATED:
                self.into.note(f"bus {number}", "isolated (type 4): left out with its load", where)
                self._isolated.add(number)
                continue
            self._names[number] = texts[k] if texts else str(number)
            self._v[number] = bus.at(k, "BASE_KV") * 1e3
            self.into.add("buses", self._names[number], where, v_nominal_v=self._v[number])
            self._at_bus(bus, k, number)

    def _at_bus(self, bus: Table, k: int, number: int) -> None:
        """Make the load and the shunt of a bus."""
        here = {"bus": self._names[number], "v_rated_v": self._v[number]}
        p, q = bus.at(k, "PD") * 1e3, bus.at(k, "QD") * 1e3
        if p or q:
            name = f"load_{self._names[number]}"
            self.into.add("consumers", name, bus.where(k), p_rated_kw=p, q_rated_kvar=q, **here)
        g, b = bus.at(k, "GS") * 1e3, bus.at(k, "BS") * 1e3
        if g or b:
            name = f"shunt_{self._names[number]}"
            self.into.add("capacitors", name, bus.where(k), q_kvar=b, g_kw=g, **here)

    def _generators(self, gen: Table, bus: Table) -> None:
        """Make sources of the generators at reference buses and machines of the others."""
        rows = {int(bus.at(k, "BUS_I")): k for k in range(len(bus))}
        fed: set[int] = set()
        for k in range(len(gen)):
            number, where = int(gen.at(k, "GEN_BUS")), gen.where(k)
            if number not in rows:
                self.into.fault(f"generator at bus {number}", "there is no such bus.", "", where)
                continue
            kind = bus.at(rows[number], "BUS_TYPE")
            if gen.at(k, "GEN_STATUS") <= 0.0 or kind == _ISOLATED:
                self.into.note(f"generator at bus {number}", "out of service: left out", where)
            elif kind == _REFERENCE and number not in fed:
                fed.add(number)
                self._source(number, gen.at(k, "VG"), bus.at(rows[number], "VA"), where)
            else:
                self._machine(gen, k, number, kind == _HOLDS_V)
        for number, k in rows.items():
            if bus.at(k, "BUS_TYPE") == _REFERENCE and number not in fed:
                text = "a reference without generator: its own voltage is held"
                self.into.note(f"bus {number}", text, bus.where(k))
                self._source(number, bus.at(k, "VM"), bus.at(k, "VA"), bus.where(k))

    def _source(self, number: int, v_pu: float, angle_deg: float, where: str) -> None:
        ideal = dict.fromkeys(("r1_ohm", "x1_ohm", "r0_ohm", "x0_ohm"), 0.0)
        fields = {"v_nominal_v": self._v[number], "v_pu": v_pu, "angle_deg": angle_deg}
        name = f"source_{self._names[number]}"
        self.into.add("energy_sources", name, where, bus=self._names[number], **fields, **ideal)

    def _machine(self, gen: Table, k: int, number: int, holds_v: bool) -> None:
        name = self.into.free_name("machines", f"generator_{self._names[number]}")
        self.into.add(
            "machines",
            name,
            gen.where(k),
            bus=self._names[number],
            v_rated_v=self._v[number],
            p_kw=gen.at(k, "PG") * 1e3,
            q_kvar=gen.at(k, "QG") * 1e3,
            v_set_pu=gen.at(k, "VG") if holds_v else None,
            q_min_kvar=max(gen.at(k, "QMIN") * 1e3, -_Q_MOST),
            q_max_kvar=min(gen.at(k, "QMAX") * 1e3, _Q_MOST),
        )

    def _branch(self, branch: Table, k: int) -> None:
        ends = [int(branch.at(k, "F_BUS")), int(branch.at(k, "T_BUS"))]
        what, where = f"branch {ends[0]}-{ends[1]}", branch.where(k)
        lacking = [number for number in ends if number not in self._v]
        if lacking:
            if branch.at(k, "BR_STATUS") <= 0.0:
                self.into.note(what, "out of service and at no bus: left out", where)
            elif all(number in self._isolated for number in lacking):
                text = f"at bus {lacking[0]}, which is isolated (type 4): left out"
                self.into.note(what, text, where)
            else:
                self.into.fault(what, f"there is no bus {lacking[0]} in service.", "", where)
            return
        tap, shift = branch.at(k, "TAP"), branch.at(k, "SHIFT")
        if tap or shift or self._v[ends[0]] != self._v[ends[1]]:
            self._transformer(branch, k, ends, tap or 1.0)
        else:
            self._line(branch, k, ends)

    def _line(self, branch: Table, k: int, ends: list[int]) -> None:
        z_base = self._v[ends[1]] ** 2 / (self._base_mva * 1e6)
        r, x = branch.at(k, "BR_R") * z_base, branch.at(k, "BR_X") * z_base
        c_nf = branch.at(k, "BR_B") / z_base / (2.0 * math.pi * self.f_hz) * 1e9
        ampacity_a = branch.at(k, "RATE_A") * 1e6 / (3**0.5 * self._v[ends[0]])
        at = {"bus_from": self._names[ends[0]], "bus_to": self._names[ends[1]], "phases": "ABC"}
        wanted, where = f"{at['bus_from']}-{at['bus_to']}", branch.where(k)
        in_service = branch.at(k, "BR_STATUS") > 0.0
        if in_service and (r or x):
            name = self.into.free_name("lines", wanted)
            kind = self.into.kind(
                name,
                where,
                r_ohm_per_km=phase_matrix(r, self.z0_per_z1 * r),
                x_ohm_per_km=phase_matrix(x, self.z0_per_z1 * x),
                c_nf_per_km=phase_matrix(c_nf, c_nf) if c_nf else (),
            )
            fields = {"length_km": 1.0, "impedance": kind, "ampacity_a": ampacity_a}
            self.into.add("lines", name, where, **at, **fields)
            return
        said = "no impedance: read as a closed switch" if in_service else (
            "out of service: an open switch with the line's impedance"
        )  # fmt: skip
        if c_nf:
            said += ", without its charging"
        name = self.into.free_name("switches", wanted)
        self.into.note(f"branch {wanted}", said, where)
        fields = {"r_ohm": r, "x_ohm": x, "ampacity_a": ampacity_a, "open": not in_service}
        self.into.add("switches", name, where, kind="load_break_switch", **at, **fields)

    def _transformer(self, branch: Table, k: int, ends: list[int], tap: float) -> None:
        wanted, where = f"{self._names[ends[0]]}-{self._names[ends[1]]}", branch.where(k)
        if branch.at(k, "BR_STATUS") <= 0.0:
            self.into.note(f"transformer {wanted}", "out of service: left out", where)
            return
        if branch.at(k, "BR_B"):
            self.into.note(f"transformer {wanted}", "its charging is left out", where)
        s_mva = branch.at(k, "RATE_A") or self._base_mva
        percent = 100.0 * s_mva / self._base_mva
        r, x = branch.at(k, "BR_R") * percent, branch.at(k, "BR_X") * percent
        if x == 0.0:
            self.into.note(f"transformer {wanted}", f"no reactance: {_LEAST_X:g} % taken", where)
        clock, high = self._clock(branch.at(k, "SHIFT"), ends, wanted, where)
        group = windings("Dyn" if clock % 2 else "YNyn", clock)
        order = (0, 1) if high == 0 else (1, 0)
        sides = [
            {
                "bus": self._names[ends[side]],
                "nodes": group.nodes[order[side]],
                "connection": group.connections[order[side]],
                "v_rated_v": self._v[ends[side]],
                "s_kva": s_mva * 1e3,
                "r_percent": r / 2.0,
                "tap_pu": tap if side == 0 else 1.0,
            }
            for side in (0, 1)
        ]
        name = self.into.free_name("transformers", wanted)
        fields = {"x_percent": (x or _LEAST_X,), "lead": group.lead}
        self.into.add("transformers", name, where, ends=tuple(sides), **fields)

    def _clock(self, shift: float, ends: list[int], wanted: str, where: str) -> tuple[int, int]:
        """Return the clock of a shift, and which end has the higher voltage."""
        high = 0 if self._v[ends[0]] >= self._v[ends[1]] else 1
        hours = (shift if high == 0 else -shift) / 30.0
        clock = round(hours) % 12
        kept = windings("Dyn" if clock % 2 else "YNyn", clock).clock
        if abs(hours - round(hours)) > 1e-9 or kept != clock:
            text = f"its shift of {shift:g} deg is left out: only vector groups are known"
            self.into.note(f"transformer {wanted}", text, where)
            return 0, high
        return clock, high

    def _tell_assumptions(self, branch: Table) -> None:
        text = f"phases alike, zero sequence of lines {self.z0_per_z1:g} times the positive one"
        self.into.note("", f"a balanced case: {text}")
        if len(branch) and np.any(branch.column("BR_B")):
            self.into.note("", f"capacitances from susceptances at {self.f_hz:g} Hz")


_TABLES = (("bus", BUS), ("gen", GEN), ("branch", BRANCH))
