"""Grid former: settings of one grid-forming inverter, droop (REGFM_A1) or virtual machine.

Droop has the structure of WECC's REGFM_A1 (PNNL-32278), whose defaults stand here:

    w = w_set + mp (Pref - Pf) + limiter,     Pf = P / (1 + s TPf)
    Vcmd = Vref + mq (Qref - Qf),             E' = kiv (Vcmd - Vf)

with E behind RL + j XL (and a virtual impedance on top), power limits by proportional and
integral action without windup, and a limit of the current. The virtual machine replaces the
first line by a swing, 2 H w' = Pref - Pf + limiter / mp - (w - w_set) / mp.

Left out: transformer inrush, unbalance, the inner current control, saturation.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gridmodel.settings import Settings
from simulators.inverters.grid_forming import FrequencyShift

Array = NDArray[np.float64]
Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]

# Columns of the parameters.
S, MP, MQ, H, T_P, T_Q, T_V, KIV, E_MAX = range(9)
P_REF, Q_REF, V_REF, P_MAX, P_MIN, KPP, KIP, Q_MAX, I_MAX = range(9, 18)
G, B, R_LINE, X_LINE = range(18, 22)  # of source admittance and line, on the street's base
PARAMETERS = 22
# Columns of the state.
DELTA, PF, QF, VF, E, X_MAX, X_MIN, OMEGA, WORK = range(9)
STATES = 9


#: Below this a virtual machine is a droop, only slower to compute. [s]
LEAST_INERTIA_S = 0.01


class GridFormer(Settings):
    """One grid-forming inverter."""

    s_kva: Positive = Field(description="rating")
    droop_pu: Positive = Field(0.01, description="frequency droop at rated power, mp")
    voltage_droop_pu: NonNegative = Field(0.05, description="voltage droop at rated power, mq")
    inertia_s: NonNegative = Field(
        0.0, description="inertia constant H of a virtual machine; 0 is plain droop"
    )
    filter_s: Positive = Field(0.01, description="time constant of the power filters")
    voltage_filter_s: Positive = Field(0.01, description="time constant of the voltage filter")
    voltage_gain_per_s: Positive = Field(5.86, description="integral gain of voltage control, kiv")
    e_max_pu: Positive = Field(1.15, description="greatest inner voltage")
    p_ref_pu: Annotated[float, Ge(-1.0), Le(1.0)] = Field(0.0, description="power at nominal")
    q_ref_pu: Annotated[float, Ge(-1.0), Le(1.0)] = Field(
        0.0, description="reactive power at the reference voltage"
    )
    v_ref_pu: Positive = Field(1.0, description="reference voltage")
    p_max_pu: Annotated[float, Le(2.0)] = Field(0.9, description="power limit")
    p_min_pu: Annotated[float, Ge(-2.0)] = Field(-0.9, description="power limit, charging")
    limit_gain_pu: NonNegative = Field(0.01, description="proportional gain of the power limiter")
    limit_rate_pu_per_s: NonNegative = Field(0.1, description="its integral gain")
    q_max_pu: Positive = Field(0.44, description="reactive power that voltage droop goes up to")
    current_max_pu: Positive = Field(2.0, description="current limit")
    r_pu: NonNegative = Field(0.03, description="coupling resistance, RL")
    x_pu: Positive = Field(0.15, description="coupling reactance, XL")
    virtual_r_pu: NonNegative = Field(0.0, description="virtual resistance")
    virtual_x_pu: NonNegative = Field(0.0, description="virtual reactance")
    line_r_pu: NonNegative = Field(0.0, description="resistance to the street's bus")
    line_x_pu: NonNegative = Field(0.0, description="reactance to the street's bus")
    e_kwh: Positive | None = Field(None, description="energy of its battery; none: no end")
    shift: FrequencyShift | None = Field(None, description="frequency shift on state of charge")
    slew_hz_per_s: Positive = Field(1.0, description="greatest rate of the frequency set-point")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.p_min_pu >= self.p_max_pu:
            raise ValueError("p_min_pu < p_max_pu is asked for")
        if 0.0 < self.inertia_s < LEAST_INERTIA_S:
            raise ValueError(f"inertia_s is 0 or at least {LEAST_INERTIA_S:g}")
        return self

    @property
    def equivalent_inertia_s(self) -> float:
        """Inertia constant the street sees: H + T / (2 mp). [s]"""
        return self.inertia_s + self.filter_s / (2 * self.droop_pu)


def parameters(formers: tuple[GridFormer, ...], base_kva: float) -> Array:
    """Return the kernel's table, shape (n, PARAMETERS); impedances on the street's base."""
    table = np.zeros((len(formers), PARAMETERS))
    for row, one in zip(table, formers, strict=True):
        row[[S, MP, MQ, H]] = (
            one.s_kva / base_kva,
            one.droop_pu,
            one.voltage_droop_pu,
            one.inertia_s,
        )
        row[[T_P, T_Q, T_V]] = one.filter_s, one.filter_s, one.voltage_filter_s
        row[[KIV, E_MAX]] = one.voltage_gain_per_s, one.e_max_pu
        row[[P_REF, Q_REF, V_REF]] = one.p_ref_pu, one.q_ref_pu, one.v_ref_pu
        row[[P_MAX, P_MIN]] = one.p_max_pu, one.p_min_pu
        row[[KPP, KIP]] = one.limit_gain_pu, one.limit_rate_pu_per_s
        row[[Q_MAX, I_MAX]] = one.q_max_pu, one.current_max_pu
        share = one.s_kva / base_kva
        line = complex(one.line_r_pu, one.line_x_pu) / share
        source = complex(one.r_pu + one.virtual_r_pu, one.x_pu + one.virtual_x_pu) / share
        admittance = 1.0 / (source + line)
        row[[G, B]] = admittance.real, admittance.imag
        row[[R_LINE, X_LINE]] = line.real, line.imag
    return table
