"""Battery: state of charge, what it can give and take, what it loses."""

from __future__ import annotations

from typing import Annotated, Any, Self

from annotated_types import Ge, Gt, Le
from pydantic import Field, model_validator

from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds

Share = Annotated[float, Ge(0.0), Le(1.0)]


class BatteryConfig(Settings):
    """The anchor's battery."""

    e_kwh: Annotated[float, Gt(0.0)] = Field(description="energy content when full")
    p_kw: Annotated[float, Gt(0.0)] = Field(description="greatest charge and discharge power")
    soc_pu: Share = Field(0.5, description="state of charge at the start")
    soc_min_pu: Share = Field(0.05, description="no discharge below this state of charge")
    soc_max_pu: Share = Field(1.0, description="no charge above this state of charge")
    efficiency_pu: Annotated[float, Gt(0.0), Le(1.0)] = Field(
        0.96, description="one way, charging or discharging"
    )
    period_s: Annotated[float, Gt(0.0), Le(3600.0)] = Field(1.0, description="step")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not self.soc_min_pu <= self.soc_pu <= self.soc_max_pu:
            raise ValueError("soc_min_pu <= soc_pu <= soc_max_pu is asked for")
        return self


class Battery(Federate):
    """One battery behind the anchor's inverter.

    Left out: temperature, ageing, open-circuit voltage.
    """

    Config = BatteryConfig
    dynamic = ("_e_kwh", "_last_us", "_charged_kwh", "_discharged_kwh", "_lost_kwh", "_soc_min_pu",
        "_idle",
    )  # fmt: skip

    def __init__(self, config: BatteryConfig) -> None:
        self._config = config
        self.period_us = microseconds(config.period_s)
        self._e_kwh = config.soc_pu * config.e_kwh
        self._last_us = 0
        self._charged_kwh = 0.0
        self._discharged_kwh = 0.0
        self._lost_kwh = 0.0
        self._soc_min_pu = config.soc_pu
        self._idle = False
        self.inputs = (
            Signal("p_kw", initial=0.0, about="mean power since the last step, discharge positive"),
        )
        self.outputs = (
            Signal("soc_pu", about="state of charge"),
            Signal("p_discharge_max_kw", about="greatest power it can give until the next step"),
            Signal("p_charge_max_kw", about="greatest power it can take until the next step"),
            Signal("loss_kw", about="mean conversion loss since the last step"),
            Signal("p_rated_kw", about="rated power, charge and discharge"),
            Signal("e_full_kwh", about="energy content"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the battery at its first state of charge."""
        return cls(config)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Integrate the power since the last step."""
        c = self._config
        hours = (t_us - self._last_us) / US_PER_S / 3600.0
        first = t_us == self.first_us
        self._last_us = t_us
        p_kw = inputs["p_kw"]
        idle, self._idle = self._idle, p_kw == 0.0
        if idle and self._idle:
            return {}, t_us + self.period_us
        stored_kw = -p_kw / c.efficiency_pu if p_kw > 0 else -p_kw * c.efficiency_pu
        self._e_kwh += stored_kw * hours
        loss_kw = -p_kw - stored_kw
        self._discharged_kwh += max(p_kw, 0.0) * hours
        self._charged_kwh += max(-p_kw, 0.0) * hours
        self._lost_kwh += loss_kw * hours
        soc = self._e_kwh / c.e_kwh
        self._soc_min_pu = min(self._soc_min_pu, soc)
        # What one more step can give or take without leaving the allowed band.
        ahead_h = c.period_s / 3600.0
        give = (self._e_kwh - c.soc_min_pu * c.e_kwh) * c.efficiency_pu / ahead_h
        take = (c.soc_max_pu * c.e_kwh - self._e_kwh) / c.efficiency_pu / ahead_h
        outputs = {
            "soc_pu": soc,
            "p_discharge_max_kw": min(max(give, 0.0), c.p_kw),
            "p_charge_max_kw": min(max(take, 0.0), c.p_kw),
            "loss_kw": loss_kw,
        }
        if first:
            outputs |= {"p_rated_kw": c.p_kw, "e_full_kwh": c.e_kwh}
        return outputs, t_us + self.period_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return energies and the lowest state of charge."""
        return (
            Kpi("soc_min_pu", self._soc_min_pu, "lowest state of charge"),
            Kpi("soc_end_pu", self._e_kwh / self._config.e_kwh, "state of charge at the end"),
            Kpi("charged_kwh", self._charged_kwh, "energy taken from the street"),
            Kpi("discharged_kwh", self._discharged_kwh, "energy given to the street"),
            Kpi("loss_kwh", self._lost_kwh, "conversion loss"),
        )
