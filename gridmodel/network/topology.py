"""Topology: which bus hangs on which, as a tree in breadth-first order; islands and loops.

All edges that carry current count: lines, closed switches, series compensators and
transformers. Every search is one pass over the edges, in compiled code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from gridmodel.network.network import Network

Index = NDArray[np.int64]
#: Stands for the phases of a transformer of one or two, which others may make a bank of.
_BANK = "+"


class Edge(NamedTuple):
    """What joins a pair of buses: its group (``lines``, ...) and its place there."""

    group: str
    position: int


@dataclass(frozen=True)
class Topology:
    """A network's graph, with its tree from the sources.

    Parameters
    ----------
    names : tuple of str
        Buses, in the network's order.
    edges : tuple of Edge
        What joins buses; a transformer with three ends is two edges.
    ends : ndarray, shape (n_edge, 2)
        Positions of the two buses of each edge.
    roots : ndarray
        Positions of the buses that have a source.
    beside : ndarray of bool, shape (n_edge,), or None
        Edges that run beside another one between the same buses with other conductors: three
        regulators of one phase, two transformers of an open delta. They make no loop.
    """

    names: tuple[str, ...]
    edges: tuple[Edge, ...]
    ends: Index
    roots: Index
    beside: NDArray[np.bool_] | None = None

    @cached_property
    def _tree(self) -> tuple[Index, Index, Index]:
        """Order, parent of each bus (-1 for a root), and the edge to it (-1)."""
        count, edge_count = len(self.names), len(self.ends)
        # A bus above all roots makes one search of several trees.
        a = np.concatenate([self.ends[:, 0], np.full(len(self.roots), count)])
        b = np.concatenate([self.ends[:, 1], self.roots])
        graph = coo_matrix((np.ones(len(a)), (a, b)), (count + 1, count + 1)).tocsr()
        order, above = breadth_first_order(graph, count, directed=False)
        order = order[1:].astype(np.int64)
        parent = np.where(above[:count] == count, -1, above[:count]).astype(np.int64)
        parent[np.setdiff1d(np.arange(count), order)] = -1
        edge_to = np.full(count, -1, np.int64)
        if edge_count:
            low, high = self.ends.min(axis=1), self.ends.max(axis=1)
            # The first edge between two buses is the tree's; further ones close a loop.
            key = low * (count + 1) + high
            first = np.argsort(key, kind="stable")
            at = np.arange(count)[parent >= 0]
            wanted = np.minimum(at, parent[at]) * (count + 1) + np.maximum(at, parent[at])
            edge_to[at] = first[np.searchsorted(key[first], wanted)]
        for array in (order, parent, edge_to):
            array.setflags(write=False)
        return order, parent, edge_to

    @property
    def order(self) -> Index:
        """Positions of the buses the sources reach, every bus after its parent."""
        return self._tree[0]

    @property
    def parent(self) -> Index:
        """Position of the bus above each bus; -1 for roots and for what has no source."""
        return self._tree[1]

    @property
    def edge_to(self) -> Index:
        """Position of the edge between each bus and its parent; -1 where there is none."""
        return self._tree[2]

    @cached_property
    def loops(self) -> Index:
        """Positions of the edges that close a loop."""
        reached = np.zeros(len(self.names), bool)
        reached[self.order] = True
        in_tree = np.zeros(len(self.ends), bool)
        in_tree[self.edge_to[self.edge_to >= 0]] = True
        live = reached[self.ends[:, 0]] if len(self.ends) else np.zeros(0, bool)
        apart = live & ~in_tree
        return np.flatnonzero(apart if self.beside is None else apart & ~self.beside)

    @cached_property
    def dead(self) -> tuple[str, ...]:
        """Names of buses that no source reaches."""
        reached = np.zeros(len(self.names), bool)
        reached[self.order] = True
        return tuple(self.names[k] for k in np.flatnonzero(~reached))

    @cached_property
    def islands(self) -> Index:
        """Number of the island each bus is in, from 0, in the order of the buses."""
        count = len(self.names)
        ones = np.ones(len(self.ends))
        graph = coo_matrix((ones, (self.ends[:, 0], self.ends[:, 1])), (count, count))
        found = connected_components(graph, directed=False)[1].astype(np.int64)
        _, first = np.unique(found, return_index=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        numbers: Index = rank[found]
        return numbers

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Positions of buses by name."""
        return {name: k for k, name in enumerate(self.names)}

    @cached_property
    def depth(self) -> Index:
        """Edges between each bus and its source; -1 for what has none."""
        depth = np.full(len(self.names), -1, np.int64)
        for bus in self.order.tolist():
            above = self.parent[bus]
            depth[bus] = 0 if above < 0 else depth[above] + 1
        return depth

    @cached_property
    def _intervals(self) -> tuple[Index, Index]:
        """Place of each bus in a walk down the tree, and how many buses hang on it."""
        size = np.ones(len(self.names), np.int64)
        order = self.order.tolist()
        parent = self.parent
        for bus in reversed(order):
            if parent[bus] >= 0:
                size[parent[bus]] += size[bus]
        place = np.full(len(self.names), -1, np.int64)
        free = np.zeros(len(self.names), np.int64)
        top = 0
        for bus in order:
            above = parent[bus]
            if above < 0:
                place[bus] = top
                top += size[bus]
            else:
                place[bus] = free[above]
                free[above] += size[bus]
            free[bus] = place[bus] + 1
        return place, size

    def path_to_source(self, bus: str) -> tuple[str, ...]:
        """Return the buses from one to its source, both included.

        Raises
        ------
        KeyError
            If there is no such bus.
        """
        at = self.position[bus]
        path = [at]
        while self.parent[path[-1]] >= 0:
            path.append(int(self.parent[path[-1]]))
        return tuple(self.names[k] for k in path)

    def upstream(self, bus: str) -> tuple[str, ...]:
        """Return the buses between one and its source, without it, nearest first."""
        return self.path_to_source(bus)[1:]

    def downstream(self, bus: str) -> tuple[str, ...]:
        """Return the buses that one feeds, without it, in the network's order."""
        place, size = self._intervals
        at = self.position[bus]
        if place[at] < 0:
            return ()
        below = (place > place[at]) & (place < place[at] + size[at])
        return tuple(self.names[k] for k in np.flatnonzero(below))

    def loop(self, edge: int) -> tuple[str, ...]:
        """Return the buses round the loop that an edge of `loops` closes.

        Where it joins the trees of two sources: the buses from the one to the other.
        """
        one, other = (
            self.path_to_source(self.names[int(k)]) for k in self.ends[edge]
        )  # meet at the nearest common bus
        common = set(other)
        meet = next((name for name in one if name in common), None)
        if meet is None:
            return (*reversed(one), *other)
        down = other[: other.index(meet)]
        return (*one[: one.index(meet) + 1], *reversed(down))


