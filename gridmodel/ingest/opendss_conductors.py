"""Lines, switches and reactors of OpenDSS as conductors of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.ingest.opendss_dump import Intake, Record
from gridmodel.network.conductors import (
    ACLineSegment,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
    SwitchKind,
)
from gridmodel.network.element import GROUND
from gridmodel.network.equipment import GroundingImpedance, LinearShuntCompensator

Array = NDArray[np.float64]

#: Lengths OpenDSS knows, in km; 'none' says nothing, and one is taken for a km.
_KM = {
    "none": 1.0, "mi": 1.609344, "kft": 0.3048, "km": 1.0, "m": 1e-3, "ft": 3.048e-4,
    "in": 2.54e-5, "cm": 1e-5, "mm": 1e-6,
}  # fmt: skip
#: Charging below which a line of equal phases is a switch: half a var at 7.2 kV. [S]
_LEAST_S = 1e-8
#: Classes that switch a line, and what that makes of it.
_SWITCHING: dict[str, SwitchKind] = {
    "Fuse": "fuse",
    "Recloser": "recloser",
    "Relay": "breaker",
    "SwtControl": "switch",
}


@dataclass
class Conductors:
    """What lines, reactors and series capacitors became."""

    impedances: list[PerLengthPhaseImpedance] = field(default_factory=list)
    lines: list[ACLineSegment] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    series: list[SeriesCompensator] = field(default_factory=list)
    shunts: list[LinearShuntCompensator] = field(default_factory=list)
    groundings: list[GroundingImpedance] = field(default_factory=list)
    _kinds: dict[object, PerLengthPhaseImpedance] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def kind(
        self, intake: Intake, key: str, name: str, z: NDArray[np.complex128], c: Array, amps: float
    ) -> str | None:
        """Return the name of the per-length impedance of these matrices; it is made once."""
        # The last bits differ between lines of one code with other units of length.
        digits = tuple(f"{v:.11g}" for part in (z.real, z.imag, c) for v in part.ravel())
        if digits not in self._kinds:
            # A code's matrices may differ from line to line (units, earth): one kind each.
            free, count = name, 1
            while free in self._taken:
                count += 1
                free = f"{name}_{count}"
            made = intake.make(
                PerLengthPhaseImpedance,
                key,
                name=free,
                r_ohm_per_km=_rows(z.real),
                x_ohm_per_km=_rows(z.imag),
                c_nf_per_km=_rows(c) if c.any() else (),
                ampacity_a=amps,
            )
            if made is None:
                return None
            self._taken.add(free)
            self._kinds[digits] = made
            self.impedances.append(made)
        return self._kinds[digits].name

    def ampacity(self, kind: str, amps: float) -> float:
        """Return a line's own ampacity, 0 if it is its kind's. [A]"""
        own = next(one for one in self._kinds.values() if one.name == kind)
        return 0.0 if own.ampacity_a == amps else amps


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in matrix)


def read_conductors(intake: Intake) -> Conductors:
    """Return the conductors of a dump."""
    found = Conductors()
    guards = dict(_guards(intake))
    for record in intake.dump.of("Line"):
        _line(intake, record, found, guards)
    without = _unitless(intake)
    unitless = [line.name for line in found.lines if line.name in without]
    if unitless:
        more = f", as {len(unitless) - 1} more" if len(unitless) > 1 else ""
        text = f"has no unit of length{more}: km is taken; length times impedance is right."
        intake.notice(f"line.{unitless[0]}", text)
    for record in intake.dump.of("Reactor"):
        _reactor(intake, record, found)
    return found


def _unitless(intake: Intake) -> set[str]:
    return {
        record["Name"].lower()
        for record in intake.dump.of("Line")
        if record["Units"].lower() == "none"
    }


def _guards(intake: Intake) -> Iterator[tuple[str, tuple[SwitchKind, bool]]]:
    """Yield which line is switched by what, and whether that holds it open."""
    for kind, meaning in _SWITCHING.items():
        for record in intake.dump.of(kind):
            line = str(record.get("SwitchedObj") or record.get("MonitoredObj") or "").lower()
            state = record.get("State") or []
            states = [state] if isinstance(state, str) else state
            is_open = bool(states) and all(str(one).lower().startswith("o") for one in states)
            key = f"{kind.lower()}.{record['Name']}".lower()
            intake.notice(key, "its settings are left out; the switch itself is taken over.")
            yield line, (meaning, is_open)


def _line(
    intake: Intake,
    record: Record,
    found: Conductors,
    guards: dict[str, tuple[SwitchKind, bool]],
) -> None:
    key = f"line.{record['Name'].lower()}"
    phases = int(record["Phases"])
    bus_from, ends_from = intake.terminal(key, record["Bus1"], phases)
    bus_to, ends_to = intake.terminal(key, record["Bus2"], phases)
    length = float(record["Length"]) * _KM[record["Units"].lower()]
    z, c = _matrices(intake, key, record, length)
    keep = [k for k in range(phases) if GROUND not in (ends_from[k], ends_to[k])]
    if len(keep) < phases:
        if any((ends_from[k] == GROUND) != (ends_to[k] == GROUND) for k in range(phases)):
            problem = f"has a conductor to earth at one end only ({bus_from}, {bus_to})."
            intake.fault(key, problem, "Earth it by a reactor at that bus.")
            return
        intake.notice(key, "its conductors in the earth are reduced into the others (Kron).")
        z, c = _kron(z, keep), c[np.ix_(keep, keep)]
    nodes = "".join(ends_from[k] for k in keep)
    nodes_to = "".join(ends_to[k] for k in keep)
    ends: dict[str, Any] = {"bus_from": bus_from, "bus_to": bus_to, "phases": nodes}
    ends["phases_to"] = nodes_to if nodes_to != nodes else None
    amps = float(record["NormAmps"])
    guard, held_open = guards.get(key, ("switch", False))
    is_open = held_open or key in intake.dump.opened
    switches = bool(record["Switch"]) or is_open or key in guards
    if switches and (is_open or _plain(z, c, length, intake.dump.f_hz)):
        total = complex(z[0, 0]) * length
        made = intake.make(
            Switch,
            key,
            kind=intake.dump.tag(key, "kind") or guard,
            open=is_open,
            r_ohm=total.real,
            x_ohm=total.imag,
            ampacity_a=amps,
            **ends,
        )
        if made:
            found.switches.append(made)
        if not _plain(z, c, length, intake.dump.f_hz):
            intake.notice(key, "is open; closed it would have no coupling between its phases.")
        return
    if switches:
        intake.notice(key, "is a line that cannot be switched: its conductors are coupled.")
    name = str(record["LineCode"] or record["Geometry"] or record["Name"]).lower()
    kind = found.kind(intake, key, name, z, c, amps)
    if kind:
        own = found.ampacity(kind, amps)
        line = intake.make(
            ACLineSegment, key, length_km=length, impedance=kind, ampacity_a=own, **ends
        )
        if line:
            found.lines.append(line)


def _matrices(
    intake: Intake, key: str, record: Record, length_km: float
) -> tuple[NDArray[np.complex128], Array]:
    """Return series impedance and capacitance per km at the circuit's frequency."""
    yprim = intake.dump.yprim.get(key)
    if yprim is not None:  # given at another frequency; the earth's part does not just scale
        n = len(yprim) // 2
        shunt = yprim[:n, :n] + yprim[:n, n:]
        c = 2 * shunt.imag / (2 * np.pi * intake.dump.f_hz) * 1e9 / length_km
        own: NDArray[np.complex128] = (np.linalg.inv(-yprim[:n, n:]) / length_km).astype(complex)
        return own, np.where(abs(c) < 1e-9, 0.0, c)
    per_km = _KM[record["Units"].lower()]
    z = np.array(record["RMatrix"]) + 1j * np.array(record["XMatrix"])
    return z / per_km, np.array(record["CMatrix"], np.float64) / per_km


