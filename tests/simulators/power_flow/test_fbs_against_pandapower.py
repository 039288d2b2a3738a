"""The sweep beside pandapower: balanced networks, to 1e-6 pu."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gridmodel.ingest.matpower import read_matpower
from gridmodel.ingest.pandapower_net import read_pandapower
from gridmodel.network.network import Network
from simulators.power_flow.fbs import solve_fbs
from tests.gridmodel.ingest.opendss_feeders import DATA

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pandapower", exc_type=ImportError)
    networks = pytest.importorskip("pandapower.networks", exc_type=ImportError)

from simulators.power_flow.pandapower import solve_pandapower

NETS: dict[str, Callable[[], Any]] = {
    "case33bw": networks.case33bw,
    "cigre_lv": networks.create_cigre_network_lv,
    "cigre_mv": networks.create_cigre_network_mv,
    "cigre_mv_with_der": lambda: networks.create_cigre_network_mv(with_der="all"),
    "kerber_vorstadt": networks.create_kerber_vorstadtnetz_kabel_1,
    "mv_oberrhein": networks.mv_oberrhein,
}
#: Radial cases of the literature, their tie lines open.
CASES = ("case18", "case22", "case33bw", "case33mg", "case85", "case136ma", "case141")


def agree(network: Network) -> None:
    ours = solve_fbs(network, controls=False)
    theirs = solve_pandapower(network, core_at_end=True)
    assert ours.converged
    base = np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5
    live = ours.present[:, :3] & (np.abs(theirs.v_v[:, :3]) > 0.0)
    assert live.any()
    assert (live == ours.present[:, :3]).all()
    apart = np.where(live, (ours.v_v - theirs.v_v)[:, :3] / base, 0.0)
    assert np.abs(apart).max() < 1e-6
    assert ours.losses_kva.real == pytest.approx(theirs.losses_kva.real, rel=1e-5, abs=1e-4)
    assert ours.source_kva == pytest.approx(theirs.source_kva, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("name", NETS)
def test_a_balanced_net_has_pandapowers_voltages_and_losses(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = NETS[name]()
    agree(read_pandapower(net)[0])


@pytest.mark.parametrize("name", CASES)
def test_a_radial_case_has_pandapowers_voltages_and_losses(name: str) -> None:
    path = DATA / "matpower-radial" / f"{name}.m"
    if not path.is_file():
        pytest.skip("the cases of ../shared/data are not on this machine")
    agree(read_matpower(path)[0])
