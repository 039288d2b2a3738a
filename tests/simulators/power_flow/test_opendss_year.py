"""OpenDSS's own yearly loop, and the sweep's year beside it."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.errors import SolverError
from gridmodel.ingest.network_file import read_network
from gridmodel.ingest.opendss_profile import Profile
from simulators.power_flow.fbs import Fbs
from simulators.power_flow.opendss_year import year_opendss
from tests.conftest import ROOT

HOURS = 72
VILLAGE = ROOT / "scenarios" / "feeders" / "village.json"


@pytest.fixture(scope="module")
def village():
    """The village, all of whose loads follow one profile."""
    network = read_network(VILLAGE)
    follows = {load.name: {"profile": "day"} for load in network.consumers}
    still = {plant.name: {"profile": ""} for plant in network.inverters}
    return network.with_(consumers=follows, inverters=still)


@pytest.fixture(scope="module")
def day():
    hours = np.arange(HOURS)
    return 0.75 + 0.3 * np.sin((hours - 9) / 24 * 2 * np.pi)


def test_both_go_through_the_hours_with_the_same_taps_and_voltages(village, day):
    line = village.lines[-1]
    profiles = {"day": Profile(3600.0, day, day)}
    theirs = year_opendss(village, profiles, HOURS, [line.name])
    sweep = Fbs(village)
    # OpenDSS's first yearly hour is hour 1: a profile's value at its end.
    scale = np.ones((len(sweep.owners), HOURS))
    for row, (group, _) in enumerate(sweep.owners):
        if group == "consumers":
            scale[row] = day
    ours = sweep.year(scale, hour=(np.arange(HOURS) + 1.0) % 24)
    assert ours.converged.all()
    for k, (name, end) in enumerate(sweep.compiled.taps):
        assert np.allclose(ours.tap_pu[k], theirs.tap_pu[f"{name}.{end + 1}"], atol=1e-5)
    assert len({*np.round(ours.tap_pu[0], 5)}) > 1  # they had something to do
    bus = village.bus_index[line.bus_to]
    for row, phase in enumerate(line.phases):
        node = sweep.compiled.node[bus, "ABCN".index(phase)]
        assert np.allclose(np.abs(ours.v_v[node]), theirs.v_v[line.name][row], rtol=1e-5)


def test_what_opendss_says_when_it_stops_is_told(village):
    with pytest.raises(SolverError, match="yearly mode"):
        year_opendss(village, {}, hours=-1, watch=["no such line"])
