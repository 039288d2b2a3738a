"""Coordinator: supervises the street's nodes and says who may use power.

On the public grid it keeps the battery ready: it charges from the street's surplus and
holds a reserve. On the island it dispatches energy by worth until the sun returns, sends
each house its allowance, and repeats what is not confirmed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field

from controllers.cell_link import CellLink
from controllers.coordinator.dispatch import Limit, Request, dispatch
from controllers.coordinator.forecast import SLOT_S, SLOTS, Persistence
from controllers.coordinator.orders import OrderBook
from gridmodel.control import Decisions, Observations
from gridmodel.federate import NodeSeat
from gridmodel.kpi import Kpi
from gridmodel.network import Network
from gridmodel.ports import ReceivedFrame
from gridmodel.settings import Settings
from gridmodel.units import microseconds
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.seal import Opened

Share = Annotated[float, Ge(0.0), Le(1.0)]
Positive = Annotated[float, Gt(0.0)]
NonNegative = Annotated[float, Ge(0.0)]


class CoordinatorConfig(Settings):
    """The coordinator."""

    class_share_pu: tuple[Share, Share, Share] = Field(
        (0.30, 0.45, 0.25), description="parts of critical, normal, deferrable load it assumes"
    )
    worth_eur_per_kwh: tuple[NonNegative, NonNegative, NonNegative] = Field(
        (10.0, 1.0, 0.2), description="worth of a unit of energy by class"
    )
    ready_soc_pu: Share = Field(0.9, description="reserve it holds while the grid is there")
    floor_soc_pu: Share = Field(0.1, description="energy below this is not planned with")
    surplus_soc_pu: Share = Field(0.8, description="above this everything is allowed in daylight")
    p_limit_pu: Share = Field(0.9, description="part of the anchor's power that is planned with")
    cable_limit_pu: Share = Field(0.9, description="part of a private cable's ampacity likewise")
    efficiency_pu: Share = Field(0.92, description="stored energy that reaches the houses")
    pv_trust_pu: Share = Field(0.8, description="part of yesterday's sun that is planned with")
    guess_pu: Share = Field(0.25, description="load expected of a house never heard, of its rating")
    control_period_s: Positive = Field(10.0, description="step of the battery's set-point")
    beacon_period_s: Positive = Field(60.0, description="heartbeat to everyone")
    dispatch_period_s: Positive = Field(900.0, description="step of the dispatch")
    order_valid_s: Positive = Field(7200.0, description="an order holds this long")
    acknowledge_s: Positive = Field(1.0, description="wait for a confirmation")
    tries_max: Annotated[int, Ge(1)] = Field(4, description="times an order is sent")
    catch_up_pu: NonNegative = Field(
        0.5, description="power at which deferred energy is drawn, of the house's rating"
    )
    silent_s: Positive = Field(300.0, description="a house not heard this long is reported lost")


class Coordinator:
    """The controller of the anchor's site."""

    Config = CoordinatorConfig

    def __init__(self, config: CoordinatorConfig, seat: NodeSeat) -> None:
        assert seat.network is not None
        self._config = config
        self._count = len(seat.peers)
        self._anchor = seat.terminal.name
        self._shares = np.array(config.class_share_pu)
        self._worth = np.array(config.worth_eur_per_kwh)
        rated = np.array([seat.network.consumer[name].p_rated_kw for name in seat.peers])
        self._guess = config.guess_pu * rated
        self._catch_up_kw = config.catch_up_pu * rated
        self._cables = _cable_limits(seat.network, self._anchor, config.cable_limit_pu)
        self._link = CellLink(COORDINATOR, range(1, self._count + 1), seat.seed)
        self._start(0)

    def _start(self, now_us: int) -> None:
        config = self._config
        self._load = Persistence(self._guess)
        self._sun = Persistence(np.zeros(1))
        self._heard_us = np.full(self._count, now_us)
        self._load_kw = self._guess.copy()
        self._waiting_kwh = np.zeros(self._count)  # deferred load, as far as it can know
        self._served = np.zeros(self._count)
        self._heard = np.zeros(self._count)
        self._orders = OrderBook(microseconds(config.acknowledge_s), config.tries_max)
        self._allowed = np.ones((self._count, 3), dtype=np.bool_)
        self._tied = True
        self._scarce = False
        self._beacon_us = self._control_us = self._dispatch_us = now_us

    def boot(self, now_us: int) -> None:
        """Forget everything but the frame counter."""
        self._start(now_us)

    def step(self, now_us: int, seen: Observations, frames: Sequence[ReceivedFrame]) -> Decisions:
        """Return frames, the battery's set-point and the next instant that matters."""
        assert seen.inverter is not None
        for frame in self._link.open(frames):
            self._take(now_us, frame)
        out: list[bytes] = []
        tied = seen.relays["tie"]
        if tied != self._tied:  # tell everyone at once
            self._tied = tied
            self._orders.forget()
            self._beacon_us = now_us
            self._dispatch_us = now_us
        p_set = self._control(now_us, seen)
        if now_us >= self._dispatch_us:
            self._plan(now_us, seen)
            self._ask(now_us)
            self._dispatch_us = _next(now_us, self._config.dispatch_period_s)
        if now_us >= self._beacon_us:
            out.append(self._beacon(seen.inverter.soc_pu))
            self._beacon_us = _next(now_us, self._config.beacon_period_s)
        if not tied:
            out += self._send_order(now_us)
        timers = [self._control_us, self._beacon_us, self._dispatch_us]
        overdue = self._orders.next_us(now_us)
        if overdue is not None and not tied:
            timers.append(overdue)
        return Decisions(wake_us=min(timers), state=self._code(), frames=out, p_set_kw=p_set)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how well orders went."""
        orders = self._orders
        return (
            Kpi("refused_frame_count", self._link.refused_count, "frames that failed a check"),
            Kpi("order_count", orders.confirmed_count, "orders confirmed"),
            Kpi(
                "order_slowest_s", orders.slowest_us / 1e6, "longest way from order to confirmation"
            ),
            Kpi("order_lost_count", orders.lost_count, "orders never confirmed"),
        )

    def _code(self) -> int:
        """Return 0 on the public grid, 1 on the island, 2 while energy is scarce."""
        return 0 if self._tied else 1 + self._scarce

    def _take(self, now_us: int, frame: Opened) -> None:
        """Learn from a node's telemetry or confirmation."""
        row = frame.source - 1
        self._heard_us[row] = now_us
        if frame.kind == FrameKind.ACKNOWLEDGE:
            counter = int(frame.values["order_count"])
            self._orders.acknowledged(frame.source, counter, now_us)
        elif frame.kind == FrameKind.TELEMETRY:
            if not self._tied:
                self._orders.heard(frame.source, int(frame.values["order_count"]))
            mask = int(frame.values["closed_mask"])
            share = sum(s for k, s in enumerate(self._config.class_share_pu) if mask >> k & 1)
            self._heard[row] += 1.0
            self._served[row] += share
            if share > 0.0:  # what the house would draw with everything connected
                whole = max(-frame.values["p_kw"], 0.0) / share
                self._load_kw[row] = whole
                self._load.hear(now_us, row, whole)

    def _control(self, now_us: int, seen: Observations) -> float | None:
        """Return the battery's set-point on the public grid: surplus in, reserve held."""
        if now_us < self._control_us:
            return None
        self._control_us = _next(now_us, self._config.control_period_s)
        inverter = seen.inverter
        assert inverter is not None
        if not self._tied:
            return 0.0
        import_kw = seen.meters["tie"].p_kw
        sun_kw = max(self._load_kw.sum() - import_kw - inverter.p_kw, 0.0)
        self._sun.hear(now_us, 0, float(sun_kw))
        wanted = inverter.p_kw + import_kw
        if wanted > 0.0 and inverter.soc_pu <= self._config.ready_soc_pu:
            return 0.0
        return wanted

    def _plan(self, now_us: int, seen: Observations) -> None:
        """Decide which circuits are allowed until the next dispatch."""
        config, inverter = self._config, seen.inverter
        assert inverter is not None
        if self._tied:
            self._allowed[:] = True
            self._waiting_kwh[:] = 0.0
            self._scarce = False
            return
        load = self._load.ahead(now_us, SLOTS)
        sun = config.pv_trust_pu * self._sun.ahead(now_us, SLOTS)[0]
        daylight = sun[0] >= load[:, 0].sum() * (1 - self._shares[2])
        if daylight and inverter.soc_pu >= config.surplus_soc_pu:
            self._allowed[:] = True
            self._scarce = False
            return
        horizon = _until_sunrise(load, sun)
        hours = SLOT_S / 3600.0
        energy = load[:, :horizon].sum(axis=1) * hours
        stored = max(inverter.soc_pu - config.floor_soc_pu, 0.0) * inverter.e_kwh
        stored *= config.efficiency_pu
        p_kw, e_kwh = np.outer(self._load_kw, self._shares), np.outer(energy, self._shares)
        self._wait(p_kw[:, 2])
        p_kw[:, 2] += np.where(self._waiting_kwh > 0.0, self._catch_up_kw, 0.0)
        e_kwh[:, 2] += self._waiting_kwh
        request = Request(
            p_kw,
            e_kwh,
            self._worth,
            self._served / np.maximum(self._heard, 1.0),
            self._allowed,
        )
        self._allowed = dispatch(
            request,
            _affordable(stored, load[:, :horizon] * hours, sun[:horizon] * hours),
            config.p_limit_pu * inverter.p_max_kw + float(sun[0]),
            self._cables,
        )
        self._scarce = not self._allowed.all()

    def _wait(self, deferrable_kw: NDArray[np.float64]) -> None:
        """Keep account of the deferrable load that the last dispatch let wait or catch up."""
        hours = self._config.dispatch_period_s / 3600.0
        change = np.where(self._allowed[:, 2], -self._catch_up_kw, deferrable_kw)
        self._waiting_kwh = np.maximum(self._waiting_kwh + change * hours, 0.0)

    def _beacon(self, soc_pu: float) -> bytes:
        values = {
            "grid_tied": float(self._tied),
            "scarce": float(self._scarce),
            "soc_pu": soc_pu,
            "period_s": self._config.beacon_period_s,
        }
        return self._link.seal(FrameKind.BEACON, EVERYONE, values)

    def _ask(self, now_us: int) -> None:
        """Put what the houses are to be told into the order book."""
        refresh = microseconds(self._config.order_valid_s / 2)
        for row in range(self._count):
            mask = sum(int(on) << k for k, on in enumerate(self._allowed[row]))
            self._orders.want(row + 1, mask, now_us, refresh)

    def _send_order(self, now_us: int) -> list[bytes]:
        """Return the order that is due, if any."""
        due = self._orders.due(now_us)
        return [] if due is None else [self._order(now_us, *due)]

    def _order(self, now_us: int, address: int, mask: int) -> bytes:
        values = {
            "allowed_mask": float(mask),
            "valid_s": self._config.order_valid_s,
            "reason": float(self._scarce),
        }
        frame = self._link.seal(FrameKind.ORDER, address, values)
        self._orders.sent(address, mask, self._link.counter, now_us)
        return frame

    def snapshot(self) -> Any:
        """Return the dynamic state."""
        fixed = (
            "_config", "_count", "_anchor", "_shares", "_worth", "_guess", "_catch_up_kw",
            "_cables", "_link",
        )  # fmt: skip
        own = {name: value for name, value in vars(self).items() if name not in fixed}
        return copy.deepcopy(own), self._link.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, link = copy.deepcopy(state)
        vars(self).update(own)
        self._link.restore(link)


def _next(now_us: int, period_s: float) -> int:
    """Return the next whole multiple of a period. [us]"""
    period = microseconds(period_s)
    return now_us - now_us % period + period


def _until_sunrise(load: NDArray[np.float64], sun: NDArray[np.float64]) -> int:
    """Return the slots until the sun carries the street, at least one."""
    carried = np.flatnonzero(sun >= load.sum(axis=0))
    return max(int(carried[0]) if len(carried) else SLOTS, 1)


def _affordable(stored: float, load: NDArray[np.float64], sun: NDArray[np.float64]) -> float:
    """Return the energy that can be used by the horizon, though the sun comes late.

    At no time may more have been used than was stored and has shone so far. With use in
    proportion to the load, the tightest instant decides.
    """
    used = np.cumsum(load.sum(axis=0))
    part = float(((stored + np.cumsum(sun)) / np.maximum(used, 1e-9)).min())
    return min(part, 1.0) * float(used[-1])


def _cable_limits(network: Network, anchor: str, part: float) -> list[Limit]:
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
