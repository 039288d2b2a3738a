"""Node runner: reads the ports, lets the controller decide, acts on the ports.

The same loop in every body; only the bodies behind the ports differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cosim.node.senses import Senses
from gridmodel.control import Alarm, Controller, Decisions, Observations
from gridmodel.errors import BridgeError
from gridmodel.kpi import Kpi
from gridmodel.ports import (
    Inverter,
    Meter,
    ReceivedFrame,
    Relay,
    SendResult,
    Storage,
    Thermometer,
)

#: Frames that wait for the radio beyond this are dropped, the oldest first: a
#: measurement that is late is worth less than the next one.
QUEUE_LENGTH = 64
#: What could not be done is tried again after this. [us]
RETRY_US = 1_000_000
#: An inverter is looked for and its models are read while its node starts; a port that has
#: said nothing for so long is missing. [us]
FIRST_WORD_US = 30_000_000


class NodeRunner:
    """A controller and its ports."""

    def __init__(  # noqa: PLR0913  the ports of a node, one by one
        self,
        controller: Controller,
        meters: Mapping[str, Meter],
        relays: Mapping[str, Relay],
        radio: Any,
        inverter: Inverter | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
        *,
        storage: Storage | None = None,
        thermometer: Thermometer | None = None,
        alive: Callable[[], object] = lambda: None,
    ) -> None:
        self.settings = settings
        #: Told at each turn of the loop.
        self.alive = alive
        self._controller = controller
        self._senses = Senses(meters, relays, inverter, thermometer)
        self._p_set_kw: float | None = None  # waits for an inverter that cannot be reached
        self._unsaved: bytes | None = None  # waits for a disk that is full
        self._silent_us: int | None = None  # since when a port has yet to say its first word
        self._relays = relays
        self._radio = radio
        self._inverter = inverter
        self._storage = storage
        self._queue: deque[bytes] = deque(maxlen=QUEUE_LENGTH)
        self._controller_wake_us = 0
        self.wake_us = 0
        self.alarms: Sequence[Alarm] = ()
        self.state = 0

    def boot(self, now_us: int) -> None:
        """Start anew after a loss of power."""
        self._queue.clear()
        self._p_set_kw = self._unsaved = self._silent_us = None
        kept = self._storage.load() if self._storage is not None else None
        self._controller.boot(now_us, *(() if kept is None else (kept,)))
        self._controller_wake_us = self.wake_us = now_us
        self.alarms = ()

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the controller's key figures so far."""
        own = (
            Kpi("port_fault_count", self._senses.fault_count, "times a port failed"),
            Kpi(
                "radio_recovered_count",
                getattr(self._radio, "recovered_count", 0),
                "times the radio was set up anew",
            ),
        )
        return (*self._controller.kpis(), *(kpi for kpi in own if kpi.value))

    @property
    def faults(self) -> Mapping[str, str]:
        """Ports that failed when they were last used, and how."""
        return self._senses.faults

    def hears(self, poll: Callable[[], bool]) -> bool:
        """Return whether the radio has something, by a look at it that may fail."""
        self.alive()
        found: list[bool] = []
        self._senses.do(lambda: found.append(poll()), "radio")
        return found == [True]

    def rings(self, now_us: int) -> bool:
        """Return whether a present reading is outside the bounds that wake the controller."""
        return self._senses.rings(now_us, self.alarms)

    def step(self, now_us: int) -> None:
        """Run one turn of the loop.

        Nothing is decided before each port has spoken once.

        Raises
        ------
        BridgeError
            If one has never done so for `FIRST_WORD_US`.
        """
        self.alive()
        seen = self._seen(now_us)
        if seen is None:
            self.wake_us = now_us + RETRY_US
            return
        decisions = self._controller.step(now_us, seen, self._heard())
        self._controller_wake_us = decisions.wake_us
        self.alarms = decisions.alarms
        self.state = decisions.state
        self._queue.extend(decisions.frames)
        done = self._act(decisions)
        self.wake_us = min(decisions.wake_us, self._send(now_us))
        if not done:
            self.wake_us = min(self.wake_us, now_us + RETRY_US)

    def _seen(self, now_us: int) -> Observations | None:
        """Return what the ports say; None while one has yet to say its first word."""
        try:
            seen = self._senses.see(now_us)
        except BridgeError:
            self._silent_us = now_us if self._silent_us is None else self._silent_us
            if now_us - self._silent_us >= FIRST_WORD_US:
                raise
            return None
        self._silent_us = None
        return seen

    def _heard(self) -> list[ReceivedFrame]:
        """Return what the radio holds."""
        frames: list[ReceivedFrame] = []

        def take() -> None:
            while (frame := self._radio.receive()) is not None:
                frames.append(frame)

        self._senses.do(take, "radio")
        return frames

    def _act(self, decisions: Decisions) -> bool:
        """Open, save, close, set; return whether all of it could be done.

        Opening waits for no disk. A relay that did not move is told again by the controller,
        a set-point and what is to be kept by this runner.
        """
        do, done = self._senses.do, True
        for name, closed in decisions.relays.items():
            done &= closed or do(self._relays[name].open, f"relay.{name}")
        if decisions.keep is not None and self._storage is not None:
            self._unsaved = decisions.keep
        storage, unsaved = self._storage, self._unsaved
        if (
            storage is not None
            and unsaved is not None
            and do(lambda: storage.save(unsaved), "persist")
        ):
            self._unsaved = None
        for name, closed in decisions.relays.items():
            done &= not closed or do(self._relays[name].close, f"relay.{name}")
        if decisions.p_set_kw is not None:
            self._p_set_kw = decisions.p_set_kw
        inverter, p_set_kw = self._inverter, self._p_set_kw
        if inverter is not None and p_set_kw is not None:
            obeyed = do(lambda: inverter.set_power(p_set_kw), "inverter")
            self._p_set_kw = None if obeyed else p_set_kw
            done &= self._p_set_kw is None
        return done and self._unsaved is None

    def _send(self, now_us: int) -> int:
        """Give waiting frames to the radio; return when it may take the next one. [us]

        None goes while something waits to be kept: its counter might come a second time.
        """
        if self._unsaved is not None:
            return self._controller_wake_us
        while self._queue:
            try:
                answer: SendResult = self._radio.send(now_us, self._queue[0])
            except BridgeError as error:
                self._senses.failed("radio", error)
                return now_us + RETRY_US
            if not answer.accepted:
                return int(answer.retry_us)
            self._queue.popleft()
        return self._controller_wake_us

    def snapshot(self) -> Any:
        """Return the dynamic state of controller, radio and queue."""
        return (
            self._controller.snapshot(),
            self._radio.snapshot(),
            list(self._queue),
            (self._controller_wake_us, self.wake_us, tuple(self.alarms), self.state),
            (self._p_set_kw, self._unsaved, self._senses.snapshot()),
        )

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        controller, radio, queue, rest, waiting = state
        self._controller.restore(controller)
        self._radio.restore(radio)
        self._queue = deque(queue, maxlen=QUEUE_LENGTH)
        self._controller_wake_us, self.wake_us, self.alarms, self.state = rest
        self._p_set_kw, self._unsaved, senses = waiting
        self._senses.restore(senses)
