"""Forward-backward sweep: a network's power flow, one scenario or thousands at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.element import NODES
from gridmodel.network.network import Network
from simulators.power_flow import lanes
from simulators.power_flow.compiled import Compiled
from simulators.power_flow.compiler import compile_network
from simulators.power_flow.curves import Curves, curves_of, steepest_per_pu
from simulators.power_flow.iteration import solve, unloaded
from simulators.power_flow.lanes import Found, Given, some_of
from simulators.power_flow.load_law import injections_kva
from simulators.power_flow.plan import plan_of, work_for
from simulators.power_flow.result import PowerFlow, Trouble
from simulators.power_flow.rows import LANES
from simulators.power_flow.sweep import sweep
from simulators.power_flow.switches import Switches, nothing, switches_of
from simulators.power_flow.trouble import trouble

Complex = NDArray[Any]
Real = NDArray[np.float64]

#: Sweeps in which shunts settle without load.
_SETTLE = 60
_MOST_ITERATIONS, _MOST_ACTIONS = 200, 100
#: Scenarios solved before their voltages are put where they belong: the rows of more than these
#: are in more pages of memory than the processor looks up quickly.
_AT_ONCE = 1024
#: Scenarios without solution whose trouble is told, and the iterations told of each.
MOST_TROUBLES, _MOST_RESIDUALS = 20, 50


@dataclass(frozen=True)
class Batch:
    """Solutions of many scenarios of one network.

    Parameters
    ----------
    compiled : Compiled
        The network.
    v_v : ndarray of complex, shape (n_node, n_scenario)
        Voltages to earth; of a scenario that did not converge, those it came to. [V]
    solutions : ndarray of int, shape (n_scenario,)
        Solutions until no control wanted to act; -1: no voltages, -2: the controls hunt.
    left_pu : ndarray, shape (n_scenario,)
        Greatest change of a voltage in the last iteration. [pu]
    tap_pu : ndarray, shape (n_tap, n_scenario)
        Ratios of the tap changers in ``compiled.taps``. [pu]
    sections_on : ndarray of int, shape (n_capacitor, n_scenario)
        Connected sections of the capacitors with a control, in their order.
    troubles : tuple of Trouble
        Why scenarios have no solution, one by one; of the first `MOST_TROUBLES` of them.
    """

    compiled: Compiled
    v_v: Complex
    solutions: NDArray[np.int64]
    left_pu: Real
    tap_pu: Real
    sections_on: NDArray[np.int64]
    troubles: tuple[Trouble, ...] = ()

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether each scenario has a solution."""
        found: NDArray[np.bool_] = self.solutions > 0
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
    controls : bool
        Let tap changers and capacitors with a control move; else they stay where they are.

    Raises
    ------
    NetworkError
        If it is not sound, or has controls that cannot be swept.
    """

    def __init__(self, network: Network, controls: bool = True) -> None:
        self.compiled = compile_network(network)
        self.switches: Switches = switches_of(self.compiled) if controls else nothing()
        curves = curves_of(self.compiled, controls)
        cuts = sum(len(loop.i) for loop in self.compiled.loops)
        self._work = work_for(self.compiled, curves)
        self._set_taps(self.compiled.tap_pu)
        open_s = _complex(np.zeros((cuts, cuts)), np.zeros((cuts, cuts)))
        self.plan = plan_of(self.compiled, open_s, curves)
        self._begin()
        unloaded(self.plan, self._work, _SETTLE)
        count = self.compiled.node_count
        self.start_v: Complex = _complex(self._work.v_re, self._work.v_im)[:count, 0]
        if cuts or len(curves.s_va):
            close_s: Complex = np.linalg.inv(self._seen_at_cuts(cuts)) if cuts else open_s
            self.plan = plan_of(self.compiled, close_s, self._tuned(curves))

    def _tuned(self, curves: Curves) -> Curves:
        """Return curves with the damping and gain that the network's answer asks for.

        All inverters together inject along the steepest part of their curves; what their
        voltages rise by says how much they would overdo it.
        """
        slope = steepest_per_pu(curves)
        inverters = np.flatnonzero(curves.v_set == 0.0)
        together = self._rise_pu(curves, {int(m): slope[m] for m in inverters})
        damping, gain = curves.damping.copy(), curves.gain.copy()
        damping[inverters] = 1.0 / (1.0 + np.maximum(together[inverters], 0.0))
        for m in np.flatnonzero(curves.v_set > 0.0).tolist():
            rise = max(self._rise_pu(curves, {m: 1.0})[m], 1e-6)
            gain[m] = curves.s_va[m] / rise
        return curves._replace(damping=damping, gain=gain)

    def _rise_pu(self, curves: Curves, share: dict[int, float]) -> Real:
        """Return the rise of voltage at each row, for shares of ratings of reactive power."""
        self._begin()
        work, elements = self._work, self.compiled.elements
        small = 1e-4
        for m, part in share.items():
            own = curves.element[curves.first[m] : curves.first[m + 1]]
            work.q_var[own] = small * part * curves.s_va[m] / len(own)
        unloaded(self.plan, work, _SETTLE)
        v = _complex(work.v_re, work.v_im)[:, 0]
        v[self.compiled.node_count] = 0.0

        def across(at: Complex) -> Real:
            ends = np.where(elements.j >= 0, elements.j, self.compiled.node_count)
            found: Real = np.abs(at[elements.i] - at[ends]) / elements.v0_v
            return found

        before = np.append(self.start_v, np.zeros(len(v) - len(self.start_v)))
        change = (across(v) - across(before))[curves.element] / small
        return np.array(
            [change[a:b].mean() for a, b in zip(curves.first[:-1], curves.first[1:], strict=True)]
        )

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
            some = range(min(LANES, cuts - first))
            for k in some:
                work.close_re[first + k, k] = 1.0
            unloaded(self.plan, work, _SETTLE)
            v = work.v_re + 1j * work.v_im
            for k in some:
                seen[:, first + k] = at_rest - (v[own, k] - v[other, k])
        return seen

    @property
    def owners(self) -> tuple[tuple[str, str], ...]:
        """Group and name of everything that injects: the rows of multipliers."""
        return self.compiled.elements.owners

    def batch(
        self,
        p_scale: Real,
        q_scale: Real | None = None,
        hour: Real | None = None,
        tolerance_pu: float = 1e-8,
        most_iterations: int = _MOST_ITERATIONS,
    ) -> Batch:
        """Solve scenarios that have nothing to do with each other.

        Parameters
        ----------
        p_scale, q_scale : ndarray, shape (n_owner, n_scenario)
            Multipliers of the injection of the `owners`; q as p if left out.
        hour : ndarray, shape (n_scenario,)
            Time of day, for controls by time; 0 if left out. [h]
        tolerance_pu : float
            Greatest change of a voltage in the last iteration. [pu]
        most_iterations : int
            Most iterations of one solution.
        """
        count = p_scale.shape[1]
        given, whole = self._given(p_scale, q_scale, hour), self._found(count, 0)
        limits = (tolerance_pu, most_iterations, _MOST_ACTIONS)
        v_v: Complex = np.empty((self.compiled.node_count, count), np.complex128)
        for first in range(0, count, _AT_ONCE):
            some = slice(first, min(first + _AT_ONCE, count))
            found = self._found(some.stop - first, self.compiled.node_count)
            lanes.batch(
                self.switches, self.plan, self._work, some_of(given, some), self.compiled.tap_pu,
                limits, found,
            )  # fmt: skip
            v_v.real[:, some], v_v.imag[:, some] = found.v_re, found.v_im
            for all_of_it, part in zip(whole[2:], found[2:], strict=True):
                all_of_it[..., some] = part
        return self._batch(v_v, whole, given, "scenario")

    def year(
        self,
        p_scale: Real,
        q_scale: Real | None = None,
        hour: Real | None = None,
        tolerance_pu: float = 1e-8,
        most_iterations: int = _MOST_ITERATIONS,
    ) -> Batch:
        """Solve hours that follow each other: controls begin where the hour before left them.

        The year is cut into parts that are solved side by side, each first from the
        network's own taps; then every part whose beginning turns out to be another is done
        again from its true beginning, until its taps are those it had before. The answer
        is that of going through the hours one by one.

        Parameters
        ----------
        p_scale, q_scale, hour, tolerance_pu, most_iterations
            As for `batch`, one column an hour.
        """
        count = p_scale.shape[1]
        given = self._given(p_scale, q_scale, hour)
        found = self._found(count, self.compiled.node_count)
        limits = (tolerance_pu, most_iterations, _MOST_ACTIONS)
        borders = np.linspace(0, count, LANES + 1).round().astype(np.int64)
        first, last = borders[:-1].copy(), borders[1:]
        taps = np.repeat(self.compiled.tap_pu[:, None], LANES, axis=1)
        on = np.repeat(self.switches.banks.sections_on[:, None], LANES, axis=1)
        while (first < last).any():
            parts = (first, last, np.ascontiguousarray(taps), np.ascontiguousarray(on))
            lanes.march(self.switches, self.plan, self._work, given, parts, limits, found)
            before = np.maximum(borders[:-1] - 1, 0)
            true_taps, true_on = found.tap_pu[:, before], found.sections[:, before]
            true_taps[:, 0], true_on[:, 0] = taps[:, 0], on[:, 0]
            other = (np.abs(true_taps - taps) > 1e-9).any(axis=0) | (true_on != on).any(axis=0)
            taps, on = true_taps, true_on
            first = np.where(other, borders[:-1], last)
        return self._batch(_complex(found.v_re, found.v_im), found, given, "hour")

    def _given(self, p_scale: Real, q_scale: Real | None, hour: Real | None) -> Given:
        elements = self.compiled.elements
        p = np.ascontiguousarray(p_scale, np.float64)
        if p.shape[0] != len(elements.owners):
            raise ValueError(f"{p.shape[0]} rows of multipliers for {len(elements.owners)} owners")
        q = p if q_scale is None else np.ascontiguousarray(q_scale, np.float64)
        return Given(
            np.ascontiguousarray(self.start_v.real), np.ascontiguousarray(self.start_v.imag),
            elements.owner, elements.p_kw * 1e3, elements.q_kvar * 1e3, p, q,
            np.zeros(p.shape[1]) if hour is None else np.ascontiguousarray(hour, np.float64),
        )  # fmt: skip

    def _found(self, count: int, nodes: int) -> Found:
        shape = (nodes, count)
        return Found(
            np.empty(shape), np.empty(shape), np.zeros(count, np.int64), np.empty(count),
            np.empty((len(self.compiled.taps), count)),
            np.zeros((len(self.switches.banks.mode), count), np.int64),
        )  # fmt: skip

    def _batch(self, v: Complex, found: Found, given: Given, what: str) -> Batch:
        troubles = []
        for k in np.flatnonzero(found.solutions <= 0)[:MOST_TROUBLES].tolist():
            once_v, residuals = self._again(given, found, k)
            code = int(found.solutions[k])
            moved_v = np.abs((v[:, k] if code == -2 else once_v) - self.start_v)
            moved_pu = moved_v / self.compiled.base_v
            count = len(found.solutions)
            which = f"{what} {k} of 0 to {count - 1}, " if count > 1 else ""
            troubles.append(trouble(self.compiled, moved_pu, code, which, residuals))
        return Batch(
            self.compiled, v, found.solutions, found.left_pu, found.tap_pu, found.sections,
            tuple(troubles),
        )  # fmt: skip

    def _again(self, given: Given, found: Found, at: int) -> tuple[Complex, tuple[float, ...]]:
        """Do a scenario again: voltages of the first iteration [V], changes of them all [pu].

        The first one goes furthest where there is too much load; the last ones run wild.
        """
        work, elements = self._work, self.compiled.elements
        self._begin()
        self._set_taps(found.tap_pu[:, at])
        count = self.compiled.node_count
        work.v_re[:count], work.v_im[:count] = given.start_re[:, None], given.start_im[:, None]
        work.p_w[:] = (given.p_w * given.scale_p[elements.owner, at])[:, None]
        work.q_var[:] = (given.q_var * given.scale_q[elements.owner, at])[:, None]
        history = np.zeros((_MOST_RESIDUALS, LANES))
        solve(self.plan, work, 1e-8, 1, history[:1])
        once_v: Complex = _complex(work.v_re, work.v_im)[:count, 0].copy()
        solve(self.plan, work, 1e-8, _MOST_RESIDUALS - 1, history[1:])
        return once_v, tuple(history[history[:, 0] > 0.0, 0].tolist())

    def one(self, tolerance_pu: float = 1e-8, most_iterations: int = _MOST_ITERATIONS) -> PowerFlow:
        """Solve the network as it stands."""
        whole = np.ones((len(self.owners), 1))
        answer = self.batch(whole, None, None, tolerance_pu, most_iterations)
        sweep(self.plan, self._work)  # currents of the last voltages
        compiled, v = self.compiled, answer.v_v[:, 0]
        by_bus, present = compiled.by_bus(v)
        as_left = self._work.p_w[:, 0] / 1e3, self._work.q_var[:, 0] / 1e3
        net_kva = injections_kva(compiled, v, *as_left)
        source_kva = self._source_kva(v)
        taps = zip(compiled.taps, answer.tap_pu[:, 0], strict=True)
        fixed = {
            f"{t.name}.{k + 1}": end.tap_pu
            for t in compiled.network.transformers
            for k, end in enumerate(t.ends)
            if end.tap_changer is not None
        }
        moved = [c.capacitor for c in compiled.network.capacitor_controls]
        sections = zip(moved, answer.sections_on[:, 0].tolist(), strict=False)
        code = int(answer.solutions[0])
        return PowerFlow(
            compiled.network,
            "fbs",
            by_bus,
            present,
            code > 0,
            max(code, 0),
            complex(source_kva + net_kva.sum() - _earthed_kva(compiled.network, by_bus)),
            source_kva,
            fixed | {f"{name}.{k + 1}": float(tap) for (name, k), tap in taps},
            {c.name: c.sections_on for c in compiled.network.capacitors} | dict(sections),
            answer.troubles,
            compiled.idle,
        )

    def _source_kva(self, v: Complex) -> complex:
        """Return what the sources deliver at their buses. [kW, kvar]"""
        c, total = self.compiled, 0.0 + 0.0j
        j = _complex(self._work.j_re[:, 0], self._work.j_im[:, 0])
        for b in range(len(c.kind)):
            fixed = c.from_node[c.from_first[b]]
            if fixed < 0 and c.fixed_v[-1 - fixed] != 0.0:
                fed = slice(c.to_first[b], c.to_first[b] + c.to_count[b])
                drawn = j[fed] + c.source_shunt[b] @ v[fed] if b in c.source_shunt else j[fed]
                total += complex(np.sum(v[fed] * np.conj(drawn)) / 1e3)
        return total


def _earthed_kva(network: Network, v_v: Complex) -> complex:
    """Return what earthings take, from voltages by bus and conductor. [kW, kvar]"""
    total = 0j
    for earth in network.groundings:
        v = v_v[network.bus_index[earth.bus], NODES.index(earth.node)]
        total += abs(v) ** 2 / np.conj(complex(earth.r_ohm, earth.x_ohm) or 1e-6) / 1e3
    return complex(total)


def _complex(re: Real, im: Real) -> Complex:
    both: Complex = np.empty(re.shape, np.complex128)
    both.real, both.imag = re, im
    return both


def solve_fbs(network: Network, controls: bool = True, tolerance_pu: float = 1e-8) -> PowerFlow:
    """Return a network's power flow by the forward-backward sweep.

    Parameters
    ----------
    network : Network
        The network.
    controls : bool
        Let tap changers and capacitors with a control move.
    tolerance_pu : float
        Greatest change of a voltage in the last iteration. [pu]

    Raises
    ------
    NetworkError
        If the network is not sound, or has controls that cannot be swept.
    """
    return Fbs(network, controls).one(tolerance_pu)
