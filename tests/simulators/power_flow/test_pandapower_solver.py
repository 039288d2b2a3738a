"""pandapower as a solver: its own answers, and what it refuses."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridmodel.errors import NetworkError
from gridmodel.ingest.pandapower_net import read_pandapower
from gridmodel.network.equipment import EnergyConsumer, LoadResponseCharacteristic
from gridmodel.network.network import Network

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pp = pytest.importorskip("pandapower", exc_type=ImportError)
    networks = pytest.importorskip("pandapower.networks", exc_type=ImportError)

from simulators.power_flow.pandapower import solve_pandapower

TURN = np.exp(-2j * np.pi / 3)
BALANCED: dict[str, Callable[[], Any]] = {
    "case33bw": networks.case33bw,
    "cigre_lv": networks.create_cigre_network_lv,
    "cigre_mv": networks.create_cigre_network_mv,
    "cigre_mv_with_der": lambda: networks.create_cigre_network_mv(with_der="all"),
    "mv_oberrhein": networks.mv_oberrhein,  # YNd5, taps, cores, two external grids
    "case14": networks.case14,  # generators that hold the voltage, a shunt
    "three_windings": lambda: three_windings(),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Nets are made and solved by pandapower itself, whose warnings are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def three_windings() -> Any:
    net = pp.create_empty_network()
    pp.create_buses(net, 3, vn_kv=[110, 20, 10])
    pp.create_ext_grid(net, 0, va_degree=20.0)
    pp.create_transformer3w(net, 0, 1, 2, "63/25/38 MVA 110/20/10 kV", tap_pos=3)
    pp.create_loads(net, [1, 2], p_mw=[10.0, 12.0], q_mvar=[3.0, 5.0])
    return net


def v_pu(network: Network, v_v: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return voltages of A, B and C in per unit."""
    base = np.array([bus.v_nominal_v for bus in network.buses]) / 3**0.5
    scaled: NDArray[np.complex128] = v_v[:, :3] / base[:, None]
    return scaled


def own_v_pu(result: Any) -> NDArray[np.complex128]:
    """Return pandapower's own complex voltages."""
    angle = np.radians(result["va_degree"].to_numpy(float))
    v: NDArray[np.complex128] = result["vm_pu"].to_numpy(float) * np.exp(1j * angle)
    return v


@pytest.mark.parametrize("name", BALANCED)
def test_a_balanced_answer_is_pandapowers_own(name: str) -> None:
    net = BALANCED[name]()
    network, _ = read_pandapower(net)
    flow = solve_pandapower(network)
    pp.runpp(net, tolerance_mva=1e-9)
    own = own_v_pu(net.res_bus)
    mine = v_pu(network, flow.v_v)[: len(own)]
    for k in range(3):
        np.testing.assert_allclose(mine[:, k], own * TURN**k, rtol=0.0, atol=1e-9)
    lost = sum(net[f"res_{t}"]["pl_mw"].sum() for t in ("line", "trafo", "trafo3w")) * 1e3
    assert flow.losses_kva.real == pytest.approx(lost, rel=1e-7)
    assert flow.source_kva.real == pytest.approx(net.res_ext_grid["p_mw"].sum() * 1e3, rel=1e-7)


def test_a_simbench_grid_has_pandapowers_own_answer() -> None:
    simbench = pytest.importorskip("simbench", exc_type=ImportError)
    network, _ = read_pandapower("simbench:1-LV-rural1--0-sw")
    net = simbench.get_simbench_net("1-LV-rural1--0-sw")
    pp.runpp(net, tolerance_mva=1e-9)
    mine = v_pu(network, solve_pandapower(network).v_v)[: len(net.bus), 0]
    np.testing.assert_allclose(mine, own_v_pu(net.res_bus), rtol=0.0, atol=1e-9)


def european() -> Any:
    """Return the feeder with a stiff source and no way for the zero sequence through the core."""
    net = networks.ieee_european_lv_asymmetric()
    net.ext_grid["s_sc_max_mva"] = 1e9
    net.trafo["mag0_percent"] = 1e10
    net.sn_mva = 0.006  # the outer loop of runpp_3ph stops at 3e-8 of it
    return net


def test_three_phases_are_pandapowers_own() -> None:
    net = european()
    network, _ = read_pandapower(net)
    flow = solve_pandapower(network, unbalanced=True)
    pp.runpp_3ph(net)
    result = net.res_bus_3ph
    own = np.stack(
        [result[f"vm_{p}_pu"] * np.exp(1j * np.radians(result[f"va_{p}_degree"])) for p in "abc"],
        axis=1,
    )
    np.testing.assert_allclose(v_pu(network, flow.v_v), own, rtol=0.0, atol=1e-9)
    spread = np.ptp(flow.vm_pu[-1, :3])
    assert spread > 1e-3  # it is unbalanced indeed


def test_the_impedance_of_a_source_is_seen() -> None:
    net = networks.case33bw()
    net.ext_grid["s_sc_max_mva"], net.ext_grid["rx_max"] = 50.0, 0.1
    stiff = solve_pandapower(read_pandapower(net)[0])
    weak = solve_pandapower(read_pandapower(net, source_impedance=True)[0])
    # The drop at the head is that of its current through its impedance.
    source = weak.network.energy_sources[0]
    behind = source.v_nominal_v / 3**0.5
    current_a = np.conj(weak.source_kva * 1e3 / 3 / behind)
    drop = behind - current_a * complex(source.r1_ohm, source.x1_ohm)
    assert weak.v_v[0, 0] == pytest.approx(drop, rel=1e-9)
    assert abs(stiff.v_v[0, 0]) == pytest.approx(behind)


