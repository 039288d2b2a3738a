"""Writer of MATPOWER cases: the positive sequence of a network, version 2 of the format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gridmodel.ingest.notices import Notice
from gridmodel.ingest.sequence import sequences, transposed
from gridmodel.ingest.vector_group import clock_of
from gridmodel.network.element import Element
from gridmodel.network.equipment import AtBus
from gridmodel.network.network import Network
from gridmodel.network.topology import topology
from gridmodel.network.transformer import PowerTransformer

Row = Sequence[float]

_BASE_MVA = 1.0
_HEADS = {
    "bus": "bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin",
    "gen": "bus Pg Qg Qmax Qmin Vg mBase status Pmax Pmin",
    "branch": "fbus tbus r x b rateA rateB rateC ratio angle status angmin angmax",
}


def write_matpower(network: Network, path: Path) -> tuple[Notice, ...]:
    """Write a network as a balanced MATPOWER case.

    Parameters
    ----------
    network : Network
        The network.
    path : Path
        The ``.m`` file; its stem should be a name that MATLAB takes.

    Returns
    -------
    tuple of Notice
        What the format cannot hold: single phases, zero sequence, controls, names.
    """
    case = _Case(network, str(path))
    lines = [f"function mpc = {_matlab_name(path.stem)}", f"% {_one_line(network.name)}"]
    if network.source:
        lines.append(f"% Source: {_one_line(network.source)}")
    lines += ["mpc.version = '2';", f"mpc.baseMVA = {_BASE_MVA:g};"]
    for name, rows in (("bus", case.buses()), ("gen", case.gens), ("branch", case.branches)):
        lines += [f"% {_HEADS[name]}", f"mpc.{name} = ["]
        lines += ["\t" + "\t".join(_text(value) for value in row) + ";" for row in rows]
        lines.append("];")
    if case.named:
        quoted = (_one_line(bus.name).replace("'", "''") for bus in network.buses)
        lines += ["mpc.bus_name = {", *(f"\t'{name}';" for name in quoted), "};"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tuple(case.notices)


def _matlab_name(stem: str) -> str:
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)
    return name if name[:1].isalpha() else f"case_{name}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


class _Case:
    """Rows of a case, and what they cannot hold."""

    def __init__(self, network: Network, where: str) -> None:
        self.network, self._where = network, where
        self.notices: list[Notice] = []
        names = [bus.name for bus in network.buses]
        plain = all(name.isascii() and name.isdigit() and str(int(name)) == name for name in names)
        self.named = not (plain and "0" not in names)
        self._number = {name: k if self.named else int(name) for k, name in enumerate(names, 1)}
        self._drawn = dict.fromkeys(names, 0j)
        self._shunt = dict.fromkeys(names, 0j)
        self._type = dict.fromkeys(names, 1)
        self._angle = dict.fromkeys(names, 0.0)
        self.gens: list[Row] = []
        self.branches: list[Row] = []
        self._sources()
        self._machines()
        self._loads()
        self._branches()
        self._lost()

    def note(self, elements: Iterable[Element], text: str) -> None:
        """Tell something about elements, if there are any."""
        names = [element.name for element in elements]
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            self.notices.append(Notice(self._where, ", ".join(names[:10]) + more, text))

    def buses(self) -> list[Row]:
        """Return the rows of the buses."""
        return [
            (
                *(self._number[bus.name], self._type[bus.name]),
                *(self._drawn[bus.name].real, self._drawn[bus.name].imag),
                *(self._shunt[bus.name].real, self._shunt[bus.name].imag),
                *(1, 1, self._angle[bus.name], bus.v_nominal_v / 1e3, 1, 1.1, 0.9),
            )
            for bus in self.network.buses
        ]

    def _sources(self) -> None:
        for source in self.network.energy_sources:
            bus = self.network.bus[source.bus]
            v_pu = source.v_pu * source.v_nominal_v / bus.v_nominal_v
            self._type[source.bus], self._angle[source.bus] = 3, source.angle_deg
            self._gen(source.bus, 0j, -1e9, 1e9, v_pu)
        behind = [s for s in self.network.energy_sources if s.r1_ohm or s.x1_ohm]
        self.note(behind, "its impedance is left out: a reference is an ideal source")

    def _gen(self, bus: str, s_kva: complex, q_min: float, q_max: float, v_pu: float) -> None:
        limits = (math.copysign(math.inf, q) if abs(q) >= 1e9 else q / 1e3 for q in (q_max, q_min))
        p, q = s_kva.real / 1e3, s_kva.imag / 1e3
        self.gens.append((self._number[bus], p, q, *limits, v_pu, 100, 1, max(p, 0.0), min(p, 0.0)))

    def _machines(self) -> None:
        held = {m.bus for m in self.network.machines if m.v_set_pu is not None}
        for name in held:
            self._type[name] = max(self._type[name], 2)
        folded = []
        for machine in self.network.machines:
            s_kva = complex(machine.p_kw, machine.q_kvar)
            if machine.v_set_pu is None and self._type[machine.bus] == 2:
                folded.append(machine)
                self._drawn[machine.bus] -= s_kva / 1e3
                continue
            ratio = machine.v_rated_v / self.network.bus[machine.bus].v_nominal_v
            v_pu = (machine.v_set_pu or 1.0) * ratio
            self._gen(machine.bus, s_kva, machine.q_min_kvar, machine.q_max_kvar, v_pu)
        self.note(folded, "at a bus whose voltage is held: written as a negative load")
        self._unbalanced(self.network.machines)

    def _loads(self) -> None:
        net = self.network
        loads: tuple[Any, ...] = (*net.consumers, *net.ev_chargers)
        for load in loads:
            self._drawn[load.bus] += complex(load.p_rated_kw, load.q_rated_kvar) / 1e3
        for inverter in net.inverters:
            self._drawn[inverter.bus] -= complex(inverter.p_kw, inverter.q_kvar) / 1e3
        for bank in net.capacitors:
            on = bank.sections_on / bank.section_count
            on *= (net.bus[bank.bus].v_nominal_v / bank.v_rated_v) ** 2
            self._shunt[bank.bus] += complex(bank.g_kw, bank.q_kvar) * on / 1e3
        self.note(net.inverters, "an inverter: written as a negative load")
        self.note(net.ev_chargers, "a charging point: written as a load")
        voltage = [
            load
            for load in net.consumers
            if load.response.p_exponent or load.response.q_exponent
            or load.response.p_zip_pu[2] != 1.0 or load.response.q_zip_pu[2] != 1.0
        ]  # fmt: skip
        self.note(voltage, "follows the voltage: written as constant power")
        for group in (net.consumers, net.ev_chargers, net.inverters, net.capacitors):
            self._unbalanced(group)

    def _unbalanced(self, elements: Iterable[AtBus]) -> None:
        some = [e for e in elements if len(e.coils) != 3]
        self.note(some, "not of three phases: written as if spread evenly over them")

    def _branches(self) -> None:
        net = self.network
        lines = [line for line in net.lines if _three(line.phases, line.phases_to)]
        series = [s for s in net.series_compensators if _three(s.phases, s.phases_to)]
        switches = [s for s in net.switches if _three(s.phases, s.phases_to)]
        units = [t for t in net.transformers if len(t.ends) == 2 and t.ends[0].coil_count == 3]
        for line in lines:
            kind = net.impedance[line.impedance]
            (r, _), (x, _) = (sequences(m) for m in (kind.r_ohm_per_km, kind.x_ohm_per_km))
            c_nf = sequences(kind.c_nf_per_km)[0] if kind.c_nf_per_km else 0.0
            most_a = line.ampacity_a or kind.ampacity_a
            length = line.length_km
            b_s = 2.0 * math.pi * net.f_nominal_hz * c_nf * length * 1e-9
            self._impedance(line.bus_from, line.bus_to, complex(r, x) * length, b_s, most_a)
        parts: tuple[Any, ...] = (*switches, *series)
        for part in parts:
            z = complex(part.r_ohm, part.x_ohm)
            closed = not getattr(part, "open", False)
            self._impedance(part.bus_from, part.bus_to, z, 0.0, part.ampacity_a, closed)
        for unit in units:
            self._transformer(unit)
        shut = [s for s in switches if not s.open and not (s.r_ohm or s.x_ohm)]
        self.note(shut, "closed, no impedance: MATPOWER itself cannot solve such a branch")
        self._not_written(lines, switches, series, units)

    def _impedance(
        self, one: str, other: str, z_ohm: complex, b_s: float, most_a: float, closed: bool = True
    ) -> None:
        v = self.network.bus[one].v_nominal_v
        base = v**2 / (_BASE_MVA * 1e6)
        z = z_ohm / base
        rate = 3**0.5 * v * most_a / 1e6
        numbers = (self._number[one], self._number[other])
        rest = (rate, 0, 0, 0, 0, int(closed), -360, 360)
        self.branches.append((*numbers, z.real, z.imag, b_s * base, *rest))

    def _transformer(self, unit: PowerTransformer) -> None:
        one, other = unit.ends
        bases = [self.network.bus[end.bus].v_nominal_v for end in unit.ends]
        turns = [end.v_rated_v * end.tap_pu / v for end, v in zip(unit.ends, bases, strict=True)]
        r = (one.r_percent + other.r_percent) / one.s_kva
        z = complex(r, unit.x_percent[0] / one.s_kva) * 10.0 * _BASE_MVA * turns[1] ** 2
        high, low = (one, other) if one.v_rated_v >= other.v_rated_v else (other, one)
        clock = clock_of((high.connection, low.connection), low.nodes, unit.lead)
        if clock is None:
            self.note([unit], "its terminals fit no vector group: written without shift")
        shift = 30.0 * (clock or 0) * (1.0 if high is one else -1.0)
        shift -= 360.0 * round(shift / 360.0)
        numbers = (self._number[one.bus], self._number[other.bus])
        rest = (one.s_kva / 1e3, 0, 0, turns[0] / turns[1], shift, 1, -360, 360)
        self.branches.append((*numbers, z.real, z.imag, 0, *rest))
        if unit.no_load_loss_percent or unit.magnetizing_percent:
            self.note([unit], "its core is left out")

    def _not_written(self, *groups: Sequence[Element]) -> None:
        keys = ("lines", "switches", "series_compensators", "transformers")
        for key, written in zip(keys, groups, strict=True):
            names = {element.name for element in written}
            lost = [e for e in getattr(self.network, key) if e.name not in names]
            self.note(lost, "not of three phases or of three windings: left out")
        left = self.network.with_(
            **{key: tuple(group) for key, group in zip(keys, groups, strict=True)}
        )
        dead = [self.network.bus[name] for name in topology(left).dead]
        for bus in dead:
            self._type[bus.name] = 4
        self.note(dead, "no written branch joins it to a source: isolated (type 4)")

    def _lost(self) -> None:
        net = self.network
        unlike, three_wire = [], False
        for line in net.lines:
            kind = net.impedance[line.impedance]
            if not _three(line.phases, line.phases_to):
                continue
            unlike += (
                [] if transposed(kind.r_ohm_per_km) and transposed(kind.x_ohm_per_km) else [line]
            )
            one, zero = sequences(kind.x_ohm_per_km)
            three_wire |= abs(zero - one) > 1e-9 * abs(one)
        self.note(unlike, "its phases are not alike: written by their mean")
        if three_wire:
            self.notices.append(Notice(self._where, "", "the zero sequence of lines is left out"))
        for group in (net.groundings, net.tap_controls, net.capacitor_controls):
            self.note(group, "left out: no place for it in a case")
        self.note(net.inverter_controls, "left out: no place for it in a case")
        self.note([b for b in net.buses if b.x is not None], "its coordinates are left out")


def _three(phases: str, phases_to: str | None) -> bool:
    """Return whether a branch has the three phases, and at both ends the same."""
    return set(phases) - {"N"} == set("ABC") and phases_to in (None, phases)
