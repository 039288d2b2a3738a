"""A fleet of nodes for tests: programs that a test writes, on simulated hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cosim.node.runner import NodeRunner
from gridmodel.control import Decisions, Observations, Program
from gridmodel.federate import Message, NodeSeat
from gridmodel.kpi import Kpi
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.ports import ReceivedFrame
from hardware_bridges.inverter.simulated import SimulatedInverter
from hardware_bridges.meter.simulated import SimulatedMeter
from hardware_bridges.radio.simulated import SimulatedRadio
from hardware_bridges.relay.simulated import SimulatedRelay
from hardware_bridges.storage.simulated import SimulatedStorage
from hardware_bridges.thermometer.simulated import SimulatedThermometer
from simulators.firmware.fleet import Firmware, FirmwareConfig
from tests.simulators.bench import S, context, copied, inputs

NEVER_US = 10**15


class Turn(NamedTuple):
    """One step of a program."""

    now_us: int
    seen: Observations
    frames: tuple[ReceivedFrame, ...]


Decide = Callable[["Probe", int], Decisions]


def sleep(probe: Probe, now_us: int) -> Decisions:
    """Sleep until something happens."""
    return Decisions(NEVER_US)


class Probe:
    """A controller that notes what it sees and does what a test says."""

    def __init__(self, seat: NodeSeat, decide: Decide) -> None:
        self.seat = seat
        self.decide = decide
        self.turns: list[Turn] = []
        self.boots_us: list[int] = []
        self.kept: list[bytes | None] = []

    def step(self, now_us: int, seen: Observations, frames: Sequence[ReceivedFrame]) -> Decisions:
        """Note and decide."""
        self.turns.append(Turn(now_us, seen, tuple(frames)))
        return self.decide(self, now_us)

    def boot(self, now_us: int, kept: bytes | None = None) -> None:
        """Note the boot, and what was kept."""
        self.boots_us.append(now_us)
        self.kept.append(kept)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return two key figures, one that is a count."""
        return (Kpi("turn_count", len(self.turns)), Kpi("address_max_pu", self.seat.address))

    def snapshot(self) -> Any:
        """Return nothing of interest."""
        return len(self.turns)

    def restore(self, state: Any) -> None:
        """Take over nothing."""

    @property
    def awake_us(self) -> list[int]:
        """When it ran."""
        return [turn.now_us for turn in self.turns]

    @property
    def heard(self) -> list[bytes]:
        """Frames it was given, in order."""
        return [frame.data for turn in self.turns for frame in turn.frames]


class Nodes:
    """A fleet, driven as an engine would.

    Parameters
    ----------
    network : Neighbourhood
        The street.
    decide : callable
        What each program decides.
    settings
        The fleet's settings, and by the names of its ports what it sees.
    """

    def __init__(self, network: Neighbourhood, decide: Decide = sleep, **settings: Any) -> None:
        self.probes: list[Probe] = []
        self._decide = decide
        ports = {key: settings.pop(key) for key in list(settings) if key not in _KEYS}
        config = FirmwareConfig(**{"controller": "probe"} | settings)
        self.part = Firmware.build(config, context(network, "nodes", program=self._program))
        self.held: dict[str, Any] = {"island_f_hz": 50.0, "grid_f_hz": 50.0} | ports
        self.log: list[tuple[int, dict[str, Any]]] = []
        self._waiting: list[tuple[int, str, Message]] = []
        self._changes: list[tuple[int, dict[str, Any]]] = []
        self._next_us = 0

    def _program(self, controller: str, settings: Mapping[str, Any], seat: NodeSeat) -> Program:
        self.probes.append(Probe(seat, self._decide))
        terminal = seat.terminal
        return NodeRunner(
            self.probes[-1],
            {name: SimulatedMeter(terminal, name) for name in seat.meters},
            {name: SimulatedRelay(terminal, name) for name in terminal.relays},
            SimulatedRadio(terminal, seat.modem),
            SimulatedInverter(terminal) if terminal.inverter is not None else None,
            storage=SimulatedStorage(terminal) if terminal.flash else None,
            thermometer=SimulatedThermometer(terminal) if terminal.temp_c is not None else None,
        )

    # what happens to it

    def crash(self, t_us: int, node: str, for_min: float) -> Nodes:
        """Let a node crash."""
        data = {"node": node, "for_min": for_min}
        self._waiting.append((t_us, "events", Message(t_us, "crash", data)))
        return self

    def spoil(
        self, t_us: int, node: str, quantity: str, for_min: float, scale_pu: float = 1.0,
        offset: float = 0.0,
    ) -> Nodes:  # fmt: skip
        """Let a sensor be wrong."""
        data = {
            "node": node, "quantity": quantity, "scale_pu": scale_pu, "offset": offset,
            "for_min": for_min,
        }  # fmt: skip
        self._waiting.append((t_us, "events", Message(t_us, "sensor_fault", data)))
        return self

    def receive(self, t_us: int, frame: bytes, *nodes: int) -> Nodes:
        """Let a frame reach the radios of some nodes."""
        levels = (-90.0,) * len(nodes)
        data = {"frame": frame, "nodes": nodes, "rssi_dbm": levels, "snr_db": levels}
        self._waiting.append((t_us, "frames", Message(t_us, "frame", data)))
        return self

    def change(self, t_us: int, **ports: Any) -> Nodes:
        """Let what the fleet sees change at an instant."""
        self._changes.append((t_us, ports))
        return self

    def until(self, t_us: int) -> Nodes:
        """Let time pass."""
        while (now := min([self._next_us, *(t for t, _, _ in self._waiting)])) <= t_us:
            for t, ports in self._changes:
                if t <= now:
                    self.held |= ports
            self._changes = [(t, ports) for t, ports in self._changes if t > now]
            arrived: dict[str, list[Message]] = {"events": [], "frames": []}
            for t, port, message in self._waiting:
                if t == now:
                    arrived[port].append(message)
            self._waiting = [item for item in self._waiting if item[0] > now]
            sent, after = self.part.step(now, inputs(self.part, **arrived, **self.held))
            assert after is not None
            assert after > now, "it must not ask for the present again"
            self._next_us = after
            self.log.append((now, copied(sent)))
        return self

    # what it did

    def sent(self, port: str) -> list[tuple[int, Any]]:
        """Return what left by a port, with the instants."""
        return [(t, sent[port]) for t, sent in self.log if port in sent and len_of(sent[port])]


def len_of(value: Any) -> int:
    """Return the length of a list or array, 1 for anything else."""
    return len(value) if hasattr(value, "__len__") else 1


_KEYS = set(FirmwareConfig.model_fields)
__all__ = ["NEVER_US", "Nodes", "Probe", "S", "sleep"]
