"""Coordinator: supervises the street's nodes and says who may use power.

On the public grid it keeps the battery ready: it charges from the street's surplus and
holds a reserve. On the island it lets the planner dispatch by worth, sends each house its
allowance, repeats what is not confirmed, and plans around houses it does not hear.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, MultipleOf
from pydantic import Field

from controllers.cell_link import link_of
from controllers.coordinator.last_reserve import LastReserve, LastReserveConfig
from controllers.coordinator.orders import OrderBook
from controllers.coordinator.planner import Planner, PlannerConfig
from controllers.kept import Kept
from gridmodel.control import Decisions, Observations
from gridmodel.federate import NodeSeat
from gridmodel.kpi import Kpi
from gridmodel.ports import ReceivedFrame
from gridmodel.settings import Settings
from gridmodel.units import microseconds
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.seal import Opened

Share = Annotated[float, Ge(0.0), Le(1.0)]
Positive = Annotated[float, Gt(0.0)]


class CoordinatorConfig(Settings):
    """The coordinator."""

    planner: PlannerConfig = Field(PlannerConfig(), description="what the dispatch assumes")
    ready_soc_pu: Share = Field(0.9, description="reserve it holds while the grid is there")
    control_period_s: Positive = Field(10.0, description="step of the battery's set-point")
    beacon_period_s: Annotated[float, Gt(0.0), Le(1275.0), MultipleOf(5.0)] = Field(
        60.0, description="heartbeat to everyone, in the steps of its frame"
    )
    order_valid_s: Annotated[float, Gt(0.0), Le(7650.0), MultipleOf(30.0)] = Field(
        7200.0, description="an order holds this long, in the steps of its frame"
    )
    acknowledge_s: Positive = Field(1.0, description="wait for a confirmation")
    tries_max: Annotated[int, Ge(1)] = Field(4, description="times an order is sent")
    silent_s: Positive = Field(300.0, description="a house not heard this long counts as lost")
    last_reserve: LastReserveConfig | None = Field(
        None, description="the whole cell goes dark before the battery is empty"
    )


class Coordinator:
    """The controller of the anchor's site."""

    Config = CoordinatorConfig

    def __init__(self, config: CoordinatorConfig, seat: NodeSeat) -> None:
        assert seat.network is not None
        self._config = config
        self._seat = seat
        self._count = len(seat.peers)
        #: Part of the street that is this coordinator's; it plans with that part of the anchor.
        self._share_pu = self._count / len(seat.network.consumers)
        self._link = link_of(seat, range(1, self._count + 1), calls=())
        self._start(0)

    def _start(self, now_us: int) -> None:
        config, seat = self._config, self._seat
        assert seat.network is not None
        self._planner = Planner(config.planner, seat.network, seat.peers, seat.terminal.name)
        self._orders = OrderBook(microseconds(config.acknowledge_s), config.tries_max)
        self._heard_us = np.full(self._count, now_us)
        self._silent = np.zeros(self._count, dtype=np.bool_)
        self._silence_count = 0
        self._allowed = np.ones((self._count, 3), dtype=np.bool_)
        self._reserve = LastReserve(config.last_reserve) if config.last_reserve else None
        self._tied = True
        self._scarce = False
        self._beacon_us = self._control_us = self._dispatch_us = now_us

    def boot(self, now_us: int, kept: bytes | None = None) -> None:
        """Forget everything but the frame counter."""
        self._start(now_us)
        saved = Kept.from_bytes(kept)
        self._link.boot(now_us, saved.counter if saved is not None else 0)
        if self._reserve is not None:
            self._reserve.boot(now_us)

    def step(self, now_us: int, seen: Observations, frames: Sequence[ReceivedFrame]) -> Decisions:
        """Return frames, the battery's set-point and the next instant that matters."""
        seen = self._own_part(seen)
        inverter, reserved = seen.inverter, self._link.reserved
        assert inverter is not None
        for frame in self._link.open(frames):
            self._take(now_us, frame)
        self._follow(now_us, seen.relays["tie"])
        p_set = None
        if now_us >= self._control_us:
            self._control_us = _next(now_us, self._config.control_period_s)
            p_set = self._control(now_us, seen)
        if now_us >= self._dispatch_us:
            self._dispatch_us = _next(now_us, self._config.planner.period_s)
            self._plan(now_us, seen)
        out = self._link.answers(now_us)
        if now_us >= self._beacon_us:
            self._beacon_us = _next(now_us, self._config.beacon_period_s)
            self._supervise(now_us)
            out.append(self._beacon(inverter.soc_pu))
        out += self._command(now_us, inverter.soc_pu)
        dark = self._reserve is not None and self._reserve.dark
        if dark:
            self._orders.forget()
        elif not self._tied:
            out += self._send_order(now_us)
        timers = [self._control_us, self._beacon_us, self._dispatch_us]
        overdue = self._orders.next_us(now_us)
        if overdue is not None and not (self._tied or dark):
            timers.append(overdue)
        command_us = self._reserve.timer_us if self._reserve is not None else None
        if command_us is not None and command_us > now_us:
            timers.append(command_us)
        state = 0 if self._tied else 1 + self._scarce  # on the grid, islanded, scarce
        keep = None if self._link.reserved == reserved else Kept(self._link.reserved).to_bytes()
        return Decisions(min(timers), state, frames=out, p_set_kw=p_set, keep=keep)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how well orders and supervision went."""
        orders = self._orders
        return (
            Kpi("refused_frame_count", self._link.refused_count, "frames that failed a check"),
            Kpi("order_count", orders.confirmed_count, "orders confirmed"),
            Kpi(
                "order_slowest_s", orders.slowest_us / 1e6, "longest way from order to confirmation"
            ),
            Kpi("order_lost_count", orders.lost_count, "orders never confirmed"),
            Kpi("silence_count", self._silence_count, "times a house was not heard for too long"),
            *self._reserve_kpis(),
        )

    def _reserve_kpis(self) -> tuple[Kpi, ...]:
        if self._reserve is None:
            return ()
        return (Kpi("dark_count", self._reserve.dark_count, "times the whole cell was shed"),)

    def _own_part(self, seen: Observations) -> Observations:
        """Return what was seen with this cell's part of the anchor and of the grid's power."""
        part, inverter, tie = self._share_pu, seen.inverter, seen.meters["tie"]
        assert inverter is not None
        own = inverter._replace(
            p_kw=part * inverter.p_kw,
            p_max_kw=part * inverter.p_max_kw,
            e_kwh=part * inverter.e_kwh,
        )
        return seen._replace(
            meters={**seen.meters, "tie": tie._replace(p_kw=part * tie.p_kw)}, inverter=own
        )

    def _take(self, now_us: int, frame: Opened) -> None:
        """Learn from a node's telemetry or confirmation."""
        row = frame.source - 1
        self._heard_us[row] = now_us
        self._silent[row] = False
        if frame.kind == FrameKind.ACKNOWLEDGE:
            count = int(frame.values["order_count"])
            self._orders.acknowledged(frame.source, count, now_us)
        elif frame.kind == FrameKind.TELEMETRY:
            if not self._tied:
                self._orders.heard(frame.source, int(frame.values["order_count"]))
            mask = int(frame.values["closed_mask"])
            connected = np.array([bool(mask >> k & 1) for k in range(3)])
            self._planner.hear(now_us, row, frame.values["p_kw"], connected)

    def _follow(self, now_us: int, tied: bool) -> None:
        """When the street leaves or joins the public grid, tell everyone at once."""
        if tied != self._tied:
            self._tied = tied
            self._orders.forget()
            self._beacon_us = self._dispatch_us = now_us

    def _command(self, now_us: int, soc_pu: float) -> list[bytes]:
        """Return the command to the whole cell that is due, if any."""
        if self._reserve is None:
            return []
        kind = self._reserve.decide(now_us, self._tied, soc_pu)
        if kind is None:
            return []
        return [self._link.seal(kind, EVERYONE, self._reserve.values(kind, COORDINATOR))]

    def _supervise(self, now_us: int) -> None:
        """Note houses that have not been heard for too long."""
        lost = now_us - self._heard_us > microseconds(self._config.silent_s)
        self._silence_count += int((lost & ~self._silent).sum())
        self._silent |= lost

    def _control(self, now_us: int, seen: Observations) -> float:
        """Return the battery's set-point on the public grid: surplus in, reserve held."""
        if not self._tied:
            return 0.0
        inverter, import_kw = seen.inverter, seen.meters["tie"].p_kw
        assert inverter is not None
        sun_kw = float(self._planner.load_kw.sum()) - import_kw - inverter.p_kw
        self._planner.see_sun(now_us, max(sun_kw, 0.0))
        wanted = inverter.p_kw + import_kw
        discharge = wanted > 0.0 and inverter.soc_pu <= self._config.ready_soc_pu
        return 0.0 if discharge else wanted / self._share_pu

    def _plan(self, now_us: int, seen: Observations) -> None:
        """Decide which circuits are allowed until the next dispatch, and ask for it."""
        assert seen.inverter is not None
        if self._tied:
            self._allowed[:] = True
            self._planner.rest()
        else:
            self._allowed = self._planner.plan(now_us, seen.inverter, self._allowed, self._silent)
            refresh = microseconds(self._config.order_valid_s / 2)
            for row in range(self._count):
                mask = sum(int(on) << k for k, on in enumerate(self._allowed[row]))
                self._orders.want(row + 1, mask, now_us, refresh)
        self._scarce = not self._allowed.all()

    def _beacon(self, soc_pu: float) -> bytes:
        values = {
            "grid_tied": float(self._tied),
            "scarce": float(self._scarce),
            "soc_pu": soc_pu,
            "period_s": self._config.beacon_period_s,
        }
        return self._link.seal(FrameKind.BEACON, EVERYONE, values)

    def _send_order(self, now_us: int) -> list[bytes]:
        """Return the order that is due, if any."""
        due = self._orders.due(now_us)
        if due is None:
            return []
        address, mask = due
        values = {
            "allowed_mask": float(mask),
            "valid_s": self._config.order_valid_s,
            "reason": float(self._scarce),
        }
        frame = self._link.seal(FrameKind.ORDER, address, values)
        self._orders.sent(address, mask, self._link.counter, now_us)
        return [frame]

    def snapshot(self) -> Any:
        """Return the dynamic state."""
        fixed = ("_config", "_seat", "_count", "_share_pu", "_link")
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
