"""Controls: what moves taps and capacitors, and what an inverter does with the voltage."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import Field, model_validator

from gridmodel.network.element import Element, NonNegative, Positive

Node = Annotated[str, Field(pattern=r"^[ABCN]$")]
Curve = tuple[tuple[float, float], ...]


class TapChangerControl(Element):
    """A voltage regulator's control, with line-drop compensation.

    It measures the voltage of one node through a voltage transformer, takes off the drop
    ``(r_v + j x_v)`` of the current through a current transformer, and moves the tap of
    its end when the result is outside the band for longer than the delay.
    """

    transformer: str = Field(description="name of the transformer whose tap it moves")
    end: Annotated[int, Ge(1)] = Field(2, description="which end has the tap, from 1")
    v_set_v: Positive = Field(description="set-point, on the side of the relay")
    band_v: Positive = Field(description="whole width of the band around it")
    pt_ratio: Positive = Field(description="ratio of the voltage transformer")
    ct_rated_a: NonNegative = Field(0.0, description="primary rating of the current transformer")
    r_v: float = Field(0.0, description="resistive setting of the line-drop compensation")
    x_v: float = Field(0.0, description="reactive setting")
    delay_s: NonNegative = Field(15.0, description="time outside the band before the first step")
    tap_delay_s: NonNegative = Field(2.0, description="time between two steps")
    most_steps: Annotated[int, Ge(1)] = Field(16, description="most steps at once")
    coil: Annotated[int, Ge(1)] = Field(1, description="the phase it measures, from 1")
    bus: str = Field("", description="bus it measures at; none: at its end")
    node: Node | None = Field(None, description="node it measures at that bus")


class ShuntCompensatorControl(Element):
    """What switches a capacitor bank."""

    capacitor: str = Field(description="name of the capacitor")
    mode: Literal["voltage", "current", "kvar", "power_factor", "time"] = Field(
        description="what it looks at"
    )
    element: str = Field("", description="line or transformer whose current or power it measures")
    terminal: Annotated[int, Ge(1)] = Field(1, description="which end of that element")
    node: Node | None = Field(None, description="phase it measures; none: all (power) or the first")
    on: float = Field(description="switches on: V or A on the relay, kvar, power factor, hour")
    off: float = Field(description="switches off")
    pt_ratio: Positive = Field(60.0, description="ratio of the voltage transformer")
    ct_ratio: Positive = Field(60.0, description="ratio of the current transformer")
    delay_s: NonNegative = Field(15.0, description="before it switches on")
    delay_off_s: NonNegative = Field(15.0, description="before it switches off")
    dead_time_s: NonNegative = Field(300.0, description="between off and on again")
    v_override: bool = Field(False, description="whether voltage limits come first")
    v_min_v: NonNegative = Field(115.0, description="switches on below it, if they do; relay side")
    v_max_v: NonNegative = Field(126.0, description="switches off above it, if they do")


class InverterControl(Element):
    """What an inverter does with the voltage at its terminals (IEEE 1547-2018, 5.3 and 5.4)."""

    volt_var: Curve = Field((), description="points (v_pu, q_pu of rating); none: no volt-var")
    q_of_available: bool = Field(
        False, description="q_pu is a share of what p leaves of the rating, not of the rating"
    )
    volt_watt: Curve = Field((), description="points (v_pu, p_pu of rating); none: no volt-watt")
    priority: Literal["p", "q"] = Field("q", description="what keeps its value at the rating")

    @model_validator(mode="after")
    def _rising(self) -> InverterControl:
        for key in ("volt_var", "volt_watt"):
            volts = [v for v, _ in getattr(self, key)]
            if sorted(volts) != volts or len(volts) == 1:
                raise ValueError(f"{key} needs two or more points, in the order of voltage")
        return self
