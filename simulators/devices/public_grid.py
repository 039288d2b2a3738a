"""Public grid: voltage, frequency and phase at the street's transformer, and its outages."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, sqrt
from typing import Annotated, Any, ClassVar, Self

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Messages, Signal, Step
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds


class Outage(Settings):
    """The public grid fails."""


class Restoration(Settings):
    """The public grid comes back, with a phase of its own."""


class PublicGridConfig(Settings):
    """The grid above the street."""

    v_pu: Annotated[float, Gt(0.0), Le(1.2)] = Field(1.025, description="voltage when it is there")
    f_hz: Annotated[float, Gt(0.0)] = Field(50.0, description="mean frequency")
    f_sigma_hz: Annotated[float, Ge(0.0), Le(0.5)] = Field(
        0.02, description="spread of the frequency (ENTSO-E's continental grid: about 0.02)"
    )
    f_tau_s: Annotated[float, Gt(0.0)] = Field(300.0, description="correlation time of it")
    period_s: Annotated[float, Gt(0.0), Le(60.0)] = Field(1.0, description="step")


class PublicGrid(Federate):
    """An infinite bus with a wandering frequency that can fail and return."""

    Config = PublicGridConfig
    needs_network = True
    events: ClassVar[Mapping[str, type[Settings]]] = {"outage": Outage, "restore": Restoration}
    dynamic = ("_rng", "_deviation_hz", "_angle_deg", "_f_hz", "_alive", "_last_us", "_dead_s")

    def __init__(self, config: PublicGridConfig, context: BuildContext) -> None:
        self._config = config
        self.period_us = microseconds(config.period_s)
        assert context.network is not None
        self._f_nominal_hz = context.network.f_nominal_hz
        self._rng = context.generator()
        self._deviation_hz = 0.0
        self._f_hz = config.f_hz
        self._angle_deg = 0.0
        self._alive = True
        self._last_us = 0
        self._dead_s = 0.0
        self.inputs = (Messages("events", "outage, restore"),)
        self.outputs = (
            Signal("v_pu", about="voltage; 0 in an outage"),
            Signal("f_hz", about="frequency; nominal in an outage"),
            Signal("angle_deg", about="phase against a clock of nominal frequency, -180..180"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the grid in operation."""
        return cls(config, context)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Advance the phase, take events, and let the frequency wander."""
        c = self._config
        elapsed_s = (t_us - self._last_us) / US_PER_S
        self._last_us = t_us
        turned = self._angle_deg + 360.0 * (self._f_hz - self._f_nominal_hz) * elapsed_s
        self._dead_s += 0.0 if self._alive else elapsed_s
        for event in inputs.messages["events"]:
            self._alive = event.kind == "restore"
            turned += float(self._rng.uniform(0.0, 360.0))  # it returns with any phase
        self._angle_deg = (turned + 180.0) % 360.0 - 180.0
        decay = exp(-elapsed_s / c.f_tau_s)
        noise = float(self._rng.standard_normal())
        self._deviation_hz = decay * self._deviation_hz + c.f_sigma_hz * sqrt(1 - decay**2) * noise
        self._f_hz = c.f_hz + self._deviation_hz
        outputs = {
            "v_pu": c.v_pu if self._alive else 0.0,
            "f_hz": self._f_hz if self._alive else self._f_nominal_hz,
            "angle_deg": self._angle_deg,
        }
        return outputs, t_us - t_us % self.period_us + self.period_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how long it was away."""
        return (Kpi("outage_h", self._dead_s / 3600.0, "time without the public grid"),)
