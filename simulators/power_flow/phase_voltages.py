"""Voltages of phases as a customer sees them, from a solver's answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.topology import topology
from simulators.power_flow.result import PowerFlow

#: Below it a phase is not fed. [pu]
_UNFED_PU = 1e-3


@dataclass(frozen=True)
class PhaseVoltages:
    """Voltages of phases as a customer sees them.

    Parameters
    ----------
    vm_pu : ndarray, shape (n_bus, 3)
        To the bus's neutral where it has one, else to earth; NaN where no phase is fed.
    neutral_v : ndarray, shape (n_bus,)
        Neutral to earth; NaN where there is none. [V]
    """

    vm_pu: NDArray[np.float64]
    neutral_v: NDArray[np.float64]


def phase_voltages(flow: PowerFlow) -> PhaseVoltages:
    """Return the voltages of an answer, for tables and pictures."""
    base = np.array([bus.v_nominal_v for bus in flow.network.buses]) / 3**0.5
    there = flow.present[:, 3]
    to = np.where(there, flow.v_v[:, 3], 0.0)
    vm = np.abs(flow.v_v[:, :3] - to[:, None]) / base[:, None]
    # A phase that only an open switch touches has a node in OpenDSS, and no voltage.
    live = flow.present[:, :3] & _live(flow)[:, None] & (vm > _UNFED_PU)
    return PhaseVoltages(
        np.where(live, vm, np.nan), np.where(there & live.any(axis=1), np.abs(to), np.nan)
    )


def _live(flow: PowerFlow) -> NDArray[np.bool_]:
    """Return which buses a source reaches."""
    live = np.zeros(len(flow.network.buses), np.bool_)
    live[topology(flow.network).order] = True
    return live