def test_a_load_that_follows_the_voltage_does_so_by_its_own_rated_voltage() -> None:
    network, _ = read_pandapower(networks.case33bw())
    rated = network.bus["18"].v_nominal_v * 1.1
    bus, nothing = "18", {"p_rated_kw": 0.0, "q_rated_kvar": 0.0}
    load = EnergyConsumer(
        name="heater",
        bus=bus,
        v_rated_v=rated,
        p_rated_kw=90.0,
        response=LoadResponseCharacteristic(p_zip_pu=(1.0, 0.0, 0.0)),
    )
    quiet = {consumer.name: nothing for consumer in network.consumers}
    network = network.with_(consumers=quiet)
    flow = solve_pandapower(network.with_(consumers=(*network.consumers, load)))
    v = flow.vm_pu[network.bus_index[bus], 0]
    drawn = flow.source_kva.real - flow.losses_kva.real
    assert drawn == pytest.approx(90.0 * (v / 1.1) ** 2, rel=1e-6)


def test_a_share_of_current_beside_another_load_is_refused_for_pandapower_takes_the_mean() -> None:
    network, _ = read_pandapower(networks.case33bw())
    current = LoadResponseCharacteristic(p_zip_pu=(0.0, 1.0, 0.0))
    alone = network.with_(consumers={"load_16": {"response": current}})
    flow = solve_pandapower(alone)
    load = alone.consumers[16]
    v = flow.vm_pu[alone.bus_index[load.bus], 0]
    constant = sum(c.p_rated_kw for c in network.consumers) - load.p_rated_kw
    drawn = flow.source_kva.real - flow.losses_kva.real
    assert drawn == pytest.approx(constant + load.p_rated_kw * v, rel=1e-7)
    other = load.model_copy(update={"name": "other"})
    with pytest.raises(NetworkError, match="not alone at its bus"):
        solve_pandapower(alone.with_(consumers=(*alone.consumers, other)))


def test_open_switches_leave_what_is_behind_them_dead() -> None:
    net = pp.create_empty_network()
    pp.create_buses(net, 3, vn_kv=20.0)
    pp.create_ext_grid(net, 0)
    pp.create_switch(net, 0, 1, "b")
    pp.create_switch(net, 1, 2, "b", closed=False)
    pp.create_load(net, 1, 1.0)
    flow = solve_pandapower(read_pandapower(net)[0])
    assert abs(flow.v_v[1, 0]) > 0.0
    assert flow.v_v[2].tolist() == [0.0] * 4
    assert np.isfinite(flow.v_v).all()


def test_what_does_not_converge_says_so() -> None:
    network, _ = read_pandapower(networks.case33bw())
    heavy = {c.name: {"p_rated_kw": 100.0 * c.p_rated_kw} for c in network.consumers}
    flow = solve_pandapower(network.with_(consumers=heavy))
    assert not flow.converged
    assert "did not converge" in str(flow.troubles[0])
    assert np.isfinite(flow.v_v).all()


def test_every_element_it_cannot_hold_is_named() -> None:
    network, _ = read_pandapower(networks.create_cigre_network_lv())
    kind = network.impedances[0]
    skewed = tuple(
        tuple(value * (2.0 if i == j == 0 else 1.0) for j, value in enumerate(row))
        for i, row in enumerate(kind.r_ohm_per_km)
    )
    line = next(line for line in network.lines if line.impedance == kind.name)
    house = EnergyConsumer(
        name="house", bus=line.bus_to, nodes="A0", v_rated_v=230.0, p_rated_kw=1.0
    )
    odd = network.with_(
        impedances={kind.name: {"r_ohm_per_km": skewed}}, consumers=(*network.consumers, house)
    )
    with pytest.raises(NetworkError) as caught:
        solve_pandapower(odd)
    keys = {fault.key for fault in caught.value.faults}
    assert {"house", line.name} <= keys
    assert "unbalanced=True" in str(caught.value)


def test_three_phases_refuse_what_runpp_3ph_does_not_have() -> None:
    network, _ = read_pandapower(networks.mv_oberrhein())  # 110/20 kV, wye and delta
    changed = network.with_(
        transformers={
            unit.name: {
                "ends": (
                    unit.ends[0].model_copy(update={"nodes": "ABC0", "connection": "wye"}),
                    unit.ends[1].model_copy(update={"nodes": "ABC", "connection": "delta"}),
                )
            }
            for unit in network.transformers
        }
    )
    with pytest.raises(NetworkError, match="has vector group YNd"):
        solve_pandapower(changed, unbalanced=True)


@pytest.mark.parametrize("name", ["cigre_lv", "cigre_mv", "mv_oberrhein"])
def test_it_agrees_with_the_forward_backward_sweep(name: str) -> None:
    fbs = pytest.importorskip("simulators.power_flow.fbs")
    network, _ = read_pandapower(BALANCED[name]())
    one = solve_pandapower(network, core_at_end=True)
    other = fbs.solve_fbs(network)
    np.testing.assert_allclose(
        v_pu(network, one.v_v),
        v_pu(network, other.v_v),
        rtol=0.0,
        atol=1e-7,  # antifloat: 7e-8
    )
    assert one.losses_kva.real == pytest.approx(other.losses_kva.real, rel=1e-6)


def test_three_phases_agree_with_the_forward_backward_sweep() -> None:
    fbs = pytest.importorskip("simulators.power_flow.fbs")
    network, _ = read_pandapower(european())
    one, other = solve_pandapower(network, unbalanced=True), fbs.solve_fbs(network)
    np.testing.assert_allclose(
        v_pu(network, one.v_v),
        v_pu(network, other.v_v),
        rtol=0.0,
        atol=1e-7,  # antifloat: 7e-8
    )
