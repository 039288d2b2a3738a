"""The solved state against the laws of circuits alone, without a second solver."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.errors import SolverError
from gridmodel.four_wire import series_ohm_per_km
from gridmodel.neighbourhood import EARTHING_OHM, ACLineSegment, Neighbourhood
from simulators.power_flow.opendss_circuit import Circuit, Solution

HOUSES = 13
powers = st.lists(
    st.tuples(*[st.floats(-4.0, 4.0)] * 3), min_size=HOUSES, max_size=HOUSES
).map(np.array)  # fmt: skip


def circuit(network: Neighbourhood) -> Circuit:
    """Return the network in its solver."""
    return Circuit(network, "house_02")


def line_z_ohm(network: Neighbourhood, line: ACLineSegment) -> np.ndarray:
    """Return a line's series impedance, shape (4, 4)."""
    return series_ohm_per_km(network.line_code[line.code], network.f_nominal_hz) * line.length_km


def missing_a(network: Neighbourhood, solved: Solution, s_kva: np.ndarray) -> dict[str, np.ndarray]:
    """Return what Kirchhoff's current law lacks at each low-voltage bus, by conductor."""
    row = {bus.name: k for k, bus in enumerate(network.buses)}
    flows = np.zeros((len(network.buses), 4), complex)
    for line, i_a in zip(network.lines, solved.i_a, strict=True):
        farad = network.line_code[line.code].c_nf_per_km * 1e-9 * line.length_km
        half = 1j * 2 * pi * network.f_nominal_hz * farad / 2 * np.array([1, 1, 1, 0])
        for end, sign in ((line.bus_from, 1.0), (line.bus_to, -1.0)):
            flows[row[end]] += sign * i_a + half * solved.v_v[row[end]]
    for house, s in zip(network.consumers, s_kva, strict=True):
        v = solved.v_v[row[house.bus]]
        drawn = -np.conj(1e3 * s / (v[:3] - v[3]))
        flows[row[house.bus]] += np.append(drawn, -drawn.sum())
    return {bus.name: flows[k] for k, bus in enumerate(network.buses) if k}


@settings(max_examples=25)
@given(p_kw=powers, q_kvar=powers, islanded=st.booleans())
def test_currents_add_up_to_nothing_at_every_bus_and_in_every_conductor(
    street, p_kw, q_kvar, islanded
):
    solved = circuit(street).solve(p_kw, q_kvar, 1.0, 1.0, islanded)
    sources = {street.transformers[0].lv_bus}
    if islanded:
        sources.add(street.consumer["house_02"].bus)
    for bus, lack in missing_a(street, solved, p_kw + 1j * q_kvar).items():
        if bus not in sources:
            assert np.abs(lack).max() < 1e-4, bus  # of some 50 A


@settings(max_examples=25)
@given(p_kw=powers, q_kvar=powers)
def test_on_an_island_the_anchor_gives_what_loads_take_and_cables_and_earth_burn(
    street, p_kw, q_kvar
):
    solved = circuit(street).solve(p_kw, q_kvar, 1.0, 1.0, True)
    heat_w = sum(
        (i.conj() @ line_z_ohm(street, line) @ i).real
        for line, i in zip(street.lines, solved.i_a, strict=True)
    )
    lv = [bus.name for bus in street.buses].index(street.transformers[0].lv_bus)
    heat_w += abs(solved.v_v[lv, 3]) ** 2 / EARTHING_OHM
    balance_kw = solved.anchor_kva.real + p_kw.sum() - heat_w / 1e3
    assert balance_kw == pytest.approx(0.0, abs=1e-6 * (np.abs(p_kw).sum() + 1.0))


@settings(max_examples=15)
@given(p_kw=powers, order=st.permutations(range(3)))
def test_exchanging_phases_everywhere_exchanges_voltages(street, p_kw, order):
    # Only their order in time tells A, B and C apart, and a rotation keeps it.
    turn = [order[0], (order[0] + 1) % 3, (order[0] + 2) % 3]
    q_kvar = 0.3 * p_kw
    v, w = (
        np.abs(circuit(street).solve(p, q, 1.0, 1.0, True).v_v[1:])
        for p, q in ((p_kw, q_kvar), (p_kw[:, turn], q_kvar[:, turn]))
    )
    assert w[:, :3] == pytest.approx(v[:, turn], abs=1e-4)
    assert w[:, 3] == pytest.approx(v[:, 3], abs=1e-4)


@pytest.mark.parametrize("islanded", [False, True])
def test_balanced_power_leaves_the_neutral_at_ground(street, islanded):
    p_kw = np.full((HOUSES, 3), -1.0)
    solved = circuit(street).solve(p_kw, 0.4 * p_kw, 1.0, 1.0, islanded)
    assert np.abs(solved.v_v[1:, 3]).max() < 0.01


@pytest.mark.parametrize(
    ("power_kw", "sign"),
    [
        # injection is positive: consumption lowers the voltage, generation raises it
        (-3.0, -1),
        (3.0, 1),
    ],
)
@pytest.mark.parametrize("islanded", [False, True])
def test_consumption_lowers_the_voltage_and_injection_raises_it(street, power_kw, sign, islanded):
    one = circuit(street)
    zero, p_kw = np.zeros((HOUSES, 3)), np.full((HOUSES, 3), power_kw)
    idle = np.abs(one.solve(zero, zero, 1.0, 1.0, islanded).v_v)
    moved = np.abs(one.solve(p_kw, zero, 1.0, 1.0, islanded).v_v)
    far = [bus.name for bus in street.buses].index("bus_05")
    assert (sign * (moved - idle)[far, :3] > 1.0).all()


def test_reactive_injection_raises_the_voltage_too(street):
    one, zero = circuit(street), np.zeros((HOUSES, 3))
    idle = np.abs(one.solve(zero, zero, 1.0, 1.0, False).v_v)
    moved = np.abs(one.solve(zero, np.full((HOUSES, 3), 3.0), 1.0, 1.0, False).v_v)
    assert ((moved - idle)[1:, :3] > 0.0).all()


@pytest.mark.parametrize("islanded", [False, True])
def test_only_the_source_that_leads_gives_power(street, islanded):
    p_kw = np.full((HOUSES, 3), -1.0)
    solved = circuit(street).solve(p_kw, 0.0 * p_kw, 1.0, 1.0, islanded)
    leads, rests = solved.grid_kva, solved.anchor_kva
    if islanded:
        leads, rests = rests, leads
    assert 39.0 < leads.real < 42.0
    assert abs(rests) < 0.6  # the transformer's iron at most
    assert bool(rests) == islanded


def test_a_street_that_asks_for_more_than_a_cable_can_carry_is_an_error_that_says_where(street):
    p_kw = np.zeros((HOUSES, 3))
    p_kw[12] = -400.0  # house_13, at the far end
    with pytest.raises(SolverError, match=r"did not converge .* lowest voltage is at bus_0[56]"):
        circuit(street).solve(p_kw, 0.0 * p_kw, 1.0, 1.0, False)
