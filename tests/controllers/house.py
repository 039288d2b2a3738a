"""A house for tests: an edge node, its meters and contacts, and who it talks with."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass

from controllers.cell_link import CellLink
from controllers.edge.node import EdgeNode, EdgeNodeConfig
from controllers.edge.states import NodeState, mask_of
from gridmodel.codes import CIRCUITS
from gridmodel.control import Decisions, Observations, Terminal
from gridmodel.federate import NodeSeat
from gridmodel.ports import Measurement, ReceivedFrame
from gridmodel.settings import parse
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.lora import Modem
from gridmodel.wire.seal import Opened

S = 1_000_000
SEED = 11
#: Voltage and frequency of a supply. [V] [Hz]
GOOD = (230.94, 50.0)
DARK = (0.0, 0.0)


def volts(v_pu: float, f_hz: float = 50.0) -> tuple[float, float]:
    """Return a supply with a part of its nominal voltage."""
    return 230.94 * v_pu, f_hz


@dataclass(frozen=True)
class Turn:
    """One step of a node."""

    t_us: int
    decisions: Decisions


class House:
    """A house whose time runs as in a fleet of nodes.

    Its meters are read each whole second and wake the node when a reading leaves the
    alarm's bounds; its own timers and frames wake it at their instants.

    Parameters
    ----------
    address : int
        Its radio address.
    settings
        The node's settings; with ``transfer`` it has a transfer switch, and its own
        supply is what the switch gives it.
    """

    def __init__(self, address: int = 3, **settings: object) -> None:
        self.address = address
        self._settings = settings
        self.switched = settings.get("transfer") is not None
        self.node = self._make()
        self.coordinator = CellLink(COORDINATOR, [address], SEED)
        self.contacts = dict.fromkeys(CIRCUITS, True)
        if self.switched:
            self.contacts |= {"grid": True, "island": False}
        self.sides = {"supply": GOOD, "grid": GOOD, "island": DARK}
        self.welded: set[str] = set()
        self.p_kw = -1.0
        self.i_a = 4.3
        self.temp_c: float | None = None
        self.flash: bytes | None = None
        self.write_count = 0
        self.now_us = 0
        self._sample_us, self._sample = 0, self._readings(0)
        self.turns: list[Turn] = []
        self.heard: list[tuple[int, Opened]] = []
        self._step(())

    def _make(self) -> EdgeNode:
        terminal = Terminal(f"house_{self.address:02}")
        peers = tuple(f"house_{k:02}" for k in range(1, 255))
        seat = NodeSeat("nodes", terminal, (), self.address, peers, Modem(), SEED)
        return EdgeNode(parse(EdgeNodeConfig, self._settings), seat)

    # what the house is

    @property
    def state(self) -> NodeState:
        """The state the node shows."""
        return NodeState(self.turns[-1].decisions.state)

    @property
    def mask(self) -> int:
        """The circuits that are connected."""
        return mask_of(self.contacts)

    @property
    def side(self) -> str:
        """What the transfer switch connects the house to."""
        closed = [side for side in ("grid", "island") if self.contacts[side]]
        return " and ".join(closed) or "nowhere"

    def kpi(self, name: str) -> float:
        """Return a key figure of the node."""
        return {kpi.name: kpi.value for kpi in self.node.kpis()}[name]

    def told(self, kind: FrameKind) -> list[tuple[float, Opened]]:
        """Return what the coordinator heard of one kind, with the second of sending."""
        return [(t_us / S, frame) for t_us, frame in self.heard if frame.kind == kind]

    # what happens to it

    def until(self, t_s: float) -> House:
        """Let time pass."""
        end_us = round(t_s * S)
        while (next_us := self._next_us()) <= end_us:
            self.now_us = next_us
            self._step(())
        self.now_us = end_us
        return self

    def see(self, supply: tuple[float, float] = GOOD, **sides: tuple[float, float]) -> House:
        """Change what the meters see from their next reading on."""
        self._take_sample()
        self.sides |= {"supply": supply} | sides
        return self

    def hear(self, *frames: bytes) -> House:
        """Receive frames now."""
        self._step([ReceivedFrame(self.now_us, frame, -90.0, 5.0) for frame in frames])
        return self

    def beacon(self, tied: bool, period_s: float = 60.0) -> bytes:
        """Return a heartbeat of the coordinator."""
        values = {"grid_tied": tied, "scarce": 0, "soc_pu": 0.5, "period_s": period_s}
        return self.coordinator.seal(FrameKind.BEACON, EVERYONE, values)

    def order(self, mask: int, valid_s: float = 7200.0, to: int | None = None) -> bytes:
        """Return an order of the coordinator."""
        values = {"allowed_mask": mask, "valid_s": valid_s, "reason": 0}
        to = self.address if to is None else to
        return self.coordinator.seal(FrameKind.ORDER, to, values)

    def lose(self, frames: int) -> House:
        """Let frames of the coordinator get lost on the air."""
        counter, *rest = self.coordinator.snapshot()
        self.coordinator.restore((counter + frames, *rest))
        return self

    def boot(self, down_s: float = 0.0) -> House:
        """Let the node crash and start anew; its contacts stay until it moves them."""
        self.now_us += round(down_s * S)
        self.node.boot(self.now_us)
        self._step(())
        return self

    def lose_power(self, down_s: float = 0.0) -> House:
        """Let the node lose its memory but for its flash, and start anew."""
        self.now_us += round(down_s * S)
        self.node = self._make()
        self.node.boot(self.now_us, self.flash)
        self._step(())
        return self

    def change_node(self) -> House:
        """Put another node in its place that takes over the state, through a file."""
        state = pickle.dumps(self.node.snapshot())
        self.node = self._make()
        self.node.restore(pickle.loads(state))
        return self

    # how its time runs

    def _next_us(self) -> int:
        decisions = self.turns[-1].decisions
        sample_us = self.now_us - self.now_us % S + S
        readings = self._readings(sample_us)
        if any(alarm.rings(readings[alarm.meter]) for alarm in decisions.alarms):
            return min(sample_us, decisions.wake_us)
        return decisions.wake_us

    def _readings(self, t_us: int) -> Mapping[str, Measurement]:
        sides = dict(self.sides)
        if self.switched:
            sides["supply"] = sides.get(self.side, DARK)
        return {
            meter: Measurement(t_us, v_v, self.i_a, self.p_kw, f_hz)
            for meter, (v_v, f_hz) in sides.items()
        }

    def _take_sample(self) -> None:
        """Read the meters if a second has begun since they were read."""
        if self.now_us // S > self._sample_us // S:
            self._sample_us = self.now_us - self.now_us % S
            self._sample = self._readings(self._sample_us)

    def _step(self, frames: object) -> None:
        self._take_sample()
        seen = Observations(self._sample, dict(self.contacts), temp_c=self.temp_c)
        decisions = self.node.step(self.now_us, seen, frames)
        assert decisions.wake_us > self.now_us, "a node must not wake in the past"
        if decisions.keep is not None:
            self.flash, self.write_count = decisions.keep, self.write_count + 1
        self.contacts |= {k: v for k, v in decisions.relays.items() if k not in self.welded}
        self.turns.append(Turn(self.now_us, decisions))
        for frame in decisions.frames:
            (opened,) = self.coordinator.open([ReceivedFrame(self.now_us, frame, -90.0, 5.0)])
            self.heard.append((self.now_us, opened))
