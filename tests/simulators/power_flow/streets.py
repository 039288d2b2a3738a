"""A street behind a regulator, small enough to work out what it does."""

from __future__ import annotations

from gridmodel.network.conductors import ACLineSegment, PerLengthPhaseImpedance
from gridmodel.network.controls import TapChangerControl
from gridmodel.network.equipment import EnergyConsumer, EnergySource
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import (
    PowerTransformer,
    PowerTransformerEnd,
    RatioTapChanger,
)

V_V = 12470.0


def regulated_street(rival_v: float = 0.0) -> Network:
    """Return source, line, a regulator of 0.75 V steps on its relay, and a load in each phase.

    Parameters
    ----------
    rival_v : float
        Set-point of a second relay on the same tap changer, if not 0. [V]
    """
    base_v = V_V / 3**0.5
    unit = PowerTransformer(
        name="regulator",
        ends=(
            PowerTransformerEnd(bus="gate", nodes="ABC0", v_rated_v=V_V, s_kva=5000.0),
            PowerTransformerEnd(
                bus="street", nodes="ABC0", v_rated_v=V_V, s_kva=5000.0,
                tap_changer=RatioTapChanger(),
            ),
        ),
        x_percent=(1.0,),
    )  # fmt: skip
    size = range(3)
    kind = PerLengthPhaseImpedance(
        name="line",
        r_ohm_per_km=tuple(tuple(0.4 if i == j else 0.1 for j in size) for i in size),
        x_ohm_per_km=tuple(tuple(0.8 if i == j else 0.3 for j in size) for i in size),
    )
    return Network(
        name="regulated street",
        buses=tuple(Bus(name=name, v_nominal_v=V_V) for name in ("root", "gate", "street", "end")),
        energy_sources=(EnergySource(name="grid", bus="root", v_nominal_v=V_V),),
        impedances=(kind,),
        lines=tuple(
            ACLineSegment(
                name=f"to_{b}", bus_from=a, bus_to=b, phases="ABC", length_km=km, impedance="line"
            )
            for a, b, km in (("root", "gate", 8.0), ("street", "end", 2.0))
        ),
        transformers=(unit,),
        consumers=tuple(
            EnergyConsumer(
                name=f"load_{phase}", bus="end", nodes=f"{phase}0", v_rated_v=base_v,
                p_rated_kw=kw, q_rated_kvar=kw / 3.0,
            )
            for phase, kw in (("A", 500.0), ("B", 400.0), ("C", 450.0))
        ),
        tap_controls=tuple(
            TapChangerControl(
                name=f"relay_{v_set_v:g}", transformer="regulator", v_set_v=v_set_v, band_v=2.0,
                pt_ratio=base_v / 120.0,
            )
            for v_set_v in (120.0, rival_v) if v_set_v
        ),
    )  # fmt: skip