def topology(network: Network) -> Topology:
    """Return the topology of a network; its tree is found once, when first asked for.

    Raises
    ------
    KeyError
        If an element is at a bus that does not exist; `checks.check` says so with names.
    """
    at = network.bus_index
    edges: list[Edge] = []
    ends: list[tuple[int, int]] = []
    phases: list[str] = []
    closed = [(k, switch) for k, switch in enumerate(network.switches) if not switch.open]
    for group, conductors in (
        ("lines", enumerate(network.lines)),
        ("switches", closed),
        ("series_compensators", enumerate(network.series_compensators)),
    ):
        for k, conductor in conductors:
            edges.append(Edge(group, k))
            ends.append((at[conductor.bus_from], at[conductor.bus_to]))
            phases.append(conductor.phases)
    for k, transformer in enumerate(network.transformers):
        first, *others = dict.fromkeys(end.bus for end in transformer.ends)
        for other in others:
            edges.append(Edge("transformers", k))
            ends.append((at[first], at[other]))
            phases.append(_BANK if transformer.ends[0].coil_count < 3 else "ABC")
    roots = list(dict.fromkeys(at[source.bus] for source in network.energy_sources))
    return Topology(
        tuple(bus.name for bus in network.buses),
        tuple(edges),
        np.array(ends, np.int64).reshape(-1, 2),
        np.array(roots, np.int64),
        _beside(ends, phases),
    )


def _beside(ends: Sequence[tuple[int, int]], phases: Sequence[str]) -> NDArray[np.bool_]:
    """Find edges between buses that are joined already, by other conductors."""
    taken: dict[tuple[int, int], set[str]] = {}
    beside = np.zeros(len(ends), bool)
    for k, ((a, b), own) in enumerate(zip(ends, phases, strict=True)):
        pair = (a, b) if a < b else (b, a)
        known = taken.get(pair)
        if known is None:
            taken[pair] = set(own)
            continue
        bank = _BANK in known or own == _BANK
        beside[k] = known == {own} if bank else known.isdisjoint(own)
        known.update(own)
    return beside
