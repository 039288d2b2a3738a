"""Standard inverters: a fleet that obeys published rule sets, as a part of a scenario.

Time: the step at t integrates the interval that ends at t, with what was held over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Settings, faults_of, near
from gridmodel.units import US_PER_S, microseconds
from simulators.inverters.grid_codes import of_rules
from simulators.inverters.standard.fleet import Fleet
from simulators.inverters.standard.layout import Status
from simulators.inverters.standard.rule_sets import adjusted, names, rule_set
from simulators.inverters.standard.rules import Rules
from simulators.inverters.traps import curtailment

Array = NDArray[np.float64]
Positive = Annotated[float, Gt(0.0)]


class PlantRules(Settings):
    """What one plant has instead of the fleet's rules."""

    rules: str | None = Field(None, description="name of its rule set; the fleet's if left out")
    adjust: Mapping[str, Any] = Field({}, description="values that differ from the set's")


class StandardInvertersConfig(Settings):
    """Grid-following inverters by the standard."""

    rules: str = Field("ieee_1547_2018_b_iii", description="rule set of the inverters")
    adjust: Mapping[str, Any] = Field(
        {}, description="values that differ from the set's, by block: {volt_watt: {enabled: true}}"
    )
    by_plant: Mapping[str, PlantRules] = Field({}, description="other rules, by plant name")
    s_kva: Mapping[str, Positive] | None = Field(
        None, description="plants by name and rating; those of the network if left out"
    )
    f_nominal_hz: Positive | None = Field(
        None, description="nominal frequency; the network's if left out"
    )
    substep_s: Annotated[float, Gt(0.0), Le(1.0)] = Field(0.1, description="inner step")
    period_s: Annotated[float, Gt(0.0), Le(60.0)] = Field(1.0, description="exchange step")


