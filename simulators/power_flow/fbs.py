"""Forward-backward sweep: a network's power flow, one scenario or thousands at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.network import Network
from simulators.power_flow.compiled import EXPONENT, ZIP, Compiled
from simulators.power_flow.compiler import compile_network
from simulators.power_flow.result import PowerFlow, Trouble
from simulators.power_flow.sweep import (
    LANES,
    LOW_PU,
    Plan,
    Work,
    plan_of,
    solve,
    solve_all,
    unloaded,
    work_for,
)

Complex = NDArray[Any]
Real = NDArray[np.float64]

#: Sweeps in which shunts settle without load.
_SETTLE = 60


@dataclass(frozen=True)
class Batch:
    """Solutions of many scenarios of one network.

    Parameters
    ----------
    compiled : Compiled
        The network.
    v_v : ndarray of complex, shape (n_node, n_scenario)
        Voltages to earth; of a scenario that did not converge, those it came to. [V]
    iterations : ndarray of int, shape (n_scenario,)
        Iterations it took; -1: it did not converge.
    left_pu : ndarray, shape (n_scenario,)
        Greatest change of a voltage in the last iteration. [pu]
    """

    compiled: Compiled
    v_v: Complex
    iterations: NDArray[np.int64]
    left_pu: Real

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether each scenario has a solution."""
        found: NDArray[np.bool_] = self.iterations > 0
        return found

    @property
    def vm_pu(self) -> Real:
        """Magnitudes of the voltages, (n_node, n_scenario). [pu]"""
        vm: Real = np.abs(self.v_v) / self.compiled.base_v[:, None]
        return vm


class Fbs:
    """A network made ready for sweeps.

    Parameters
    ----------
    network : Network
        The network.

    Raises
    ------
    NetworkError
        If it is not sound.
    """

    def __init__(self, network: Network) -> None:
        self.compiled = compile_network(network)
        cuts = sum(len(loop.i) for loop in self.compiled.loops)
        self._work = work_for(self.compiled)
        self._set_taps(self.compiled.tap_pu)
        open_s = _complex(np.zeros((cuts, cuts)), np.zeros((cuts, cuts)))
        self.plan = plan_of(self.compiled, open_s)
        self._begin()
        unloaded(self.plan, self._work, _SETTLE)
        count = self.compiled.node_count
        self.start_v: Complex = _complex(self._work.v_re, self._work.v_im)[:count, 0]
        if cuts:
            close_s: Complex = np.linalg.inv(self._seen_at_cuts(cuts))
            self.plan = plan_of(self.compiled, close_s)

    def _set_taps(self, tap_pu: Real) -> None:
        self._work.tap_pu[:-1] = tap_pu[:, None]
        self._work.untap_pu[:-1] = 1.0 / tap_pu[:, None]

    def _begin(self) -> None:
        """Set loads and currents to nothing, voltages to nominal."""
        work, count = self._work, self.compiled.node_count
        for array in (work.p_w, work.q_var, work.close_re, work.close_im):
            array[:] = 0.0
        work.v_re[:count], work.v_im[:count] = self.compiled.base_v[:, None], 0.0

    def _seen_at_cuts(self, cuts: int) -> Complex:
        """Return the impedance between the two sides of each cut, (cut, cut). [ohm]"""
        work = self._work
        own = np.concatenate([loop.i for loop in self.compiled.loops])
        other = np.concatenate([loop.j for loop in self.compiled.loops])
        at_rest = self.start_v[own] - self.start_v[other]
        seen = np.zeros((cuts, cuts), complex)
        for first in range(0, cuts, LANES):
            self._begin()
            lanes = range(min(LANES, cuts - first))
            for k in lanes:
                work.close_re[first + k, k] = 1.0
            unloaded(self.plan, work, _SETTLE)
            v = work.v_re + 1j * work.v_im
            for k in lanes:
                seen[:, first + k] = at_rest - (v[own, k] - v[other, k])
        return seen

    def batch(
        self,
        p_scale: Real,
        q_scale: Real | None = None,
        tolerance_pu: float = 1e-8,
        most_iterations: int = 100,
    ) -> Batch:
        """Solve many scenarios.

        Parameters
        ----------
        p_scale, q_scale : ndarray, shape (n_owner, n_scenario)
            Multipliers of the injection of everything in ``compiled.elements.owners``; q as
            p if left out.
        tolerance_pu : float
            Greatest change of a voltage in the last iteration. [pu]
        most_iterations : int
            Most iterations.
        """
        compiled, elements = self.compiled, self.compiled.elements
        p_scale = np.ascontiguousarray(p_scale, np.float64)
        q = p_scale if q_scale is None else np.ascontiguousarray(q_scale, np.float64)
        count = p_scale.shape[1]
        shape = (compiled.node_count, count)
        out = (np.empty(shape), np.empty(shape), np.empty(count, np.int64), np.empty(count))
        self._set_taps(compiled.tap_pu)
        start = np.ascontiguousarray(self.start_v.real), np.ascontiguousarray(self.start_v.imag)
        load = (elements.owner, elements.p_kw * 1e3, elements.q_kvar * 1e3)
        limits = (tolerance_pu, most_iterations)
        solve_all(self.plan, self._work, start, load, (p_scale, q), limits, out)
        return Batch(compiled, out[0] + 1j * out[1], out[2], out[3])

    def one(self, tolerance_pu: float = 1e-8, most_iterations: int = 200) -> PowerFlow:
        """Solve the network as it stands."""
        work, compiled, elements = self._work, self.compiled, self.compiled.elements
        self._begin()
        self._set_taps(compiled.tap_pu)
        count = compiled.node_count
        work.v_re[:count], work.v_im[:count] = (
            self.start_v.real[:, None],
            self.start_v.imag[:, None],
        )
        work.p_w[:] = elements.p_kw[:, None] * 1e3
        work.q_var[:] = elements.q_kvar[:, None] * 1e3
        history = np.zeros((most_iterations, LANES))
        took = int(solve(self.plan, work, tolerance_pu, most_iterations, history)[0])
        return self._answer(work, took, history[:, 0])

    def _answer(self, work: Work, took: int, history: Real) -> PowerFlow:
        compiled = self.compiled
        count = compiled.node_count
        v = (work.v_re[:, 0] + 1j * work.v_im[:, 0])[:count]
        j = (work.j_re[:, 0] + 1j * work.j_im[:, 0])[:count]
        by_bus, present = compiled.by_bus(v)
        sources = 0.0 + 0.0j
        for b in range(len(compiled.kind)):
            fixed = compiled.from_node[compiled.from_first[b]]
            if fixed < 0 and compiled.fixed_v[-1 - fixed] != 0.0:
                fed = slice(compiled.to_first[b], compiled.to_first[b] + compiled.to_count[b])
                sources += np.sum(v[fed] * np.conj(j[fed])) / 1e3
        net_kva = injections_kva(compiled, v)
        groups = np.array([group for group, _ in compiled.elements.owners])
        own = np.isin(groups[compiled.elements.owner], ["capacitors"], invert=True)
        losses = sources + net_kva[own].sum()
        troubles = () if took > 0 else (self._trouble(v, history),)
        return PowerFlow(
            compiled.network,
            "fbs",
            by_bus,
            present,
            took > 0,
            took if took > 0 else len(history),
            complex(losses),
            complex(sources),
            {
                f"{t}.{k + 1}": float(x)
                for (t, k), x in zip(compiled.taps, compiled.tap_pu, strict=True)
            },
            {c.name: c.sections_on for c in compiled.network.capacitors},
            troubles,
        )

    def _trouble(self, v: Complex, history: Real) -> Trouble:
        compiled = self.compiled
        vm = np.abs(v) / compiled.base_v
        worst = int(np.argmin(np.where(compiled.conductor < 3, vm, np.inf)))
        return Trouble(
            f"bus {compiled.node_name(worst)}",
            f"no solution after {len(history)} iterations; the voltage there came to "
            f"{vm[worst]:.3f} pu and the last change was {history[-1]:.2g} pu.",
            "Usual causes: more load than the lines can carry, a wrong rated voltage, a length "
            "in the wrong unit.",
            tuple(history.tolist()),
        )


