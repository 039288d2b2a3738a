"""Where buses stand in a picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cosim.report.network_layout import layout
from gridmodel.ingest.read import read_any
from gridmodel.network.conductors import Switch
from gridmodel.network.equipment import EnergySource
from gridmodel.network.network import Bus, Network
from gridmodel.network.topology import topology
from tests.conftest import ROOT, STREET


def tree(parents: list[int]) -> Network:
    """Return a network whose bus k + 1 hangs on bus parents[k]."""
    buses = tuple(Bus(name=f"b{k}", v_nominal_v=400.0) for k in range(len(parents) + 1))
    switches = tuple(
        Switch(name=f"s{k}", bus_from=f"b{above}", bus_to=f"b{k + 1}", phases="ABC")
        for k, above in enumerate(parents)
    )
    source = EnergySource(name="grid", bus="b0", v_nominal_v=400.0)
    return Network(name="t", buses=buses, switches=switches, energy_sources=(source,))


trees = st.integers(0, 60).flatmap(
    lambda n: st.tuples(*(st.integers(0, k) for k in range(n))).map(list)
)


@given(parents=trees)
def test_no_two_buses_of_a_tree_stand_at_one_place_and_columns_are_depths(parents):
    network = tree(parents)
    placed = layout(network)
    assert not placed.is_map
    assert len({tuple(place) for place in placed.xy.tolist()}) == len(network.buses)
    assert np.array_equal(placed.xy[:, 0], topology(network).depth)


@given(parents=trees)
def test_children_of_one_bus_have_no_other_bus_between_them(parents):
    """So the upright stroke that feeds them crosses nothing."""
    xy = layout(tree(parents)).xy
    for bus in range(len(xy)):
        children = [k + 1 for k, above in enumerate(parents) if above == bus]
        if children:
            rows = [*xy[children, 1], xy[bus, 1]]
            column = xy[bus, 0] + 1
            strangers = set(np.flatnonzero(xy[:, 0] == column).tolist()) - set(children)
            assert all(not min(rows) < xy[k, 1] < max(rows) for k in strangers)


def test_the_longest_way_goes_straight_on_and_short_ones_stay_near():
    spine = list(range(200))
    network = tree([*spine, *range(200)])  # a leaf at every bus of a long line
    xy = layout(network).xy
    assert np.all(xy[:201, 1] == xy[0, 1])
    assert np.abs(xy[201:, 1] - xy[0, 1]).max() <= 1.0


def test_a_long_line_needs_no_recursion():
    assert layout(tree(list(range(5000)))).xy[-1, 0] == 5000.0


def test_coordinates_make_a_map_and_a_bus_without_takes_its_neighbours():
    network, _ = read_any(ROOT / "scenarios" / "feeders" / "village.json")
    lost = network.with_(buses={"head": {"x": None, "y": None}, "house_3": {"x": None, "y": None}})
    placed = layout(lost)
    at = network.bus_index
    assert placed.is_map
    assert placed.xy[at["head"]].tolist() == placed.xy[at["crossroads"]].tolist()
    assert placed.xy[at["house_3"]].tolist() == placed.xy[at["house_2"]].tolist()


def test_a_degree_east_is_shorter_than_a_degree_north():
    network, _ = read_any(STREET / "network.json")
    placed = layout(network)
    given_x = np.ptp([bus.x for bus in network.buses])
    assert 0.55 < np.ptp(placed.xy[:, 0]) / given_x < 0.62  # cos 53.6 deg


def test_buses_that_no_source_reaches_stand_below_the_tree():
    network = tree([0, 1, 2, 0, 4]).with_(switches={"s3": {"open": True}})
    xy = layout(network).xy
    assert max(xy[4, 1], xy[5, 1]) < xy[:4, 1].min()
