"""The sweep beside power-grid-model: another hand's Newton-Raphson, three phases.

It has lines by sequence impedances and loads from phase to earth; so has the network here:
a small street, each phase loaded otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.equipment import (
    EnergyConsumer,
    EnergySource,
    LoadResponseCharacteristic,
)
from gridmodel.network.network import Bus, Network
from simulators.power_flow.fbs import solve_fbs

pgm = pytest.importorskip("power_grid_model")

V_V, SK_VA = 10500.0, 3.0e8
R1, X1, R0, X0, C1, C0 = 0.3, 0.35, 0.6, 1.1, 10.0e-9, 8.0e-9
LAWS = (
    LoadResponseCharacteristic(),
    LoadResponseCharacteristic(p_zip_pu=(1.0, 0.0, 0.0), q_zip_pu=(1.0, 0.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.0, 1.0, 0.0), q_zip_pu=(0.0, 1.0, 0.0)),
)
KINDS = (0, 1, 2)  # const_power, const_impedance, const_current

Street = list[tuple[int, float, tuple[float, ...], tuple[float, ...], int]]


@st.composite
def streets(draw: st.DrawFn) -> Street:
    """Draw one more bus after another: above it, km, kW and kvar a phase, law."""
    found = []
    for k in range(draw(st.integers(1, 8))):
        kw = tuple(draw(st.integers(0, 300)) * 1.0 for _ in "ABC")
        kvar = tuple(draw(st.integers(-50, 100)) * 1.0 for _ in "ABC")
        km = draw(st.integers(1, 20)) / 10.0
        found.append((draw(st.integers(0, k)), km, kw, kvar, draw(st.integers(0, 2))))
    return found


def matrix(one: float, zero: float) -> tuple[tuple[float, ...], ...]:
    own, other = (zero + 2.0 * one) / 3.0, (zero - one) / 3.0
    return tuple(tuple(own if i == j else other for j in range(3)) for i in range(3))


def network(street: Street) -> Network:
    x_source = V_V**2 / SK_VA / (1.0 + 0.1**2) ** 0.5
    source = EnergySource(
        name="grid", bus="b0", v_nominal_v=V_V, r1_ohm=0.1 * x_source, x1_ohm=x_source,
        r0_ohm=0.1 * x_source, x0_ohm=x_source,
    )  # fmt: skip
    kind = PerLengthPhaseImpedance(
        name="line", r_ohm_per_km=matrix(R1, R0), x_ohm_per_km=matrix(X1, X0),
        c_nf_per_km=matrix(C1 * 1e9, C0 * 1e9),
    )  # fmt: skip
    return Network(
        name="street", f_nominal_hz=50.0,
        buses=tuple(Bus(name=f"b{k}", v_nominal_v=V_V) for k in range(len(street) + 1)),
        energy_sources=(source,), impedances=(kind,),
        lines=tuple(
            ACLineSegment(
                name=f"l{k}", bus_from=f"b{above}", bus_to=f"b{k + 1}", phases="ABC",
                length_km=km, impedance="line",
            )
            for k, (above, km, *_) in enumerate(street)
        ),
        consumers=tuple(
            EnergyConsumer(
                name=f"c{k}{phase}", bus=f"b{k + 1}", nodes=f"{phase}0", v_rated_v=V_V / 3**0.5,
                p_rated_kw=kw[n], q_rated_kvar=kvar[n], response=LAWS[law],
            )
            for k, (_, _, kw, kvar, law) in enumerate(street) for n, phase in enumerate("ABC")
        ),
    )  # fmt: skip


def rows(kind: str, count: int, **columns: Any) -> Any:
    made = pgm.initialize_array("input", kind, count)
    for name, values in columns.items():
        made[name] = values
    return made


def theirs(street: Street) -> Any:
    count = len(street)
    at = np.arange(count)
    data = {
        "node": rows("node", count + 1, id=np.arange(count + 1), u_rated=V_V),
        "source": rows(
            "source", 1, id=1000, node=0, status=1, u_ref=1.0, sk=SK_VA, rx_ratio=0.1,
            z01_ratio=1.0,
        ),
        "line": rows(
            "line", count, id=2000 + at, from_node=[above for above, *_ in street],
            to_node=at + 1, from_status=1, to_status=1, i_n=1e3, tan1=0.0, tan0=0.0,
            **{
                key: [value * km for _, km, *_ in street]
                for key, value in (
                    ("r1", R1), ("x1", X1), ("r0", R0), ("x0", X0), ("c1", C1), ("c0", C0)
                )
            },
        ),
        "asym_load": rows(
            "asym_load", count, id=3000 + at, node=at + 1, status=1,
            type=[KINDS[law] for *_, law in street],
            p_specified=[[1e3 * p for p in kw] for _, _, kw, _, _ in street],
            q_specified=[[1e3 * q for q in kvar] for _, _, _, kvar, _ in street],
        ),
    }  # fmt: skip
    model = pgm.PowerGridModel(data, system_frequency=50.0)
    return model.calculate_power_flow(symmetric=False, error_tolerance=1e-10, max_iterations=50)


@settings(max_examples=40)
@given(streets())
def test_a_street_with_unlike_phases_has_the_voltages_and_losses_of_power_grid_model(
    street: Street,
) -> None:
    flow, other = solve_fbs(network(street), tolerance_pu=1e-11), theirs(street)
    assert flow.converged
    v_v = flow.v_v[:, :3] / (V_V / 3**0.5)
    np.testing.assert_allclose(
        v_v, other["node"]["u_pu"] * np.exp(1j * other["node"]["u_angle"]), rtol=0.0, atol=1e-8
    )
    lost_kw = (other["line"]["p_from"] + other["line"]["p_to"]).sum() / 1e3
    assert flow.losses_kva.real == pytest.approx(lost_kw, rel=1e-6, abs=1e-6)
    drawn_kva = other["source"]["p"].sum() + 1j * other["source"]["q"].sum()
    assert flow.source_kva == pytest.approx(drawn_kva / 1e3, rel=1e-6, abs=1e-4)
