"""Loading: how much of their ratings lines and transformers carry in a solved state.

Currents follow from the voltages and the elements' own matrices, so every solver's answer
has them. Switches are left out: across a closed one there is hardly a voltage to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.element import NODES
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformer
from simulators.power_flow.primitive import transformer_nodes, transformer_y_s
from simulators.power_flow.result import PowerFlow

Complex = NDArray[Any]


def loadings_pu(flow: PowerFlow) -> dict[tuple[str, str], float]:
    """Return the loading of every line and transformer with a rating.

    Parameters
    ----------
    flow : PowerFlow
        A converged answer.

    Returns
    -------
    dict
        By group (``lines``, ``transformers``) and name: of a line the current of its worst
        conductor, of a transformer the apparent power of its worst end, of its rating. [pu]
    """
    return dict((*_lines(flow), *_transformers(flow)))


def _lines(flow: PowerFlow) -> Iterator[tuple[tuple[str, str], float]]:
    network, admittance = flow.network, _Admittances(flow.network)
    for line in network.lines:
        kind = network.impedance[line.impedance]
        ampacity_a = line.ampacity_a or kind.ampacity_a
        if ampacity_a > 0.0:
            v_from = _at(flow, line.bus_from, line.phases)
            v_to = _at(flow, line.bus_to, line.phases_to or line.phases)
            i_a = admittance.currents_a(line, v_from, v_to)
            yield ("lines", line.name), float(np.abs(i_a).max() / ampacity_a)


def _at(flow: PowerFlow, bus: str, phases: str) -> Complex:
    """Return the voltages of some conductors of a bus. [V]"""
    columns = [NODES.index(phase) for phase in phases]
    v: Complex = flow.v_v[flow.network.bus_index[bus], columns]
    return v


class _Admittances:
    """Matrices of the kinds of line, each turned round once."""

    def __init__(self, network: Network) -> None:
        self._omega = 2.0 * np.pi * network.f_nominal_hz
        self._kinds = network.impedance
        self._found: dict[str, tuple[Complex, Complex]] = {}

    def currents_a(self, line: ACLineSegment, v_from: Complex, v_to: Complex) -> Complex:
        """Return the currents into both ends, (2, n). [A]"""
        if line.impedance not in self._found:
            self._found[line.impedance] = self._of_kind(self._kinds[line.impedance])
        series, charging = self._found[line.impedance]
        through = series @ (v_from - v_to) / line.length_km
        half = charging * (line.length_km / 2.0)
        return np.stack([through + half @ v_from, half @ v_to - through])

    def _of_kind(self, kind: PerLengthPhaseImpedance) -> tuple[Complex, Complex]:
        z = np.array(kind.r_ohm_per_km) + 1j * np.array(kind.x_ohm_per_km)
        c = np.array(kind.c_nf_per_km) if kind.c_nf_per_km else np.zeros(z.shape)
        return np.linalg.pinv(z), 1j * self._omega * c * 1e-9


def _transformers(flow: PowerFlow) -> Iterator[tuple[tuple[str, str], float]]:
    for one in flow.network.transformers:
        yield ("transformers", one.name), _of_transformer(flow, one)


def _of_transformer(flow: PowerFlow, one: PowerTransformer) -> float:
    at = [transformer_nodes(one, k) for k in range(len(one.ends))]
    nodes = list(dict.fromkeys(node for end in at for node in end))
    taps = [flow.taps_pu.get(f"{one.name}.{k}", end.tap_pu) for k, end in enumerate(one.ends, 1)]
    index = flow.network.bus_index
    v = np.array([flow.v_v[index[bus], NODES.index(node)] for bus, node in nodes])
    s_kva = v * np.conj(transformer_y_s(one, nodes, taps) @ v) / 1e3
    place = {node: k for k, node in enumerate(nodes)}
    return max(
        float(abs(s_kva[[place[node] for node in own]].sum()) / end.s_kva)
        for own, end in zip(at, one.ends, strict=True)
    )
