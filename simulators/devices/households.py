"""Households: what the customers of a street draw, by class of load, at 1 s.

Each customer's profile is split into *critical* load (cooling, communication, milking),
*normal* load, and *deferrable* load (water heating, laundry, irrigation). A circuit that
is disconnected draws nothing; deferrable energy waits and is drawn after reconnection,
the rest is lost. Voltage and frequency dependence are the island's and the feeder's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gridmodel.codes import CIRCUITS
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Signal, Step
from gridmodel.ingest.profiles import Profiles, read_profiles
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds
from simulators.devices import synthesis

Share = Annotated[float, Ge(0.0), Le(1.0)]
Shares = tuple[Share, Share, Share]
Array = NDArray[np.float64]


class HouseholdsConfig(Settings):
    """What the customers draw."""

    profiles: str = Field(description="Parquet file with the quarter-hour profiles")
    period_s: Annotated[float, Gt(0.0), Le(900.0)] = Field(1.0, description="step")
    scale_pu: Annotated[float, Ge(0.0), Le(10.0)] = Field(
        1.0, description="multiplies every customer's profile"
    )
    class_share_pu: Shares = Field(
        (0.30, 0.45, 0.25), description="parts of critical, normal and deferrable load"
    )
    class_share_by_profile: Mapping[str, Shares] = Field(
        {}, description="other parts for the customers of a profile"
    )
    flicker_pu: tuple[Share, Share, Share] = Field(
        (0.10, 0.45, 0.10), description="spread of the 1 s factor, by class, as a logarithm"
    )
    flicker_tau_s: tuple[float, float, float] = Field(
        (600.0, 60.0, 60.0), description="correlation time of the 1 s factor, by class"
    )
    catch_up_pu: Annotated[float, Ge(0.0), Le(10.0)] = Field(
        0.5, description="power at which deferred energy is drawn, of the customer's rating"
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        for name, shares in {
            "class_share_pu": self.class_share_pu,
            **self.class_share_by_profile,
        }.items():
            if abs(sum(shares) - 1.0) > 1e-9:
                raise ValueError(f"the shares of '{name}' add up to {sum(shares):g}, not to 1")
        return self


@njit(cache=True)
def _account(
    drawn: Array, supplied_pu: Array, hours: float, served_kwh: Array, dark_h: Array
) -> float:
    """Book what the last interval delivered of what was drawn; return its power. [kW]"""
    delivered_kw = 0.0
    for house in range(drawn.shape[0]):
        for kind in range(3):
            delivered_kw += drawn[house, kind] * supplied_pu[house]
            # What a high frequency makes a load draw beyond its demand serves nobody.
            served_kwh[house, kind] += drawn[house, kind] * min(supplied_pu[house], 1.0) * hours
        if supplied_pu[house] < 0.5 or drawn[house, 0] <= 0.0:
            dark_h[house] += hours
    return delivered_kw


@njit(cache=True)
def _draw(  # noqa: PLR0913  a kernel takes its arrays one by one
    demand: Array,
    q_kvar: Array,
    closed: NDArray[np.bool_],
    rate_kw: Array,
    hours: float,
    backlog: Array,
    wanted_kwh: Array,
    drawn: Array,
    p: Array,
    q: Array,
    p_class: Array,
) -> None:
    """Fill what each circuit draws until the next step; deferrable energy may wait."""
    p_class[:] = 0.0
    for house in range(demand.shape[0]):
        wanted = 0.0
        total = 0.0
        for kind in range(3):
            power = demand[house, kind]
            wanted += power
            wanted_kwh[house, kind] += power * hours
            if kind == 2 and not closed[house, 2]:
                backlog[house] += power * hours
            elif kind == 2:
                extra = min(rate_kw[house], backlog[house] / hours)
                backlog[house] -= extra * hours
                power += extra
            drawn[house, kind] = power if closed[house, kind] else 0.0
            total += drawn[house, kind]
            p_class[kind] -= drawn[house, kind]
        p[house] = -total
        q[house] = -q_kvar[house] * (total / wanted) if wanted > 0.0 else 0.0


class Households(Federate):
    """All customers of the network as one array."""

    Config = HouseholdsConfig
    needs_network = True
    dynamic = (
        "_rng",
        "_flicker",
        "_block",
        "_demand",
        "_q",
        "_drawn",
        "_backlog",
        "_wanted_kwh",
        "_served_kwh",
        "_dark_h",
        "_last_us",
    )

    def __init__(self, config: HouseholdsConfig, context: BuildContext, profiles: Profiles) -> None:
        network = context.network
        assert network is not None
        self.period_us = microseconds(config.period_s)
        self._per_block = round(profiles.step_s / config.period_s)
        self._names = network.consumer_names
        n = len(self._names)
        scale = config.scale_pu
        rated = scale * np.array([consumer.p_rated_kw for consumer in network.consumers])
        shares = np.array(
            [
                config.class_share_by_profile.get(consumer.profile, config.class_share_pu)
                for consumer in network.consumers
            ]
        )
        p_pu = np.array([profiles.values[f"{c.profile}_p_pu"] for c in network.consumers])
        q_pu = np.array([profiles.values[f"{c.profile}_q_pu"] for c in network.consumers])
        q_rated = scale * np.array([consumer.q_rated_kvar for consumer in network.consumers])
        # Quarter-hour means by house and class, flattened to rows; reactive power by house.
        self._p_kw = (shares[:, :, None] * (rated[:, None] * p_pu)[:, None, :]).reshape(3 * n, -1)
        self._q_kvar = q_rated[:, None] * q_pu
        self._rows_before = round(context.start_utc_s % profiles.step_s / config.period_s)
        self._rate_kw = config.catch_up_pu * rated
        self._hours = config.period_s / 3600.0
        self._rng = context.generator()
        self._flicker = synthesis.Flicker(
            np.tile(config.flicker_pu, n), np.tile(config.flicker_tau_s, n)
        )
        self._block = -1
        self._demand = np.zeros((self._per_block, n, 3))
        self._q = np.zeros((self._per_block, n))
        self._drawn = np.zeros((n, 3))
        self._backlog = np.zeros(n)
        self._wanted_kwh = np.zeros((n, 3))
        self._served_kwh = np.zeros((n, 3))
        self._dark_h = np.zeros(n)
        self._last_us = 0
        self.inputs = (
            Signal(
                "closed",
                (n, 3),
                bool,
                initial=True,
                labels=self._names,
                about="circuits that are connected: critical, normal, deferrable",
            ),
            Signal(
                "supplied_pu",
                (n,),
                initial=1.0,
                labels=self._names,
                about="part of the drawn power that was delivered since the last step",
            ),
        )
        self.outputs = (
            Signal("p_kw", (n,), labels=self._names, about="power of each customer, negative"),
            Signal("q_kvar", (n,), labels=self._names, about="reactive power of each customer"),
            Signal("p_class_kw", (3,), labels=CIRCUITS, about="power of the street by class"),
            Signal("delivered_kw", about="mean power delivered since the last step, negative"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Read the profiles and place the customers of the network."""
        assert context.network is not None
        names = []
        for consumer in context.network.consumers:
            names += [f"{consumer.profile}_p_pu", f"{consumer.profile}_q_pu"]
        profiles = read_profiles(
            context.file("profiles", config.profiles),
            names,
            context.start_utc_s,
            context.duration_us / US_PER_S,
        )
        return cls(config, context, profiles)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Book what was delivered, and draw by the circuits that are connected."""
        elapsed_h = (t_us - self._last_us) / US_PER_S / 3600.0
        self._last_us = t_us
        delivered_kw = _account(
            self._drawn, inputs["supplied_pu"], elapsed_h, self._served_kwh, self._dark_h
        )
        block, row = divmod(t_us // self.period_us + self._rows_before, self._per_block)
        if block != self._block:
            self._synthesise(block)
        n = len(self._names)
        p, q, p_class = np.empty(n), np.empty(n), np.empty(3)
        _draw(
            self._demand[row],
            self._q[row],
            inputs["closed"],
            self._rate_kw,
            self._hours,
            self._backlog,
            self._wanted_kwh,
            self._drawn,
            p,
            q,
            p_class,
        )
        outputs = {
            "p_kw": p,
            "q_kvar": q,
            "p_class_kw": p_class,
            "delivered_kw": -delivered_kw,
        }
        return outputs, t_us + self.period_us

    def kpis(self) -> tuple[Kpi, ...]:
        """Return energies by class and how evenly they were shared."""
        wanted, served = self._wanted_kwh.sum(axis=0), self._served_kwh.sum(axis=0)
        figures = [
            Kpi(f"{name}_served_pu", _ratio(served[k], wanted[k]), f"{name} energy delivered")
            for k, name in enumerate(CIRCUITS)
        ]
        share = self._served_kwh[:, 1] / np.maximum(self._wanted_kwh[:, 1], 1e-12)
        return (
            *figures,
            Kpi("served_kwh", float(served.sum()), "energy delivered to customers"),
            Kpi("deferred_kwh", float(self._backlog.sum()), "deferrable energy still waiting"),
            Kpi("dark_max_h", float(self._dark_h.max()), "time without supply, worst customer"),
            Kpi(
                "fairness_pu",
                _ratio(share.sum() ** 2, len(share) * (share**2).sum()),
                "Jain's index of the normal load delivered; 1 is even",
            ),
        )

    def _synthesise(self, block: int) -> None:
        """Make the next quarter-hour's seconds."""
        self._block = block
        column = block + 1  # the profiles bring one step ahead of the run
        before, now, after = (self._p_kw[:, column + k] for k in (-1, 0, 1))
        count = self._per_block
        shape = self._flicker.draw(self._rng, count, self._hours * 3600.0)
        shape[2::3] *= synthesis.runs(self._rng, len(self._names), count)
        course = synthesis.keep_energy(synthesis.base(before, now, after, count), shape)
        n = len(self._names)
        self._demand = np.ascontiguousarray(course.reshape(n, 3, count).transpose(2, 0, 1))
        before, now, after = (self._q_kvar[:, column + k] for k in (-1, 0, 1))
        self._q = np.ascontiguousarray(synthesis.base(before, now, after, count).T)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 1.0
