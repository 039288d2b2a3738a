"""Formed street: several grid formers as a part of a scenario.

Time: the step at t integrates the interval that ends at t, with what was held over it; inside,
sub-steps adapt so that the frequency stays within its tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.settings import Settings, near
from gridmodel.units import US_PER_S, microseconds
from simulators.inverters.forming.former import GridFormer
from simulators.inverters.forming.street import FormedStreet, PvGroup, Relay
from simulators.inverters.grid_codes import GRID_CODES, faults_of_code

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]


class RelayConfig(Settings):
    """An under-frequency relay on a load."""

    under_hz: Positive = Field(description="distance under nominal at which it opens")
    delay_s: NonNegative = Field(0.2, description="time it must last")


class FormedStreetConfig(Settings):
    """Grid formers, loads and PV on one frequency."""

    formers: Mapping[str, GridFormer] = Field(description="grid-forming inverters, by name")
    loads: tuple[str, ...] = Field(("street",), description="names of the loads")
    relays: Mapping[str, RelayConfig] = Field({}, description="under-frequency relays, by load")
    f_nominal_hz: Positive = Field(50.0, description="nominal frequency")
    load_damping_pu: Annotated[float, Ge(0.0), Le(5.0)] = Field(
        1.0, description="part by which load follows frequency (1: 1 % for 1 %)"
    )
    grid_code: str = Field(
        "sma_off_grid",
        description="rule set that says how PV meets frequency: 'feedertwin inverter sets'",
    )
    secondary_per_s: NonNegative = Field(
        0.0, description="gain of the secondary control that restores frequency; 0 is none"
    )
    soc_pu: Annotated[float, Ge(0.0), Le(1.0)] = Field(0.5, description="state of charge at first")
    black_start_s: NonNegative = Field(
        0.0, description="voltage ramp of a black start at t = 0; 0 begins in operation"
    )
    tolerance_hz: Annotated[float, Ge(1e-9), Le(0.1)] = Field(
        1e-4, description="error a second may add to the frequency"
    )
    period_s: Annotated[float, Gt(0.0), Le(60.0)] = Field(1.0, description="exchange step")


class FormedStreetPart(Federate):
    """Droop and virtual-machine anchors that share a street, with relays and restoration."""

    Config = FormedStreetConfig
    dynamic = ("_last_us", "_low_hz", "_high_hz", "_opened")

    def __init__(self, config: FormedStreetConfig) -> None:
        self.period_us = microseconds(config.period_s)
        self._names, self._loads = tuple(config.formers), config.loads
        relays = [Relay(load, one.under_hz, one.delay_s) for load, one in config.relays.items()]
        self._street = FormedStreet(
            list(config.formers.values()), dict.fromkeys(config.loads, 0.0), config.f_nominal_hz,
            damping_pu=config.load_damping_pu, pv=[PvGroup(GRID_CODES[config.grid_code], 0.0)],
            relays=relays, secondary_per_s=config.secondary_per_s, soc_pu=config.soc_pu,
            tolerance_hz=config.tolerance_hz,
        )  # fmt: skip
        if config.black_start_s > 0.0:
            self._street.black_start(config.black_start_s)
        self._last_us = 0
        self._low_hz = self._high_hz = config.f_nominal_hz
        self._opened = 0
        n, m = len(self._names), len(self._loads)
        self.inputs = (
            Signal(
                "load_p_kw", (m,), initial=0.0, about="power of the loads, consumption negative"
            ),
            Signal("pv_available_kw", initial=0.0, about="power the panels offer"),
            Signal("close", (m,), bool, initial=False, about="close the load again"),
        )
        self.outputs = (
            Signal("f_hz", about="frequency of the bus"),
            Signal("v_pu", about="voltage of the bus"),
            Signal("p_kw", (n,), labels=self._names, about="power of each former"),
            Signal("q_kvar", (n,), labels=self._names, about="reactive power of each former"),
            Signal("soc_pu", (n,), labels=self._names, about="state of charge of each battery"),
            Signal("pv_p_kw", about="power of the PV"),
            Signal("rocof_hz_per_s", about="greatest rate of change since the last step"),
            Signal("closed", (m,), bool, labels=self._loads, about="loads that are on"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the street, idle or at the beginning of a black start."""
        faults = []
        if not config.formers:
            faults.append(Fault(context.name, "formers", "there is none.", "One at least forms."))
        for load in config.relays:
            if load not in config.loads:
                advice = near(load, config.loads)
                faults.append(
                    Fault(context.name, f"relays.{load}", "there is no such load.", advice)
                )
        faults += faults_of_code(config.grid_code, context.name, "grid_code")
        if faults:
            raise ScenarioError("formed street cannot be built", faults)
        # Compiling, half a minute where nothing is kept yet, is no step that has stalled.
        FormedStreet(list(config.formers.values())[:1], {"none": 0.0}).advance(1e-3)
        return cls(config)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Integrate the interval that ends now."""
        street = self._street
        for name, kw, close in zip(self._loads, inputs["load_p_kw"], inputs["close"], strict=True):
            street.loads_kw[name] = -float(kw)
            street.closed[name] = street.closed[name] or bool(close)
        street.offer(0, float(inputs["pv_available_kw"]))
        elapsed_s = (t_us - self._last_us) / US_PER_S
        self._last_us = t_us
        rate = 0.0
        if elapsed_s > 0.0:
            seen = street.advance(elapsed_s)
            self._low_hz = min(self._low_hz, seen.f_min_hz)
            self._high_hz = max(self._high_hz, seen.f_max_hz)
            self._opened += len(seen.opened)
            rate = seen.rocof_hz_per_s
        outputs = {
            "f_hz": street.f_hz, "v_pu": street.v_pu, "p_kw": street.p_kw,
            "q_kvar": street.q_kvar, "soc_pu": street.soc_pu.copy(), "pv_p_kw": street.pv_kw,
            "rocof_hz_per_s": rate, "closed": np.array(list(street.closed.values())),
        }  # fmt: skip
        return outputs, t_us + self.period_us

    def snapshot(self) -> Any:
        """Return the state of the part and of its street."""
        return super().snapshot(), self._street.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, street = state
        super().restore(own)
        self._street.restore(street)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return extremes and what relays did."""
        return (
            Kpi("f_min_hz", self._low_hz, "lowest frequency"),
            Kpi("f_max_hz", self._high_hz, "highest frequency"),
            Kpi("opened_count", float(self._opened), "loads that relays opened"),
        )