def _kron(z: NDArray[np.complex128], keep: list[int]) -> NDArray[np.complex128]:
    """Return the impedances that remain when the other conductors are earthed at both ends."""
    away = [k for k in range(len(z)) if k not in keep]
    inner = np.linalg.solve(z[np.ix_(away, away)], z[np.ix_(away, keep)])
    reduced: NDArray[np.complex128] = z[np.ix_(keep, keep)] - z[np.ix_(keep, away)] @ inner
    return reduced


def _plain(z: NDArray[np.complex128], c: Array, length_km: float, f_hz: float) -> bool:
    """Return whether a line is like a switch: equal phases, no coupling, no charging."""
    apart = np.abs(z - z[0, 0] * np.eye(len(z))).max() * length_km
    charging = np.abs(c).max() * 1e-9 * length_km * 2 * np.pi * f_hz
    return bool(apart < 1e-9 and charging < _LEAST_S and z[0, 0].imag >= 0.0)


def _reactor(intake: Intake, record: Record, found: Conductors) -> None:
    key = f"reactor.{record['Name'].lower()}"
    phases, delta = int(record["Phases"]), record["Conn"].lower() == "delta"
    y = intake.dump.yprim[key]
    if delta:
        conductors = phases if phases == 3 else phases + 1
        bus, nodes = intake.terminal(key, record["Bus1"], phases, conductors)
        branch = -complex(y[0, 1])
        _shunt(intake, key, record, found, (bus, nodes, branch))
        return
    n = len(y) // 2
    own = complex(y[0, 0])
    if np.abs(y[:n, :n] - own * np.eye(n)).max() > 1e-9 * abs(own):
        intake.fault(key, "couples its phases.", "Give it as a line with matrices.")
        return
    bus, nodes = intake.terminal(key, record["Bus1"], phases)
    to, nodes_to = intake.terminal(key, record["Bus2"] or f"{bus}{'.0' * phases}", phases)
    if to != bus and set(nodes_to) != {GROUND}:
        _series(intake, key, found, (bus, nodes), (to, nodes_to), 1.0 / own)
    elif len(set(nodes_to)) > 1:
        intake.fault(key, f"joins nodes {nodes} to {nodes_to} of one bus.", "Make it several.")
    elif nodes == "N" and nodes_to == GROUND:
        z = 1.0 / own
        made = intake.make(GroundingImpedance, key, bus=bus, node="N", r_ohm=z.real, x_ohm=z.imag)
        if made:
            found.groundings.append(made)
    else:
        _shunt(intake, key, record, found, (bus, nodes + nodes_to[0], own))


