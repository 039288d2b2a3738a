"""Interconnection: when the street leaves the public grid and how it comes back.

The logic of a microgrid interconnection device: open on loss of grid, let the anchor
start the island, wait for the grid to be healthy again, and re-close with voltage,
frequency and phase within limits (IEEE 1547-2018, table 5: up to 500 kVA 10 %, 0.3 Hz,
20 degrees). The same states serve a transfer switch at the anchor, which lets the island
go dark before it closes (break before make) and needs no synchronism.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.codes import AnchorMode
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    Messages,
    Signal,
    Step,
)
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]

STATES = ("tied", "open", "islanded", "synchronising", "gap")
TIED, OPEN, ISLANDED, SYNCHRONISING, GAP = range(5)


class InterconnectionConfig(Settings):
    """The street's way to the public grid."""

    reclose: Literal["synchronised", "break_before_make"] = Field(
        "synchronised", description="how it closes on a live island"
    )
    v_low_pu: Positive = Field(0.85, description="the grid is lost below")
    v_high_pu: Positive = Field(1.15, description="the grid is lost above")
    f_low_hz: Positive = Field(47.5, description="the grid is lost below")
    f_high_hz: Positive = Field(51.5, description="the grid is lost above")
    trip_s: NonNegative = Field(0.5, description="time out of these limits that opens")
    black_start_s: NonNegative = Field(20.0, description="dark time before the anchor starts")
    restart_s: NonNegative = Field(900.0, description="wait after the anchor gave up")
    grid_stable_s: NonNegative = Field(
        300.0, description="the grid must be healthy for this long before re-closing"
    )
    sync_v_pu: Positive = Field(0.10, description="greatest difference of voltage at re-closing")
    sync_f_hz: Positive = Field(0.30, description="greatest slip at re-closing")
    sync_angle_deg: Annotated[float, Gt(0.0), Le(60.0)] = Field(
        10.0, description="greatest difference of phase at re-closing"
    )
    gap_s: Positive = Field(2.0, description="dark time of a break before make")
    period_s: Positive = Field(1.0, description="step")


class Interconnection(Federate):
    """The device between street and public grid, and its check of synchronism."""

    Config = InterconnectionConfig
    dynamic = (
        "_state", "_since_us", "_good_since_us", "_bad_since_us", "_gave_up", "_openings",
        "_sync_s", "_last_us",
    )  # fmt: skip

    def __init__(self, config: InterconnectionConfig) -> None:
        self._config = config
        self.period_us = microseconds(config.period_s)
        self._state = TIED
        self._since_us = 0
        self._good_since_us: int | None = 0
        self._bad_since_us: int | None = None
        self._gave_up = False
        self._openings = 0
        self._sync_s = 0.0
        self._last_us = 0
        self.inputs = (
            Signal("grid_v_pu", about="voltage of the public grid"),
            Signal("grid_f_hz", about="frequency of the public grid"),
            Signal("island_v_pu", about="voltage of the street"),
            Signal("island_f_hz", about="frequency of the street"),
            Signal("angle_deg", about="phase of the street ahead of the grid"),
            Signal("mode", (), int, about="what the anchor does (island's mode)"),
        )
        self.outputs = (
            Signal("tied", (), bool, about="the way to the public grid is closed"),
            Signal("form", (), bool, about="the anchor is to form the island"),
            Signal("sync", (), bool, about="the anchor is to synchronise"),
            Signal("state", (), int, about=f"{', '.join(STATES)}"),
            Messages("switched", "openings and closings"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the device closed."""
        return cls(config)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Watch the grid and move on to the next state when its conditions hold."""
        before = self._state
        healthy = self._watch(t_us, inputs)
        if self._state == SYNCHRONISING:
            self._sync_s += (t_us - self._last_us) / US_PER_S
        self._last_us = t_us
        self._state = self._next(t_us, inputs, healthy)
        if self._state != before:
            self._gave_up = before in (ISLANDED, SYNCHRONISING) and self._state == OPEN
            self._since_us = t_us
            self._openings += before == TIED
        if self._state == before and t_us > 0:
            return {}, t_us + self.period_us
        data = {"from": STATES[before], "to": STATES[self._state]}
        outputs: dict[str, Any] = {
            "tied": self._state == TIED,
            "form": self._state in (ISLANDED, SYNCHRONISING),
            "sync": self._state == SYNCHRONISING,
            "state": self._state,
            "switched": [Message(t_us, "interconnection", data)] if t_us > 0 else [],
        }
        return outputs, t_us + self.period_us

    def _watch(self, t_us: int, inputs: Inputs) -> bool:
        """Keep the times since the grid was good or bad; return whether it is good."""
        c = self._config
        good: bool = (
            c.v_low_pu <= inputs["grid_v_pu"] <= c.v_high_pu
            and c.f_low_hz <= inputs["grid_f_hz"] <= c.f_high_hz
        )
        if good:
            self._bad_since_us = None
            self._good_since_us = t_us if self._good_since_us is None else self._good_since_us
        else:
            self._good_since_us = None
            self._bad_since_us = t_us if self._bad_since_us is None else self._bad_since_us
        return good

    def _waited(self, t_us: int, since_us: int | None, wait_s: float) -> bool:
        return since_us is not None and t_us - since_us >= microseconds(wait_s)

    def _next(self, t_us: int, inputs: Inputs, healthy: bool) -> int:
        """Return the state that follows."""
        c = self._config
        stable = self._waited(t_us, self._good_since_us, c.grid_stable_s)
        if self._state == TIED:
            return OPEN if self._waited(t_us, self._bad_since_us, c.trip_s) else TIED
        if self._state == OPEN:
            if stable:
                return TIED  # a dead street needs no synchronism
            wait = c.restart_s if self._gave_up else c.black_start_s
            return ISLANDED if self._waited(t_us, self._since_us, wait) else OPEN
        if self._state == GAP:
            return TIED if self._waited(t_us, self._since_us, c.gap_s) else GAP
        if inputs["mode"] == AnchorMode.TRIPPED:
            return OPEN
        if self._state == ISLANDED:
            if not stable:
                return ISLANDED
            return SYNCHRONISING if c.reclose == "synchronised" else GAP
        if not healthy:
            return ISLANDED
        return TIED if self._in_step(inputs) else SYNCHRONISING

    def _in_step(self, inputs: Inputs) -> bool:
        """Return whether street and grid are close enough to be joined."""
        c = self._config
        return bool(
            abs(inputs["island_v_pu"] - inputs["grid_v_pu"]) <= c.sync_v_pu
            and abs(inputs["island_f_hz"] - inputs["grid_f_hz"]) <= c.sync_f_hz
            and abs(inputs["angle_deg"]) <= c.sync_angle_deg
        )

    def kpis(self) -> tuple[Kpi, ...]:
        """Return openings and the time synchronising took."""
        return (
            Kpi("opening_count", self._openings, "times the street left the public grid"),
            Kpi("synchronising_s", self._sync_s, "time spent synchronising"),
        )
