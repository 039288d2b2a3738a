"""Primitive admittances: what a transformer, a line or a source is between its nodes.

Transformers follow the usual construction from short-circuit tests on a base of one volt
(Dugan, "A Perspective on Transformer Modeling for Distribution System Analysis", IEEE PES
2003), the one OpenDSS uses, so both give the same bank the same matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.conductors import PerLengthPhaseImpedance
from gridmodel.network.element import GROUND
from gridmodel.network.equipment import EnergySource
from gridmodel.network.transformer import PowerTransformer

Complex = NDArray[Any]
#: A node of a network: its bus and its conductor.
Node = tuple[str, str]


def transformer_nodes(transformer: PowerTransformer, end: int) -> tuple[Node, ...]:
    """Return the nodes an end is connected to, the earth left out."""
    e = transformer.ends[end]
    return tuple((e.bus, node) for node in e.nodes if node != GROUND)


def transformer_y_s(
    transformer: PowerTransformer, nodes: Sequence[Node], taps_pu: Sequence[float]
) -> Complex:
    """Return a transformer's admittance between nodes.

    Parameters
    ----------
    transformer : PowerTransformer
        The transformer.
    nodes : sequence of (bus, conductor)
        Rows and columns; those the transformer does not touch stay 0.
    taps_pu : sequence of float
        Ratio at which the tap of each end stands. [pu]

    Returns
    -------
    ndarray of complex, shape (n_node, n_node)
        Current into the transformer over voltage to earth. [S]
    """
    ends = transformer.ends
    winding = _one_volt_y_s(transformer)
    volts = np.array([end.coil_v * tap for end, tap in zip(ends, taps_pu, strict=True)])
    winding /= np.outer(volts, volts)
    at = {node: k for k, node in enumerate(nodes)}
    phases = [transformer.end_coils(k) for k in range(len(ends))]
    y = np.zeros((len(nodes), len(nodes)), complex)
    for coil_of_end in zip(*phases, strict=True):
        # Incidence of this phase's coils (rows) on nodes (columns).
        incidence = np.zeros((len(ends), len(nodes)), complex)
        for k, (plus, minus) in enumerate(coil_of_end):
            bus = ends[k].bus
            if plus != GROUND:
                incidence[k, at[bus, plus]] += 1.0
            if minus != GROUND:
                incidence[k, at[bus, minus]] -= 1.0
        y += incidence.T @ winding @ incidence
    return y


def _one_volt_y_s(transformer: PowerTransformer) -> Complex:
    """Return the admittance between the windings of one phase, all of one volt."""
    ends = transformer.ends
    count = len(ends)
    base_ohm = ends[0].coil_count / (ends[0].s_kva * 1e3)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    z = np.zeros((count, count), complex)
    for (i, j), x in zip(pairs, transformer.x_percent, strict=True):
        z[i, j] = (ends[i].r_percent + ends[j].r_percent + 1j * x) / 100 * base_ohm
    short = np.zeros((count - 1, count - 1), complex)
    for i in range(1, count):
        short[i - 1, i - 1] = z[0, i]
        for j in range(i + 1, count):
            half = 0.5 * (z[0, i] + z[0, j] - z[i, j])
            short[i - 1, j - 1] = short[j - 1, i - 1] = half
    incidence = np.hstack([np.ones((count - 1, 1)), -np.eye(count - 1)]).astype(complex)
    y: Complex = incidence.T @ np.linalg.inv(short) @ incidence
    core = transformer.no_load_loss_percent - 1j * transformer.magnetizing_percent
    y[1, 1] += core / 100 / base_ohm
    return y


def line_z_ohm(kind: PerLengthPhaseImpedance, length_km: float) -> Complex:
    """Return the series impedance of a length of line, shape (n, n). [ohm]"""
    z: Complex = np.array(kind.r_ohm_per_km) + 1j * np.array(kind.x_ohm_per_km)
    return z * length_km


def line_y_s(kind: PerLengthPhaseImpedance, length_km: float, f_hz: float) -> Complex | None:
    """Return the shunt admittance of a length of line, shape (n, n), or none. [S]"""
    if not kind.c_nf_per_km:
        return None
    y: Complex = 2j * np.pi * f_hz * np.array(kind.c_nf_per_km) * 1e-9 * length_km
    return y


def source_z_ohm(source: EnergySource) -> Complex:
    """Return the impedance behind which a source's voltage stands, shape (n, n). [ohm]"""
    z1, z0 = source.r1_ohm + 1j * source.x1_ohm, source.r0_ohm + 1j * source.x0_ohm
    count = len(source.nodes)
    if count == 1:
        return np.array([[z1]])
    z: Complex = (z1 - z0) * -np.ones((count, count)) / 3 + z1 * np.eye(count)
    return z


def source_v_v(source: EnergySource) -> Complex:
    """Return the voltages of a source's phases, a, b, c by thirds of a turn. [V]"""
    count = len(source.nodes)
    v = source.v_nominal_v / 3**0.5 * source.v_pu
    turns = np.radians(source.angle_deg - 120.0 * np.arange(count))
    e: Complex = v * np.exp(1j * turns)
    return e
