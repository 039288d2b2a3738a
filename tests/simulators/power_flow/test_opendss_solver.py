"""OpenDSS on a network we read answers as OpenDSS on the script it came from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.equipment import EnergySource
from gridmodel.network.network import Bus, Network
from simulators.power_flow.opendss import solve_opendss
from tests.gridmodel.ingest.opendss_feeders import (
    FEEDERS,
    at_taps_of,
    feeder,
    master,
    original,
    worst_pu,
)

#: ../shared/data/ieee-feeders/README.md and its neighbours: measured with OpenDSSDirect.py
#: 0.9.4 on the masters as they stand, controls on, at OpenDSS's usual tolerance of 1e-4.
GOLDEN = {
    # name: buses, nodes, loads, feeder kW, losses kW, lowest and highest voltage in pu
    "13": (16, 41, 15, 3567.05, 112.392, 0.9608, 1.0560),
    "34 mod 1": (37, 95, 68, 2047.04, 273.507, 0.9231, 1.0500),
    "34 mod 2": (56, 138, 38, 2047.03, 273.555, 0.9172, 1.0500),
    "123": (132, 278, 91, 3615.24, 95.977, 0.9792, 1.0500),
    "4 YY": (4, 12, 1, 5969.20, 569.212, 0.7984, 1.0000),
    "4 DY": (4, 12, 1, 5969.00, 569.013, 0.7992, 1.0000),
    "4 YD": (4, 13, 1, 5967.63, 567.687, 0.7822, 1.0000),
    "4 open-Y open-D": (4, 12, 3, 4020.89, 387.771, 0.7071, 1.0157),
    "European LV": (907, 2721, 55, 58.99, 0.880, 1.0264, 1.0495),
    "SMART-DS": (476, 851, 188, 2581.61, 66.205, 0.9486, 1.0300),
    "J1": (3434, 4245, 1385, 11581.06, 469.297, 0.9649, 1.0399),
    "J1 with PV": (3434, 4245, 1385, 9692.52, 335.566, 0.9679, 1.0414),
    "ckt7": (1255, 2452, 906, 76524.73, 230.273, 0.8797, 0.9694),
}


@pytest.mark.parametrize("name", FEEDERS)
def test_a_feeder_we_read_has_the_voltages_losses_and_taps_of_its_script(name: str) -> None:
    truth, network = original(master(name)), feeder(name)
    controlled = solve_opendss(network)
    assert not controlled.troubles
    for end, tap_pu in controlled.taps_pu.items():
        assert tap_pu == pytest.approx(truth.taps_pu[end], abs=1e-12), end
    assert controlled.sections_on == truth.sections_on
    frozen = solve_opendss(at_taps_of(network, truth), controls=False)
    for flow in (controlled, frozen):
        assert flow.converged
        assert worst_pu(flow, truth) < 1e-6
        assert flow.losses_kva.real == pytest.approx(truth.losses_kva.real, rel=1e-5)
        assert flow.source_kva == pytest.approx(truth.source_kva, rel=1e-5)


@pytest.mark.parametrize("name", [one for one in FEEDERS if one.id in GOLDEN])
def test_a_feeder_answers_the_figures_of_its_readme(name: str) -> None:
    buses, nodes, loads, feeder_kw, losses_kw, lowest, highest = GOLDEN[name]
    network = feeder(name)
    flow = solve_opendss(network)
    vm = flow.vm_pu[:, :3][flow.present[:, :3]]
    assert (len(network.buses), int(flow.present.sum()), len(network.consumers)) == (
        buses,
        nodes,
        loads,
    )
    assert flow.source_kva.real == pytest.approx(feeder_kw, rel=1e-4)
    assert flow.losses_kva.real == pytest.approx(losses_kw, rel=5e-4)
    assert vm.min() == pytest.approx(lowest, abs=1.5e-4)
    assert vm.max() == pytest.approx(highest, abs=1.5e-4)


def thirteen() -> Network:
    return feeder("13")


def test_without_controls_taps_and_capacitors_stay_as_the_network_says() -> None:
    network = thirteen()
    flow = solve_opendss(network, controls=False)
    assert flow.taps_pu == {"reg1.2": 1.0, "reg2.2": 1.0, "reg3.2": 1.0}
    assert flow.sections_on == {"cap1": 1, "cap2": 1}
    settled = {"reg1.2": 1.05625, "reg2.2": 1.0375, "reg3.2": 1.05625}  # steps 9, 6, 9
    assert solve_opendss(network).taps_pu == pytest.approx(settled)


def test_controls_that_do_not_settle_are_a_trouble_with_the_usual_causes() -> None:
    flow = solve_opendss(thirteen(), most_control_iterations=2)  # OpenDSS: error 485
    assert not flow.converged
    assert "controls did not settle in 2 rounds" in str(flow.troubles[0])
    assert "bands narrower than a tap step" in flow.troubles[0].advice
    assert flow.vm_pu.max() > 0.9  # what there is of an answer is given


@pytest.mark.parametrize("p_kw", [1.5e4, 1e6])
def test_too_much_load_answers_bus_island_residual_and_causes_and_never_nan(p_kw: float) -> None:
    network = thirteen().with_(consumers={"671": {"p_rated_kw": p_kw, "v_min_pu": 0.0}})
    flow = solve_opendss(network)
    assert not flow.converged
    (trouble,) = flow.troubles
    assert re.fullmatch(r"island fed by 'source', bus \w+, phase [ABC]", trouble.where)
    assert "did not converge in 100 iterations" in trouble.problem
    assert "more load than the feeder can carry" in trouble.advice
    assert trouble.residuals_pu[0] > 1e-6
    assert np.isfinite(flow.v_v).all()
    assert np.isfinite([flow.losses_kva, flow.source_kva]).all()


def test_a_network_without_a_source_is_a_trouble() -> None:
    flow = solve_opendss(thirteen().with_(energy_sources=()))
    assert not flow.converged
    assert "has no source" in str(flow.troubles[0])


def test_a_line_without_impedance_is_a_trouble_that_names_it() -> None:
    none = ((0.0,),)
    network = Network(
        name="short",
        buses=tuple(Bus(name=name, v_nominal_v=400.0) for name in "ab"),
        energy_sources=(EnergySource(name="grid", bus="a", nodes="A", v_nominal_v=400.0),),
        impedances=(PerLengthPhaseImpedance(name="nil", r_ohm_per_km=none, x_ohm_per_km=none),),
        lines=(
            ACLineSegment(
                name="tie", bus_from="a", bus_to="b", phases="A", length_km=1.0, impedance="nil"
            ),
        ),
    )
    flow = solve_opendss(network)
    assert not flow.converged
    assert 'Line "tie"' in str(flow.troubles[0])


def test_what_no_source_reaches_is_left_out_and_the_rest_is_solved() -> None:
    network = thirteen().with_(switches={"671692": {"open": True}})
    flow = solve_opendss(network)
    row = network.bus_index
    assert flow.converged
    assert not flow.present[row["675"]].any()
    assert not flow.v_v[row["692"]].any()
    assert flow.present[row["671"], :3].all()
    assert flow.source_kva.real == pytest.approx(2508.12, abs=0.01)


def test_a_dead_island_of_lines_alone_does_not_make_the_matrix_singular() -> None:
    square = tuple(tuple(0.3 if i == j else 0.0 for j in range(3)) for i in range(3))
    kind = PerLengthPhaseImpedance(name="k", r_ohm_per_km=square, x_ohm_per_km=square)
    network = Network(
        name="two",
        buses=tuple(Bus(name=name, v_nominal_v=400.0) for name in "sabc"),
        energy_sources=(EnergySource(name="grid", bus="s", v_nominal_v=400.0),),
        impedances=(kind,),
        lines=tuple(
            ACLineSegment(
                name=a + b, bus_from=a, bus_to=b, phases="ABC", length_km=1.0, impedance="k"
            )
            for a, b in ("sa", "bc")
        ),
    )
    flow = solve_opendss(network)
    assert flow.converged
    assert flow.present.any(axis=1).tolist() == [True, True, False, False]
    assert flow.vm_pu[1, :3] == pytest.approx([1.0, 1.0, 1.0])


def test_a_50_hz_feeder_leaves_nothing_behind_for_a_60_hz_one() -> None:
    before = solve_opendss(thirteen())
    european = feeder("European LV")
    assert european.f_nominal_hz == 50.0
    solve_opendss(european)
    after = solve_opendss(thirteen())
    assert after.network.f_nominal_hz == 60.0
    assert (after.v_v == before.v_v).all()


def test_names_that_opendss_cannot_tell_apart_come_back_as_ours(tmp_path: Path) -> None:
    square = ((0.3,),)
    kind = PerLengthPhaseImpedance(name="a kind", r_ohm_per_km=square, x_ohm_per_km=square)
    names = ("Grid", "bus 1.5", "BUS 1.5", "grid")
    network = Network(
        name="my network",
        buses=tuple(Bus(name=name, v_nominal_v=400.0) for name in names),
        energy_sources=(EnergySource(name="source", bus="Grid", v_nominal_v=400.0),),
        impedances=(kind,),
        lines=tuple(
            ACLineSegment(
                name=name, bus_from=a, bus_to=b, phases="A", length_km=1.0, impedance="a kind"
            )
            for name, a, b in zip(("x y", "X Y", "x_y"), names, names[1:], strict=False)
        ),
    )
    flow = solve_opendss(network)
    assert flow.converged
    assert list(flow.as_json()["buses"]) == list(names)
    assert flow.vm_pu[:, 0] == pytest.approx([1.0] * 4)
