"""Neutrals that are earthed somewhere, at several places, or nowhere, beside OpenDSS."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.equipment import EnergyConsumer, EnergySource, GroundingImpedance
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd
from simulators.power_flow.fbs import solve_fbs
from simulators.power_flow.opendss import solve_opendss

Earthings = tuple[tuple[str, str, float], ...]


def matrix(own: float, other: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(own if i == j else other for j in range(4)) for i in range(4))


def street(earthings: Earthings) -> Network:
    """Return a Dyn transformer at b and cables b - c - d of four conductors, unlike loads."""
    volts = (("a", 1e4), ("b", 400.0), ("c", 400.0), ("d", 400.0))
    high = PowerTransformerEnd(
        bus="a", nodes="ABC", connection="delta", v_rated_v=1e4, s_kva=100.0, r_percent=0.5
    )
    low = PowerTransformerEnd(bus="b", nodes="ABCN", v_rated_v=400.0, s_kva=100.0, r_percent=0.5)
    cable = PerLengthPhaseImpedance(
        name="cable", r_ohm_per_km=matrix(0.4, 0.05), x_ohm_per_km=matrix(0.8, 0.4)
    )
    return Network(
        name="street",
        buses=tuple(Bus(name=name, v_nominal_v=v) for name, v in volts),
        energy_sources=(
            EnergySource(name="grid", bus="a", v_nominal_v=1e4, x1_ohm=0.5, x0_ohm=0.5),
        ),
        impedances=(cable,),
        transformers=(PowerTransformer(name="station", ends=(high, low), x_percent=(4.0,)),),
        lines=tuple(
            ACLineSegment(
                name=f"{one}{other}", bus_from=one, bus_to=other, phases="ABCN",
                length_km=0.2, impedance="cable",
            )
            for one, other in ("bc", "cd")
        ),
        consumers=(
            EnergyConsumer(name="one", bus="d", nodes="AN", v_rated_v=231.0, p_rated_kw=15.0),
            EnergyConsumer(name="two", bus="c", nodes="BN", v_rated_v=231.0, p_rated_kw=5.0),
        ),
        groundings=tuple(
            GroundingImpedance(name=f"earth_{bus}{node}", bus=bus, node=node, r_ohm=r_ohm)
            for bus, node, r_ohm in earthings
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    "earthings",
    [
        (("b", "N", 1.0),),  # the star point
        (("b", "N", 0.0),),  # solidly
        (("b", "N", 1.0), ("d", "N", 1.0)),  # and the far end: some current goes through the earth
        (("b", "N", 1.0), ("c", "N", 10.0), ("d", "N", 10.0)),  # all along
        (("d", "N", 2.0),),  # the far end alone
        (("b", "N", 1.0), ("d", "B", 20.0)),  # a phase on the ground
    ],
    ids=lambda earthings: "+".join(f"{bus}{node}{r:g}" for bus, node, r in earthings),
)
def test_a_neutral_has_opendss_voltage_wherever_it_is_earthed(earthings: Earthings) -> None:
    network = street(earthings)
    ours, theirs = solve_fbs(network), solve_opendss(network)
    assert ours.converged
    assert theirs.converged
    base = np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5
    np.testing.assert_allclose(ours.v_v / base, theirs.v_v / base, rtol=0.0, atol=1e-6)
    assert ours.losses_kva.real == pytest.approx(theirs.losses_kva.real, rel=1e-4)


def test_an_earthing_at_the_end_takes_current_out_of_the_neutral() -> None:
    alone, both = (
        solve_fbs(street(earthings))
        for earthings in ((("b", "N", 1.0),), (("b", "N", 1.0), ("d", "N", 1.0)))
    )
    assert abs(both.v_v[3, 3]) < 0.6 * abs(alone.v_v[3, 3])
    assert abs(both.v_v[1, 3]) > 1.0 > abs(alone.v_v[1, 3])


def test_a_grounding_transformer_at_a_weak_source_has_an_answer() -> None:
    """YNd at the head of a feeder carries the earth current that the source does not."""
    star = PowerTransformerEnd(bus="a", nodes="ABC0", v_rated_v=2e4, s_kva=2000.0)
    delta = PowerTransformerEnd(
        bus="b", nodes="ABC", connection="delta", v_rated_v=400.0, s_kva=2000.0
    )
    network = Network(
        name="head",
        buses=(Bus(name="a", v_nominal_v=2e4), Bus(name="b", v_nominal_v=400.0)),
        energy_sources=(
            EnergySource(name="grid", bus="a", v_nominal_v=2e4, x1_ohm=0.5, x0_ohm=32.0),
        ),
        transformers=(PowerTransformer(name="earthing", ends=(star, delta), x_percent=(6.0,)),),
        consumers=(
            EnergyConsumer(name="one", bus="a", nodes="A0", v_rated_v=11547.0, p_rated_kw=300.0),
        ),
    )
    ours, theirs = solve_fbs(network), solve_opendss(network)
    assert ours.converged
    assert theirs.converged
    np.testing.assert_allclose(ours.v_v[0, :3], theirs.v_v[0, :3], rtol=1e-6)
    assert ours.source_kva == pytest.approx(theirs.source_kva, rel=1e-4)
    assert ours.losses_kva == pytest.approx(theirs.losses_kva, rel=1e-4)