def _series(
    intake: Intake,
    key: str,
    found: Conductors,
    start: tuple[str, str],
    end: tuple[str, str],
    z: complex,
) -> None:
    made = intake.make(
        SeriesCompensator,
        key,
        bus_from=start[0],
        bus_to=end[0],
        phases=start[1],
        phases_to=end[1] if end[1] != start[1] else None,
        r_ohm=z.real if abs(z.real) > 1e-12 * abs(z) else 0.0,
        x_ohm=z.imag,
    )
    if made:
        found.series.append(made)


def _shunt(
    intake: Intake,
    key: str,
    record: Record,
    found: Conductors,
    at: tuple[str, str, complex],
) -> None:
    """Take a reactor to earth, or between phases, as a shunt that draws reactive power."""
    bus, nodes, y = at
    delta = record["Conn"].lower() == "delta"
    phases = int(record["Phases"])
    several = phases > 1 and not delta
    v = float(record["kV"]) * 1e3
    coil = v / 3**0.5 if several else v
    share = phases / 1e3
    if abs(coil**2 * -y.imag * share - float(record["kvar"])) > 1e-6 * abs(record["kvar"]):
        # given in ohms: its kV mean nothing
        coil = intake.dump.bus_kv.get(bus, 1.0) * 1e3 * (3**0.5 if delta else 1.0)
        v = coil * 3**0.5 if several else coil
    made = intake.make(
        LinearShuntCompensator,
        key,
        bus=bus,
        nodes=nodes,
        connection="delta" if delta else "wye",
        v_rated_v=v,
        q_kvar=coil**2 * y.imag * share,
        g_kw=max(coil**2 * y.real * share, 0.0),
    )
    if made:
        found.shunts.append(made)


def series_capacitor(intake: Intake, key: str, record: Record, found: Conductors) -> bool:
    """Take a capacitor between two buses as a series compensator; say whether it is one."""
    phases = int(record["Phases"])
    bus, nodes = intake.terminal(key, record["Bus1"], phases)
    to, nodes_to = intake.terminal(key, record["Bus2"] or f"{bus}{'.0' * phases}", phases)
    if to == bus or set(nodes_to) == {GROUND} or record["Conn"].lower() == "delta":
        return False
    _series(
        intake,
        key,
        found,
        (bus, nodes),
        (to, nodes_to),
        1.0 / complex(intake.dump.yprim[key][0, 0]),
    )
    return True
