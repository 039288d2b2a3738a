"""Laws of the sweep, on networks grown at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gridmodel.errors import NetworkError
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformerEnd
from simulators.power_flow.fbs import solve_fbs
from simulators.power_flow.opendss import solve_opendss
from simulators.power_flow.result import PowerFlow
from tests.simulators.power_flow.nodal import Nodal
from tests.simulators.power_flow.random_networks import networks
from tests.simulators.power_flow.random_places import FLOATING

#: Each has a network, several solutions and often an engine of its own.
FEW = settings(max_examples=40)


def base_v(network: Network) -> np.ndarray:
    return np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5


def apart_pu(one: PowerFlow, other: PowerFlow) -> float:
    """Return by how much two answers differ; of floating buses between their nodes. [pu]"""
    live = one.present | (np.abs(other.v_v) > 1e-6 * base_v(one.network))
    # OpenDSS also has nodes that only an open switch, or what is not fed, touches.
    np.testing.assert_array_equal(one.present, live)
    apart = (one.v_v - other.v_v) / base_v(one.network)
    apart[~one.present] = 0.0
    for k, bus in enumerate(one.network.buses):
        there = one.present[k]
        if bus.name.startswith(FLOATING) and there.any():
            apart[k, there] -= apart[k, there].mean()
    return float(np.abs(apart).max())


def solved(network: Network, controls: bool = False) -> PowerFlow:
    """Return the sweep's answer; loads beyond what a network can carry are no law's matter."""
    try:
        flow = solve_fbs(network, controls)
    except NetworkError:
        assume(False)  # a control that is refused with a reason: a bank on a floating bus
    vm = flow.vm_pu[:, :3][flow.present[:, :3]]
    assert np.isfinite(flow.v_v).all()
    assume(flow.converged and (not len(vm) or vm[vm > 0.0].min() > 0.6))
    return flow


@FEW
@given(networks())
def test_kirchhoffs_law_holds_at_every_node(network: Network) -> None:
    """To what a star point behind 20 ohm makes of a leakage of a millionth of the rating."""
    flow = solved(network)
    nodal = Nodal(flow)
    assume(not nodal.partly_fed)
    assume(nodal.condition < 1e10)  # what floats is tied to the earth by next to nothing
    assert max(nodal.left_pu(flow, FLOATING).values()) < 2e-5


@FEW
@given(networks())
def test_what_sources_and_generators_give_is_drawn_or_lost(network: Network) -> None:
    flow = solved(network)
    nodal = Nodal(flow)
    assume(not nodal.partly_fed)
    v_v = nodal.of(flow)
    _, at_buses_va = nodal.injected_va(v_v)
    at_buses_va -= nodal.shunts_va(flow, v_v)
    scale_kw = 1.0 + abs(flow.source_kva)
    assert abs(flow.losses_kva.real - nodal.lost_kva(flow).real) < 1e-4 * scale_kw
    balance_kw = flow.source_kva.real + at_buses_va.real / 1e3 - flow.losses_kva.real
    assert abs(balance_kw) < 1e-5 * scale_kw
    assert flow.losses_kva.real >= -1e-6 * scale_kw


@FEW
@given(networks())
def test_opendss_answers_the_same(network: Network) -> None:
    ours, theirs = solved(network), solve_opendss(network, controls=False)
    assume(theirs.converged)
    assert apart_pu(ours, theirs) < 1e-5
    scale_kw = 1.0 + abs(theirs.source_kva)
    assert abs(ours.source_kva - theirs.source_kva) < 3e-4 * scale_kw
    assert abs(ours.losses_kva.real - theirs.losses_kva.real) < 1e-4 * scale_kw


@FEW
@given(networks(), st.randoms(use_true_random=False))
def test_the_order_of_elements_does_not_matter(network: Network, random: Any) -> None:
    changes = {}
    for key in network.GROUPS:
        changes[key] = tuple(random.sample(getattr(network, key), len(getattr(network, key))))
    mixed = network.with_(**changes)
    one, other = solved(network), solve_fbs(mixed, controls=False)
    assert other.converged
    back = [mixed.bus_index[bus.name] for bus in network.buses]
    same_order = PowerFlow(
        network, "fbs", other.v_v[back], other.present[back], True, 1, 0j, 0j
    )  # fmt: skip
    assert apart_pu(one, same_order) < 1e-6
    assert abs(one.source_kva - other.source_kva) < 1e-5 * (1.0 + abs(one.source_kva))


@FEW
@given(networks(), st.sampled_from((0.001, 0.1, 3.0)))
def test_voltage_times_k_and_power_times_k_squared_is_the_same_in_per_unit(
    network: Network, k: float
) -> None:
    """With impedances as they are: the same network in other units of voltage and power."""
    assert (
        apart_pu(solved(network), _in_other_units(solve_fbs(scaled(network, k), False), k)) < 1e-6
    )


def _in_other_units(flow: PowerFlow, k: float) -> PowerFlow:
    assert flow.converged
    bus = {one.name: {"v_nominal_v": one.v_nominal_v / k} for one in flow.network.buses}
    return PowerFlow(
        flow.network.with_(buses=bus), "fbs", flow.v_v / k, flow.present, True, 1, 0j, 0j
    )


def scaled(network: Network, k: float) -> Network:
    volts = ("v_nominal_v", "v_rated_v")
    powers = ("p_rated_kw", "q_rated_kvar", "q_kvar", "p_kw", "g_kw", "s_kva")
    changes: dict[str, Any] = {}
    for key in ("buses", "energy_sources", "consumers", "capacitors", "inverters", "ev_chargers",
                "machines"):  # fmt: skip
        changes[key] = {
            one.name: {f: getattr(one, f) * k for f in volts if hasattr(one, f)}
            | {f: getattr(one, f) * k * k for f in powers if hasattr(one, f)}
            for one in getattr(network, key)
        }
    changes["transformers"] = {
        one.name: {"ends": tuple(_scaled_end(end, k) for end in one.ends)}
        for one in network.transformers
    }
    return network.with_(**changes)


def _scaled_end(end: PowerTransformerEnd, k: float) -> PowerTransformerEnd:
    return end.model_copy(update={"v_rated_v": end.v_rated_v * k, "s_kva": end.s_kva * k * k})


@settings(max_examples=25)
@given(networks(meshed=False, controls=True))
def test_controls_that_settle_leave_every_measured_voltage_in_its_band(network: Network) -> None:
    flow = solved(network, controls=True)
    tapped = {one.name: one for one in network.transformers}
    for control in network.tap_controls:
        end = tapped[control.transformer].ends[1]
        changer, tap_pu = end.tap_changer, flow.taps_pu[f"{control.transformer}.2"]
        assert changer is not None
        steps = (tap_pu - changer.tap_min_pu) / changer.step_pu
        assert abs(steps - round(steps)) < 1e-6
        if control.ct_rated_a or tap_pu in (changer.tap_min_pu, changer.tap_max_pu):
            continue  # its relay sees another voltage; at its end it can do no more
        node = end.nodes[control.coil - 1]
        v_v = abs(flow.v_v[network.bus_index[end.bus], "ABCN".index(node)]) / control.pt_ratio
        if v_v > 0.0:
            half = control.band_v / 2.0
            step_v = changer.step_pu * end.coil_v / control.pt_ratio
            # within half a step of the band there is no whole step to take
            assert abs(v_v - control.v_set_v) <= half + max(0.0, step_v / 2.0 - half) + 1e-6


@FEW
@given(networks(), st.floats(0.5, 0.99))
def test_a_change_makes_a_new_network_and_leaves_the_old_one_as_it_was(
    network: Network, factor: float
) -> None:
    before, data = solved(network), network.model_dump()
    changed = network.with_(
        consumers={one.name: {"p_rated_kw": one.p_rated_kw * factor} for one in network.consumers}
    )
    assert changed.lines is network.lines
    assert changed.buses is network.buses
    assert solve_fbs(changed, controls=False).converged
    assert network.model_dump() == data
    again = solve_fbs(network, controls=False)
    assert again.v_v.tobytes() == before.v_v.tobytes()
