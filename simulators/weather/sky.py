"""Sky: clouds that events bring, as the part of the clear light they let through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Messages, Signal, Step
from gridmodel.settings import Settings
from gridmodel.units import microseconds


class Clouds(Settings):
    """Clouds come, stay and go."""

    transmission_pu: Annotated[float, Ge(0.0), Le(1.0)] = Field(
        description="part of the light they let through"
    )
    for_min: Annotated[float, Gt(0.0)] = Field(description="how long they stay")


class SkyConfig(Settings):
    """The sky over the street."""

    edge_s: Annotated[float, Ge(0.0)] = Field(
        60.0, description="time a cloud's edge takes to cross the street"
    )
    period_s: Annotated[float, Gt(0.0)] = Field(1.0, description="step while an edge crosses")


class Sky(Federate):
    """A clear sky, and what events make of it. Event-driven: it sleeps while nothing moves."""

    Config = SkyConfig
    events: ClassVar[Mapping[str, type[Settings]]] = {"clouds": Clouds}
    dynamic = ("_value", "_target", "_clears_us")

    def __init__(self, config: SkyConfig) -> None:
        self._period_us = microseconds(config.period_s)
        self._stride = config.period_s / config.edge_s if config.edge_s > 0 else 1.0
        self._value = 1.0
        self._target = 1.0
        self._clears_us: int | None = None
        self.inputs = (Messages("events", "clouds"),)
        self.outputs = (Signal("transmission_pu", about="part of the clear sky's light"),)

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return a clear sky."""
        return cls(config)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Take events and move the cloud's edge on."""
        if self._clears_us is not None and t_us >= self._clears_us:
            self._target, self._clears_us = 1.0, None
        for event in inputs.messages["events"]:
            self._target = event.data["transmission_pu"]
            self._clears_us = t_us + microseconds(60.0 * event.data["for_min"])
        gap = self._target - self._value
        self._value += min(max(gap, -self._stride), self._stride)
        next_us = self._clears_us if self._value == self._target else t_us + self._period_us
        return {"transmission_pu": self._value}, next_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return nothing: clouds are given, not achieved."""
        return ()
