"""Where each bus of a network stands in its picture: by coordinates, or as a tree; O(N)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.network import Network
from gridmodel.network.topology import Topology, topology

Array = NDArray[np.float64]

#: Share of the buses that need coordinates for a map.
_ENOUGH = 0.5
#: Coordinates of these sizes are longitude and latitude: a degree east is shorter.
_GEOGRAPHIC = "4326"


@dataclass(frozen=True)
class Layout:
    """Places of buses.

    Parameters
    ----------
    xy : ndarray, shape (n_bus, 2)
        Places, in any unit, the same in both directions.
    is_map : bool
        Whether they are those of the network's coordinates.
    """

    xy: Array
    is_map: bool


def layout(network: Network) -> Layout:
    """Return where each bus stands.

    A map if at least half of the buses have coordinates and not all the same ones; a bus
    without stands beside the nearest one upstream (or downstream) that has some. Else a
    tree from the sources to the right, the longest way straight on.
    """
    graph = topology(network)
    xy = np.array(
        [
            (bus.x, bus.y) if bus.x is not None and bus.y is not None else (np.nan, np.nan)
            for bus in network.buses
        ],
        np.float64,
    ).reshape(-1, 2)
    known = np.isfinite(xy[:, 0])
    if known.mean() >= _ENOUGH and np.ptp(xy[known], axis=0).max() > 0.0:
        if _GEOGRAPHIC in network.coordinates:
            xy[:, 0] *= np.cos(np.radians(np.nanmean(xy[:, 1])))
        return Layout(_filled(xy, graph), True)
    return Layout(_tree(graph), False)


def _filled(xy: Array, graph: Topology) -> Array:
    """Give the buses without coordinates those of a neighbour on the tree."""
    xy = xy.copy()
    order, parent = graph.order.tolist(), graph.parent.tolist()
    for bus in reversed(order):  # towards the source: a head without takes its branch's place
        above = parent[bus]
        if above >= 0 and np.isnan(xy[above, 0]):
            xy[above] = xy[bus]
    for bus in order:
        if np.isnan(xy[bus, 0]) and parent[bus] >= 0:
            xy[bus] = xy[parent[bus]]
    lost = np.isnan(xy[:, 0])
    xy[lost] = np.nanmin(xy, axis=0)  # no source and no place: the corner
    return xy


def _tree(graph: Topology) -> Array:
    """Return columns by depth; every leaf has a row, a bus that of its longest branch."""
    order, parent = graph.order.tolist(), graph.parent.tolist()
    count = len(graph.names)
    children: list[list[int]] = [[] for _ in range(count)]
    for bus in order:
        if parent[bus] >= 0:
            children[parent[bus]].append(bus)
    length = np.zeros(count, np.int64)
    for bus in reversed(order):
        if parent[bus] >= 0:
            length[parent[bus]] = max(length[parent[bus]], length[bus] + 1)
    row = np.zeros(count)
    rows = _rows(graph, children, length, row)
    depth = graph.depth
    xy = np.column_stack([depth.astype(np.float64), -row])
    dead = np.flatnonzero(depth < 0)  # below the tree, side by side
    wide = max(int(depth.max(initial=0)), 10) + 1
    for k, bus in enumerate(dead.tolist()):
        xy[bus] = k % wide, -(rows + 1 + k // wide)
    return xy


def _rows(graph: Topology, children: list[list[int]], length: NDArray[np.int64], row: Array) -> int:
    """Set each bus's row; short branches stand on both sides of the longest; return the count."""
    free = 0
    roots = [bus for bus in graph.order.tolist() if graph.parent[bus] < 0]
    for root in roots:
        waiting = [(root, False)]
        while waiting:
            bus, done = waiting.pop()
            below = children[bus]
            if not below:
                row[bus] = free
                free += 1
            elif done:
                row[bus] = row[max(below, key=lambda k: (length[k], -k))]
            else:
                waiting.append((bus, True))
                waiting.extend((child, False) for child in _both_sides(below, length))
    return free


def _both_sides(below: list[int], length: NDArray[np.int64]) -> list[int]:
    """Return branches with the longest in the middle."""
    by_length = sorted(below, key=lambda k: (length[k], -k))
    return by_length[::2] + by_length[1::2][::-1]
