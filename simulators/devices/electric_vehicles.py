"""Electric vehicles: cars that come home, charge while allowed, and leave."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.settings import Settings, near
from gridmodel.units import US_PER_S, microseconds

DAY_S = 86_400.0
LEAST_KW = 1e-6  # a charger that would draw less has reached its target
Array = NDArray[np.float64]
Share = Annotated[float, Ge(0.0), Le(1.0)]
HourOfDay = Annotated[float, Ge(0.0), Lt(24.0)]


class VehicleConfig(Settings):
    """One car and its habits."""

    house: str = Field(description="customer it charges at")
    e_kwh: Annotated[float, Gt(0.0)] = Field(50.0, description="battery")
    p_kw: Annotated[float, Gt(0.0)] = Field(11.0, description="charging power, three-phase")
    arrives_h: HourOfDay = Field(17.5, description="usual arrival, hour of the scenario's day")
    leaves_h: HourOfDay = Field(7.0, description="usual departure, hour of the scenario's day")
    soc_pu: Share = Field(0.8, description="state of charge at the start")
    trip_kwh: Annotated[float, Ge(0.0)] = Field(12.0, description="usual energy of a day away")
    target_soc_pu: Share = Field(0.9, description="charging stops here")


class ElectricVehiclesConfig(Settings):
    """The cars of the street."""

    vehicles: tuple[VehicleConfig, ...]
    period_s: Annotated[float, Gt(0.0), Le(900.0)] = Field(1.0, description="step")
    efficiency_pu: Annotated[float, Gt(0.0), Le(1.0)] = Field(0.9, description="charging")
    jitter_h: Annotated[float, Ge(0.0), Le(4.0)] = Field(
        0.5, description="spread of arrival and departure from day to day"
    )


@njit(cache=True)
def _charge(
    house: NDArray[np.int64], p_kw: Array, supplied_pu: Array, soc_per_kw: Array, soc: Array
) -> float:
    """Add what the last interval delivered to each car; return its power. [kW]"""
    delivered_kw = 0.0
    for car in range(house.shape[0]):
        power = -p_kw[car] * supplied_pu[house[car]]
        delivered_kw += power
        soc[car] += power * soc_per_kw[car]
    return delivered_kw


@njit(cache=True)
def _draw(
    house: NDArray[np.int64],
    home: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    room_kw: Array,
    charger_kw: Array,
    p_kw: Array,
    at_house: Array,
) -> bool:
    """Fill what each car draws, and add it up at its house; return whether any draws."""
    anyone = False
    for car in range(house.shape[0]):
        charging = home[car] and room_kw[car] > LEAST_KW and closed[house[car], 2]
        p_kw[car] = -min(charger_kw[car], room_kw[car]) if charging else 0.0
        at_house[house[car]] += p_kw[car]
        anyone |= charging
    return anyone


class ElectricVehicles(Federate):
    """A fleet of cars as one array; the deferrable circuit of the house feeds the charger.

    A day's arrival, departure and trip are drawn at midnight. Left out: driving with an
    empty battery (the trip takes what is there), vehicle to grid.
    """

    Config = ElectricVehiclesConfig
    needs_network = True
    dynamic = (
        "_rng", "_soc", "_leaves_s", "_arrives_s", "_trip_kwh", "_home", "_p_kw", "_day",
        "_last_us", "_charged_kwh", "_next_change_s", "_busy", "_told_kw",
    )  # fmt: skip

    def __init__(self, config: ElectricVehiclesConfig, context: BuildContext) -> None:
        assert context.network is not None
        self._config = config
        cars = config.vehicles
        self.period_us = microseconds(config.period_s)
        names = context.network.consumer_names
        self._house = np.array([names.index(car.house) for car in cars], dtype=np.int64)
        self._e_kwh = np.array([car.e_kwh for car in cars])
        # What a kilowatt over one step adds to the state of charge.
        self._soc_per_kw = config.period_s / 3600.0 * config.efficiency_pu / self._e_kwh
        self._charger_kw = np.array([car.p_kw for car in cars])
        self._overnight = np.array([car.arrives_h < car.leaves_h for car in cars])
        self._target = np.array([car.target_soc_pu for car in cars])
        self._rng = context.generator()
        self._soc = np.array([car.soc_pu for car in cars])
        self._leaves_s = np.zeros(len(cars))
        self._arrives_s = np.zeros(len(cars))
        self._trip_kwh = np.zeros(len(cars))
        self._home = np.ones(len(cars), dtype=np.bool_)
        self._p_kw = np.zeros(len(cars))
        self._day = -1
        self._next_change_s = 0.0
        self._busy = False
        self._told_kw = 0.0
        self._last_us = 0
        self._charged_kwh = 0.0
        self._houses = len(names)
        labels = tuple(car.house for car in cars)
        self.inputs = (
            Signal("closed", (len(names), 3), bool, initial=True,
                   about="circuits of the houses that are connected"),
            Signal("supplied_pu", (len(names),), initial=1.0,
                   about="part of the drawn power that was delivered since the last step"),
        )  # fmt: skip
        self.outputs = (
            Signal("p_kw", (len(names),), labels=names, about="charging power at each customer"),
            Signal("soc_pu", (len(cars),), labels=labels, about="state of charge"),
            Signal("delivered_kw", about="mean power delivered since the last step, negative"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the fleet at its first state of charge."""
        assert context.network is not None
        known = context.network.consumer_names
        faults = [
            Fault(context.name, f"vehicles[{k}].house", f"there is no customer '{car.house}'.",
                  near(car.house, known))
            for k, car in enumerate(config.vehicles) if car.house not in known
        ]  # fmt: skip
        if faults:
            raise ScenarioError("vehicles cannot be placed", faults)
        return cls(config, context)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Book what was delivered, let cars come and go, and charge."""
        hours = (t_us - self._last_us) / US_PER_S / 3600.0
        self._last_us = t_us
        delivered_kw = _charge(
            self._house,
            self._p_kw,
            inputs["supplied_pu"],
            hours / self._config.period_s * 3600.0 * self._soc_per_kw,
            self._soc,
        )
        self._charged_kwh += delivered_kw * hours
        changed = t_us / US_PER_S >= self._next_change_s
        if changed:
            self._come_and_go(t_us / US_PER_S)
        at_house = np.zeros(self._houses)
        busy, self._busy = (
            self._busy,
            _draw(
                self._house,
                self._home,
                inputs["closed"],
                (self._target - self._soc) / self._soc_per_kw,
                self._charger_kw,
                self._p_kw,
                at_house,
            ),
        )
        told, self._told_kw = self._told_kw, delivered_kw
        if not (busy or self._busy or changed) and delivered_kw == told:
            return {}, t_us + self.period_us
        outputs = {"p_kw": at_house, "soc_pu": self._soc, "delivered_kw": -delivered_kw}
        return outputs, t_us + self.period_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return energy charged and the emptiest car."""
        return (
            Kpi("charged_kwh", self._charged_kwh, "energy drawn by the chargers"),
            Kpi("soc_end_min_pu", float(self._soc.min()), "emptiest car at the end"),
        )

    def _come_and_go(self, t_s: float) -> None:
        day = int(t_s // DAY_S)
        if day != self._day:
            self._plan(day)
        left, not_back = t_s >= self._leaves_s, t_s < self._arrives_s
        away = np.where(self._overnight, left | not_back, left & not_back)
        back = ~away & ~self._home
        self._soc = np.where(
            back, np.maximum(self._soc - self._trip_kwh / self._e_kwh, 0.0), self._soc
        )
        self._home = ~away
        changes = np.concatenate([self._leaves_s, self._arrives_s, [(day + 1) * DAY_S]])
        self._next_change_s = float(changes[changes > t_s].min())

    def _plan(self, day: int) -> None:
        """Draw the day's departures, arrivals and trips."""
        self._day = day
        cars = self._config.vehicles
        spread = self._config.jitter_h * self._rng.uniform(-1.0, 1.0, (2, len(cars)))
        leaves = np.array([car.leaves_h for car in cars]) + spread[0]
        arrives = np.array([car.arrives_h for car in cars]) + spread[1]
        self._leaves_s = day * DAY_S + 3600.0 * leaves
        arrives = np.where(
            self._overnight, np.minimum(arrives, leaves), np.maximum(arrives, leaves)
        )
        self._arrives_s = day * DAY_S + 3600.0 * arrives
        usual = np.array([car.trip_kwh for car in cars])
        self._trip_kwh = usual * self._rng.uniform(0.7, 1.3, len(cars))
