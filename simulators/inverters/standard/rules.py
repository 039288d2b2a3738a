"""Rules: everything a standard asks of a grid-following inverter, as one frozen block.

The blocks follow IEEE 1547-2018: reactive power (5.3), voltage-active power (5.4), trip and
ride-through (6.4, 6.5), frequency-droop (6.5.2.7), enter service (4.10). Other codes fill the
same blocks. Powers are parts of the rating: active power of the rated active power, reactive
power of the rated apparent power. Frequencies are distances from nominal, so that a set made
for 60 Hz serves 50 Hz and the other way round.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import Field, model_validator

from gridmodel.settings import Settings

Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]
Share = Annotated[float, Ge(0.0), Le(1.0)]
Signed = Annotated[float, Ge(-1.0), Le(1.0)]

OFF = 1e9  #: a threshold that is never reached
NEVER_UNDER = -1.0  #: a voltage below which nothing falls


def _rising(name: str, values: tuple[float, ...]) -> None:
    if any(b < a for a, b in pairwise(values)):
        raise ValueError(f"{name} must not fall from point to point")


class Capability(Settings):
    """What the hardware can do (IEEE 1547-2018, 5.2), and who yields when it is too much."""

    q_inject_pu: Share = Field(0.44, description="greatest reactive power given")
    q_absorb_pu: Share = Field(0.44, description="greatest reactive power taken")
    q_inject_required_pu: Share = Field(0.44, description="part of it that the code asks for")
    q_absorb_required_pu: Share = Field(0.44, description="part of it that the code asks for")
    priority: Literal["reactive", "active"] = Field(
        "reactive", description="which power stays when both exceed the rating"
    )
    q_from_p_pu: Share = Field(0.05, description="no reactive power below this active power")
    q_full_from_p_pu: Share = Field(
        0.2, description="all reactive power from this active power; in between in proportion"
    )
    current_pu: Positive = Field(1.2, description="greatest current")
    response_s: NonNegative = Field(
        0.02, description="time to 90 % of a step of current; 0 is at once"
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.q_from_p_pu > self.q_full_from_p_pu:
            raise ValueError("q_from_p_pu <= q_full_from_p_pu is asked for")
        return self


class VoltVar(Settings):
    """Voltage-reactive power (IEEE 1547-2018, 5.3.3): four points, level beyond both ends."""

    v_pu: tuple[Positive, Positive, Positive, Positive] = Field(
        (0.92, 0.98, 1.02, 1.08), description="voltages of the points, rising"
    )
    q_pu: tuple[Signed, Signed, Signed, Signed] = Field(
        (0.44, 0.0, 0.0, -0.44), description="reactive power there, falling; injection positive"
    )
    response_s: NonNegative = Field(5.0, description="open-loop response time")
    v_ref_pu: Positive = Field(1.0, description="voltage that the points are given for")
    v_ref_follows: bool = Field(False, description="the reference follows the voltage")
    v_ref_s: Positive = Field(300.0, description="time constant of that")
    v_ref_low_pu: Positive = Field(0.95, description="lowest reference that follows")
    v_ref_high_pu: Positive = Field(1.05, description="highest reference that follows")

    @model_validator(mode="after")
    def _order(self) -> Self:
        _rising("v_pu", self.v_pu)
        if any(b > a for a, b in pairwise(self.q_pu)):
            raise ValueError("q_pu must not rise with the voltage: that pushes it away")
        return self


class WattVar(Settings):
    """Active power-reactive power (IEEE 1547-2018, 5.3.4), generating side."""

    p_pu: tuple[Share, Share, Share] = Field((0.2, 0.5, 1.0), description="active powers, rising")
    q_pu: tuple[Signed, Signed, Signed] = Field(
        (0.0, 0.0, -0.44), description="reactive power there; injection positive"
    )
    response_s: NonNegative = Field(10.0, description="response time")

    @model_validator(mode="after")
    def _order(self) -> Self:
        _rising("p_pu", self.p_pu)
        return self


class ConstantPf(Settings):
    """Constant power factor (IEEE 1547-2018, 5.3.2)."""

    power_factor_pu: Annotated[float, Gt(0.0), Le(1.0)] = Field(1.0, description="power factor")
    injects: bool = Field(False, description="gives reactive power instead of taking it")
    response_s: NonNegative = Field(10.0, description="response time")


class ConstantQ(Settings):
    """Constant reactive power (IEEE 1547-2018, 5.3.5)."""

    q_pu: Signed = Field(0.0, description="reactive power; injection positive")
    response_s: NonNegative = Field(10.0, description="response time")


class Reactive(Settings):
    """Which reactive power function is on; one at a time (IEEE 1547-2018, 5.3.1)."""

    mode: Literal["constant_pf", "volt_var", "watt_var", "constant_q"] = Field(
        "constant_pf", description="function in use"
    )
    constant_pf: ConstantPf = ConstantPf()
    volt_var: VoltVar = VoltVar()
    watt_var: WattVar = WattVar()
    constant_q: ConstantQ = ConstantQ()


class VoltWatt(Settings):
    """Voltage-active power (IEEE 1547-2018, 5.4.2): a limit that falls with voltage."""

    enabled: bool = Field(False, description="function in use")
    v_pu: tuple[Positive, Positive] = Field((1.06, 1.1), description="voltages of the two points")
    p_pu: tuple[Share, Share] = Field((1.0, 0.0), description="limit there")
    response_s: NonNegative = Field(10.0, description="open-loop response time")

    @model_validator(mode="after")
    def _order(self) -> Self:
        _rising("v_pu", self.v_pu)
        return self


class FrequencyDroop(Settings):
    """Frequency-droop (IEEE 1547-2018, 6.5.2.7)."""

    enabled: bool = Field(True, description="function in use")
    over_start_hz: NonNegative = Field(0.036, description="deadband over nominal")
    over_droop_pu: Positive = Field(
        0.05, description="change of frequency, of the set's nominal, for all of the power"
    )
    over_release_hz: NonNegative | None = Field(
        None, description="with hysteresis: power stays down until below this; none: no hysteresis"
    )
    under_start_hz: NonNegative = Field(0.036, description="deadband under nominal; 1e9 is off")
    under_droop_pu: Positive = Field(0.05, description="the same below nominal")
    base: Literal["rating", "crossing"] = Field(
        "rating", description="all of the power is: the rating, or the power at the crossing"
    )
    response_s: NonNegative = Field(5.0, description="open-loop response time")
    return_percent_per_min: Positive = Field(
        6000.0, description="greatest rise of power after an over-frequency, of the rating"
    )


class Trip(Settings):
    """Thresholds that disconnect, and their clearing times (IEEE 1547-2018, 6.4.1 and 6.5.1)."""

    over_v_pu: tuple[Positive, Positive] = Field((1.1, 1.2), description="OV1 and OV2; 1e9 is off")
    over_v_s: tuple[NonNegative, NonNegative] = Field((13.0, 0.16), description="clearing times")
    under_v_pu: tuple[float, float, float] = Field(
        (0.88, 0.5, NEVER_UNDER), description="UV1, UV2 and a third; -1 is off"
    )
    under_v_s: tuple[NonNegative, NonNegative, NonNegative] = Field(
        (21.0, 2.0, 0.0), description="clearing times"
    )
    over_hz: tuple[Positive, Positive] = Field((1.2, 2.0), description="OF1, OF2 over nominal")
    over_hz_s: tuple[NonNegative, NonNegative] = Field((300.0, 0.16), description="clearing times")
    under_hz: tuple[Positive, Positive] = Field((1.5, 3.5), description="UF1, UF2 under nominal")
    under_hz_s: tuple[NonNegative, NonNegative] = Field((300.0, 0.16), description="clearing times")
    rocof_hz_per_s: Positive = Field(OFF, description="rate of change that trips; 1e9 is off")
    mean_v_pu: Positive = Field(OFF, description="mean voltage that trips; 1e9 is off")
    mean_s: Positive = Field(600.0, description="time of that mean")

    @model_validator(mode="after")
    def _order(self) -> Self:
        for name in ("over_v_pu", "over_hz", "under_hz"):
            a, b = getattr(self, name)
            if a > b:
                raise ValueError(f"{name}: the first threshold is the nearer one")
        if any(a < b for a, b in pairwise(self.under_v_pu)):
            raise ValueError("under_v_pu: the first threshold is the nearer one")
        return self


class RideThrough(Settings):
    """What it does while it must not trip (IEEE 1547-2018, 6.4.2 and 6.5.2).

    Mandatory and permissive operation go on as set; momentary cessation and cease to energize
    send no current. In permissive operation a real inverter may also cease; this one goes on.
    """

    mandatory_under_v_pu: float = Field(0.88, description="mandatory operation; -1 is off")
    permissive_under_v_pu: float = Field(NEVER_UNDER, description="permissive operation")
    momentary_under_v_pu: float = Field(0.5, description="momentary cessation, at or below")
    cease_under_v_pu: float = Field(NEVER_UNDER, description="cease to energize")
    mandatory_over_v_pu: Positive = Field(OFF, description="mandatory operation; 1e9 is off")
    permissive_over_v_pu: Positive = Field(OFF, description="permissive operation")
    momentary_over_v_pu: Positive = Field(1.1, description="momentary cessation, above")
    cease_over_v_pu: Positive = Field(OFF, description="cease to energize")
    mandatory_over_hz: Positive = Field(1.2, description="mandatory operation over nominal")
    mandatory_under_hz: Positive = Field(1.2, description="mandatory operation under nominal")
    free_over_hz: Positive = Field(1.8, description="nothing is asked for above this")
    free_under_hz: Positive = Field(3.0, description="nothing is asked for below this")
    cease_s: NonNegative = Field(0.16, description="time until cease to energize stops current")
    momentary_s: NonNegative = Field(0.083, description="the same of momentary cessation")
    return_s: NonNegative = Field(0.0, description="wait before current returns")
    return_ramp_s: NonNegative = Field(0.0, description="ramp of active current, 0 to rated")


class EnterService(Settings):
    """When and how it connects (IEEE 1547-2018, 4.10)."""

    v_low_pu: Positive = Field(0.917, description="lowest voltage")
    v_high_pu: Positive = Field(1.05, description="highest voltage")
    low_hz: Positive = Field(0.5, description="greatest distance under nominal")
    high_hz: Positive = Field(0.1, description="greatest distance over nominal")
    delay_s: NonNegative = Field(300.0, description="voltage and frequency must be good so long")
    ramp_s: NonNegative = Field(300.0, description="ramp from nothing to the rating")


class Rates(Settings):
    """How fast active power may change in normal operation."""

    rise_percent_per_min: Positive = Field(OFF, description="greatest rise; 1e9 is off")
    fall_percent_per_min: Positive = Field(OFF, description="greatest fall; 1e9 is off")
    limit_s: NonNegative = Field(
        15.0, description="time of a power limit's ramp over the whole rating"
    )


class Rules(Settings):
    """All rules of one inverter."""

    title: str = Field(description="what the set is")
    source: str = Field(description="document, edition, and how its values were checked")
    f_nominal_hz: Positive = Field(description="nominal frequency the set was written for")
    capability: Capability = Capability()
    reactive: Reactive = Reactive()
    volt_watt: VoltWatt = VoltWatt()
    frequency_droop: FrequencyDroop = FrequencyDroop()
    trip: Trip = Trip()
    ride_through: RideThrough = RideThrough()
    enter_service: EnterService = EnterService()
    rates: Rates = Rates()

    @property
    def over_slope_pu_per_hz(self) -> float:
        """Fall of power over the deadband's end. [pu/Hz]"""
        return 1 / (self.f_nominal_hz * self.frequency_droop.over_droop_pu)

    @property
    def under_slope_pu_per_hz(self) -> float:
        """Rise of power under the deadband's end. [pu/Hz]"""
        return 1 / (self.f_nominal_hz * self.frequency_droop.under_droop_pu)
