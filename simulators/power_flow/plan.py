"""Plan: a compiled network, and room to work, in the form compiled code takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.compiled import EXPONENT, POWER, Compiled, Elements
from simulators.power_flow.curves import Curves
from simulators.power_flow.rows import LANES, LOW_PU

Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: Below this voltage no load draws constant power: no answer is lost, and none runs away. [pu]
_LEAST_PU = 0.1
#: Laws of the elements that do not draw constant power to the earth.
LAW_IMPEDANCE, LAW_POWER, LAW_POLYNOMIAL, LAW_RAISED = 0, 1, 2, 3


class Plan(NamedTuple):
    """What a sweep needs of a compiled network, in the form compiled code takes it."""

    node_count: int
    base_v: Real
    per_v2: Real  # 1 over the square of base_v
    kind: Index
    to_first: Index
    to_count: Index
    from_first: Index
    from_row: Index
    tap_from: Index
    tap_to: Index
    z_first: Index
    m_first: Index
    z_re: Real
    z_im: Real
    m_re: Real
    m_im: Real
    n_re: Real
    n_im: Real
    shunt_first: Index  # where the untapped shunts of each row begin
    shunt_row: Index
    shunt_column: Index
    shunt_re: Real
    shunt_im: Real
    tapped_first: int  # where shunts behind tap changers begin
    shunt_tap: Index
    i: Index
    j: Index
    v0_v: Real
    bare: Index  # rows without an element of constant power to the earth
    first: Index  # the first such element of each other row, then the further ones
    further: Index
    other: Index  # all other elements, and their laws
    law: Index
    zip_pu: Real
    ramp: NDArray[np.bool_]
    low_v2: Real
    high_v2: Real
    cut_i: Index
    cut_j: Index
    close_re: Real  # currents that close the cuts, over the voltage across them [S]
    close_im: Real
    curves: Curves


def plan_of(compiled: Compiled, close_s: NDArray[np.complex128], curves: Curves) -> Plan:
    """Return the plan of a sweep.

    Parameters
    ----------
    compiled : Compiled
        The network.
    close_s : ndarray of complex, shape (n_cut, n_cut)
        Inverse of the impedance seen at the cuts. [S]
    curves : Curves
        What follows or holds the voltage.
    """
    c, e = compiled, compiled.elements
    count = c.node_count
    # One row of zeros for the earth behind the nodes, then the sources' fixed voltages.
    row = np.where(c.from_node < 0, count - c.from_node, c.from_node)
    earth = np.where(e.j < 0, count, e.j)
    low = np.maximum(e.v_min_pu, _LEAST_PU) ** 2 * e.v0_v**2
    cuts = [(loop.i, loop.j) for loop in c.loops]
    empty = np.zeros(0, np.int64)
    none = len(c.taps)  # the row of ratios that are 1
    tapped = (c.shunt_tap >= 0).any(axis=1)
    order = np.lexsort((c.shunt_column, c.shunt_row, tapped))
    rows = count + 1 + len(c.fixed_v)
    begins = np.searchsorted(c.shunt_row[order][: np.sum(~tapped)], np.arange(rows + 1))
    bare, first, further, other, law = _sorted(e, rows)
    return Plan(
        count, c.base_v, 1.0 / c.base_v**2, c.kind, c.to_first, c.to_count, c.from_first, row,
        np.where(c.tap_from < 0, none, c.tap_from), np.where(c.tap_to < 0, none, c.tap_to),
        c.z_first, c.m_first, *_parts(c.z), *_parts(c.m), *_parts(c.n),
        begins.astype(np.int64), c.shunt_row[order], c.shunt_column[order],
        *_parts(c.shunt_y[order]), int(np.sum(~tapped)),
        np.where(c.shunt_tap < 0, none, c.shunt_tap)[order],
        e.i, earth, e.v0_v, bare, first, further, other, law, e.zip_pu,
        e.ramp & (np.maximum(e.v_min_pu, _LEAST_PU) > LOW_PU), low, e.v_max_pu**2 * e.v0_v**2,
        np.concatenate([empty, *(i for i, _ in cuts)]),
        np.concatenate([empty, *(j for _, j in cuts)]), *_parts(close_s), curves,
    )  # fmt: skip


def _sorted(e: Elements, rows: int) -> tuple[Index, Index, Index, Index, Index]:
    """Return the rows without plain elements, these (first ones, others), the rest, its laws."""
    plain = np.flatnonzero((e.kind == POWER) & (e.j < 0)).astype(np.int64)
    plain = plain[np.argsort(e.i[plain], kind="stable")]
    at = e.i[plain]
    leads = np.ones(len(at), bool)
    leads[1:] = at[1:] != at[:-1]
    bare = np.setdiff1d(np.arange(rows), at).astype(np.int64)
    other = np.flatnonzero((e.kind != POWER) | (e.j >= 0)).astype(np.int64)
    law = np.full(len(other), LAW_POLYNOMIAL, np.int64)
    shares = e.zip_pu[other]
    law[(shares[:, [1, 2, 4, 5]] == 0.0).all(axis=1)] = LAW_IMPEDANCE
    law[(shares == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]).all(axis=1)] = LAW_POWER
    law[e.kind[other] == EXPONENT] = LAW_RAISED
    return bare, plain[leads], plain[~leads], other, law


def _parts(values: NDArray[np.complex128]) -> tuple[Real, Real]:
    return np.ascontiguousarray(values.real), np.ascontiguousarray(values.imag)


class Work(NamedTuple):
    """What a sweep works on; the last axis are the lanes."""

    v_re: Real  # nodes, the earth, the sources
    v_im: Real
    j_re: Real  # current taken at and below each of them [A]
    j_im: Real
    close_re: Real  # currents across the cuts [A]
    close_im: Real
    p_w: Real  # injection of each element at rated voltage [W]
    q_var: Real
    tap_pu: Real  # ratio of each tap changer; the last row is 1: none
    untap_pu: Real  # 1 over it
    free_p_w: Real  # of the elements in Curves, as the voltage would leave them [W]
    free_q_var: Real
    own_re: Real  # room for one element or branch
    own_im: Real
    live: Real  # one row: 1 where a lane is under way, 0 where its voltages stay


def work_for(compiled: Compiled, curves: Curves) -> Work:
    """Return empty arrays to work on."""
    rows = compiled.node_count + 1 + len(compiled.fixed_v)
    cuts = sum(len(loop.i) for loop in compiled.loops)
    elements = len(compiled.elements.i)
    taps, free = len(compiled.taps) + 1, len(curves.element)
    widest = int(compiled.to_count.max(initial=1))
    shapes = [rows] * 4 + [cuts] * 2 + [elements] * 2 + [taps] * 2 + [free] * 2 + [widest] * 2 + [1]
    work = Work(*(_empty(count) for count in shapes))
    work.tap_pu[:], work.untap_pu[:], work.live[:] = 1.0, 1.0, 1.0
    work.v_re[compiled.node_count + 1 :] = compiled.fixed_v.real[:, None]
    work.v_im[compiled.node_count + 1 :] = compiled.fixed_v.imag[:, None]
    return work


def _empty(count: int) -> Real:
    """Return rows of zeros that begin where a processor likes to load from."""
    flat = np.zeros((count + 1) * LANES)
    skipped = -flat.ctypes.data // 8 % LANES
    return flat[skipped : skipped + count * LANES].reshape(count, LANES)
