"""Topology: order, islands, loops and paths, compared with a search of the tests' own."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.network.conductors import (
    ACLineSegment,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)
from gridmodel.network.equipment import EnergySource
from gridmodel.network.network import Bus, Network
from gridmodel.network.topology import Topology, topology
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd

KIND = PerLengthPhaseImpedance(name="cable", r_ohm_per_km=((0.3,),), x_ohm_per_km=((0.1,),))


def network(
    count: int, joined: list[tuple[int, int]], sources: list[int], kinds: str = ""
) -> Network:
    """Return buses 0 to count-1, joined pair by pair by a line, or by what ``kinds`` says.

    ``l`` a line, ``s`` a closed and ``o`` an open switch, ``c`` a series reactor, ``t`` a
    transformer.
    """
    groups: dict[str, list[object]] = {key: [] for key in Network.GROUPS}
    for k, (a, b) in enumerate(joined):
        kind = kinds[k] if kinds else "l"
        ends = {"name": f"e{k}", "bus_from": f"b{a}", "bus_to": f"b{b}"}
        if kind == "l":
            line = ACLineSegment(**ends, phases="A", length_km=1.0, impedance="cable")
            groups["lines"].append(line)
        elif kind in "so":
            groups["switches"].append(Switch(**ends, phases="A", open=kind == "o"))
        elif kind == "c":
            reactor = SeriesCompensator(**ends, phases="A", r_ohm=0.1, x_ohm=0.1)
            groups["series_compensators"].append(reactor)
        else:
            groups["transformers"].append(transformer(f"e{k}", f"b{a}", f"b{b}"))
    return Network(
        name="graph",
        buses=tuple(Bus(name=f"b{k}", v_nominal_v=400.0) for k in range(count)),
        energy_sources=tuple(
            EnergySource(name=f"s{k}", bus=f"b{k}", nodes="A", v_nominal_v=400.0) for k in sources
        ),
        impedances=(KIND,),
        **{
            key: tuple(groups[key])
            for key in ("lines", "switches", "series_compensators", "transformers")
        },
    )


def transformer(name: str, *buses: str) -> PowerTransformer:
    ends = tuple(
        PowerTransformerEnd(bus=bus, nodes="A0", v_rated_v=230.0, s_kva=50.0) for bus in buses
    )
    return PowerTransformer(name=name, ends=ends, x_percent=(4.0,) * (2 * len(buses) - 3))


class Search:
    """What a plain search by dictionaries finds."""

    def __init__(self, count: int, live: list[tuple[int, int]], sources: list[int]) -> None:
        self.beside: dict[int, list[int]] = {k: [] for k in range(count)}
        for a, b in live:
            self.beside[a].append(b)
            self.beside[b].append(a)
        self.depth = self.reach(sources)

    def reach(self, begin: list[int]) -> dict[int, int]:
        """Return how far every bus is from the nearest of some."""
        depth = dict.fromkeys(begin, 0)
        queue = deque(begin)
        while queue:
            at = queue.popleft()
            for other in self.beside[at]:
                if other not in depth:
                    depth[other] = depth[at] + 1
                    queue.append(other)
        return depth


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], str, list[int]]:
    count = draw(st.integers(1, 14))
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    joined = draw(st.lists(pair.filter(lambda p: p[0] != p[1]), max_size=20 if count > 1 else 0))
    kinds = draw(st.text("lsoct", min_size=len(joined), max_size=len(joined)))
    sources = draw(st.lists(st.integers(0, count - 1), max_size=3, unique=True))
    return count, joined, kinds, sources


@given(graphs())
def test_every_graph_is_ordered_and_taken_apart_as_a_plain_search_does(
    graph: tuple[int, list[tuple[int, int]], str, list[int]],
) -> None:
    count, joined, kinds, sources = graph
    live = [pair for pair, kind in zip(joined, kinds, strict=True) if kind != "o"]
    found, search = topology(network(count, joined, sources, kinds)), Search(count, live, sources)
    names = [f"b{k}" for k in range(count)]

    assert found.names == tuple(names)
    assert sorted(found.order.tolist()) == sorted(search.depth)
    assert set(found.dead) == {names[k] for k in range(count) if k not in search.depth}
    assert found.depth.tolist() == [search.depth.get(k, -1) for k in range(count)]
    _every_bus_comes_after_its_parent(found, live, sources)
    _islands_are_those_of(found, search)
    _loops_are_what_the_tree_leaves(found, search)
    _paths_go_up_and_down(found, search)


def _every_bus_comes_after_its_parent(
    found: Topology, live: list[tuple[int, int]], sources: list[int]
) -> None:
    place = {bus: k for k, bus in enumerate(found.order.tolist())}
    depths = [found.depth[bus] for bus in found.order]
    assert depths == sorted(depths)
    for bus in found.order.tolist():
        above, edge = int(found.parent[bus]), int(found.edge_to[bus])
        if above < 0:
            assert bus in sources
            assert edge == -1
            continue
        assert place[above] < place[bus]
        assert {above, bus} == set(found.ends[edge].tolist())
    for bus in set(range(len(found.names))) - set(place):
        assert found.parent[bus] == found.edge_to[bus] == -1
    assert sorted(map(sorted, found.ends.tolist())) == sorted(map(sorted, live))


def _islands_are_those_of(found: Topology, search: Search) -> None:
    numbers = found.islands.tolist()
    for a in range(len(numbers)):
        together = search.reach([a])
        for b in range(len(numbers)):
            assert (numbers[a] == numbers[b]) == (b in together)
    assert list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))


def _loops_are_what_the_tree_leaves(found: Topology, search: Search) -> None:
    kinds = ["transformer" if edge.group == "transformers" else "line" for edge in found.edges]
    there = {frozenset(pair) for pair, kind in zip(found.ends.tolist(), kinds, strict=True)
             if kind == "line"}  # fmt: skip
    seen: set[frozenset[int]] = set()
    reached = 0
    for (a, b), kind in zip(found.ends.tolist(), kinds, strict=True):
        pair = frozenset((a, b))
        bank = kind == "transformer" and pair not in there and pair in seen
        seen.add(pair)
        reached += a in search.depth and not bank  # a bank of transformers is one edge
    trees = sum(found.parent[bus] < 0 for bus in found.order)
    assert len(found.loops) == reached - (len(search.depth) - trees)
    for edge in found.loops.tolist():
        one, other = found.ends[edge].tolist()
        roots = {found.path_to_source(found.names[k])[-1] for k in (one, other)}
        if len(roots) > 1:
            assert {found.loop(edge)[0], found.loop(edge)[-1]} == roots
        else:
            assert {found.loop(edge)[0], found.loop(edge)[-1]} == {
                found.names[one], found.names[other]
            }  # fmt: skip
        round_it = found.loop(edge)
        assert len(set(round_it)) == len(round_it)
        at = [found.position[name] for name in round_it]
        for a, b in pairwise(at):
            assert b in search.beside[a]


def _paths_go_up_and_down(found: Topology, search: Search) -> None:
    for bus, name in enumerate(found.names):
        if bus not in search.depth:
            assert found.downstream(name) == ()
            continue
        path = found.path_to_source(name)
        assert path[0] == name
        assert len(path) == search.depth[bus] + 1
        assert found.upstream(name) == path[1:]
        below = [
            other
            for other in found.names
            if found.position[other] in search.depth and name in found.upstream(other)
        ]
        assert list(found.downstream(name)) == below


def test_a_line_between_two_sources_is_a_loop_that_can_be_told() -> None:
    found = topology(network(4, [(0, 1), (1, 2), (2, 3)], [0, 3]))
    (edge,) = found.loops.tolist()
    assert set(found.ends[edge].tolist()) == {1, 2}
    assert found.loop(edge) == ("b0", "b1", "b2", "b3")


def test_parallel_lines_are_a_loop_of_two_buses() -> None:
    found = topology(network(2, [(0, 1), (1, 0)], [0]))
    assert found.edge_to.tolist() == [-1, 0]
    assert found.loops.tolist() == [1]
    assert set(found.loop(1)) == {"b0", "b1"}


def test_phases_side_by_side_are_no_loop_until_one_is_there_twice() -> None:
    one, other = (
        ACLineSegment(name=f"l{phase}", bus_from="b0", bus_to="b1", phases=phase, length_km=1.0,
                      impedance="cable") for phase in "AB"
    )  # fmt: skip
    made = network(2, [], [0])
    assert len(topology(made.with_(lines=(one, other))).loops) == 0
    again = other.model_copy(update={"name": "again"})
    assert topology(made.with_(lines=(one, other, again))).loops.tolist() == [2]


def test_a_transformer_of_three_ends_is_two_edges_from_its_first() -> None:
    made = network(3, [], [0]).with_(transformers=(transformer("t", "b0", "b1", "b2"),))
    found = topology(made)
    assert found.ends.tolist() == [[0, 1], [0, 2]]
    assert [tuple(edge) for edge in found.edges] == [("transformers", 0)] * 2
    assert len(found.loops) == 0


def test_a_service_with_both_halves_at_one_bus_is_one_edge() -> None:
    made = network(2, [], [0]).with_(transformers=(transformer("t", "b0", "b1", "b1"),))
    found = topology(made)
    assert found.ends.tolist() == [[0, 1]]
    assert len(found.loops) == 0


def test_edges_say_which_element_they_are() -> None:
    made = network(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], [0], "loscs")
    assert [tuple(edge) for edge in topology(made).edges] == [
        ("lines", 0), ("switches", 1), ("switches", 2), ("series_compensators", 0)
    ]  # fmt: skip


def test_arrays_are_frozen_and_the_tree_is_found_once() -> None:
    found = topology(network(3, [(0, 1), (1, 2)], [0]))
    assert found.order is found.order
    with pytest.raises(ValueError, match="read-only"):
        found.parent[0] = 2


@pytest.mark.parametrize("shape", ["long", "wide", "random"])
def test_a_hundred_thousand_buses_are_ordered(shape: str) -> None:
    count = 100_000
    child = np.arange(1, count)
    above = {
        "long": child - 1,
        "wide": np.zeros(count - 1, np.int64),
        "random": np.random.default_rng(3).integers(0, child),
    }[shape]
    found = Topology(
        names=tuple(map(str, range(count))),
        edges=(),
        ends=np.stack([above, child], axis=1),
        roots=np.array([0]),
    )
    assert len(found.order) == count
    assert found.parent[1:].tolist() == above.tolist()
    assert len(found.loops) == 0
    place = np.empty(count, np.int64)
    place[found.order] = np.arange(count)
    assert (place[above] < place[child]).all()
    deepest = int(np.argmax(found.depth))
    assert len(found.path_to_source(str(deepest))) == found.depth[deepest] + 1
    assert len(found.downstream("0")) == count - 1
