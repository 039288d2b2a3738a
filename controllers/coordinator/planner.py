"""Planner: from what was heard and stored to which circuits may be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field

from controllers.coordinator.dispatch import Limit, Request, dispatch
from controllers.coordinator.forecast import SLOT_S, SLOTS, Persistence
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.ports import InverterState
from gridmodel.settings import Settings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Share = Annotated[float, Ge(0.0), Le(1.0)]
NonNegative = Annotated[float, Ge(0.0)]
#: More energy than any night needs: what there is while the sun carries the street. [kWh]
PLENTY_KWH = 1e6
_HOURS = SLOT_S / 3600.0


class PlannerConfig(Settings):
    """What the planner assumes."""

    class_share_pu: tuple[Share, Share, Share] = Field(
        (0.30, 0.45, 0.25), description="parts of critical, normal, deferrable load"
    )
    worth_eur_per_kwh: tuple[NonNegative, NonNegative, NonNegative] = Field(
        (10.0, 1.0, 0.2), description="worth of a unit of energy by class"
    )
    floor_soc_pu: Share = Field(0.1, description="energy below this is not planned with")
    surplus_soc_pu: Share = Field(0.8, description="above this, in daylight, energy is plenty")
    p_limit_pu: Share = Field(0.9, description="part of the anchor's power to plan with")
    cable_limit_pu: Share = Field(0.7, description="part of a private cable's ampacity likewise")
    efficiency_pu: Share = Field(0.92, description="stored energy that reaches the houses")
    pv_trust_pu: Share = Field(0.8, description="part of yesterday's sun to plan with")
    guess_pu: Share = Field(0.25, description="load of a house never heard, of its rating")
    catch_up_pu: NonNegative = Field(
        0.5, description="power at which deferred energy is drawn, of the house's rating"
    )
    period_s: Annotated[float, Gt(0.0)] = Field(900.0, description="step of the dispatch")


class Planner:
    """Forecasts load and sun, keeps account of deferred load, and dispatches.

    Parameters
    ----------
    config : PlannerConfig
        Its assumptions.
    network : Neighbourhood
        For ratings, and private cables if there are any.
    houses : sequence of str
        Customers in the order of the arrays.
    anchor : str
        Customer of the anchor, where the private cables begin.
    """

    def __init__(
        self, config: PlannerConfig, network: Neighbourhood, houses: Sequence[str], anchor: str
    ) -> None:
        self._config = config
        self._shares = np.array(config.class_share_pu)
        self._worth = np.array(config.worth_eur_per_kwh)
        rated = np.array([network.consumer[name].p_rated_kw for name in houses])
        guess = config.guess_pu * rated
        self._catch_up_kw = config.catch_up_pu * rated
        self._cables = _cable_limits(network, anchor, config.cable_limit_pu)
        self._load = Persistence(guess)
        self._sun = Persistence(np.zeros(1))
        self._waiting_kwh = np.zeros(len(houses))  # deferred load, as far as it can know
        self._served = np.zeros(len(houses))
        self._heard = np.zeros(len(houses))
        self.load_kw = guess.copy()

    def hear(self, now_us: int, row: int, p_kw: float, connected: Mask) -> None:
        """Take a house's power and the circuits behind it."""
        share = float(self._shares[connected].sum())
        self._heard[row] += 1.0
        self._served[row] += share
        if share > 0.0:  # what the house would draw with everything connected
            self.load_kw[row] = max(-p_kw, 0.0) / share
            self._load.hear(now_us, row, float(self.load_kw[row]))

    def see_sun(self, now_us: int, p_kw: float) -> None:
        """Take the street's PV power."""
        self._sun.hear(now_us, 0, p_kw)

    def rest(self) -> None:
        """Note that everything is supplied by the public grid."""
        self._waiting_kwh[:] = 0.0

    def plan(self, now_us: int, inverter: InverterState, allowed: Mask, silent: Mask) -> Mask:
        """Return the circuits to allow until the next dispatch, shape (n_house, 3).

        Parameters
        ----------
        now_us : int
            The present instant. [us]
        inverter : InverterState
            The anchor.
        allowed : ndarray of bool, shape (n_house, 3)
            What is allowed now.
        silent : ndarray of bool, shape (n_house,)
            Houses that cannot be told anything: what they have is set aside first.
        """
        config = self._config
        load = self._load.ahead(now_us, SLOTS)
        sun = config.pv_trust_pu * self._sun.ahead(now_us, SLOTS)[0]
        horizon = _until_carried(load, sun)
        energy = load[:, :horizon].sum(axis=1) * _HOURS
        p_kw, e_kwh = np.outer(self.load_kw, self._shares), np.outer(energy, self._shares)
        self._wait(allowed, p_kw[:, 2])
        p_kw[:, 2] += np.where(self._waiting_kwh > 0.0, self._catch_up_kw, 0.0)
        e_kwh[:, 2] += self._waiting_kwh
        have_kwh, have_kw = self._have(load, sun, horizon, inverter)
        fixed = allowed & silent[:, None]
        served = self._served / np.maximum(self._heard, 1.0)
        free = np.where(silent[:, None], 0.0, 1.0)
        request = Request(p_kw * free, e_kwh * free, self._worth, served, allowed)
        have_kwh -= float(e_kwh[fixed].sum())
        have_kw -= float(p_kw[fixed].sum())
        found = dispatch(request, have_kwh, have_kw, self._cables)
        found[silent] = allowed[silent]
        return found

    def _have(
        self, load: Array, sun: Array, horizon: int, inverter: InverterState
    ) -> tuple[float, float]:
        """Return the energy until the horizon and the power now."""
        config = self._config
        have_kw = config.p_limit_pu * inverter.p_max_kw + float(sun[0])
        wanted_now_kw = float(load[:, 0].sum()) * (1.0 - self._shares[2])
        if sun[0] >= wanted_now_kw and inverter.soc_pu >= config.surplus_soc_pu:
            return PLENTY_KWH, have_kw
        stored = max(inverter.soc_pu - config.floor_soc_pu, 0.0) * inverter.e_kwh
        stored *= config.efficiency_pu
        return _affordable(stored, load[:, :horizon] * _HOURS, sun[:horizon] * _HOURS), have_kw

    def _wait(self, allowed: Mask, deferrable_kw: Array) -> None:
        """Keep account of the deferrable load that the last dispatch let wait or catch up."""
        hours = self._config.period_s / 3600.0
        change = np.where(allowed[:, 2], -self._catch_up_kw, deferrable_kw)
        self._waiting_kwh = np.maximum(self._waiting_kwh + change * hours, 0.0)


