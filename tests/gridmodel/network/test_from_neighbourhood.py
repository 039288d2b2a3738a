"""A neighbourhood as a network: the same street for every solver."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.network.checks import check
from gridmodel.network.from_neighbourhood import PRIVATE, from_neighbourhood
from gridmodel.network.network import Network
from gridmodel.network.topology import topology
from simulators.power_flow.fbs import solve_fbs
from simulators.power_flow.opendss import solve_opendss
from simulators.power_flow.opendss_circuit import Circuit
from tests.conftest import STREET


def loaded(network: Network, drawn: float, injected: float) -> Network:
    """Return a network with all loads and plants at a share of their ratings."""
    return network.with_(
        consumers={
            one.name: {
                "p_rated_kw": drawn * one.p_rated_kw,
                "q_rated_kvar": drawn * one.q_rated_kvar,
            }
            for one in network.consumers
        },
        inverters={one.name: {"p_kw": injected * one.p_kw} for one in network.inverters},
    )


@pytest.fixture(scope="module", params=["network.json", "citizen_mesh.json"])
def street(request):
    return read_neighbourhood(STREET / request.param)


@pytest.mark.parametrize(
    ("drawn", "injected"),
    [
        (0.0, 0.0),  # charging and magnetising only
        (1.0, 0.0),  # evening
        (0.2, 1.0),  # noon: power flows back
        (2.5, 0.0),  # more than the street is made for
    ],
)
def test_the_sweep_and_opendss_agree_on_the_street(street, drawn, injected):
    network = loaded(from_neighbourhood(street)[0], drawn, injected)
    swept, solved = solve_fbs(network), solve_opendss(network)
    assert swept.converged
    assert solved.converged
    assert (swept.present == solved.present).all()
    base = np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5
    assert (np.abs(swept.v_v - solved.v_v) / base).max() < 1e-6
    assert swept.losses_kva.real == pytest.approx(solved.losses_kva.real, rel=1e-4, abs=1e-4)


def test_it_is_the_street_that_the_co_simulation_solves(street):
    """Within what the interconnection device of a scenario, 0.1 milliohm, takes."""
    network = loaded(from_neighbourhood(street)[0], 1.0, 0.0)
    flow = solve_opendss(network)
    share = np.array([one.phase_share_pu for one in street.consumers])
    p = -share * np.array([[one.p_rated_kw] for one in street.consumers])
    q = -share * np.array([[one.q_rated_kvar] for one in street.consumers])
    solution = Circuit(street, "house_02").solve(p, q, 1.0, 1.0, islanded=False)
    rows = [network.bus_index[bus.name] for bus in street.buses]
    low = np.array([bus.v_nominal_v == 400.0 for bus in street.buses])
    apart = np.abs(flow.v_v[rows] - solution.v_v)[low] / (400.0 / 3**0.5)
    assert apart.max() < 2e-4
    assert np.abs(flow.v_v[rows][low][:, :3]).min() < 0.99 * 400.0 / 3**0.5  # it is loaded


def test_every_customer_is_counted_once_and_draws_all_its_power(street):
    network, _ = from_neighbourhood(street)
    for customer in street.consumers:
        phases = [one for one in network.consumers if one.name.startswith(f"{customer.name}_")]
        assert sum(one.customer_count for one in phases) == 1
        assert sum(one.p_rated_kw for one in phases) == pytest.approx(customer.p_rated_kw)
        assert sum(one.q_rated_kvar for one in phases) == pytest.approx(customer.q_rated_kvar)
        assert {one.profile for one in phases} == {customer.profile}


def test_private_cables_are_there_without_a_source_and_a_notice_says_so():
    mesh, notices = from_neighbourhood(read_neighbourhood(STREET / "citizen_mesh.json"))
    check(mesh)
    dead = set(topology(mesh).dead)
    assert dead == {bus.name for bus in mesh.buses if bus.name.endswith(PRIVATE)}
    assert len(dead) == 13
    assert any("12 cables have no source" in notice.text for notice in notices)
