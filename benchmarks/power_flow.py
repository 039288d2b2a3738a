"""Power flow: our batched sweep beside power-grid-model, on the same radial networks.

Both by processor time, in one thread, all the multipliers ready beforehand.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import power_grid_model as pgm
from numpy.typing import NDArray

from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.equipment import EnergyConsumer, EnergySource
from gridmodel.network.network import Bus, Network
from simulators.power_flow.fbs import Fbs

TOLERANCE_PU = 1e-8
METHODS = ("iterative_current", "newton_raphson")
#: Zero-sequence impedance of the lines, of the positive-sequence one.
ZERO_OF_POSITIVE = 3.0
Array = NDArray[Any]


@dataclass(frozen=True)
class Tree:
    """A radial network: line ``k`` feeds bus ``k + 1`` from bus ``above[k]``; bus 0 is the source.

    Powers are drawn and of all three phases. [V] [ohm] [kW] [kvar]
    """

    v_v: float
    above: Array
    z_ohm: Array
    p_kw: Array
    q_kvar: Array


def baran_wu() -> Tree:
    """Return the 33 buses of Baran and Wu (1989), from pandapower."""
    from pandapower.networks import case33bw

    net = case33bw()
    lines = net.line[net.line.in_service].sort_values("to_bus")
    z = (lines.r_ohm_per_km + 1j * lines.x_ohm_per_km) * lines.length_km
    loads = net.load.set_index("bus")[["p_mw", "q_mvar"]].loc[1:32]
    assert lines.to_bus.tolist() == loads.index.tolist() == list(range(1, 33))
    return Tree(
        float(net.bus.vn_kv.iloc[0]) * 1e3, lines.from_bus.to_numpy(), z.to_numpy(),
        loads.p_mw.to_numpy() * 1e3, loads.q_mvar.to_numpy() * 1e3,
    )  # fmt: skip


def grown(buses: int) -> Tree:
    """Return a tree that grows at random; its loads and lengths make it drop a few percent."""
    rng = np.random.default_rng(buses)
    above = np.array([max(0, k - int(rng.integers(1, 10))) for k in range(1, buses)])
    z = np.full(buses - 1, (0.2 + 0.4j) * 20.0 / buses)
    return Tree(
        12470.0, above, z, np.full(buses - 1, 5e3 / buses), np.full(buses - 1, 1.5e3 / buses)
    )


def trees() -> dict[int, Tree]:
    """Return the networks by their number of buses."""
    return {33: baran_wu(), 123: grown(123), 1000: grown(1000)}


class Ours:
    """A tree as our network: three phases with a load on each, or one phase to neutral."""

    def __init__(self, tree: Tree, symmetric: bool) -> None:
        phases = "A" if symmetric else "ABC"
        z1 = tree.z_ohm[:, None, None]
        mutual = z1 * (ZERO_OF_POSITIVE - 1.0) / 3.0 * (0.0 if symmetric else 1.0)
        z = z1 * np.eye(len(phases)) + mutual
        phase_v = tree.v_v / 3**0.5
        network = Network(
            name="tree",
            buses=tuple(Bus(name=f"b{k}", v_nominal_v=tree.v_v) for k in range(len(z) + 1)),
            energy_sources=(
                EnergySource(name="grid", bus="b0", nodes=phases, v_nominal_v=tree.v_v),
            ),
            impedances=tuple(
                PerLengthPhaseImpedance(
                    name=f"z{k}", r_ohm_per_km=_rows(one.real), x_ohm_per_km=_rows(one.imag)
                )
                for k, one in enumerate(z)
            ),
            lines=tuple(
                ACLineSegment(
                    name=f"l{k}", bus_from=f"b{tree.above[k]}", bus_to=f"b{k + 1}",
                    phases=phases, length_km=1.0, impedance=f"z{k}",
                )
                for k in range(len(z))
            ),
            consumers=tuple(
                EnergyConsumer(
                    name=f"c{k}{phase}", bus=f"b{k + 1}", nodes=f"{phase}0", v_rated_v=phase_v,
                    p_rated_kw=tree.p_kw[k] / 3, q_rated_kvar=tree.q_kvar[k] / 3,
                    v_min_pu=0.0, v_max_pu=2.0,
                )
                for k in range(len(z))
                for phase in phases
            ),
        )  # fmt: skip
        self.fbs = Fbs(network)
        self.phases = len(phases)
        c = self.fbs.compiled
        self._order = np.lexsort((c.conductor, c.bus))
        self.answer: Any = None

    def time_s(self, scale: Array) -> float:
        """Solve all scenarios, (n_consumer, n_scenario); return the processor time. [s]"""
        begin = time.process_time()
        self.answer = self.fbs.batch(scale, tolerance_pu=TOLERANCE_PU)
        return time.process_time() - begin

    def vm_pu(self) -> Array:
        """Return the voltages of the last call, (n_scenario, n_bus, n_phase). [pu]"""
        vm = self.answer.vm_pu[self._order].T
        return vm.reshape(len(vm), -1, self.phases)


class Theirs:
    """A tree as a model of power-grid-model."""

    def __init__(self, tree: Tree, symmetric: bool) -> None:
        count = len(tree.z_ohm)
        self._symmetric = symmetric
        self._load = "sym_load" if symmetric else "asym_load"
        made = pgm.initialize_array
        node = made("input", "node", count + 1)
        node["id"], node["u_rated"] = np.arange(count + 1), tree.v_v
        line = made("input", "line", count)
        line["id"] = count + 1 + np.arange(count)
        line["from_node"], line["to_node"] = tree.above, np.arange(1, count + 1)
        line["from_status"], line["to_status"] = 1, 1
        line["r1"], line["x1"] = tree.z_ohm.real, tree.z_ohm.imag
        line["r0"], line["x0"] = line["r1"] * ZERO_OF_POSITIVE, line["x1"] * ZERO_OF_POSITIVE
        for name in ("c1", "c0", "tan1", "tan0"):
            line[name] = 0.0
        load = made("input", self._load, count)
        self._ids = 3 * count + np.arange(count)
        load["id"], load["node"], load["status"] = self._ids, np.arange(1, count + 1), 1
        load["type"] = pgm.LoadGenType.const_power
        share = 1.0 if symmetric else np.full((1, 3), 1 / 3)
        self._p = tree.p_kw * 1e3 if symmetric else tree.p_kw[:, None] * 1e3 * share
        self._q = tree.q_kvar * 1e3 if symmetric else tree.q_kvar[:, None] * 1e3 * share
        load["p_specified"], load["q_specified"] = self._p, self._q
        source = made("input", "source", 1)
        source["id"], source["node"], source["status"] = 5 * count, 0, 1
        source["u_ref"], source["sk"] = 1.0, 1e15
        tables = {"node": node, "line": line, self._load: load, "source": source}
        self._model = pgm.PowerGridModel(tables)
        self.answer: Any = None

    def update(self, scale: Array) -> dict[str, Array]:
        """Return the multipliers, (n_consumer, n_scenario), in their form."""
        change = pgm.initialize_array("update", self._load, (scale.shape[1], len(self._ids)))
        factor = scale.T if self._symmetric else scale.T.reshape(scale.shape[1], -1, 3)
        change["id"] = self._ids
        change["p_specified"], change["q_specified"] = self._p * factor, self._q * factor
        return {self._load: change}

    def time_s(self, update: dict[str, Array], method: str) -> float:
        """Solve all scenarios by a method; return the processor time. [s]"""
        begin = time.process_time()
        self.answer = self._model.calculate_power_flow(
            symmetric=self._symmetric,
            update_data=update,
            threading=-1,  # one thread
            calculation_method=pgm.CalculationMethod[method],
            error_tolerance=TOLERANCE_PU,
            output_component_types={"node": ["u_pu", "u_angle"]},
        )
        return time.process_time() - begin

    def vm_pu(self) -> Array:
        """Return the voltages of the last call, (n_scenario, n_bus, n_phase). [pu]"""
        u = np.asarray(self.answer["node"]["u_pu"])
        return u[..., None] if self._symmetric else u


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


@cache
def rivals(buses: int, symmetric: bool) -> tuple[Ours, Theirs]:
    """Return both bodies of a network, ours compiled and warm."""
    tree = trees()[buses]
    return Ours(tree, symmetric), Theirs(tree, symmetric)


def round_of(buses: int, symmetric: bool, size: int, batches: int) -> dict[str, float]:
    """Return the times of one turn each over batches of some scenarios, by method.

    And under ``apart_pu`` how far the voltages are apart at most.
    """
    ours, theirs = rivals(buses, symmetric)
    rng = np.random.default_rng(1)
    ours.time_s(np.ones((len(ours.fbs.owners), 16)))  # compiled, or read from the cache
    taken = dict.fromkeys(("ours", *METHODS), 0.0)
    apart_pu = 0.0
    for _ in range(batches):
        scale = rng.uniform(0.3, 1.0, (len(ours.fbs.owners), size))
        update = theirs.update(scale)
        taken["ours"] += ours.time_s(scale)
        assert ours.answer.converged.all()
        for method in METHODS:
            taken[method] += theirs.time_s(update, method)
        apart_pu = max(apart_pu, float(np.abs(ours.vm_pu() - theirs.vm_pu()).max()))
    return {**taken, "apart_pu": apart_pu}
