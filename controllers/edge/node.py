"""Edge node: keeps its house within what the supply can bear.

Decides from its own meter first (healthy supply, frequency), from the coordinator's
orders second; the radio can only make things gentler, never unsafe. States are in
`controllers.edge.states`; what a restart forgets is everything but the frame counter.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt
from pydantic import Field

from controllers.cell_link import link_of
from controllers.edge.command import Command
from controllers.edge.contact_times import ContactTimes, ContactTimesConfig
from controllers.edge.protection import Protection, ProtectionConfig
from controllers.edge.shedding import Shedding, SheddingConfig
from controllers.edge.states import (
    ALL,
    CRITICAL,
    DEFERRABLE,
    NORMAL,
    NodeState,
    contacts_of,
    mask_of,
    wired,
)
from controllers.edge.stuck_contacts import StuckContacts
from controllers.edge.supervision import beacons_missed
from controllers.edge.supply import Supply, SupplyConfig
from controllers.edge.transfer import TransferConfig, TransferSwitch
from controllers.kept import Kept
from gridmodel.codes import CIRCUITS, Side
from gridmodel.control import Decisions, Observations
from gridmodel.federate import NodeSeat
from gridmodel.kpi import Kpi
from gridmodel.ports import ReceivedFrame
from gridmodel.settings import Settings
from gridmodel.units import microseconds
from gridmodel.wire.frames import COORDINATOR, FrameKind
from gridmodel.wire.seal import Opened


class EdgeNodeConfig(Settings):
    """An edge node."""

    supply: SupplyConfig = Field(SupplyConfig(), description="what counts as healthy")
    shedding: SheddingConfig = Field(SheddingConfig(), description="when to shed alone")
    transfer: TransferConfig | None = Field(
        None, description="there is a transfer switch to a private island"
    )
    report_period_s: Annotated[float, Gt(0.0)] = Field(60.0, description="telemetry")
    slot_s: Annotated[float, Ge(0.0)] = Field(
        0.5, description="an address reports this much after the one before it"
    )
    beacons_missed_count: Annotated[int, Ge(1)] | None = Field(
        5,
        description="so many beacons missed mean that the coordinator is lost; null: as many as "
        "their period and `beacon_loss_pu` ask for",
    )
    beacon_loss_pu: Annotated[float, Ge(0.0), Lt(1.0)] = Field(
        0.1, description="share of beacons that the radio may lose"
    )
    false_alarms_per_year: Annotated[float, Gt(0.0)] = Field(
        1.0, description="times a year that beacons lost by chance may count as a lost coordinator"
    )
    stale_s: Annotated[float, Gt(0.0)] | None = Field(
        None, description="a reading this old is none: on an island only critical load stays"
    )
    contacts: ContactTimesConfig = Field(ContactTimesConfig(), description="how long they stay")
    protection: ProtectionConfig | None = Field(
        None, description="it trips on too much current or heat"
    )


class EdgeNode:
    """The controller of one house."""

    Config = EdgeNodeConfig

    @staticmethod
    def ports(config: EdgeNodeConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the meters it reads, and the relays it moves as far as they are there."""
        sides = ("grid", "island") if config.transfer is not None else ()
        return ("supply", *sides), (*CIRCUITS, *sides)

    def __init__(self, config: EdgeNodeConfig, seat: NodeSeat) -> None:
        self._config = config
        self._address = seat.address
        self._booted = False
        self._stuck = StuckContacts()
        self._link = link_of(seat, [COORDINATOR], calls=[COORDINATOR])
        self._start(0)

    def _start(self, now_us: int) -> None:
        config = self._config
        self._state = NodeState.GRID
        self._shedding = Shedding(config.shedding)
        self._supply = Supply(config.supply, self._address)
        grid_delay_s = config.transfer.grid_delay_s if config.transfer else 0.0
        grid_config = config.supply.model_copy(update={"enter_delay_s": grid_delay_s})
        self._grid = Supply(grid_config, self._address, "grid")
        self._island = Supply(config.supply, self._address, "island")
        self._transfer = TransferSwitch(config.transfer) if config.transfer else None
        self._times: ContactTimes | None = None
        self._read_us = now_us
        self._command = Command(self._address)
        self._protection = Protection(config.protection) if config.protection else None
        self._stuck = StuckContacts(self._stuck.count)
        self._tied = True
        self._heard_us = now_us
        self._beacon_us = microseconds(60.0)
        self._order_count = 0
        self._report_us = now_us + self._slot_us

    @property
    def _slot_us(self) -> int:
        """Place of this address within a round of reports; a long round overlaps itself. [us]"""
        config = self._config
        return microseconds(config.slot_s * self._address % config.report_period_s)

    def boot(self, now_us: int, kept: bytes | None = None) -> None:
        """Forget everything but what was kept; the frame counter must never repeat.

        Without a storage (``kept`` is None) it is what a storage would hold.
        """
        ideal = None if kept is not None else self._kept(now_us)
        sheds, trips = self._shedding.shed_count, self._protection
        self._start(now_us)
        self._booted, self._tied = True, False
        self._shedding.shed_count = sheds
        if self._protection is not None and trips is not None:
            self._protection.total_count = trips.total_count
        saved = Kept.from_bytes(kept)
        self._link.boot(now_us, saved.counter if saved is not None else 0)
        saved = saved or ideal
        if saved is not None:
            self._shedding.resume(now_us, saved)
            if self._protection is not None:
                self._protection.resume(now_us, saved)
        for supply in (self._supply, self._grid, self._island):
            supply.healthy = False
        if self._transfer is not None:
            self._transfer.open(now_us)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return frames it refused and sheds it decided alone."""
        return (
            Kpi("refused_frame_count", self._link.refused_count, "frames that failed a check"),
            Kpi("local_shed_count", self._shedding.shed_count, "sheds on frequency alone"),
            *self._protection_kpis(),
            *self._stuck.kpis(),
        )

    def _protection_kpis(self) -> tuple[Kpi, ...]:
        if self._protection is None:
            return ()
        count = self._protection.total_count
        return (Kpi("trip_count", count, "trips on too much current or heat"),)

    def step(self, now_us: int, seen: Observations, frames: Sequence[ReceivedFrame]) -> Decisions:
        """Return contacts, frames and the next instant that matters."""
        before, kept = self._state, self._to_keep()
        answers = self._hear(now_us, frames)
        self._observe(now_us, seen)
        mask = self._limited(now_us, self._mask(now_us), seen)
        self._state = self._name(now_us, mask)
        if self._state != before:  # tell soon, each address in its own slot
            self._report_us = min(self._report_us, now_us + self._slot_us)
        answers += self._report(now_us, seen, self._stuck.observe(mask, seen.relays))
        contacts = contacts_of(mask)
        if self._transfer is not None:
            contacts |= self._transfer.contacts
        relays = seen.relays
        moves = {name: on for name, on in contacts.items() if relays.get(name, on) != on}
        return Decisions(
            wake_us=self._wake(now_us),
            state=int(self._state),
            relays=moves,
            frames=answers,
            alarms=self._alarms(),
            keep=self._changed(now_us, kept),
        )

    def _to_keep(self) -> tuple[int, ...]:
        """Return what, when it changes, is worth a write to flash."""
        trips = self._protection.trip_count if self._protection is not None else 0
        return self._link.reserved, trips, self._shedding.local_mask

    def _changed(self, now_us: int, before: tuple[int, ...]) -> bytes | None:
        return None if self._to_keep() == before else self._kept(now_us).to_bytes()

    def _kept(self, now_us: int) -> Kept:
        kept = self._shedding.keep(now_us, Kept(self._link.reserved))
        return self._protection.keep(now_us, kept) if self._protection is not None else kept

    def _limited(self, now_us: int, wanted: int, seen: Observations) -> int:
        """Return what protection and the contacts' own times leave of the circuits wanted."""
        safe = ALL if self._supply.ready(now_us) else 0
        if not self._on_public_grid(now_us):
            safe &= self._shedding.local_mask
        if self._command.is_dark(now_us):
            safe = 0
        if self._protection is not None:
            self._protection.observe(now_us, seen.meters["supply"].i_a, seen.temp_c)
            safe &= self._protection.allowed(now_us)
        closed = mask_of(seen.relays)
        if self._times is None:
            self._times = ContactTimes(self._config.contacts, closed)
            if self._booted:  # what is open may have been opened by the loss of power
                self._times.opened(now_us)
        self._times.observe(now_us, closed | self._times.closed & ~wired(seen.relays))
        if self._protection is not None:
            wanted &= self._protection.allowed(now_us)
        return self._times.limit(now_us, wanted, safe)

    def _hear(self, now_us: int, frames: Sequence[ReceivedFrame]) -> list[bytes]:
        """Take beacons and orders; return acknowledgements."""
        answers = []
        for frame in self._link.open(frames):
            self._heard_us = now_us
            values = frame.values
            if frame.kind == FrameKind.BEACON:
                self._tied = values["grid_tied"] > 0
                self._beacon_us = microseconds(values["period_s"])
            elif frame.kind == FrameKind.ORDER:
                valid_us = now_us + microseconds(values["valid_s"])
                self._shedding.order(int(values["allowed_mask"]), valid_us)
                self._order_count = frame.counter
                answers.append(self._acknowledge())
            else:
                self._obey(now_us, frame)
        return self._link.answers(now_us) + answers

    def _obey(self, now_us: int, frame: Opened) -> None:
        """Take what is said to many at once; nobody confirms it, the next reports tell."""
        values, command = frame.values, self._command
        if frame.kind == FrameKind.SHED_ALL:
            command.shed_all(now_us, values["delay_s"], values["valid_s"])
        elif frame.kind == FrameKind.BLACK_START:
            supply = self._supply
            delays = values["delay_s"], values["stagger_s"]
            turn_us = command.black_start(now_us, *delays, supply.healthy)
            if self._transfer is None and supply.healthy and not supply.ready(now_us):
                supply.enter_us = min(supply.enter_us, turn_us)
        elif frame.kind == FrameKind.SHED:
            mask, level = int(values["group_mask"]), int(values["level"])
            command.shed_groups(now_us, mask, level, values["valid_s"])

    def _forget_order(self) -> None:
        self._shedding.forget_order()
        self._order_count = 0

    def _acknowledge(self) -> bytes:
        values = {
            "order_count": self._order_count & 0xFFFF,
            "state": int(self._state),
            "closed_mask": self._shedding.ordered_mask,
        }
        return self._link.seal(FrameKind.ACKNOWLEDGE, COORDINATOR, values)

    def _observe(self, now_us: int, seen: Observations) -> None:
        """Take the readings."""
        was_healthy = self._supply.healthy
        supply = seen.meters["supply"]
        self._read_us = supply.t_us
        if self._transfer is not None:
            self._grid.observe(now_us, seen.meters["grid"])
            self._island.observe(now_us, seen.meters["island"])
            self._transfer.decide(now_us, self._grid, self._island)
            # The switch has waited for its supply; the house behind it need not wait again.
            self._supply.healthy = self._transfer.position != Side.NOWHERE
        else:
            self._supply.observe(now_us, supply)
        if self._supply.healthy and not was_healthy and self._transfer is None:
            self._supply.enter_us = self._command.enter_us(now_us, self._supply.enter_us)
        if was_healthy and not self._supply.healthy:
            self._forget_order()
            self._tied = False  # an island may come up next, until a beacon says otherwise
        elif self._supply.healthy and not self._on_public_grid(now_us):
            # Behind a switch that is about to close there is no frequency to shed by, however
            # much of a volt the converter's noise makes.
            f_hz = supply.f_hz if supply.f_hz > 0.0 else self._config.shedding.first_hz
            self._shedding.observe(now_us, f_hz)

    def _on_public_grid(self, now_us: int) -> bool:
        """Return whether the house is fed by the public grid, as far as it can know."""
        if self._transfer is not None:
            return self._transfer.position == Side.GRID
        return self._tied and self._led(now_us)

    def _led(self, now_us: int) -> bool:
        """Return whether the coordinator was heard lately."""
        return now_us - self._heard_us <= self._patience_us

    @property
    def _patience_us(self) -> int:
        """How long the coordinator may be silent. [us]"""
        c = self._config
        count = c.beacons_missed_count
        if count is None:
            count = beacons_missed(self._beacon_us / 1e6, c.beacon_loss_pu, c.false_alarms_per_year)
        return count * self._beacon_us

    def _mask(self, now_us: int) -> int:
        """Return the circuits to connect."""
        if not self._supply.ready(now_us):
            return 0
        if self._transfer is not None and self._transfer.position == Side.GRID:
            return ALL
        if self._command.is_dark(now_us):
            self._forget_order()  # whoever comes back begins with critical load only
            return 0
        led = self._led(now_us)
        if self._transfer is None and led and self._tied:
            return ALL
        mask = self._shedding.allowed(now_us, led) & self._command.allowed(now_us)
        return mask & CRITICAL if self._blind(now_us) else mask

    def _blind(self, now_us: int) -> bool:
        """Return whether the newest reading is too old to be relied on."""
        stale_s = self._config.stale_s
        return stale_s is not None and now_us - self._read_us > microseconds(stale_s)

    def _name(self, now_us: int, mask: int) -> NodeState:
        """Return the state that a mask means."""
        if not self._supply.healthy:
            return NodeState.ISOLATED
        if self._protection is not None and self._protection.tripped(now_us):
            return NodeState.TRIPPED
        if not self._supply.ready(now_us):
            return NodeState.RESTORING
        if self._on_public_grid(now_us) and mask == ALL:
            return NodeState.GRID
        if mask & NORMAL == 0:
            return NodeState.SHED
        return NodeState.ISLANDED if mask & DEFERRABLE else NodeState.SCARCE

    def _report(self, now_us: int, seen: Observations, mask: int) -> list[bytes]:
        """Return telemetry if it is time."""
        if now_us < self._report_us:
            return []
        period = microseconds(self._config.report_period_s)
        self._report_us = now_us - now_us % period + period + self._slot_us
        supply = seen.meters["supply"]
        values = {
            "state": int(self._state),
            "closed_mask": mask,
            "v_v": supply.v_v,
            "f_hz": supply.f_hz,
            "p_kw": supply.p_kw,
            "order_count": self._order_count & 0x3FF,
        }
        return [self._link.seal(FrameKind.TELEMETRY, COORDINATOR, values)]

    def _wake(self, now_us: int) -> int:
        """Return the next instant a timer of this node ends."""
        timers = [
            self._report_us,
            self._heard_us + self._patience_us + 1,
            self._supply.enter_us,
            self._link.wake_us(),
            *self._shedding.timers_us(),
            *self._command.timers_us(),
        ]
        if self._times is not None:
            timers.append(self._times.timer_us)
        if self._config.stale_s is not None:
            timers.append(self._read_us + microseconds(self._config.stale_s) + 1)
        if self._protection is not None:
            timers.append(self._protection.wake_us(now_us))
        if self._transfer is not None:
            timers += [self._grid.enter_us, self._island.enter_us, self._transfer.closes_us]
        return min(t for t in timers if t > now_us)

    def _alarms(self) -> list[Any]:
        """Return the bounds that must wake this node."""
        if self._transfer is None:
            return [self._supply.alarm(self._shedding.watch_hz())]
        return [self._grid.alarm(), self._island.alarm(self._shedding.watch_hz())]

    def snapshot(self) -> Any:
        """Return the dynamic state."""
        own = {k: v for k, v in vars(self).items() if k not in ("_config", "_address", "_link")}
        return copy.deepcopy(own), self._link.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, link = copy.deepcopy(state)
        vars(self).update(own)
        self._link.restore(link)
