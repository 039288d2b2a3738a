"""A network is refused whole: every fault at once, each with its element."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import NetworkError
from gridmodel.neighbourhood import (
    ACLineSegment,
    Bus,
    EnergyConsumer,
    LineCode,
    Neighbourhood,
    PhotovoltaicUnit,
    PowerTransformer,
    check_neighbourhood,
    reachable,
)


def bus(name, **other):
    return Bus(name=name, v_nominal_v=400.0, **other)


def line(name, start, end, code="cable"):
    return ACLineSegment(name=name, bus_from=start, bus_to=end, length_km=0.1, code=code)


def house(name, at, shares=(1.0, 0.0, 0.0)):
    return EnergyConsumer(name=name, bus=at, phase_share_pu=shares, p_rated_kw=3.0, profile="H0")


def transformer(hv_bus="mv", lv_bus="a"):
    return PowerTransformer(
        name="transformer", hv_bus=hv_bus, lv_bus=lv_bus, s_kva=160, vk_percent=4, vkr_percent=1.5
    )


#: Three buses in a row behind a transformer, two houses with a cable between them.
GOOD = {
    "name": "row",
    "buses": (bus("mv"), bus("a"), bus("b"), bus("c")),
    "line_codes": (LineCode(name="cable", r_ohm_per_km=0.2, x_ohm_per_km=0.1, ampacity_a=100),),
    "lines": (line("ab", "a", "b"), line("bc", "b", "c")),
    "transformers": (transformer(),),
    "consumers": (house("house_1", "b"), house("house_2", "c")),
    "photovoltaics": (PhotovoltaicUnit(name="pv", consumer="house_1", s_kva=5, profile="PV"),),
    "private_lines": (line("private", "house_1", "house_2"),),
}


def row(**changes):
    return Neighbourhood(**{**GOOD, **changes})


def faults(network):
    with pytest.raises(NetworkError) as error:
        check_neighbourhood(network, "street.json")
    assert all(fault.where == "street.json" for fault in error.value.faults)
    return {fault.key: f"{fault.problem} {fault.advice}".strip() for fault in error.value.faults}


def test_a_sound_network_is_taken():
    check_neighbourhood(row(), "street.json")


@pytest.mark.parametrize(
    ("changes", "key", "text"),
    [
        # one name twice, in each group
        ({"buses": (*GOOD["buses"], bus("a"))}, "buses", "the name 'a' is there twice."),
        ({"line_codes": 2 * GOOD["line_codes"]}, "line_codes", "the name 'cable' is there twice."),
        (
            {"lines": (*GOOD["lines"], line("ab", "a", "c"))},
            "lines", "the name 'ab' is there twice.",
        ),
        ({"transformers": 2 * GOOD["transformers"]},
         "transformers", "the name 'transformer' is there twice."),
        ({"consumers": (*GOOD["consumers"], house("house_1", "a"))},
         "consumers", "the name 'house_1' is there twice."),
        ({"photovoltaics": 2 * GOOD["photovoltaics"]},
         "photovoltaics", "the name 'pv' is there twice."),
        ({"private_lines": 2 * GOOD["private_lines"]},
         "private_lines", "the name 'private' is there twice."),
        # a reference to nothing, by each field
        ({"lines": (*GOOD["lines"], line("x", "aa", "b"))},
         "x.bus_from", "'aa' does not exist. Did you mean 'a'?"),
        ({"lines": (*GOOD["lines"], line("x", "a", "bb"))},
         "x.bus_to", "'bb' does not exist. Did you mean 'b'?"),
        ({"lines": (*GOOD["lines"], line("x", "a", "b", "cabel"))},
         "x.code", "'cabel' does not exist. Did you mean 'cable'?"),
        ({"private_lines": (line("x", "b", "house_2"),)},
         "x.bus_from", "'b' does not exist. Known are house_1, house_2."),
        ({"private_lines": (line("x", "house_1", "house_3"),)},
         "x.bus_to", "'house_3' does not exist. Did you mean 'house_2'?"),
        ({"private_lines": (line("x", "house_1", "house_2", "cabel"),)},
         "x.code", "'cabel' does not exist. Did you mean 'cable'?"),
        ({"transformers": (transformer(hv_bus="mvv"),)},
         "transformer.hv_bus", "'mvv' does not exist. Did you mean 'mv'?"),
        ({"transformers": (transformer(lv_bus="d"),)},
         "transformer.lv_bus", "'d' does not exist. Known are a, b, c, mv."),
        ({"consumers": (*GOOD["consumers"], house("house_3", "d"))},
         "house_3.bus", "'d' does not exist. Known are a, b, c, mv."),
        ({"photovoltaics": (
            PhotovoltaicUnit(name="pv", consumer="house1", s_kva=5, profile="PV"),
         )}, "pv.consumer", "'house1' does not exist. Did you mean 'house_1'?"),
        # phase shares that do not add up to 1, above and below
        ({"consumers": (house("house_1", "b", (0.5, 0.5, 0.1)), house("house_2", "c"))},
         "house_1.phase_share_pu", "the shares add up to 1.1 pu. They must add up to 1."),
        ({"consumers": (house("house_1", "b", (0.3, 0.3, 0.3)), house("house_2", "c"))},
         "house_1.phase_share_pu", "the shares add up to 0.9 pu. They must add up to 1."),
        # nothing feeds it
        ({"transformers": ()}, "transformers", "there is none. One feeds the network."),
        # a bus that no line reaches
        ({"lines": GOOD["lines"][:1]}, "buses.c",
         "it is not connected to the transformer. Add a line, or take the bus out."),
        # a house that the private cables leave out
        ({"consumers": (*GOOD["consumers"], house("house_3", "a"))}, "consumers.house_3",
         "no private line reaches it. Add a private line to it."),
    ],
)  # fmt: skip
def test_each_fault_names_its_element_and_the_way_out(changes, key, text):
    assert faults(row(**changes)) == {key: text}


def test_all_faults_come_at_once():
    network = row(
        buses=(*GOOD["buses"], bus("a")),
        lines=(*GOOD["lines"], line("x", "q", "r", "s")),
        consumers=(house("house_1", "zz", (0.0, 0.0, 0.0)), house("house_2", "c")),
    )
    assert set(faults(network)) == {
        "buses",
        "x.bus_from",
        "x.bus_to",
        "x.code",
        "house_1.bus",
        "house_1.phase_share_pu",
    }


def test_all_parts_that_nothing_reaches_come_at_once():
    network = row(lines=(), consumers=(*GOOD["consumers"], house("house_3", "a")))
    assert set(faults(network)) == {"buses.b", "buses.c", "consumers.house_3"}


def test_rounded_phase_shares_are_taken():
    check_neighbourhood(
        row(consumers=(house("house_1", "b", (0.7, 0.2, 0.1)), house("house_2", "c"))),
        "street.json",
    )
    assert 0.7 + 0.2 + 0.1 != 1.0  # else this test proves nothing


def test_a_network_without_private_cables_needs_none():
    check_neighbourhood(row(private_lines=()), "street.json")


nodes = st.integers(0, 7)
edges = st.lists(st.tuples(nodes, nodes), max_size=12)


def _closure(start, pairs):
    """Return what is connected, by repetition until nothing changes."""
    found = {start}
    while True:
        more = {b for a, b in pairs if a in found} | {a for a, b in pairs if b in found}
        if more <= found:
            return found
        found |= more


@given(start=nodes, pairs=edges)
def test_reachable_is_everything_that_edges_connect(start, pairs):
    assert reachable(start, pairs) == _closure(start, pairs)


@given(start=nodes, pairs=edges, data=st.data())
def test_reachable_depends_on_neither_order_nor_direction_of_edges(start, pairs, data):
    other = [pair[::-1] for pair in data.draw(st.permutations(pairs))]
    assert reachable(start, pairs) == reachable(start, other)


def _great_circle_m(a, b):
    """Return the distance of two places by the haversine formula."""
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    half = (
        sin((lat_b - lat_a) / 2) ** 2
        + cos(lat_a) * cos(lat_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    )
    return 2 * 6_371_008.8 * asin(sqrt(half))


def test_distances_on_the_street_are_those_on_the_globe(street):
    names = street.consumer_names
    for a in names:
        for b in names:
            globe = _great_circle_m(
                street.bus[street.consumer[a].bus], street.bus[street.consumer[b].bus]
            )
            assert street.distance_m(a, b) == pytest.approx(globe, rel=1e-3, abs=0.01)


def test_a_house_to_the_north_east_has_positive_coordinates():
    network = row(
        buses=(
            bus("mv", lat=60.0, lon=10.0),
            bus("a"),
            bus("b", lat=60.001, lon=10.0),
            bus("c", lat=60.0, lon=10.001),
        )
    )
    assert network.position_m("house_1") == pytest.approx((0.0, 111.195))  # north only
    assert network.position_m("house_2") == pytest.approx((55.6, 0.0), abs=0.1)  # cos 60 = 1/2


def test_a_network_gives_its_parts_by_name_and_in_order(street):
    assert street.consumer_names == tuple(c.name for c in street.consumers)
    assert street.pv_names == tuple(p.name for p in street.photovoltaics)
    assert all(street.bus[b.name] is b for b in street.buses)
    assert all(street.consumer[c.name] is c for c in street.consumers)
    assert all(street.line_code[c.name] is c for c in street.line_codes)