def _until_carried(load: Array, sun: Array) -> int:
    """Return the slots until the sun carries the street, at least one."""
    carried = np.flatnonzero(sun >= load.sum(axis=0))
    return max(int(carried[0]) if len(carried) else SLOTS, 1)


def _affordable(stored: float, load: Array, sun: Array) -> float:
    """Return the energy that can be used by the horizon, though the sun comes late.

    At no time may more have been used than was stored and has shone so far. With use in
    proportion to the load, the tightest instant decides.
    """
    used = np.cumsum(load.sum(axis=0))
    part = float(((stored + np.cumsum(sun)) / np.maximum(used, 1e-9)).min())
    return min(part, 1.0) * float(used[-1])


def _cable_limits(network: Neighbourhood, anchor: str, part: float) -> list[Limit]:
    """Return each private cable with the houses behind it, seen from the anchor."""
    rows = {name: k for k, name in enumerate(network.consumer_names)}
    neighbours: dict[str, list[tuple[str, float]]] = {}
    for line in network.private_lines:
        v_v = network.bus[network.consumer[line.bus_from].bus].v_nominal_v
        p_kw = part * 3**0.5 * v_v * network.line_code[line.code].ampacity_a / 1e3
        neighbours.setdefault(line.bus_from, []).append((line.bus_to, p_kw))
        neighbours.setdefault(line.bus_to, []).append((line.bus_from, p_kw))
    limits: list[Limit] = []

    def behind(house: str, came_from: str) -> list[int]:
        found = [rows[house]]
        for other, p_kw in neighbours.get(house, ()):
            if other != came_from:
                houses = behind(other, house)
                limits.append(Limit(np.array(houses), p_kw))
                found += houses
        return found

    if network.private_lines:
        behind(anchor, "")
    return limits
