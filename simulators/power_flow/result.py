"""Result of a power flow: what every solver answers, in the same terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.element import NODES
from gridmodel.network.network import Network


@dataclass(frozen=True)
class Trouble:
    """Why a power flow has no answer.

    Parameters
    ----------
    where : str
        Scenario or hour, if there are several; island and bus at which it came furthest.
    problem : str
        What happened, with the residual.
    advice : str
        The usual causes, and what to try.
    residuals_pu : tuple of float
        Greatest change of a voltage, iteration by iteration. [pu]
    """

    where: str
    problem: str
    advice: str
    residuals_pu: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.where}: {self.problem} {self.advice}"


@dataclass(frozen=True)
class PowerFlow:
    """A solved state of a network, or the reason why there is none.

    Parameters
    ----------
    network : Network
        What was solved.
    solver : str
        By which solver.
    v_v : ndarray, shape (n_bus, 4)
        Complex voltage of nodes A, B, C and N to earth; 0 where a bus has no such node or
        no source reaches it. [V]
    present : ndarray of bool, shape (n_bus, 4)
        Which nodes there are.
    converged : bool
        Whether ``v_v`` is a solution.
    iterations : int
        How many it took; of the sweep, solutions until no control wanted to act.
    losses_kva : complex
        Losses of all lines and transformers; what earthings and capacitors take is drawn, not
        lost, as OpenDSS counts it. [kW, kvar]
    source_kva : complex
        Power the sources deliver. [kW, kvar]
    taps_pu : mapping
        Ratio of each tap changer, by ``transformer.end``. [pu]
    sections_on : mapping
        Connected sections of each capacitor.
    troubles : tuple of Trouble
        Why there is no solution, or none of a part of the network.
    idle : tuple of str
        Elements that carry no current, as no source reaches all their nodes; the sweep tells.
    """

    network: Network
    solver: str
    v_v: NDArray[np.complex128]
    present: NDArray[np.bool_]
    converged: bool
    iterations: int
    losses_kva: complex
    source_kva: complex
    taps_pu: Mapping[str, float] = field(default_factory=dict)
    sections_on: Mapping[str, int] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    idle: tuple[str, ...] = ()

    @property
    def vm_pu(self) -> NDArray[np.float64]:
        """Magnitudes of the voltages to earth, of nominal; shape (n_bus, 4). [pu]"""
        base = np.array([bus.v_nominal_v for bus in self.network.buses]) / 3**0.5
        vm: NDArray[np.float64] = np.abs(self.v_v) / base[:, None]
        return vm

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data: phases by bus, totals, what did not converge."""
        vm, va = self.vm_pu, np.degrees(np.angle(self.v_v))
        buses = {
            bus.name: {
                node: {"vm_pu": float(vm[k, n]), "va_degree": float(va[k, n])}
                for n, node in enumerate(NODES)
                if self.present[k, n]
            }
            for k, bus in enumerate(self.network.buses)
        }
        return {
            "network": self.network.name,
            "solver": self.solver,
            "converged": self.converged,
            "iterations": self.iterations,
            "losses_kw": self.losses_kva.real,
            "losses_kvar": self.losses_kva.imag,
            "source_kw": self.source_kva.real,
            "source_kvar": self.source_kva.imag,
            "buses": buses,
            "taps_pu": dict(self.taps_pu),
            "sections_on": dict(self.sections_on),
            "troubles": [str(trouble) for trouble in self.troubles],
        }
