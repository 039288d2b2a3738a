"""Photovoltaics: the power the panels of a street offer their inverters, at 1 s.

The quarter-hour profile is made continuous and given a small flicker, both of which
keep its energy; clouds that an event brings multiply it. What the inverters make of the
offer is the island's business.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.ingest.profiles import Profiles, read_profiles
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds
from simulators.devices import synthesis


class PhotovoltaicsConfig(Settings):
    """What the panels offer."""

    profiles: str = Field(description="Parquet file with the quarter-hour profiles")
    period_s: Annotated[float, Gt(0.0), Le(900.0)] = Field(1.0, description="step")
    scale_pu: Annotated[float, Ge(0.0), Le(10.0)] = Field(
        1.0, description="multiplies every plant's profile"
    )
    flicker_pu: Annotated[float, Ge(0.0), Le(1.0)] = Field(
        0.02, description="spread of the 1 s factor, as a logarithm"
    )
    flicker_tau_s: Annotated[float, Gt(0.0)] = Field(
        30.0, description="correlation time of the 1 s factor"
    )


class Photovoltaics(Federate):
    """All PV plants of the network as one array."""

    Config = PhotovoltaicsConfig
    needs_network = True
    dynamic = ("_rng", "_flicker", "_block", "_offer", "_offered_kwh", "_dark")

    def __init__(
        self, config: PhotovoltaicsConfig, context: BuildContext, profiles: Profiles
    ) -> None:
        assert context.network is not None
        plants = context.network.photovoltaics
        names = context.network.pv_names
        self.period_us = microseconds(config.period_s)
        self._per_block = round(profiles.step_s / config.period_s)
        self._hours = config.period_s / 3600.0
        self._rows_before = round(context.start_utc_s % profiles.step_s / config.period_s)
        rated = config.scale_pu * np.array([plant.s_kva for plant in plants])
        per_unit = np.array([profiles.values[f"{plant.profile}_p_pu"] for plant in plants])
        self._p_kw = rated[:, None] * per_unit.reshape(len(plants), -1)
        self._rng = context.generator()
        self._flicker = synthesis.Flicker(
            np.full(len(plants), config.flicker_pu), np.full(len(plants), config.flicker_tau_s)
        )
        self._block = -1
        self._offer = np.zeros((self._per_block, len(plants)))
        self._offered_kwh = 0.0
        self._dark = False
        self._ones = np.ones(len(plants))
        self.inputs = (
            Signal("transmission_pu", initial=1.0, about="part of the clear sky's light"),
        )
        self.outputs = (
            Signal("p_available_kw", (len(plants),), labels=names, about="power on offer"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Read the profiles of the network's plants."""
        assert context.network is not None
        names = [f"{plant.profile}_p_pu" for plant in context.network.photovoltaics]
        profiles = read_profiles(
            context.file("profiles", config.profiles),
            names,
            context.start_utc_s,
            context.duration_us / US_PER_S,
        )
        return cls(config, context, profiles)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Offer this second's power."""
        block, row = divmod(t_us // self.period_us + self._rows_before, self._per_block)
        if block != self._block:
            self._synthesise(block)
        offer = self._offer[row] * inputs["transmission_pu"]
        total_kw = float(offer.dot(self._ones))
        self._offered_kwh += total_kw * self._hours
        dark, self._dark = self._dark, total_kw == 0.0
        outputs = {} if dark and self._dark else {"p_available_kw": offer}
        return outputs, t_us + self.period_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the energy on offer."""
        return (Kpi("offered_kwh", self._offered_kwh, "energy the panels offered"),)

    def _synthesise(self, block: int) -> None:
        self._block = block
        before, now, after = (self._p_kw[:, block + 1 + k] for k in (-1, 0, 1))
        course = synthesis.base(before, now, after, self._per_block)
        shape = self._flicker.draw(self._rng, self._per_block, self._hours * 3600.0)
        self._offer = np.ascontiguousarray(synthesis.keep_energy(course, shape).T)
