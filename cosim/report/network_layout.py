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
    """Return columns by depth and rows; every branch as near to its trunk as it can be."""
    order, parent = graph.order.tolist(), graph.parent.tolist()
    count = len(graph.names)
    # One more bus than there are: above all sources.
    children: list[list[int]] = [[] for _ in range(count + 1)]
    for bus in order:
        children[parent[bus] if parent[bus] >= 0 else count].append(bus)
    offset = _offsets([*reversed(order), count], children)
    row = np.zeros(count + 1)
    for bus in order:
        row[bus] = row[parent[bus] if parent[bus] >= 0 else count] + offset[bus]
    depth = graph.depth
    xy = np.column_stack([depth.astype(np.float64), row[:count]])
    dead = np.flatnonzero(depth < 0)  # below the tree, side by side
    wide = max(int(depth.max(initial=0)), 10) + 1
    lowest = float(row[order].min(initial=0.0))
    for k, bus in enumerate(dead.tolist()):
        xy[bus] = k % wide, lowest - 2.0 - k // wide
    return xy


def _offsets(upwards: list[int], children: list[list[int]]) -> list[float]:
    """Return how many rows each bus stands above the one that feeds it.

    The longest branch goes straight on. The others go to the side where they come nearer,
    at the least distance from what is there already, depth by depth (the contours of Reingold and
    Tilford, "Tidier Drawings of Trees", IEEE TSE 7(2), 1981). A shorter branch is merged
    into the contour of the longest, so all merges together are O(N).
    """
    offset = [0.0] * len(children)
    # Least and greatest row by depth, of the deepest first, so that one more is appended.
    contour: dict[int, tuple[list[float], list[float]]] = {}
    for bus in upwards:
        below = sorted(children[bus], key=lambda k: (-len(contour[k][0]), k))
        low, high = contour[below[0]] if below else ([], [])
        for child in below[1:]:
            its_low, its_high = contour.pop(child)
            start = len(low) - len(its_low)
            depths = range(len(its_low))
            above = max(high[start + d] - its_low[d] for d in depths) + 1.0
            under = min(low[start + d] - its_high[d] for d in depths) - 1.0
            shift = above if above < -under else under
            offset[child] = shift
            for d in depths:
                low[start + d] = min(low[start + d], its_low[d] + shift)
                high[start + d] = max(high[start + d], its_high[d] + shift)
        low.append(0.0)
        high.append(0.0)
        contour[bus] = low, high
    return offset
