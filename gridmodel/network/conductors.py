"""Conductors: lines, switches and whatever else current flows through between two buses."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from gridmodel.network.element import Element, NonNegative, Phases, Positive

Matrix = tuple[tuple[float, ...], ...]

SwitchKind = Literal[
    "breaker", "disconnector", "fuse", "load_break_switch", "recloser", "sectionaliser", "switch"
]


class PerLengthPhaseImpedance(Element):
    """A kind of line: its phase matrices, in the order of its conductors.

    The matrices hold at the network's nominal frequency and are symmetric.
    """

    r_ohm_per_km: Matrix = Field(description="series resistance, one row a conductor")
    x_ohm_per_km: Matrix = Field(description="series reactance")
    c_nf_per_km: Matrix = Field((), description="shunt capacitance (Maxwell); none if left out")
    ampacity_a: NonNegative = Field(0.0, description="continuous current; 0: not known")

    @model_validator(mode="after")
    def _square(self) -> PerLengthPhaseImpedance:
        size = len(self.r_ohm_per_km)
        for key in ("r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km"):
            matrix: Matrix = getattr(self, key)
            if key == "c_nf_per_km" and not matrix:
                continue
            if len(matrix) != size or any(len(row) != size for row in matrix):
                raise ValueError(f"{key} must be a {size} x {size} matrix")
            pairs = ((matrix[i][j], matrix[j][i]) for i in range(size) for j in range(i))
            if any(abs(a - b) > 1e-6 * (abs(a) + abs(b)) for a, b in pairs):
                raise ValueError(f"{key} must be symmetric")
        if any(self.r_ohm_per_km[k][k] < 0.0 for k in range(size)):
            raise ValueError("a resistance cannot be negative")
        # Printed matrices are rounded: a thousandth of the whole is none.
        r_ohm = np.array(self.r_ohm_per_km)
        if size > 1 and np.linalg.eigvalsh(r_ohm).min() < -1e-3 * np.trace(r_ohm):
            text = "its resistances are negative together: those between phases are too large"
            raise ValueError(text)
        return self


class Conductor(Element):
    """Equipment between two buses, phase by phase."""

    bus_from: str
    bus_to: str
    phases: Phases = Field(description="its conductors, in the order of its matrices")
    phases_to: Phases | None = Field(
        None, description="the phases they come to at the far end, if others (a transposition)"
    )

    @model_validator(mode="after")
    def _ends(self) -> Conductor:
        if self.bus_from == self.bus_to:
            raise ValueError(f"both ends are at bus '{self.bus_from}'")
        for phases in (self.phases, self.phases_to or self.phases):
            if len(set(phases)) != len(phases) or len(phases) != len(self.phases):
                raise ValueError(f"phases '{phases}' must be {len(self.phases)} different ones")
        return self


class ACLineSegment(Conductor):
    """A length of line or cable."""

    length_km: Positive
    impedance: str = Field(description="name of its per-length impedance")
    ampacity_a: NonNegative = Field(0.0, description="continuous current; 0: its kind's")


class Switch(Conductor):
    """A switch, breaker or fuse; open, it is not there."""

    kind: SwitchKind = Field("switch", description="what it is")
    open: bool = Field(False, description="whether no current can flow")
    r_ohm: NonNegative = Field(1e-4, description="resistance of a closed phase")
    x_ohm: NonNegative = Field(0.0, description="reactance of a closed phase")
    ampacity_a: NonNegative = Field(0.0, description="continuous current; 0: not known")


class SeriesCompensator(Conductor):
    """A reactor or capacitor in series, phases not coupled."""

    r_ohm: NonNegative = Field(description="resistance of a phase")
    x_ohm: float = Field(description="reactance of a phase, negative for a capacitor")
    ampacity_a: NonNegative = Field(0.0, description="continuous current; 0: not known")