def _complex(re: Real, im: Real) -> Complex:
    both: Complex = np.empty(re.shape, np.complex128)
    both.real, both.imag = re, im
    return both


def injections_kva(compiled: Compiled, v_v: Complex) -> Complex:
    """Return what each element injects at given voltages, (n_element,). [kW, kvar]"""
    e = compiled.elements
    across = v_v[e.i] - np.where(e.j >= 0, v_v[e.j], 0.0)
    low, high = np.maximum(e.v_min_pu, 0.1), e.v_max_pu
    u = np.abs(across) / e.v0_v
    inside = np.clip(u, low, high)
    s = e.zip_pu
    of_p, of_q = np.ones(len(u)), np.ones(len(u))
    zips, powers = e.kind == ZIP, e.kind == EXPONENT
    of_p[zips] = (s[:, 0] * inside**2 + s[:, 1] * inside + s[:, 2])[zips]
    of_q[zips] = (s[:, 3] * inside**2 + s[:, 4] * inside + s[:, 5])[zips]
    of_p[powers] = np.where(u > high, 1.0, inside ** s[:, 0])[powers]
    of_q[powers] = np.where(u > high, 1.0, inside ** s[:, 3])[powers]
    kva: Complex = _complex(e.p_kw * of_p, e.q_kvar * of_q) * (u / inside) ** 2
    below = e.ramp & (u < low)  # the law of sweep._giving_way
    if below.any():
        share = np.where((e.kind == ZIP)[:, None], s, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0])[below]
        u, low = np.maximum(u[below], 1e-9), low[below]
        way = np.clip(u - LOW_PU, 0.0, None) / (low - LOW_PU)
        power = np.where(u > LOW_PU, (0.5 + (1 / low - 0.5) * way) / u, 1.0)
        current = np.where(u > LOW_PU, (0.5 + 0.5 * way) / u, 1.0)
        laws = np.stack([np.ones(len(u)), current, power], axis=1)
        of_p, of_q = (share[:, :3] * laws).sum(axis=1), (share[:, 3:] * laws).sum(axis=1)
        kva[below] = _complex(e.p_kw[below] * of_p, e.q_kvar[below] * of_q) * u**2
    return kva


def solve_fbs(network: Network, tolerance_pu: float = 1e-8) -> PowerFlow:
    """Return a network's power flow by the forward-backward sweep, taps as they stand.

    Raises
    ------
    NetworkError
        If the network is not sound.
    """
    return Fbs(network).one(tolerance_pu)


__all__ = ["Batch", "Fbs", "Plan", "injections_kva", "solve_fbs"]