class StandardInverters(Federate):
    """PV plants whose inverters follow IEEE 1547, VDE-AR-N 4105, AS/NZS 4777.2 or their own set.

    On a network the plants are the network's and see the voltage of their buses' three phases
    (``bus_v_pu``); else they are listed by ``s_kva`` and each is given its voltage (``v_pu``).
    """

    Config = StandardInvertersConfig
    dynamic = ("_last_us", "_energy", "_began")

    def __init__(
        self, config: StandardInvertersConfig, context: BuildContext, sets: list[Rules]
    ) -> None:
        network = context.network
        listed = config.s_kva
        self._names = tuple(listed) if listed is not None else _pv_names(network)
        ratings = list(listed.values()) if listed is not None else _ratings(network)
        self._f0 = config.f_nominal_hz or (network.f_nominal_hz if network else 50.0)
        self.period_us = microseconds(config.period_s)
        self._substep_s = config.period_s / max(round(config.period_s / config.substep_s), 1)
        self._sets = sets
        self._fleet = Fleet(sets, range(len(sets)), ratings, self._substep_s)
        self._bus = _bus_of(network) if listed is None else None
        self._last_us = 0
        self._began = False
        self._energy = {"offered": 0.0, "given": 0.0, "reactive": 0.0}
        self._declare(0 if network is None else len(network.buses))

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the plants in service."""
        network = context.network
        if config.s_kva is None and network is None:
            advice = "Give the scenario a network, or plants by name and rating."
            fault = Fault(context.name, "s_kva", "there are no plants.", advice)
            raise ScenarioError("inverters cannot be built", [fault])
        plants = tuple(config.s_kva) if config.s_kva is not None else _pv_names(network)
        faults = [
            Fault(context.name, f"by_plant.{name}", "there is no such plant.", near(name, plants))
            for name in config.by_plant
            if name not in plants
        ]
        sets, wrong = _sets(config, context.name, plants)
        if faults or wrong:
            raise ScenarioError("inverters cannot be built", [*faults, *wrong])
        # Compiling, a dozen seconds where nothing is kept yet, is no step that has stalled.
        if sets:
            Fleet(sets[:1], [0], [1.0], 1.0).step([1.0], 0.0, [0.0])
        return cls(config, context, sets)

    def _declare(self, buses: int) -> None:
        n, labels = len(self._names), self._names
        if self._bus is not None:
            voltage = Signal("bus_v_pu", (buses, 3), about="phase to neutral at each bus")
        else:
            voltage = Signal("v_pu", (n,), initial=1.0, about="voltage at each plant")
        self.inputs = (
            voltage,
            Signal("f_hz", initial=self._f0, about="frequency"),
            Signal("rocof_hz_per_s", initial=0.0, about="rate of change the inverters measure"),
            Signal("p_available_kw", (n,), initial=0.0, about="power the panels offer"),
            Signal("limit_pu", (n,), initial=1.0, about="limit an operator sets, of the rating"),
            Signal("permit", (n,), bool, initial=True, about="permission to be in service"),
        )
        self.outputs = (
            Signal("p_kw", (n,), labels=labels, about="mean power since the last step"),
            Signal("q_kvar", (n,), labels=labels, about="mean reactive power, injection positive"),
            Signal("status", (n,), int, labels=labels,
                   about=", ".join(f"{one.value} {one.name.lower()}" for one in Status)),
            Signal("running", (n,), bool, labels=labels, about="plants that have not tripped"),
        )  # fmt: skip

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Integrate the interval that ends now; the first step finds the steady state."""
        elapsed_s = (t_us - self._last_us) / US_PER_S
        self._last_us = t_us
        count = round(elapsed_s / self._substep_s)
        p, q = self._run(max(count, 0 if self._began else 1), inputs)
        self._began = True
        hours = elapsed_s / 3600.0
        self._energy["offered"] += float(inputs["p_available_kw"].sum()) * hours
        self._energy["given"] += float(p.sum()) * hours
        self._energy["reactive"] += float(np.abs(q).sum()) * hours
        status = self._fleet.status
        running = status != Status.TRIPPED
        outputs = {"p_kw": p, "q_kvar": q, "status": status, "running": running}
        return outputs, t_us + self.period_us

    def _run(self, count: int, inputs: Inputs) -> tuple[Array, Array]:
        """Return the means of both powers over some sub-steps. [kW, kvar]"""
        fleet = self._fleet
        v, extremes = self._voltages(inputs)
        p, q = np.zeros(len(self._names)), np.zeros(len(self._names))
        for _ in range(count):
            fleet.step(
                v,
                inputs["f_hz"] - self._f0,
                inputs["p_available_kw"],
                inputs["limit_pu"],
                inputs["rocof_hz_per_s"],
                extremes,
                inputs["permit"],
            )
            p += fleet.p_kw
            q += fleet.q_kvar
        return p / max(count, 1), q / max(count, 1)

    def _voltages(self, inputs: Inputs) -> tuple[Array, tuple[Array, Array] | None]:
        """Return each plant's voltage, and its phases' lowest and highest. [pu]"""
        if self._bus is None:
            return inputs["v_pu"], None
        phases = inputs["bus_v_pu"][self._bus]
        return phases.mean(axis=1), (phases.min(axis=1), phases.max(axis=1))

    def snapshot(self) -> Any:
        """Return the state; the fleet's rules stay with the fleet."""
        return super().snapshot(), self._fleet.memory()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, memory = state
        super().restore(own)
        self._fleet.remember(memory)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return energies and trips."""
        energy, trips = self._energy, self._fleet.trip_count
        codes = {str(k): of_rules(one) for k, one in enumerate(self._sets)}
        stuck = {trap.who for trap in curtailment(codes, 1e9, self._f0)}
        return (
            Kpi("given_kwh", energy["given"], "energy the plants gave"),
            Kpi("curtailed_kwh", energy["offered"] - energy["given"], "offered and not given"),
            Kpi("trip_count", float(trips.sum()), "trips of all plants"),
            Kpi("tripped_count", float((trips > 0).sum()), "plants that tripped at least once"),
            Kpi("stuck_count", float(len(stuck)), "plants frequency cannot throttle to nothing"),
        )


def _sets(
    config: StandardInvertersConfig, where: str, plants: tuple[str, ...]
) -> tuple[list[Rules], list[Fault]]:
    """Return each plant's rules, and what is wrong with them."""
    sets: list[Rules] = []
    faults: list[Fault] = []
    common, wrong = _rules(config.rules, [config.adjust], where, "rules", "adjust")
    faults += wrong
    for name in plants:
        own = config.by_plant.get(name)
        rules = common
        if own is not None and not wrong:
            base = own.rules or config.rules
            layers = [config.adjust, own.adjust] if own.rules is None else [own.adjust]
            key = f"by_plant.{name}"
            rules, more = _rules(base, layers, where, f"{key}.rules", f"{key}.adjust")
            faults += more
        if rules is not None:
            sets.append(rules)
    return sets, faults


def _rules(
    name: str, layers: list[Mapping[str, Any]], where: str, key: str, adjust_key: str
) -> tuple[Rules | None, list[Fault]]:
    if name not in names():
        advice = near(name, names())
        return None, [Fault(where, key, f"'{name}' is no rule set.", advice)]
    rules = rule_set(name).rules
    for changes in layers:
        try:
            rules = adjusted(rules, changes)
        except ValidationError as error:
            path = tuple(adjust_key.split("."))
            return None, faults_of(error, Rules, lambda _: where, path)
    return rules, []


def _pv_names(network: Neighbourhood | None) -> tuple[str, ...]:
    return () if network is None else network.pv_names


def _ratings(network: Neighbourhood | None) -> list[float]:
    return [] if network is None else [plant.s_kva for plant in network.photovoltaics]


def _bus_of(network: Neighbourhood | None) -> NDArray[np.int64]:
    """Return each plant's row among the network's buses."""
    return np.fromiter(_rows(network), dtype=np.int64)


def _rows(network: Neighbourhood | None) -> Iterator[int]:
    if network is not None:
        rows = {bus.name: row for row, bus in enumerate(network.buses)}
        for plant in network.photovoltaics:
            yield rows[network.consumer[plant.consumer].bus]
