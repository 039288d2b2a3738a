"""Compiler: makes the arrays of `compiled.Compiled` from a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from gridmodel.network.checks import check
from gridmodel.network.element import GROUND, NODES
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformer
from simulators.power_flow.branches import Branch, Shunts, floats, fold, inverse
from simulators.power_flow.compiled import (
    PASS,
    TRANSFORM,
    Compiled,
    Complex,
    Elements,
    Hidden,
    Loop,
)
from simulators.power_flow.connected import elements_of
from simulators.power_flow.pieces import At, Piece, keys_of, pieces_of
from simulators.power_flow.primitive import (
    source_v_v,
    source_z_ohm,
    transformer_y_s,
)

#: What ties an end of a line's conductor to the earth if nothing else does; as OpenDSS. [S]
_LEAKAGE_S = 4.2e-8j


def compile_network(network: Network) -> Compiled:
    """Return a network as arrays.

    Raises
    ------
    NetworkError
        If the network is not sound, with every fault.
    """
    check(network)
    return _Compiler(network).run()


class _Compiler:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._at = network.bus_index
        self._node: dict[At, int] = {}
        self._bus: list[int] = []
        self._conductor: list[int] = []
        self._tap_to: list[int] = []
        self._branches: list[Branch] = []
        self._fixed: list[complex] = []
        self._shunts = Shunts()
        self._taps: list[tuple[str, int]] = []
        self._loops: list[Loop] = []
        self._hidden: list[Hidden] = []
        self._idle: list[str] = []
        self._floating: set[int] = set()
        self._pieces = pieces_of(network)
        self._by_bus: dict[int, list[int]] = {}
        for k, piece in enumerate(self._pieces):
            for bus in piece.sides:
                self._by_bus.setdefault(bus, []).append(k)
        self._grounded: dict[At, complex] = {}
        self._earthed: set[At] = set()
        for earth in network.groundings:
            key = (self._at[earth.bus], NODES.index(earth.node))
            z = complex(earth.r_ohm, earth.x_ohm) or 1e-6
            self._grounded[key] = self._grounded.get(key, 0.0) + 1 / z
        self._used = self._used_nodes()

    # -- what there is ---------------------------------------------------------------

    def _used_nodes(self) -> dict[At, int]:
        """Return how many things are connected to each node."""
        used: dict[At, int] = {}
        for piece in self._pieces:
            for nodes in piece.sides.values():
                for key in nodes:
                    used[key] = used.get(key, 0) + 1
        terminals = [(e.bus, e.nodes) for e in self._network.at_buses]
        terminals += [(e.bus, e.nodes) for e in self._network.energy_sources]
        for bus, connected in terminals:
            for key in keys_of(self._at, bus, connected):
                used[key] = used.get(key, 0) + 1
        return used

    # -- the tree --------------------------------------------------------------------

    def run(self) -> Compiled:
        placed = [False] * len(self._pieces)
        queue: deque[int] = deque()
        for source in self._network.energy_sources:
            keys = keys_of(self._at, source.bus, source.nodes)
            z, v = source_z_ohm(source), source_v_v(source)
            sources = [-1 - len(self._fixed) - k for k in range(len(v))]
            self._fixed += list(v)
            self._feed(Branch(source.name, sources, 0, len(keys), z), keys)
            queue.append(keys[0][0])
        self._grow(queue, placed, strict=True)
        for key, y in self._grounded.items():  # an earthed node nothing else feeds
            if key not in self._node and self._fed(key[0]):
                self._fixed.append(0.0)
                earth = Branch("earth", [-len(self._fixed)], 0, 1, np.array([[1 / y]]))
                self._feed(earth, (key,))
                self._earthed.add(key)
                queue.append(key[0])
        self._grow(queue, placed, strict=True)
        queue.extend(dict.fromkeys(bus for bus, _ in self._node))
        self._grow(queue, placed, strict=False)
        self._idle += [p.name for p, done in zip(self._pieces, placed, strict=True) if not done]
        for key, y in self._grounded.items():  # what lines feed, such as a neutral on its way
            if key in self._node and key not in self._earthed:
                self._shunts.add([self._node[key]], np.array([[y]]))
                self._shunts.earthed.add(self._node[key])
        elements, idle = elements_of(self._network, self._node, self._floating, self._shunts)
        self._idle += idle
        fold(self._branches, self._shunts, self._tap_to)
        return self._arrays(elements)

    def _fed(self, bus: int) -> bool:
        return any((bus, k) in self._node for k in range(len(NODES)))

    def _grow(self, queue: deque[int], placed: list[bool], strict: bool) -> None:
        """Put all pieces in their place that hang on what is fed already.

        ``strict`` leaves a piece alone while a conductor at its near end is not fed: another
        branch may bring it.
        """
        while queue:
            bus = queue.popleft()
            for k in self._by_bus.get(bus, ()):
                piece = self._pieces[k]
                if placed[k]:
                    continue
                near = piece.sides[bus]
                fed = [key for key in near if key in self._node]
                hidden = [key for key in near if key not in self._node and self._used[key] == 1]
                if not fed or (strict and len(fed) + len(hidden) < len(near)):
                    continue
                placed[k] = True
                self._place(piece, bus, fed)
                queue.extend(other for other in piece.sides if other != bus)

    def _feed(self, branch: Branch, keys: Sequence[At]) -> list[int]:
        """Give a branch the nodes it feeds; where one is fed already, it is cut there."""
        branch.first = len(self._bus)
        cut: list[tuple[int, int]] = []
        for key in keys:
            k = len(self._bus)
            self._bus.append(key[0])
            self._conductor.append(key[1])
            self._tap_to.append(-1)
            if key in self._node:
                cut.append((k, self._node[key]))
            else:
                self._node[key] = k
        if cut:
            own, other = (np.array(nodes, np.int64) for nodes in zip(*cut, strict=True))
            self._loops.append(Loop(branch.name, own, other))
        self._branches.append(branch)
        return list(range(branch.first, len(self._bus)))

    def _place(self, piece: Piece, bus: int, fed: list[At]) -> None:
        if piece.bank:
            self._place_bank(piece, bus, fed)
            return
        (far,) = (nodes for other, nodes in piece.sides.items() if other != bus)
        near = piece.sides[bus]
        kept = [k for k, key in enumerate(near) if key in self._node]
        if len(kept) < len(near):
            self._idle.append(f"{piece.name} (in part)")
        assert piece.z_ohm is not None
        z = piece.z_ohm[np.ix_(kept, kept)]
        sources = [self._node[near[k]] for k in kept]
        branch = Branch(piece.name, sources, 0, len(kept), z)
        branch.floating = any(k in self._floating for k in sources)
        own = self._feed(branch, [far[k] for k in kept])
        half = np.zeros_like(z)
        if piece.y_s is not None:
            half = piece.y_s[np.ix_(kept, kept)] / 2
        if branch.floating:
            self._floating.update(own)
            if piece.y_s is None:
                half = np.eye(len(kept)) * _LEAKAGE_S
        if half.any():
            self._shunts.add(sources, half)
            self._shunts.add(own, half)

    # -- transformers ----------------------------------------------------------------

    def _place_bank(self, piece: Piece, bus: int, fed: list[At]) -> None:
        """Place transformers: from what is fed, to all other nodes they touch."""
        near = list(piece.sides[bus])
        far = [key for other, nodes in piece.sides.items() if other != bus for key in nodes]
        loose = [key for key in near if key not in fed]
        keys = [*fed, *far, *loose]
        slot_of = self._slots(piece.bank, keys)
        y = self._bank_y_s(piece.bank, keys, set(slot_of.values()))
        for k, key in enumerate(keys):
            if key in self._grounded and key not in fed and key not in self._earthed:
                y[k, k] += self._grounded[key]
                self._earthed.add(key)
        if loose:
            y = self._hide(y, keys, len(loose))
        f = len(fed)
        floating = floats(y[f:, f:])
        sources = [self._node[key] for key in fed]
        leakage = self._leakage_s(piece.bank, [*fed, *far])
        if not self._floating.isdisjoint(sources):
            leakage[:] = 0.0
        if not floating:
            y += np.diag(leakage)
        tap_from = [slot_of.get(key, -1) for key in fed]
        nothing = np.zeros((len(far), len(far)), complex)
        branch = Branch(piece.name, sources, 0, len(far), nothing, tap_from=tap_from, y=y)
        own = self._feed(branch, far)
        for k, key in zip(own, far, strict=True):
            self._tap_to[k] = slot_of.get(key, -1)
        if floating:
            branch.floating = True
            self._floating.update(own)
            self._shunts.add(own, np.diag(self._leakage_s(piece.bank, far)))
            self._shunts.add(sources, np.diag(leakage[:f]))
        self._patch_hidden(len(loose), sources, own)

    def _leakage_s(self, bank: tuple[PowerTransformer, ...], keys: list[At]) -> Complex:
        """Return what ties terminals to the earth (antifloat): half of a coil at each end. [S]

        A star point has half of one more, as OpenDSS's primitive matrices do (measured for
        one, two and three phases): it decides how an open delta floats.
        """
        leakage = np.zeros(len(keys), complex)
        place = {key: k for k, key in enumerate(keys)}
        for transformer in bank:
            for k, end in enumerate(transformer.ends):
                each = end.s_kva * 1e3 / end.coil_count / end.coil_v**2
                terminals = [node for coil in transformer.end_coils(k) for node in coil]
                if end.connection == "wye":
                    terminals.append(end.nodes[-1])
                for key in keys_of(self._at, end.bus, terminals):
                    if key in place:
                        leakage[place[key]] -= 0.5e-6j * transformer.antifloat_ppm * each
        return leakage

    def _hide(self, y: Complex, keys: list[At], loose: int) -> Complex:
        """Take nodes out that nothing else touches; their voltage follows from the others."""
        kept = len(keys) - loose
        follows = -inverse(y[kept:, kept:]) @ y[kept:, :kept]
        for row, (bus, conductor) in zip(follows, keys[kept:], strict=True):
            # nodes are not numbered yet: positions in keys, patched by _patch_hidden
            self._hidden.append(Hidden(bus, conductor, np.arange(kept), row))
        reduced: Complex = y[:kept, :kept] + y[:kept, kept:] @ follows
        return reduced

    def _patch_hidden(self, loose: int, sources: list[int], own: list[int]) -> None:
        nodes = np.array([*sources, *own], np.int64)
        for k in range(len(self._hidden) - loose, len(self._hidden)):
            star = self._hidden[k]
            self._hidden[k] = Hidden(star.bus, star.conductor, nodes, star.weights)

    def _slots(self, bank: tuple[PowerTransformer, ...], keys: list[At]) -> dict[At, int]:
        """Return the tap changers whose ratio can be changed without compiling anew.

        These are on coils between a conductor and the earth, one for each conductor.
        """
        touched: dict[At, list[tuple[str, int] | None]] = {}
        for transformer in bank:
            for k, end in enumerate(transformer.ends):
                plain = end.connection == "wye" and end.nodes[-1] == GROUND
                plain = plain and end.tap_changer is not None
                for key in keys_of(self._at, end.bus, end.nodes):
                    touched.setdefault(key, []).append((transformer.name, k) if plain else None)
        slots: dict[At, int] = {}
        for key in keys:
            owners = touched.get(key, [])
            if len(owners) == 1 and owners[0] is not None:
                if owners[0] not in self._taps:
                    self._taps.append(owners[0])
                slots[key] = self._taps.index(owners[0])
        return slots

    def _bank_y_s(
        self, bank: tuple[PowerTransformer, ...], keys: list[At], slots: set[int]
    ) -> Complex:
        free = {self._taps[slot] for slot in slots}
        buses = self._network.buses
        nodes = [(buses[bus].name, NODES[conductor]) for bus, conductor in keys]
        y = np.zeros((len(keys), len(keys)), complex)
        for t in bank:
            ratios = [1.0 if (t.name, k) in free else e.tap_pu for k, e in enumerate(t.ends)]
            y += transformer_y_s(t, nodes, ratios)
        return y

    # -- what is connected -----------------------------------------------------------

    # -- arrays ----------------------------------------------------------------------

    def _arrays(self, elements: Elements) -> Compiled:
        net, branches = self._network, self._branches
        base = np.array([bus.v_nominal_v for bus in net.buses]) / 3**0.5
        shunts = [(a, b, y, -1, -1) for (a, b), y in self._shunts.y.items()]
        shunts += self._shunts.tapped
        m, n, m_first = _stacked([(b.m, b.n) for b in branches])
        z_first = np.cumsum([0, *(b.count**2 for b in branches)]).astype(np.int64)
        z = np.concatenate([b.z.ravel() for b in branches]) if branches else np.zeros(0, complex)
        sources = [node for b in branches for node in b.sources]
        tap_from = [t for b in branches for t in (b.tap_from or [-1] * len(b.sources))]
        transformers = net.group("transformers")
        return Compiled(
            network=net,
            bus=np.array(self._bus, np.int64),
            conductor=np.array(self._conductor, np.int64),
            base_v=base[self._bus] if self._bus else np.zeros(0),
            kind=np.array([PASS if b.m is None else TRANSFORM for b in branches], np.int64),
            to_first=np.array([b.first for b in branches], np.int64),
            to_count=np.array([b.count for b in branches], np.int64),
            from_first=np.cumsum([0, *(len(b.sources) for b in branches)]).astype(np.int64),
            from_node=np.array(sources, np.int64),
            tap_from=np.array(tap_from, np.int64),
            tap_to=np.array(self._tap_to, np.int64),
            z_first=z_first,
            m_first=m_first,
            z=np.ascontiguousarray(z, complex),
            m=m,
            n=n,
            fixed_v=np.array(self._fixed, complex),
            shunt_row=np.array([s[0] for s in shunts], np.int64),
            shunt_column=np.array([s[1] for s in shunts], np.int64),
            shunt_y=np.array([s[2] for s in shunts], complex),
            shunt_tap=np.array([s[3:] for s in shunts], np.int64).reshape(-1, 2),
            elements=elements,
            taps=tuple(self._taps),
            tap_pu=np.array([transformers[t].ends[k].tap_pu for t, k in self._taps], float),
            loops=tuple(self._loops),
            hidden=tuple(self._hidden),
            branch_name=tuple(b.name for b in branches),
            source_shunt={k: b.shunt for k, b in enumerate(branches) if b.shunt is not None},
            idle=tuple(self._idle),
            node=self._node,
        )


def _stacked(
    pairs: Sequence[tuple[Complex | None, Complex | None]],
) -> tuple[Complex, Complex, np.ndarray]:
    """Put the matrices of transformers behind each other; lines have none."""
    empty = np.zeros(0, complex)
    m = [empty if a is None else np.asarray(a, complex).ravel() for a, _ in pairs]
    n = [empty if b is None else np.asarray(b, complex).ravel() for _, b in pairs]
    first = np.cumsum([0, *(len(a) for a in m)]).astype(np.int64)
    return np.concatenate([empty, *m]), np.concatenate([empty, *n]), first
