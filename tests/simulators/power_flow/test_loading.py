"""Loading of lines and transformers: what a hand calculation gives."""

from __future__ import annotations

from math import pi

import pytest

from gridmodel.ingest.read import read_any
from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.equipment import EnergyConsumer, EnergySource
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd
from simulators.power_flow.loading import loadings_pu
from simulators.power_flow.opendss import solve_opendss
from tests.conftest import ROOT

DIAGONAL = ((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, 0.1))


def end(bus: str, v_v: float) -> PowerTransformerEnd:
    return PowerTransformerEnd(bus=bus, nodes="ABC0", v_rated_v=v_v, s_kva=200.0, r_percent=0.5)


@pytest.fixture(scope="module")
def flow():
    """100 kVA behind a transformer of 200 kVA and a cable of 200 A, at 400 V."""
    return solve_opendss(
        Network(
            name="one",
            buses=(
                Bus(name="high", v_nominal_v=10_000.0),
                Bus(name="low", v_nominal_v=400.0),
                Bus(name="end", v_nominal_v=400.0),
            ),
            energy_sources=(EnergySource(name="grid", bus="high", v_nominal_v=10_000.0),),
            impedances=(
                PerLengthPhaseImpedance(
                    name="cable", r_ohm_per_km=DIAGONAL, x_ohm_per_km=DIAGONAL, ampacity_a=200.0
                ),
                PerLengthPhaseImpedance(name="bare", r_ohm_per_km=DIAGONAL, x_ohm_per_km=DIAGONAL),
            ),
            lines=(
                ACLineSegment(name="rated", bus_from="low", bus_to="end", phases="ABC",
                              length_km=0.01, impedance="cable"),
            ),
            transformers=(
                PowerTransformer(name="t", ends=(end("high", 10_000.0), end("low", 400.0)),
                                 x_percent=(4.0,)),
            ),
            consumers=(
                EnergyConsumer(name="load", bus="end", v_rated_v=400.0, p_rated_kw=80.0,
                               q_rated_kvar=60.0),
            ),
        )
    )  # fmt: skip


def test_a_line_carries_its_current_and_a_transformer_its_power(flow):
    loading = loadings_pu(flow)
    v_v = abs(flow.v_v[2, 0])
    assert loading["lines", "rated"] == pytest.approx(100e3 / 3 / v_v / 200.0, rel=1e-4)
    # at its first end: the load with the losses of cable and transformer
    assert loading["transformers", "t"] == pytest.approx(abs(flow.source_kva) / 200.0, rel=1e-4)
    assert loading["transformers", "t"] > 0.5


def test_an_unloaded_cable_carries_its_charging_current(flow):
    """At its first end: omega C U of its whole length."""
    c_nf = tuple(tuple(300.0 * (i == j) for j in range(3)) for i in range(3))
    cable = flow.network.with_(
        impedances={"cable": {"c_nf_per_km": c_nf}},
        lines={"rated": {"length_km": 20.0}},
        consumers={"load": {"p_rated_kw": 0.0, "q_rated_kvar": 0.0}},
    )
    solved = solve_opendss(cable)
    charging_a = 2 * pi * 60.0 * 300e-9 * 20.0 * abs(solved.v_v[1, 0])
    assert loadings_pu(solved)["lines", "rated"] == pytest.approx(charging_a / 200.0, rel=3e-3)


def test_what_has_no_rating_has_no_loading(flow):
    bare = flow.network.with_(lines={"rated": {"impedance": "bare"}})
    assert set(loadings_pu(solve_opendss(bare))) == {("transformers", "t")}


def test_a_regulator_carries_what_its_phase_does_at_the_tap_it_stands_at():
    network, _ = read_any(ROOT / "scenarios" / "feeders" / "village.json")
    flow = solve_opendss(network)
    loading = loadings_pu(flow)
    through = sum(loading["transformers", f"regulator_{phase}"] for phase in "abc") * 2000.0
    assert through == pytest.approx(abs(flow.source_kva), rel=0.02)
    assert 0.9 < loading["transformers", "lane_transformer"] < 1.1
