"""Writer of pandapower nets, for their files and for pandapower as a solver.

The tables take positive and zero sequences, so phases must be alike, and loads of single
phases go to the asymmetric tables. What a net cannot hold is told by the element's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmodel.ingest.notices import Notice
from gridmodel.ingest.pandapower_equipment import C_MAX
from gridmodel.ingest.pandapower_load_writer import by_phase, even, write_consumers
from gridmodel.ingest.pandapower_rows import pandapower
from gridmodel.ingest.pandapower_transformer_writer import write_transformer
from gridmodel.ingest.sequence import sequences, transposed
from gridmodel.network.conductors import Conductor
from gridmodel.network.element import Element
from gridmodel.network.network import Network

_TYPES = {"breaker": "CB", "load_break_switch": "LBS", "disconnector": "DS", "switch": "LS"}
_STIFF_MVA = 1e9


@dataclass(frozen=True)
class Conversion:
    """A net, and what of a network it does not hold.

    Parameters
    ----------
    net : pandapowerNet
        The net; its buses have the positions of the network's.
    notices : tuple of Notice
        What is held in another way.
    lost : tuple of Notice
        What is not held, so that a power flow of the net is not the network's.
    single : tuple of Notice
        What only a three-phase power flow of the net sees as it is.
    cores : tuple of int
        Rows of the table of shunts that are cores of transformers.
    """

    net: Any
    notices: tuple[Notice, ...]
    lost: tuple[Notice, ...]
    single: tuple[Notice, ...]
    cores: tuple[int, ...] = ()


def write_pandapower(network: Network, path: Path) -> tuple[Notice, ...]:
    """Write a network as pandapower's JSON.

    Parameters
    ----------
    network : Network
        The network.
    path : Path
        The ``.json`` file.

    Returns
    -------
    tuple of Notice
        What the format cannot hold, or holds in another way.

    Raises
    ------
    MissingExtraError
        If pandapower is not installed.
    """
    made = to_pandapower(network, str(path))
    with pandapower("writing a pandapower net") as library:
        library.to_json(made.net, str(path))
    return (*made.notices, *made.lost)


def to_pandapower(
    network: Network,
    where: str = "",
    *,
    for_solver: bool = False,
    core_at_end: bool = False,
) -> Conversion:
    """Return a network as a pandapower net.

    Parameters
    ----------
    network : Network
        The network.
    where : str
        Where notices are said to come from; none: the network's name.
    for_solver : bool
        Put the impedance of sources into the net as a branch, for `runpp` takes the bus of an
        external grid for stiff, and impedances of loads as shunts, for it takes one mean
        for a bus; else they are given as short-circuit power and as shares.
    core_at_end : bool
        Put what the core of a transformer takes at the terminals of its second end, as
        OpenDSS does, as a shunt; else it is in the middle of the leakage (pandapower's T).

    Raises
    ------
    MissingExtraError
        If pandapower is not installed.
    """
    with pandapower("a pandapower net") as library:
        writer = _Writer(network, library, where or network.name, for_solver, core_at_end)
        writer.write()
    return Conversion(
        writer.net,
        tuple(writer.notices),
        tuple(writer.lost),
        tuple(writer.single),
        tuple(writer.cores),
    )


class _Writer:
    """One net while it is written."""

    def __init__(
        self, network: Network, library: Any, where: str, for_solver: bool, core_at_end: bool
    ) -> None:
        self.network, self.library, self.where = network, library, where
        self.for_solver, self.core_at_end = for_solver, core_at_end
        self.cores: list[int] = []
        self.net = library.create_empty_network(
            name=network.name, f_hz=network.f_nominal_hz, add_stdtypes=False
        )
        self.notices: list[Notice] = []
        self.lost: list[Notice] = []
        self.single: list[Notice] = []
        self.at = dict(network.bus_index)

    def write(self) -> None:
        """Fill the tables."""
        self._buses()
        for source in range(len(self.network.energy_sources)):
            self._source(source)
        self._lines()
        self._switches()
        for unit in self.network.transformers:
            write_transformer(self, unit)
        write_consumers(self)
        self._inverters()
        self._machines()
        self._capacitors()
        self._controls()

    def lose(self, elements: Iterable[Element], text: str) -> None:
        """Tell of elements that the net does not hold."""
        self.lost += [Notice(self.where, element.name, text) for element in elements]

    def note(self, elements: Iterable[Element], text: str) -> None:
        """Tell of elements that it holds in another way."""
        self.notices += [Notice(self.where, element.name, text) for element in elements]

    def _buses(self) -> None:
        buses = self.network.buses
        self.library.create_buses(
            self.net,
            len(buses),
            vn_kv=[bus.v_nominal_v / 1e3 for bus in buses],
            name=[bus.name for bus in buses],
        )
        placed = [
            json.dumps({"coordinates": [bus.x, bus.y], "type": "Point"})
            if bus.x is not None and bus.y is not None
            else None
            for bus in buses
        ]
        if any(placed):
            self.net.bus["geo"] = placed

    def _source(self, k: int) -> None:
        source = self.network.energy_sources[k]
        if not set("ABC") <= set(source.nodes):
            self.lose([source], "a source of fewer than three phases")
            return
        base = self.network.bus[source.bus].v_nominal_v
        z1, z0 = complex(source.r1_ohm, source.x1_ohm), complex(source.r0_ohm, source.x0_ohm)
        bus, fields = self.at[source.bus], {"s_sc_max_mva": _STIFF_MVA}
        fields |= {"rx_max": 0.1, "x0x_max": 1.0, "r0x0_max": 0.1}
        if self.for_solver and (z1 or z0):
            bus = self._inner_bus(source.name, bus, base, z1, z0)
        elif z1.imag and z0.imag:
            fields["s_sc_max_mva"] = C_MAX * source.v_nominal_v**2 / abs(z1) / 1e6
            fields |= {"rx_max": z1.real / z1.imag, "x0x_max": z0.imag / z1.imag}
            fields["r0x0_max"] = z0.real / z0.imag
        elif z1 or z0:
            self.lose([source], "a source of pure resistance has no short-circuit power")
        if not (self.for_solver or z1 or z0):
            fields = {}
        self.library.create_ext_grid(
            self.net,
            bus,
            vm_pu=source.v_pu * source.v_nominal_v / base,
            va_degree=source.angle_deg,
            name=source.name,
            **fields,
        )

    def _inner_bus(self, name: str, bus: int, v: float, z1: complex, z0: complex) -> int:
        behind = int(self.library.create_bus(self.net, vn_kv=v / 1e3, name=f"{name} behind"))
        self._add_lines([f"{name} impedance"], [behind], [bus], [1.0], [(z1, z0, 0.0, 0.0)])
        return behind

    def _add_lines(
        self,
        names: Sequence[str],
        buses_from: Sequence[int],
        buses_to: Sequence[int],
        lengths: Sequence[float],
        values: Sequence[tuple[complex, complex, float, float]],
        **fields: Any,
    ) -> None:
        """Add lines by impedance and capacitance of positive and zero sequence."""
        if not names:
            return
        fields = {"max_i_ka": [99999.0] * len(names)} | fields
        self.library.create_lines_from_parameters(
            self.net,
            buses_from,
            buses_to,
            length_km=lengths,
            r_ohm_per_km=[z1.real for z1, _, _, _ in values],
            x_ohm_per_km=[z1.imag for z1, _, _, _ in values],
            c_nf_per_km=[c1 for _, _, c1, _ in values],
            r0_ohm_per_km=[z0.real for _, z0, _, _ in values],
            x0_ohm_per_km=[z0.imag for _, z0, _, _ in values],
            c0_nf_per_km=[c0 for _, _, _, c0 in values],
            name=names,
            **fields,
        )

    def _three_phase(self, conductors: Iterable[Conductor]) -> list[Any]:
        """Return what has three phases and no neutral, and tell of the rest."""
        kept = []
        for conductor in conductors:
            if set(conductor.phases) != set("ABC"):
                self.lose([conductor], f"has the conductors {conductor.phases}, not ABC")
            elif conductor.phases_to not in (None, conductor.phases):
                self.lose([conductor], "transposes its phases")
            else:
                kept.append(conductor)
        return kept

    def _lines(self) -> None:
        lines = self._three_phase(self.network.lines)
        values, kinds = [], self.network.impedance
        known = {name: _sequence_values(kind) for name, kind in kinds.items()}
        for line in lines:
            alike, value = known[line.impedance]
            if not alike:
                self.lose([line], "its phases are not alike: their mean is taken")
            values.append(value)
        most = [(line.ampacity_a or kinds[line.impedance].ampacity_a) / 1e3 for line in lines]
        self._add_lines(
            [line.name for line in lines],
            [self.at[line.bus_from] for line in lines],
            [self.at[line.bus_to] for line in lines],
            [line.length_km for line in lines],
            values,
            max_i_ka=[value or 99999.0 for value in most],
            std_type=[line.impedance for line in lines],
        )

    def _switches(self) -> None:
        switches = self._three_phase(self.network.switches)
        ideal = [s for s in switches if not (s.r_ohm or s.x_ohm)]
        if ideal:
            self.library.create_switches(
                self.net,
                [self.at[s.bus_from] for s in ideal],
                [self.at[s.bus_to] for s in ideal],
                "b",
                closed=[not s.open for s in ideal],
                type=[_TYPES.get(s.kind) for s in ideal],
                name=[s.name for s in ideal],
                in_ka=[s.ampacity_a / 1e3 for s in ideal],
            )
        self.note([s for s in ideal if s.kind not in _TYPES], "a switch without its kind")
        others = [s for s in switches if s.r_ohm or s.x_ohm]
        closed = [s for s in others if not s.open]
        self.note(closed, "a closed switch with an impedance: written as a line")
        series = self._three_phase(self.network.series_compensators)
        self.note(series, "written as a line")
        branches = [*others, *series]
        z = [complex(b.r_ohm, b.x_ohm) for b in branches]
        self._add_lines(
            [branch.name for branch in branches],
            [self.at[branch.bus_from] for branch in branches],
            [self.at[branch.bus_to] for branch in branches],
            [1.0] * len(branches),
            [(value, value, 0.0, 0.0) for value in z],
            max_i_ka=[branch.ampacity_a / 1e3 or 99999.0 for branch in branches],
            in_service=[not getattr(branch, "open", False) for branch in branches],
        )

    def _inverters(self) -> None:
        for inverter in self.network.inverters:
            p, q = inverter.p_kw / 1e3, inverter.q_kvar / 1e3
            at, name, s_mva = self.at[inverter.bus], inverter.name, inverter.s_kva / 1e3
            if inverter.control:
                self.lose([inverter], f"obeys '{inverter.control}'")
            if even(inverter) == "":
                by_phase(self, inverter, complex(inverter.p_kw, inverter.q_kvar), "sgen")
                if inverter.unit == "battery":
                    self.note([inverter], "a battery of single phases: a static generator")
            elif inverter.unit == "battery":
                rest = {"max_e_mwh": inverter.e_kwh / 1e3, "sn_mva": s_mva, "name": name}
                self.library.create_storage(self.net, at, p_mw=-p, q_mvar=-q, **rest)
            else:
                kind = {"photovoltaic": "PV", "wind": "WP"}.get(inverter.unit, "other")
                self.library.create_sgen(
                    self.net, at, p_mw=p, q_mvar=q, sn_mva=s_mva, name=name, type=kind
                )

    def _machines(self) -> None:
        for machine in self.network.machines:
            at, name, p = self.at[machine.bus], machine.name, machine.p_kw / 1e3
            if machine.v_set_pu is None:
                self.note([machine], "holds no voltage: written as a static generator")
                if even(machine):
                    q = machine.q_kvar / 1e3
                    self.library.create_sgen(self.net, at, p_mw=p, q_mvar=q, name=name)
                else:
                    by_phase(self, machine, complex(machine.p_kw, machine.q_kvar), "sgen")
                continue
            if not even(machine):
                self.lose([machine], "holds the voltage of fewer than three phases")
                continue
            limits = {"min_q_mvar": machine.q_min_kvar, "max_q_mvar": machine.q_max_kvar}
            given = {key: q / 1e3 for key, q in limits.items() if abs(q) < 1e9}
            vm_pu = machine.v_set_pu * machine.v_rated_v / self.network.bus[machine.bus].v_nominal_v
            self.library.create_gen(self.net, at, p_mw=p, vm_pu=vm_pu, name=name, **given)

    def _capacitors(self) -> None:
        for bank in self.network.capacitors:
            if not even(bank):
                self.lose([bank], "a capacitor of fewer than three phases")
                continue
            self.library.create_shunt(
                self.net,
                self.at[bank.bus],
                q_mvar=-bank.q_kvar / bank.section_count / 1e3,
                p_mw=bank.g_kw / bank.section_count / 1e3,
                vn_kv=bank.v_rated_v / 1e3,
                step=bank.sections_on,
                max_step=bank.section_count,
                name=bank.name,
            )

    def _controls(self) -> None:
        net = self.network
        text = "left out: taps and banks stay as they stand"
        self.note((*net.tap_controls, *net.capacitor_controls), text)
        self.note(net.inverter_controls, "left out")
        self.lose(net.groundings, "left out: a net has no such earthing")


def _sequence_values(kind: Any) -> tuple[bool, tuple[complex, complex, float, float]]:
    """Return whether phases are alike, and their impedances and capacitances."""
    if len(kind.r_ohm_per_km) != 3:
        return True, (0j, 0j, 0.0, 0.0)
    matrices = [m for m in (kind.r_ohm_per_km, kind.x_ohm_per_km, kind.c_nf_per_km) if m]
    (r1, r0), (x1, x0) = sequences(kind.r_ohm_per_km), sequences(kind.x_ohm_per_km)
    c1, c0 = sequences(kind.c_nf_per_km) if kind.c_nf_per_km else (0.0, 0.0)
    alike = all(transposed(matrix) for matrix in matrices)
    return alike, (complex(r1, x1), complex(r0, x0), c1, c0)
