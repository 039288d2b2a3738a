"""Adapter to OpenDSS: the network as its script, its answers as our arrays.

The only file that imports the solver. Loads flip their sign here: a customer's power is
negative in our world (injection positive) and a positive load in OpenDSS.

Each circuit has an engine context of its own, so circuits do not share options; the base
frequency, which outlives ``Clear``, is set before every circuit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import SolverError
from gridmodel.four_wire import series_ohm_per_km
from gridmodel.ingest.opendss_engine import new_engine
from gridmodel.neighbourhood import EARTHING_OHM, GRID_MVA, ACLineSegment, Neighbourhood

Array = NDArray[np.float64]
#: Inner impedance of the anchor: a stiff source. [ohm]
_ANCHOR_OHM = 1e-4
_MESH = "_private"


@dataclass(frozen=True)
class Solution:
    """One solved state.

    Parameters
    ----------
    v_v : ndarray, shape (n_bus, 4)
        Complex voltage of phases A, B, C and neutral against ground, public network. [V]
    private_v_v : ndarray, shape (n_consumer, 4)
        The same at the customers' private terminals; empty without private lines. [V]
    i_a, private_i_a : ndarray, shape (n_line, 4)
        Complex current in the lines' four conductors. [A]
    grid_kva, anchor_kva : complex
        Power from the public grid and from the anchor. [kW, kvar]
    iterations : int
        Iterations it took.
    """

    v_v: NDArray[np.complex128]
    private_v_v: NDArray[np.complex128]
    i_a: NDArray[np.complex128]
    private_i_a: NDArray[np.complex128]
    grid_kva: complex
    anchor_kva: complex
    iterations: int


def script(network: Neighbourhood, anchor_house: str) -> Iterator[str]:
    """Yield the OpenDSS commands that describe the network.

    The interconnection device is the switch ``line.device`` in the three phases below the
    transformer; the neutral goes through. Every customer has one load a phase, named
    ``<customer>_<phase>``, and a second one at its private terminal where there is one.
    """
    f0 = network.f_nominal_hz
    transformer = network.transformers[0]
    hv = network.bus[transformer.hv_bus]
    lv = network.bus[transformer.lv_bus]
    upper = f"{lv.name}_grid"
    yield "clear"
    yield f"set DefaultBaseFrequency={f0:g}"
    yield (
        f"new circuit.feeder bus1={hv.name} basekv={hv.v_nominal_v / 1e3:g} pu=1 phases=3 "
        f"MVAsc3={GRID_MVA:g} MVAsc1={GRID_MVA:g}"
    )
    x = (transformer.vk_percent**2 - transformer.vkr_percent**2) ** 0.5
    no_load = 100 * transformer.pfe_kw / transformer.s_kva
    magnetising = (max(transformer.i0_percent**2 - no_load**2, 0.0)) ** 0.5
    yield (
        f"new transformer.{transformer.name} phases=3 windings=2 "
        f"buses=({hv.name}.1.2.3.0 {upper}.1.2.3.4) conns=(delta wye) "
        f"kvs=({hv.v_nominal_v / 1e3:g} {lv.v_nominal_v / 1e3:g}) "
        f"kvas=({transformer.s_kva:g} {transformer.s_kva:g}) xhl={x!r} "
        f"%Rs=({transformer.vkr_percent / 2!r} {transformer.vkr_percent / 2!r}) "
        f"%noloadloss={no_load!r} %imag={magnetising!r}"
    )
    yield f"new reactor.earth bus1={upper}.4 phases=1 R={EARTHING_OHM:g} X=0"
    yield f"new line.device bus1={upper}.1.2.3 bus2={lv.name}.1.2.3 phases=3 {_JOINT}"
    yield f"new line.pen bus1={upper}.4 bus2={lv.name}.4 phases=1 {_JOINT}"
    yield from _lines(network, network.lines, f0)
    kv = lv.v_nominal_v / 3**0.5 / 1e3
    for consumer in network.consumers:
        yield from _loads(consumer.name, consumer.bus, kv)
    at = network.consumer[anchor_house].bus
    if network.private_lines:
        yield from _lines(network, network.private_lines, f0, _MESH)
        for consumer in network.consumers:
            yield from _loads(f"{consumer.name}{_MESH}", f"{consumer.name}{_MESH}", kv)
        at = f"{anchor_house}{_MESH}"
        yield f"new reactor.anchor_earth bus1={at}.4 phases=1 R={EARTHING_OHM:g} X=0"
    yield (
        f"new vsource.anchor bus1={at}.1.2.3 bus2={at}.4.4.4 basekv={lv.v_nominal_v / 1e3:g} "
        f"pu=1 R1={_ANCHOR_OHM:g} X1={_ANCHOR_OHM:g} R0={_ANCHOR_OHM:g} X0={_ANCHOR_OHM:g}"
    )
    yield f"set voltagebases=({hv.v_nominal_v / 1e3:g} {lv.v_nominal_v / 1e3:g})"
    yield "calcvoltagebases"
    yield "set tolerance=1e-8 maxiterations=100 controlmode=off"


#: A joint without noticeable impedance. [per unit length of 1]
_JOINT = "R1=1e-4 X1=0 R0=1e-4 X0=0 C1=0 C0=0 length=1 units=none"


def _matrix(values: Array) -> str:
    rows = (" ".join(repr(float(v)) for v in row[: k + 1]) for k, row in enumerate(values))
    return "(" + " | ".join(rows) + ")"


def _lines(
    network: Neighbourhood, lines: tuple[ACLineSegment, ...], f0: float, suffix: str = ""
) -> Iterator[str]:
    for line in lines:
        code = network.line_code[line.code]
        z = series_ohm_per_km(code, f0)
        c = np.diag([code.c_nf_per_km] * 3 + [0.0])
        yield (
            f"new line.{line.name} bus1={line.bus_from}{suffix}.1.2.3.4 "
            f"bus2={line.bus_to}{suffix}.1.2.3.4 phases=4 length={line.length_km!r} units=km "
            f"rmatrix={_matrix(z.real)} xmatrix={_matrix(z.imag)} cmatrix={_matrix(c)} "
            f"normamps={code.ampacity_a:g}"
        )


def _loads(name: str, bus: str, kv: float) -> Iterator[str]:
    for phase in (1, 2, 3):
        yield (
            f"new load.{name}_{'abc'[phase - 1]} bus1={bus}.{phase}.4 phases=1 kv={kv!r} "
            "kw=0 kvar=0 model=1 vminpu=0.5 vmaxpu=1.5"
        )


class Circuit:
    """A network in an OpenDSS engine of its own.

    Parameters
    ----------
    network : Neighbourhood
        The network.
    anchor_house : str
        Customer at whose terminal the anchor forms the island.
    """

    def __init__(self, network: Neighbourhood, anchor_house: str) -> None:
        self._dss = new_engine()
        self._network = network
        for command in script(network, anchor_house):
            self._dss.Text.Command(command)
        self._private = bool(network.private_lines)
        self._anchored: bool | None = None
        self._order: NDArray[np.int64] | None = None
        self._y = _admittances(network, network.lines)
        self._private_y = _admittances(network, network.private_lines)
        bus_row = {bus.name: k for k, bus in enumerate(network.buses)}
        self._ends = _rows(network.lines, bus_row)
        house_row = {name: k for k, name in enumerate(network.consumer_names)}
        self._private_ends = _rows(network.private_lines, house_row)
        self._device(closed=True)

    def _device(self, closed: bool) -> None:
        """Move the interconnection device and let exactly one source lead the street."""
        command = self._dss.Text.Command
        for terminal in (1, 2):
            command(f"{'close' if closed else 'open'} line.device {terminal}")
        if not self._private:
            command(f"vsource.anchor.enabled={'no' if closed else 'yes'}")
        self._anchored = not closed
        self._order = None
        # OpenDSS builds the loads' admittance at the first solution into the system matrix.
        # With no load in it, a solution depends on its inputs only, not on what was before.
        nothing = np.zeros((len(self._network.consumers), 3))
        self._set_loads(nothing, nothing, None, None)
        self._dss.Solution.Solve()

    def solve(
        self,
        p_kw: Array,
        q_kvar: Array,
        grid_v_pu: float,
        anchor_v_pu: float,
        islanded: bool,
        private_p_kw: Array | None = None,
        private_q_kvar: Array | None = None,
    ) -> Solution:
        """Return voltages and currents for injections by customer and phase.

        Parameters
        ----------
        p_kw, q_kvar : ndarray, shape (n_consumer, 3)
            Injection into the public network. [kW, kvar]
        grid_v_pu, anchor_v_pu : float
            Voltages of the two sources. [pu]
        islanded : bool
            The interconnection device is open and the anchor leads the street.
        private_p_kw, private_q_kvar : ndarray, shape (n_consumer, 3)
            Injection into the private network.

        Raises
        ------
        SolverError
            If OpenDSS does not converge; says where the voltage is lowest.
        """
        dss = self._dss
        if not self._private and islanded != self._anchored:
            self._device(closed=not islanded)
        self._set_loads(p_kw, q_kvar, private_p_kw, private_q_kvar)
        self._set_source("source", grid_v_pu)
        self._set_source("anchor", anchor_v_pu)
        dss.Text.Command("init")  # or the last solution is the first guess, and history shows
        dss.Solution.Solve()
        v = self._voltages()
        n_bus = len(self._network.buses)
        public, private = v[:n_bus], v[n_bus:]
        if not dss.Solution.Converged():
            raise SolverError(self._why(public, p_kw))
        return Solution(
            public,
            private,
            _currents(self._y, self._ends, public),
            _currents(self._private_y, self._private_ends, private),
            self._source_kva("source"),
            self._source_kva("anchor") if self._private or islanded else 0j,
            dss.Solution.Iterations(),
        )

    def _why(self, v_v: NDArray[np.complex128], p_kw: Array) -> str:
        """Return where a solution failed, and what usually causes it."""
        lowest = int(np.argmin(np.abs(v_v[1:, :3]).min(axis=1))) + 1
        bus = self._network.buses[lowest]
        vm_pu = float(np.abs(v_v[lowest, :3]).min()) * 3**0.5 / bus.v_nominal_v
        drawn_kw = float(-p_kw[p_kw < 0.0].sum())
        return (
            f"OpenDSS did not converge in {self._dss.Solution.Iterations()} iterations: no voltages "
            f"fit the loads of {drawn_kw:,.0f} kW. Where it stopped, the lowest voltage is at "
            f"{bus.name}, {vm_pu:.2g} pu. Usual causes: more load than the network can carry, a "
            "part without a source. Try less load (scale_pu of the households), and look at what "
            "the customers take at this instant."
        )

    def _set_loads(
        self, p_kw: Array, q_kvar: Array, private_p: Array | None, private_q: Array | None
    ) -> None:
        p, q = [p_kw.ravel()], [q_kvar.ravel()]
        if self._private:
            zero = np.zeros(p_kw.size)
            p.append(zero if private_p is None else private_p.ravel())
            q.append(zero if private_q is None else private_q.ravel())
        loads = self._dss.Loads
        loads.First()
        for kw, kvar in zip(np.concatenate(p).tolist(), np.concatenate(q).tolist(), strict=True):
            loads.kW(-kw)
            loads.kvar(-kvar)
            loads.Next()

    def _set_source(self, name: str, v_pu: float) -> None:
        sources = self._dss.Vsources
        sources.Name(name)
        if sources.PU() != v_pu:
            sources.PU(v_pu)

    def _voltages(self) -> NDArray[np.complex128]:
        """Return complex voltages by bus row and conductor; missing conductors are 0."""
        circuit = self._dss.Circuit
        flat = np.asarray(circuit.AllBusVolts())
        if self._order is None:
            self._order = self._node_order(circuit.AllNodeNames())
        values = np.append(flat[0::2] + 1j * flat[1::2], 0.0)
        return values[self._order]

    def _node_order(self, names: list[str]) -> NDArray[np.int64]:
        at = {name.lower(): k for k, name in enumerate(names)}
        buses = [bus.name for bus in self._network.buses]
        if self._private:
            buses += [f"{name}{_MESH}" for name in self._network.consumer_names]
        nowhere = len(names)
        rows = [
            [at.get(f"{bus}.{node}".lower(), nowhere) for node in (1, 2, 3, 4)] for bus in buses
        ]
        return np.array(rows, dtype=np.int64)

    def _source_kva(self, name: str) -> complex:
        self._dss.Circuit.SetActiveElement(f"vsource.{name}")
        powers = np.asarray(self._dss.CktElement.Powers())
        # Both terminals count: the anchor's second terminal is the neutral.
        return -complex(powers[0::2].sum(), powers[1::2].sum())


def _admittances(
    network: Neighbourhood, lines: tuple[ACLineSegment, ...]
) -> NDArray[np.complex128]:
    """Return the lines' series admittances, shape (n_line, 4, 4). [S]"""
    z = [
        series_ohm_per_km(network.line_code[line.code], network.f_nominal_hz) * line.length_km
        for line in lines
    ]
    matrices = np.array(z, dtype=np.complex128).reshape(-1, 4, 4)
    return np.linalg.inv(matrices).astype(np.complex128)


def _rows(lines: tuple[ACLineSegment, ...], row: dict[str, int]) -> NDArray[np.int64]:
    """Return the rows of the lines' ends, shape (2, n_line)."""
    ends = [(row[line.bus_from], row[line.bus_to]) for line in lines]
    return np.array(ends, dtype=np.int64).reshape(-1, 2).T


def _currents(
    y: NDArray[np.complex128], ends: NDArray[np.int64], v: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Return line currents, shape (n_line, 4). [A]"""
    if not len(y):
        return np.zeros((0, 4), np.complex128)
    drop = v[ends[0]] - v[ends[1]]
    currents: NDArray[np.complex128] = np.einsum("lij,lj->li", y, drop)
    return currents
