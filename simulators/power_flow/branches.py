"""Branches: pieces in their place in the tree, and what of them goes to the earth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulators.power_flow.compiled import Complex

#: A shunt whose current would move the voltage more than this is solved with the branch. [pu]
_STRONG_PU = 0.02
#: Singular values below this share of the largest are none: a winding without a path to earth.
_RANK = 1e-12


@dataclass
class Branch:
    """A piece in its place in the tree."""

    name: str
    sources: list[int]  # nodes it is fed from
    first: int  # the nodes it feeds
    count: int
    z: Complex
    m: Complex | None = None  # none: 1
    n: Complex | None = None
    tap_from: list[int] = field(default_factory=list)
    #: Of transformers: admittance between what feeds them and what they feed, until `fold`.
    y: Complex | None = None
    #: Nothing above it ties its nodes to the earth.
    floating: bool = False
    #: Of sources: the admittance at their nodes that `fold` took into them. [S]
    shunt: Complex | None = None


@dataclass
class Shunts:
    """Admittances between nodes and to the earth, entry by entry. [S]"""

    y: dict[tuple[int, int], complex] = field(default_factory=dict)
    #: Those behind tap changers: row, column, admittance, and their tap changers.
    tapped: list[tuple[int, int, complex, int, int]] = field(default_factory=list)
    #: Nodes with an earthing, strong beside all that is above them, not the next line alone.
    earthed: set[int] = field(default_factory=set)

    def add(self, nodes: Sequence[int], y: Complex) -> None:
        """Add an admittance between nodes."""
        for a, row in zip(nodes, y, strict=True):
            for b, value in zip(nodes, row, strict=True):
                if value != 0.0:
                    self.y[a, b] = self.y.get((a, b), 0.0) + value


def fold(branches: Sequence[Branch], shunts: Shunts, tap_to: Sequence[int]) -> None:
    """Take strong shunts into the branches above them, from the leaves up.

    Where nothing else ties nodes to the earth, all shunts are strong.
    """
    for branch in reversed(branches):
        nodes = range(branch.first, branch.first + branch.count)
        pairs = [(a, b) for a in nodes for b in nodes if (a, b) in shunts.y]
        y = np.zeros((branch.count, branch.count), complex)
        for a, b in pairs:
            y[a - branch.first, b - branch.first] = shunts.y[a, b]
        tapped = any(t >= 0 for t in (*branch.tap_from, *(tap_to[k] for k in nodes)))
        if branch.y is not None:
            _transform(branch, y * (not tapped), shunts)
            folded = not tapped
        else:
            weak = np.abs(branch.z @ y).sum(axis=1).max() < _STRONG_PU
            earthed = not shunts.earthed.isdisjoint(nodes)
            folded = bool(pairs) and (branch.floating or earthed or not weak)
            if folded:
                _fold_line(branch, y, shunts)
                shunts.earthed.update(branch.sources if earthed else ())
        if folded:
            for pair in pairs:
                del shunts.y[pair]


def _fold_line(branch: Branch, y: Complex, shunts: Shunts) -> None:
    one = np.eye(branch.count)
    branch.m = np.linalg.inv(one + branch.z @ y)
    branch.z = branch.m @ branch.z
    branch.n = one - y @ branch.z
    if min(branch.sources) >= 0:
        shunts.add(branch.sources, y @ branch.m)
    else:
        branch.shunt = y


def _transform(branch: Branch, shunt: Complex, shunts: Shunts) -> None:
    """Find a bank's matrices, with a shunt at the nodes it feeds."""
    y, f = branch.y, len(branch.sources)
    assert y is not None
    branch.z = inverse(y[f:, f:] + shunt)
    branch.m = -branch.z @ y[f:, :f]
    branch.n = -y[:f, f:] @ branch.z
    g = _cleaned(y[:f, :f] + y[:f, f:] @ branch.m, y)
    if not any(slot >= 0 for slot in branch.tap_from):
        shunts.add(branch.sources, g)
        return
    for i, a in enumerate(branch.sources):
        for j, b in enumerate(branch.sources):
            if g[i, j] != 0.0:
                taps = branch.tap_from[i], branch.tap_from[j]
                shunts.tapped.append((a, b, g[i, j], *taps))


def floats(y: Complex) -> bool:
    """Return whether an admittance leaves its nodes without a path to the earth."""
    return bool(np.linalg.matrix_rank(_scaled(y)[0], tol=_RANK) < len(y))


def inverse(y: Complex) -> Complex:
    """Return the pseudo-inverse: what has no path to earth is at none of its voltage."""
    scaled, scale = _scaled(y)
    z: Complex = np.linalg.pinv(scaled, rcond=_RANK) / scale
    return z


def _scaled(y: Complex) -> tuple[Complex, Complex]:
    """Return an admittance with ones on its diagonal, and what it was divided by.

    Between nodes of quite different voltages only then do small singular values mean
    something.
    """
    each = np.sqrt(np.abs(np.diag(y)))
    each[each == 0.0] = 1.0
    scale: Complex = np.outer(each, each).astype(complex)
    return y / scale, scale


def _cleaned(g: Complex, y: Complex) -> Complex:
    """Return a shunt without what rounding left of the large admittances it comes from."""
    clean: Complex = np.where(np.abs(g) < 1e-12 * np.abs(y).max(), 0.0, g)
    return clean
