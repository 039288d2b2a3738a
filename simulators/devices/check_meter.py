"""Check meter: adds up everything that enters and leaves the street, step by step.

It believes no single part: what customers and cars were delivered comes from them, what
panels, battery and grid gave comes from the inverters, and all of it must add up to zero.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from annotated_types import Gt, Le
from pydantic import Field

from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds


class CheckMeterConfig(Settings):
    """The check meter."""

    terms: tuple[str, ...] = Field(
        description="parts of the balance; each gives an input '<term>_kw', injection positive"
    )
    period_s: Annotated[float, Gt(0.0), Le(900.0)] = Field(1.0, description="step")


class CheckMeter(Federate):
    """Balance of energy: the terms' mean powers over a step add up to zero."""

    Config = CheckMeterConfig
    dynamic = ("_last_us", "_energy_kwh", "_worst_pu")

    def __init__(self, config: CheckMeterConfig) -> None:
        self.period_us = microseconds(config.period_s)
        self._terms = config.terms
        self._ports = tuple(f"{term}_kw" for term in config.terms)
        self._last_us = 0
        self._energy_kwh = [0.0] * len(config.terms)
        self._worst_pu = 0.0
        self.inputs = tuple(
            Signal(port, None, about="mean power since the last step, injection positive")
            for port in self._ports
        )
        self.outputs = (
            Signal("residual_kw", about="mean power that is not accounted for"),
            Signal("throughput_kw", about="half the sum of all terms"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the meter at zero."""
        return cls(config)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Add up the interval that ends now."""
        hours = (t_us - self._last_us) / US_PER_S / 3600.0
        self._last_us = t_us
        values = (inputs[port] for port in self._ports)
        terms = [value if type(value) is float else float(value.sum()) for value in values]
        residual = throughput = 0.0
        for k, term in enumerate(terms):
            self._energy_kwh[k] += term * hours
            residual += term
            throughput += 0.5 * abs(term)
        if hours > 0 and throughput > 0:
            self._worst_pu = max(self._worst_pu, abs(residual) / throughput)
        return {"residual_kw": residual, "throughput_kw": throughput}, t_us + self.period_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the energies and the worst step's balance."""
        energies = zip(self._terms, self._energy_kwh, strict=True)
        return (
            *(
                Kpi(f"{term}_kwh", float(e), f"energy of {term}, injection positive")
                for term, e in energies
            ),
            Kpi("balance_worst_pu", self._worst_pu, "worst step's residual, of its throughput"),
        )
