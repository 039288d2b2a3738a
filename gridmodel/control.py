"""The controller's contract: observations in, decisions out, nothing else.

A controller is a pure state machine. It never sleeps, opens no socket and draws no
random number that it was not given; so the same object runs in a simulation, in a
process of its own against emulated hardware, and on the hardware itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from gridmodel.kpi import Kpi
from gridmodel.ports import InverterState, Measurement, ReceivedFrame


class Observations(NamedTuple):
    """What a controller sees in one step.

    Readings by meter name, contacts, the inverter, and the temperature beside the contacts
    [deg C]; None where there is none.
    """

    meters: Mapping[str, Measurement]
    relays: Mapping[str, bool] = MappingProxyType({})
    inverter: InverterState | None = None
    temp_c: float | None = None


class Alarm(NamedTuple):
    """Bounds of one meter's reading; leaving them wakes the controller at once.

    The runner of every body compares each reading with them, as a comparator or a
    sampling loop would, so the controller itself may sleep between its timers.
    """

    meter: str
    v_min_v: float = 0.0
    v_max_v: float = float("inf")
    f_min_hz: float = 0.0
    f_max_hz: float = float("inf")

    def rings(self, reading: Measurement) -> bool:
        """Return whether a reading lies outside the bounds."""
        return not (
            self.v_min_v <= reading.v_v <= self.v_max_v
            and self.f_min_hz <= reading.f_hz <= self.f_max_hz
        )


class Decisions(NamedTuple):
    """What a controller wants done.

    Parameters
    ----------
    wake_us : int
        Instant of the next step it needs of its own. [us]
    state : int
        Code of its state, for the record.
    relays : mapping
        Relays to move: name to closed.
    frames : sequence of bytes
        Radio frames to send, in order.
    alarms : sequence of Alarm
        Bounds that wake it earlier.
    p_set_kw : float or None
        Power wanted of its inverter; ``None`` leaves it. [kW]
    keep : bytes or None
        What must survive a loss of power; it is saved before anything else is done.
    """

    wake_us: int
    state: int = 0
    relays: Mapping[str, bool] = MappingProxyType({})
    frames: Sequence[bytes] = ()
    alarms: Sequence[Alarm] = ()
    p_set_kw: float | None = None
    keep: bytes | None = None


class Controller(Protocol):
    """A decision maker of one node."""

    def step(self, now_us: int, seen: Observations, frames: Sequence[ReceivedFrame]) -> Decisions:
        """Return what to do now."""
        ...

    def boot(self, now_us: int, kept: bytes | None = None) -> None:
        """Start anew with what was kept; without a storage, with what a storage would keep."""

    def kpis(self) -> tuple[Kpi, ...]:
        """Return its key figures so far."""
        ...

    def snapshot(self) -> Any:
        """Return the dynamic state as one picklable object."""
        ...

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""


@dataclass(slots=True)
class Terminal:
    """Where a simulated node touches its world: what simulated bodies read and write.

    Parameters
    ----------
    name : str
        The node's name.
    readings : dict
        Present reading by meter name, already as coarse as the meter's converter.
    relays : dict
        Contact by relay name, true when closed.
    received : deque of ReceivedFrame
        Frames the radio holds for the program.
    sent : list of tuple
        ``(frame, airtime_us)`` given to the air in this step.
    inverter : InverterState or None
        State of the node's inverter.
    p_set_kw : float
        Power the program wants of the inverter. [kW]
    temp_c : float or None
        Temperature beside the contacts. [deg C]
    kept : bytes or None
        What the program keeps in its flash.
    write_count : int
        How often it has written there.
    flash : bool
        Whether there is a flash.
    truth : dict or None
        What its converters look at, by meter name; None if nobody asks.
    """

    name: str
    readings: dict[str, Measurement] = field(default_factory=dict)
    relays: dict[str, bool] = field(default_factory=dict)
    received: deque[ReceivedFrame] = field(default_factory=deque)
    sent: list[tuple[bytes, int]] = field(default_factory=list)
    inverter: InverterState | None = None
    p_set_kw: float = 0.0
    temp_c: float | None = None
    kept: bytes | None = None
    write_count: int = 0
    flash: bool = False
    truth: dict[str, Any] | None = None


class Program(Protocol):
    """A controller on its ports: what a node runs."""

    settings: Mapping[str, Any]
    wake_us: int
    alarms: Sequence[Alarm]
    state: int

    def step(self, now_us: int) -> None:
        """Read the ports, let the controller decide, act on the ports."""

    def boot(self, now_us: int) -> None:
        """Start anew after a loss of power."""

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the controller's key figures so far."""
        ...

    def snapshot(self) -> Any:
        """Return the dynamic state as one picklable object."""
        ...

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
