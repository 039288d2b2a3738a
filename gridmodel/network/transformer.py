"""Transformer: windings on one core, or a bank of them, with taps.

The quantities are those of IEC 61970's ``PowerTransformerEnd`` and of a name plate:
percent on the rating of the first end. Zigzag windings and saturation are left out.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from gridmodel.network.element import (
    Connection,
    Element,
    Nodes,
    NonNegative,
    Positive,
    coils,
)
from gridmodel.settings import Settings


class RatioTapChanger(Settings):
    """The range of a tap changer."""

    tap_min_pu: Positive = Field(0.9, description="ratio at the lowest step")
    tap_max_pu: Positive = Field(1.1, description="ratio at the highest step")
    step_count: Annotated[int, Ge(1), Le(1000)] = Field(32, description="steps in between")

    @property
    def step_pu(self) -> float:
        """Change of ratio by one step. [pu]"""
        return (self.tap_max_pu - self.tap_min_pu) / self.step_count

    @model_validator(mode="after")
    def _range(self) -> RatioTapChanger:
        if self.tap_min_pu >= self.tap_max_pu:
            raise ValueError("tap_min_pu must be below tap_max_pu")
        return self


class PowerTransformerEnd(Settings):
    """One winding and where it is connected."""

    bus: str
    nodes: Nodes = Field(description="its terminals; of a wye the last is the star point")
    connection: Connection = Field("wye", description="of its phases")
    v_rated_v: Positive = Field(
        description="rated voltage: of one phase a coil's own, of two or three between phases"
    )
    s_kva: Positive = Field(description="rating of the whole end")
    r_percent: NonNegative = Field(0.0, description="resistance, on the first end's rating")
    tap_pu: Positive = Field(1.0, description="ratio the tap stands at")
    tap_changer: RatioTapChanger | None = Field(None, description="its tap changer")

    @model_validator(mode="after")
    def _terminals(self) -> PowerTransformerEnd:
        grounded = self.nodes.count("0")
        if len(set(self.nodes)) != len(self.nodes):
            raise ValueError(f"terminals '{self.nodes}' must differ from each other")
        if len(self.nodes) < 2:
            raise ValueError("a winding has at least two terminals; one of a wye is its star point")
        if self.connection == "delta" and len(self.nodes) > 2 and grounded:
            raise ValueError("a delta of several phases has no terminal in the earth")
        return self

    @property
    def coil_count(self) -> int:
        """Number of its phases."""
        return len(coils(self.nodes, self.connection))

    @property
    def coil_v(self) -> float:
        """Rated voltage of one coil. [V]"""
        if self.connection == "wye" and self.coil_count > 1:
            return self.v_rated_v / 3**0.5
        return float(self.v_rated_v)


class PowerTransformer(Element):
    """Two or three windings; single-phase ones side by side make a bank.

    ``x_percent`` are the leakage reactances between the ends 1-2, 1-3 and 2-3, on the
    rating of the first.
    """

    ends: tuple[PowerTransformerEnd, ...] = Field(description="its windings, the feeding one first")
    x_percent: tuple[float, ...] = Field(description="leakage reactance of each pair of ends")
    no_load_loss_percent: NonNegative = Field(0.0, description="loss in the core")
    magnetizing_percent: NonNegative = Field(0.0, description="magnetising current")
    lead: bool = Field(
        False, description="between wye and delta, the lower voltage leads by 30 deg (clock 11)"
    )
    antifloat_ppm: NonNegative = Field(
        1.0,
        description="reactance of each terminal to earth, millionths of the rating: gives a "
        "floating delta a voltage to earth",
    )

    @model_validator(mode="after")
    def _windings(self) -> PowerTransformer:
        count = len(self.ends)
        if count not in (2, 3):
            raise ValueError(f"a transformer has 2 or 3 ends, not {count}")
        if len(self.x_percent) != count * (count - 1) // 2:
            raise ValueError(f"x_percent needs {count * (count - 1) // 2} values")
        if any(x == 0.0 for x in self.x_percent[:1]):
            raise ValueError("x_percent cannot be 0: every transformer leaks")
        if len({end.coil_count for end in self.ends}) > 1:
            raise ValueError("its ends have different numbers of phases")
        return self

    def end_coils(self, k: int) -> tuple[tuple[str, str], ...]:
        """Return the pairs of nodes of an end's coils, delta shifts seen to.

        Between a wye and a delta the lower voltage lags by 30 degrees (clock 1), or leads.
        """
        end = self.ends[k]
        mixed = len({e.connection for e in self.ends}) > 1
        turned = mixed and (k == self._highest()) != self.lead
        return coils(end.nodes, end.connection, turned)

    def _highest(self) -> int:
        return max(range(len(self.ends)), key=lambda k: (self.ends[k].v_rated_v, -k))
