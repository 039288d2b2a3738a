"""Curves: which inverters follow the voltage and which machines hold it, as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.compiled import Compiled

Real = NDArray[np.float64]
Index = NDArray[np.int64]


class Curves(NamedTuple):
    """Inverters with a control and machines that hold a voltage, one a row.

    ``damping`` is the part of the way to its curve an inverter goes in one iteration, and
    ``gain`` the reactive power a machine gives for one per unit of missing voltage [var];
    both come from what the network answers and are set by `Fbs`.
    """

    first: Index  # where the elements of each begin
    element: Index
    s_va: Real
    q_first: Index  # where its volt-var points begin
    q_v: Real
    q_pu: Real
    p_first: Index  # where its volt-watt points begin
    p_v: Real
    p_pu: Real
    keep_p: Index  # 1: active power keeps its value at the rating
    of_available: Index  # 1: q_pu is a share of what p leaves
    v_set: Real  # voltage a machine holds [pu]; 0: an inverter
    q_low: Real
    q_high: Real
    damping: Real
    gain: Real


def curves_of(compiled: Compiled, controls: bool) -> Curves:
    """Return what follows or holds the voltage in a network.

    Parameters
    ----------
    compiled : Compiled
        The network.
    controls : bool
        Whether inverters follow their curves; machines hold their voltage in any case.
    """
    net = compiled.network
    elements: dict[tuple[str, str], list[int]] = {}
    for k, owner in enumerate(compiled.elements.owner):
        elements.setdefault(compiled.elements.owners[owner], []).append(k)
    settings = net.group("inverter_controls")
    own: list[list[int]] = []
    rows: list[tuple[float, ...]] = []
    var, watt = _Points(), _Points()
    for inverter in net.inverters if controls else ():
        found = elements.get(("inverters", inverter.name))
        if inverter.control and found:
            setting = settings[inverter.control]
            own.append(found)
            var.add(setting.volt_var)
            watt.add(setting.volt_watt)
            keep_p = float(setting.priority == "p")
            available = float(setting.q_of_available)
            rows.append((inverter.s_kva * 1e3, keep_p, available, 0.0, 0.0, 0.0))
    for machine in net.machines:
        found = elements.get(("machines", machine.name))
        if machine.v_set_pu is not None and found:
            own.append(found)
            var.add(())
            watt.add(())
            rating = max(abs(machine.p_kw), abs(machine.q_max_kvar), 1.0) * 1e3
            low, high = machine.q_min_kvar * 1e3, machine.q_max_kvar * 1e3
            rows.append((min(rating, 1e9), 0.0, 0.0, machine.v_set_pu, low, high))
    s_va, keep_p_, available_, v_set, low_, high_ = np.array(rows, float).reshape(-1, 6).T.copy()
    return Curves(
        np.cumsum([0, *(len(found) for found in own)]).astype(np.int64),
        np.array([k for found in own for k in found], np.int64),
        s_va, *var.arrays(), *watt.arrays(), keep_p_.astype(np.int64),
        available_.astype(np.int64), v_set, low_, high_, np.ones(len(rows)), np.ones(len(rows)),
    )  # fmt: skip


class _Points:
    """The points of many curves behind each other."""

    def __init__(self) -> None:
        self._first = [0]
        self._x: list[float] = []
        self._y: list[float] = []

    def add(self, points: Iterable[tuple[float, float]]) -> None:
        for x, y in points:
            self._x.append(x)
            self._y.append(y)
        self._first.append(len(self._x))

    def arrays(self) -> tuple[Index, Real, Real]:
        first = np.array(self._first, np.int64)
        return first, np.array(self._x, np.float64), np.array(self._y, np.float64)


def steepest_per_pu(curves: Curves) -> Real:
    """Return the steepest slope of each volt-var curve, of rating by voltage. [1/pu]"""
    found = np.zeros(len(curves.s_va))
    for m, (a, b) in enumerate(zip(curves.q_first[:-1], curves.q_first[1:], strict=True)):
        rise = np.abs(np.diff(curves.q_pu[a:b]))
        run = np.diff(curves.q_v[a:b])
        found[m] = (rise[run > 0] / run[run > 0]).max(initial=0.0)
    for m, (a, b) in enumerate(zip(curves.p_first[:-1], curves.p_first[1:], strict=True)):
        rise = np.abs(np.diff(curves.p_pu[a:b]))
        run = np.diff(curves.p_v[a:b])
        found[m] = max(found[m], (rise[run > 0] / run[run > 0]).max(initial=0.0))
    return found
