"""Compiler: makes the arrays of `compiled.Compiled` from a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridmodel.errors import Fault, NetworkError
from gridmodel.network.checks import check
from gridmodel.network.conductors import SeriesCompensator, Switch
from gridmodel.network.element import GROUND, NODES
from gridmodel.network.equipment import LoadResponseCharacteristic, Rated
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformer
from simulators.power_flow.compiled import (
    EXPONENT,
    PASS,
    POWER,
    TRANSFORM,
    ZIP,
    Compiled,
    Complex,
    Elements,
    Hidden,
    Loop,
)
from simulators.power_flow.primitive import (
    line_y_s,
    line_z_ohm,
    source_v_v,
    source_z_ohm,
    transformer_y_s,
)

#: A node by position: bus, conductor.
At = tuple[int, int]
#: A shunt whose current would move the voltage more than this is solved with the branch. [pu]
_STRONG_PU = 0.02
#: Singular values below this share of the largest are none: a winding without a path to earth.
_RANK = 1e-12
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


@dataclass
class _Piece:
    """Something current flows through: its sides by bus, and what lies between them."""

    name: str
    sides: Mapping[int, tuple[At, ...]]
    #: Of a line: series impedance and the whole shunt admittance.
    z_ohm: Complex | None = None
    y_s: Complex | None = None
    #: Of a bank of transformers.
    bank: tuple[PowerTransformer, ...] = ()


@dataclass
class _Branch:
    """A piece in its place in the tree."""

    name: str
    sources: list[int]  # nodes it is fed from
    first: int  # the nodes it feeds
    count: int
    z: Complex
    m: Complex | None = None  # none: 1
    n: Complex | None = None
    tap_from: list[int] = field(default_factory=list)
    #: Of transformers: admittance between what feeds them and what they feed, until `_fold`.
    y: Complex | None = None
    #: Nothing above it ties its nodes to the earth.
    floating: bool = False


class _Compiler:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._at = network.bus_index
        self._node: dict[At, int] = {}
        self._bus: list[int] = []
        self._conductor: list[int] = []
        self._tap_to: list[int] = []
        self._branches: list[_Branch] = []
        self._fixed: list[complex] = []
        self._shunts: dict[tuple[int, int], complex] = {}
        self._tapped_shunts: list[tuple[int, int, complex, int, int]] = []
        self._taps: list[tuple[str, int]] = []
        self._loops: list[Loop] = []
        self._hidden: list[Hidden] = []
        self._idle: list[str] = []
        self._floating: set[int] = set()
        self._pieces = [*self._lines(), *self._banks()]
        self._by_bus: dict[int, list[int]] = {}
        for k, piece in enumerate(self._pieces):
            for bus in piece.sides:
                self._by_bus.setdefault(bus, []).append(k)
        self._grounded: dict[At, complex] = {}
        for earth in network.groundings:
            key = (self._at[earth.bus], NODES.index(earth.node))
            z = complex(earth.r_ohm, earth.x_ohm) or 1e-6
            self._grounded[key] = self._grounded.get(key, 0.0) + 1 / z
        self._used = self._used_nodes()

    # -- what there is ---------------------------------------------------------------

    def _key(self, bus: str, nodes: Iterable[str]) -> tuple[At, ...]:
        k = self._at[bus]
        return tuple((k, NODES.index(node)) for node in nodes if node != GROUND)

    def _lines(self) -> Iterator[_Piece]:
        net = self._network
        for line in net.lines:
            kind = net.impedance[line.impedance]
            yield self._line(
                line.name, line.bus_from, line.bus_to, line.phases, line.phases_to,
                line_z_ohm(kind, line.length_km),
                line_y_s(kind, line.length_km, net.f_nominal_hz),
            )  # fmt: skip
        closed = [switch for switch in net.switches if not switch.open]
        in_series: tuple[Switch | SeriesCompensator, ...] = (*closed, *net.series_compensators)
        for series in in_series:
            z = np.diag([complex(series.r_ohm, series.x_ohm)] * len(series.phases))
            yield self._line(
                series.name, series.bus_from, series.bus_to, series.phases, series.phases_to, z
            )

    def _line(
        self, name: str, a: str, b: str, phases: str, phases_to: str | None, z: Complex,
        y: Complex | None = None,
    ) -> _Piece:  # fmt: skip
        sides = {self._at[a]: self._key(a, phases), self._at[b]: self._key(b, phases_to or phases)}
        return _Piece(name, sides, z, y)

    def _banks(self) -> Iterator[_Piece]:
        """Put transformers between the same buses together: they may share windings' nodes."""
        banks: dict[frozenset[str], list[PowerTransformer]] = {}
        for transformer in self._network.transformers:
            banks.setdefault(frozenset(e.bus for e in transformer.ends), []).append(transformer)
        for bank in banks.values():
            sides: dict[int, dict[At, None]] = {}
            for transformer in bank:
                for end in transformer.ends:
                    found = dict.fromkeys(self._key(end.bus, end.nodes))
                    sides.setdefault(self._at[end.bus], {}).update(found)
            name = ", ".join(transformer.name for transformer in bank)
            order = {bus: tuple(sorted(nodes)) for bus, nodes in sides.items()}
            yield _Piece(name, order, bank=tuple(bank))

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
            for key in self._key(bus, connected):
                used[key] = used.get(key, 0) + 1
        return used

    # -- the tree --------------------------------------------------------------------

    def run(self) -> Compiled:
        placed = [False] * len(self._pieces)
        queue: deque[int] = deque()
        for source in self._network.energy_sources:
            keys = self._key(source.bus, source.nodes)
            z, v = source_z_ohm(source), source_v_v(source)
            sources = [-1 - len(self._fixed) - k for k in range(len(v))]
            self._fixed += list(v)
            self._feed(_Branch(source.name, sources, 0, len(keys), z), keys)
            queue.append(keys[0][0])
        self._grow(queue, placed, strict=True)
        for key, y in self._grounded.items():  # an earthed node nothing else feeds
            if key not in self._node and self._fed(key[0]):
                self._fixed.append(0.0)
                earth = _Branch("earth", [-len(self._fixed)], 0, 1, np.array([[1 / y]]))
                self._feed(earth, (key,))
                queue.append(key[0])
        self._grow(queue, placed, strict=True)
        queue.extend(dict.fromkeys(bus for bus, _ in self._node))
        self._grow(queue, placed, strict=False)
        self._idle += [p.name for p, done in zip(self._pieces, placed, strict=True) if not done]
        elements = self._elements()
        self._fold()
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

    def _feed(self, branch: _Branch, keys: Sequence[At]) -> list[int]:
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

    def _place(self, piece: _Piece, bus: int, fed: list[At]) -> None:
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
        branch = _Branch(piece.name, sources, 0, len(kept), z)
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
            self._shunt(sources, half)
            self._shunt(own, half)

    def _shunt(self, nodes: Sequence[int], y: Complex) -> None:
        for a, row in zip(nodes, y, strict=True):
            for b, value in zip(nodes, row, strict=True):
                if value != 0.0:
                    self._shunts[a, b] = self._shunts.get((a, b), 0.0) + value

    # -- transformers ----------------------------------------------------------------

    def _place_bank(self, piece: _Piece, bus: int, fed: list[At]) -> None:
        """Place transformers: from what is fed, to all other nodes they touch."""
        near = list(piece.sides[bus])
        far = [key for other, nodes in piece.sides.items() if other != bus for key in nodes]
        loose = [key for key in near if key not in fed]
        keys = [*fed, *far, *loose]
        slot_of = self._slots(piece.bank, keys)
        y = self._bank_y_s(piece.bank, keys, set(slot_of.values()))
        for k, key in enumerate(keys):
            if key in self._grounded and key not in fed:
                y[k, k] += self._grounded.pop(key) if key in loose else self._grounded[key]
        if loose:
            y = self._hide(y, keys, len(loose))
        f = len(fed)
        sources = [self._node[key] for key in fed]
        tap_from = [slot_of.get(key, -1) for key in fed]
        nothing = np.zeros((len(far), len(far)), complex)
        branch = _Branch(piece.name, sources, 0, len(far), nothing, tap_from=tap_from, y=y)
        own = self._feed(branch, far)
        for k, key in zip(own, far, strict=True):
            self._tap_to[k] = slot_of.get(key, -1)
        if np.linalg.matrix_rank(_scaled(y[f:, f:])[0], tol=_RANK) < len(far):
            branch.floating = True
            self._floating.update(own)
            self._shunt(own, np.diag(self._leakage_s(piece.bank, far)))
        self._patch_hidden(len(loose), sources, own)

    def _leakage_s(self, bank: tuple[PowerTransformer, ...], keys: list[At]) -> Complex:
        """Return what ties terminals to the earth that nothing else does (antifloat). [S]"""
        leakage = np.zeros(len(keys), complex)
        for transformer in bank:
            for k, end in enumerate(transformer.ends):
                each = end.s_kva * 1e3 / end.coil_count / end.coil_v**2
                for node in (node for coil in transformer.end_coils(k) for node in coil):
                    for key in self._key(end.bus, node):
                        if key in keys:
                            part = -0.5e-6j * transformer.antifloat_ppm * each
                            leakage[keys.index(key)] += part
        return leakage

    def _hide(self, y: Complex, keys: list[At], loose: int) -> Complex:
        """Take nodes out that nothing else touches; their voltage follows from the others."""
        kept = len(keys) - loose
        follows = -_inverse(y[kept:, kept:]) @ y[kept:, :kept]
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
                for key in self._key(end.bus, end.nodes):
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

    def _fold(self) -> None:
        """Take strong shunts into the branches above them, from the leaves up.

        Where nothing else ties nodes to the earth, all shunts are strong.
        """
        for branch in reversed(self._branches):
            nodes = range(branch.first, branch.first + branch.count)
            pairs = [(a, b) for a in nodes for b in nodes if (a, b) in self._shunts]
            y = np.zeros((branch.count, branch.count), complex)
            for a, b in pairs:
                y[a - branch.first, b - branch.first] = self._shunts[a, b]
            tapped = any(t >= 0 for t in (*branch.tap_from, *(self._tap_to[k] for k in nodes)))
            if branch.y is not None:
                self._transform(branch, y * (not tapped))
                folded = not tapped
            else:
                weak = np.abs(branch.z @ y).sum(axis=1).max() < _STRONG_PU
                folded = bool(pairs) and min(branch.sources) >= 0
                folded = folded and (branch.floating or not weak)
                if folded:
                    self._fold_line(branch, y)
            if folded:
                for pair in pairs:
                    del self._shunts[pair]

    def _fold_line(self, branch: _Branch, y: Complex) -> None:
        one = np.eye(branch.count)
        branch.m = np.linalg.inv(one + branch.z @ y)
        branch.z = branch.m @ branch.z
        branch.n = one - y @ branch.z
        self._shunt(branch.sources, y @ branch.m)

    def _transform(self, branch: _Branch, shunt: Complex) -> None:
        """Find a bank's matrices, with a shunt at the nodes it feeds."""
        y, f = branch.y, len(branch.sources)
        assert y is not None
        branch.z = _inverse(y[f:, f:] + shunt)
        branch.m = -branch.z @ y[f:, :f]
        branch.n = -y[:f, f:] @ branch.z
        g = _cleaned(y[:f, :f] + y[:f, f:] @ branch.m, y)
        if not any(slot >= 0 for slot in branch.tap_from):
            self._shunt(branch.sources, g)
            return
        for i, a in enumerate(branch.sources):
            for j, b in enumerate(branch.sources):
                if g[i, j] != 0.0:
                    taps = branch.tap_from[i], branch.tap_from[j]
                    self._tapped_shunts.append((a, b, g[i, j], *taps))

    # -- what is connected -----------------------------------------------------------

    def _elements(self) -> Elements:
        rows: list[tuple[Any, ...]] = []
        owners: list[tuple[str, str]] = []
        for group, equipment, p_kw, q_kvar, response in self._equipment():
            keys = {node: (self._at[equipment.bus], NODES.index(node))
                    for node in equipment.nodes if node != GROUND}  # fmt: skip
            if any(key not in self._node for key in keys.values()):
                self._idle.append(equipment.name)
                continue
            place = {node: self._node[key] for node, key in keys.items()} | {GROUND: -1}
            if group == "capacitors" and self._floating.intersection(place.values()):
                self._tie(equipment, place, complex(p_kw, q_kvar) * 1e3)
                continue
            kind, shares = _kind(equipment, response)
            low = getattr(equipment, "v_min_pu", 0.0)
            high = getattr(equipment, "v_max_pu", np.inf)
            ramp = group == "consumers" and low > 0.5
            between = equipment.coils
            for i, j in between:
                if i == GROUND:  # the same coil, seen from its other end
                    i, j = j, i
                part = 1.0 / len(between)
                rows.append(
                    (place[i], place[j], len(owners), p_kw * part, q_kvar * part,
                     equipment.coil_v, kind, shares, low, high, ramp)
                )  # fmt: skip
            owners.append((group, equipment.name))
        rows.sort(key=lambda row: row[6])  # kinds together: each has a loop of its own
        columns = list(zip(*rows, strict=True)) if rows else [()] * 11
        ints = [np.array(columns[k], np.int64) for k in (0, 1, 2, 6)]
        reals = [np.array(columns[k], np.float64) for k in (3, 4, 5, 8, 9)]
        shares_pu = np.array(columns[7], np.float64).reshape(-1, 6)
        return Elements(
            ints[0], ints[1], ints[2], reals[0], reals[1], reals[2], ints[3], shares_pu,
            reals[3], reals[4], np.array(columns[10], bool), tuple(owners),
        )  # fmt: skip

    def _tie(self, capacitor: Rated, place: Mapping[str, int], s_va: complex) -> None:
        """Take a capacitor as a shunt: it may be all that ties its nodes to the earth."""
        between = capacitor.coils
        y = -np.conj(s_va) / len(between) / capacitor.coil_v**2
        for i, j in between:
            nodes = [place[node] for node in (i, j) if node != GROUND]
            signs = np.array([1.0, -1.0])[: len(nodes)]
            self._shunt(nodes, y * np.outer(signs, signs))

    def _equipment(
        self,
    ) -> Iterator[tuple[str, Rated, float, float, LoadResponseCharacteristic | None]]:
        net = self._network
        for load in net.consumers:
            yield "consumers", load, -load.p_rated_kw, -load.q_rated_kvar, load.response
        for charger in net.ev_chargers:
            yield "ev_chargers", charger, -charger.p_rated_kw, -charger.q_rated_kvar, None
        for inverter in net.inverters:
            yield "inverters", inverter, inverter.p_kw, inverter.q_kvar, None
        for machine in net.machines:
            yield "machines", machine, machine.p_kw, machine.q_kvar, None
        constant = LoadResponseCharacteristic(p_zip_pu=(1.0, 0.0, 0.0), q_zip_pu=(1.0, 0.0, 0.0))
        for capacitor in net.capacitors:
            on = capacitor.sections_on / capacitor.section_count
            g_kw, q_kvar = -capacitor.g_kw * on, capacitor.q_kvar * on
            yield "capacitors", capacitor, g_kw, q_kvar, constant

    # -- arrays ----------------------------------------------------------------------

    def _arrays(self, elements: Elements) -> Compiled:
        net, branches = self._network, self._branches
        base = np.array([bus.v_nominal_v for bus in net.buses]) / 3**0.5
        shunts = [(a, b, y, -1, -1) for (a, b), y in self._shunts.items()] + self._tapped_shunts
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


def _inverse(y: Complex) -> Complex:
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


def _kind(equipment: Rated, response: LoadResponseCharacteristic | None) -> tuple[int, list[float]]:
    """Return how something follows the voltage: kind and shares, or exponents."""
    if response is None:
        return POWER, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    p, q = response.p_zip_pu, response.q_zip_pu
    if response.p_exponent is None and response.q_exponent is None:
        flat = (0.0, 0.0, 1.0)
        return (POWER if p == flat == q else ZIP), [*p, *q]
    shares = {(1.0, 0.0, 0.0): 2.0, (0.0, 1.0, 0.0): 1.0, (0.0, 0.0, 1.0): 0.0}
    exponents = []
    for key, exponent, zip_pu in (("p", response.p_exponent, p), ("q", response.q_exponent, q)):
        if exponent is None and zip_pu not in shares:
            problem = f"{key} has shares of a polynomial and the other an exponent."
            fault = Fault(equipment.origin, f"{equipment.name}.response", problem, "Use one form.")
            raise NetworkError("the network cannot be compiled", [fault])
        exponents.append(shares[zip_pu] if exponent is None else exponent)
    return EXPONENT, [exponents[0], 0.0, 0.0, exponents[1], 0.0, 0.0]
