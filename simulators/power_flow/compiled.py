"""Compiled network: a network as plain arrays, in the order a sweep takes them.

Every conductor of every bus that a source reaches is a *node*. Every line, switch or bank
of transformers is a *branch* that feeds some nodes (``to``) from others (``from``):

    v_to = D2 M D1^-1 v_from - D2 Z D2 j_to          j_from = D1^-1 N D2 j_to

where ``j_to`` is the current the nodes below take and ``D1``, ``D2`` are the ratios of
tap changers, diagonal, 1 where there is none. A line has M = N = 1. For a transformer
M, Z and N come from its primitive admittance, singular ones (a delta has no path to
earth) by their pseudo-inverse: of a floating delta the zero-sequence voltage is 0, which
is what an equal leakage of all phases to earth gives. What remains to earth (charging,
magnetising, the zero-sequence path of an earthed wye) is an admittance between nodes of
one bus; a strong one is taken into the branch above it, up to a tap changer.

A source is a branch from a fixed voltage. A branch to nodes that are fed already closes a
loop: it gets an end of its own, and compensation currents make both ends one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.element import NODES
from gridmodel.network.network import Network

Complex = NDArray[Any]
Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: Kinds of branch: a line passes voltage and current on, others transform them.
PASS, TRANSFORM = 0, 1
#: Kinds of element: how the current follows the voltage.
POWER, ZIP, EXPONENT = 0, 1, 2


@dataclass(frozen=True)
class Elements:
    """Everything that is connected between two nodes: a phase of a load, a capacitor.

    Its injection is that of its owner, shared between the owner's phases.

    Parameters
    ----------
    i, j : ndarray of int, shape (n,)
        Its nodes; -1 is the earth.
    owner : ndarray of int, shape (n,)
        Position in ``owners``.
    p_kw, q_kvar : ndarray, shape (n,)
        Injection at rated voltage and a multiplier of 1. [kW, kvar]
    v0_v : ndarray, shape (n,)
        Rated voltage across it. [V]
    kind : ndarray of int, shape (n,)
        `POWER`, `ZIP` or `EXPONENT`.
    zip_pu : ndarray, shape (n, 6)
        Shares of impedance, current and power in p, then in q; or the exponents of p and
        q in columns 0 and 3. [pu]
    v_min_pu, v_max_pu : ndarray, shape (n,)
        Outside of these it is a constant impedance. [pu]
    ramp : ndarray of bool, shape (n,)
        Below ``v_min_pu`` its current goes down to that of its rated impedance at 0.5 pu, as
        that of OpenDSS's loads does; others keep the impedance they have at that limit.
    owners : tuple of (group, name)
        Loads, capacitors, inverters, chargers, machines, by their group in the network.
    """

    i: Index
    j: Index
    owner: Index
    p_kw: Real
    q_kvar: Real
    v0_v: Real
    kind: Index
    zip_pu: Real
    v_min_pu: Real
    v_max_pu: Real
    ramp: NDArray[np.bool_]
    owners: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Loop:
    """A point at which a loop was cut open: nodes that must have the same voltage.

    Parameters
    ----------
    name : str
        The element at whose far end the cut is.
    i, j : ndarray of int, shape (k,)
        The element's own end, and the nodes it is joined to.
    """

    name: str
    i: Index
    j: Index


@dataclass(frozen=True)
class Hidden:
    """A node no line reaches, such as a star point: its voltage follows from others.

    Parameters
    ----------
    bus, conductor : int
        Which node.
    nodes : ndarray of int, shape (k,)
        The nodes it follows.
    weights : ndarray of complex, shape (k,)
        Its voltage for one volt at each of these.
    """

    bus: int
    conductor: int
    nodes: Index
    weights: Complex


@dataclass(frozen=True)
class Compiled:
    """A network as arrays.

    Parameters
    ----------
    network : Network
        What was compiled.
    bus, conductor : ndarray of int, shape (n_node,)
        Bus and conductor (0 to 3: A, B, C, N) of each node.
    base_v : ndarray, shape (n_node,)
        Nominal voltage to earth. [V]
    kind : ndarray of int, shape (n_branch,)
        `PASS` or `TRANSFORM`.
    to_first, to_count : ndarray of int, shape (n_branch,)
        The nodes a branch feeds follow each other.
    from_first : ndarray of int, shape (n_branch + 1,)
        Where its entries in ``from_node`` begin.
    from_node : ndarray of int
        Nodes it feeds from; below 0: the fixed voltage of a source, -1 - k.
    tap_from : ndarray of int, like ``from_node``
        Tap changer at each of these, or -1.
    tap_to : ndarray of int, shape (n_node,)
        Tap changer between each node and its branch, or -1.
    z_first, m_first : ndarray of int, shape (n_branch + 1,)
        Where its matrices begin.
    z, m, n : ndarray of complex
        Matrices row by row: Z (to, to) [ohm], M (to, from), N (from, to).
    fixed_v : ndarray of complex
        Voltages of the sources. [V]
    shunt_row, shunt_column, shunt_y : ndarray
        Admittances to earth and between nodes, entry by entry. [S]
    shunt_tap : ndarray of int, shape (n_shunt, 2)
        Tap changers their row and column are behind, or -1.
    elements : Elements
        Loads and everything else between two nodes.
    taps : tuple of (str, int)
        Tap changers: transformer and end, from 0.
    tap_pu : ndarray
        Where they stand. [pu]
    loops : tuple of Loop
        Where loops were cut open.
    hidden : tuple of Hidden
        Star points that only a transformer touches.
    branch_name : tuple of str
        What each branch is made of, for messages.
    source_shunt : mapping of int to ndarray
        By branch, admittance at the source's own bus that is solved with the source. [S]
    idle : tuple of str
        Elements that carry no current: no source reaches them.
    node : mapping
        Nodes by bus and conductor.
    """

    network: Network
    bus: Index
    conductor: Index
    base_v: Real
    kind: Index
    to_first: Index
    to_count: Index
    from_first: Index
    from_node: Index
    tap_from: Index
    tap_to: Index
    z_first: Index
    m_first: Index
    z: Complex
    m: Complex
    n: Complex
    fixed_v: Complex
    shunt_row: Index
    shunt_column: Index
    shunt_y: Complex
    shunt_tap: Index
    elements: Elements
    taps: tuple[tuple[str, int], ...]
    tap_pu: Real
    loops: tuple[Loop, ...]
    hidden: tuple[Hidden, ...]
    branch_name: tuple[str, ...]
    source_shunt: Mapping[int, Complex]
    idle: tuple[str, ...]
    node: Mapping[tuple[int, int], int] = field(repr=False)

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self.bus)

    def node_name(self, node: int) -> str:
        """Return ``bus.PHASE`` of a node."""
        return f"{self.network.buses[self.bus[node]].name}.{NODES[self.conductor[node]]}"

    def source_of(self, node: int) -> str:
        """Return the name of the source that feeds a node: its island."""
        branch = int(np.searchsorted(self.to_first, node, side="right")) - 1
        while (above := int(self.from_node[self.from_first[branch]])) >= 0:
            branch = int(np.searchsorted(self.to_first, above, side="right")) - 1
        return self.branch_name[branch]

    def by_bus(self, v_v: Complex) -> tuple[Complex, NDArray[np.bool_]]:
        """Return voltages by bus and conductor, (n_bus, 4), and which of them there are."""
        shape = (len(self.network.buses), len(NODES))
        found, present = np.zeros(shape, complex), np.zeros(shape, bool)
        for at, k in self.node.items():
            found[at], present[at] = v_v[k], True
        for star in self.hidden:
            found[star.bus, star.conductor] = v_v[star.nodes] @ star.weights
            present[star.bus, star.conductor] = True
        return found, present

    def owner_rows(self, group: str, names: Sequence[str]) -> Index:
        """Return the rows of some owners of elements."""
        at = {owner: k for k, owner in enumerate(self.elements.owners)}
        return np.array([at[group, name] for name in names], np.int64)
