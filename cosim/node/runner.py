"""Node runner: reads the ports, lets the controller decide, acts on the ports.

The same loop in every body; only the bodies behind the ports differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cosim.node.senses import Senses
from gridmodel.control import Alarm, Controller
from gridmodel.kpi import Kpi
from gridmodel.ports import Inverter, Meter, Relay, Storage, Thermometer

#: Frames that wait for the radio beyond this are dropped, the oldest first: a
#: measurement that is late is worth less than the next one.
QUEUE_LENGTH = 64


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
    ) -> None:
        self.settings = settings
        self._controller = controller
        self._senses = Senses(meters, relays, inverter, thermometer)
        self._p_set_kw: float | None = None  # waits for an inverter that cannot be reached
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
        kept = self._storage.load() if self._storage is not None else None
        self._controller.boot(now_us, *(() if kept is None else (kept,)))
        self._controller_wake_us = self.wake_us = now_us
        self.alarms = ()

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the controller's key figures so far."""
        faults = self._senses.fault_count
        own = (Kpi("port_fault_count", faults, "times a port failed"),) if faults else ()
        return (*self._controller.kpis(), *own)

    def step(self, now_us: int) -> None:
        """Run one turn of the loop."""
        frames = []
        while (frame := self._radio.receive()) is not None:
            frames.append(frame)
        seen, do = self._senses.see(now_us), self._senses.do
        decisions = self._controller.step(now_us, seen, frames)
        if decisions.keep is not None and self._storage is not None:
            self._storage.save(decisions.keep)
        for name, closed in decisions.relays.items():
            relay = self._relays[name]
            do(relay.close if closed else relay.open)  # one that did not is moved again
        if decisions.p_set_kw is not None:
            self._p_set_kw = decisions.p_set_kw
        inverter, p_set_kw = self._inverter, self._p_set_kw
        if inverter is not None and p_set_kw is not None:
            self._p_set_kw = None if do(lambda: inverter.set_power(p_set_kw)) else p_set_kw
        self._queue.extend(decisions.frames)
        self._controller_wake_us = decisions.wake_us
        self.alarms = decisions.alarms
        self.state = decisions.state
        self.wake_us = min(decisions.wake_us, self._send(now_us))

    def _send(self, now_us: int) -> int:
        """Give waiting frames to the radio; return when it may take the next one. [us]"""
        while self._queue:
            result = self._radio.send(now_us, self._queue[0])
            if not result.accepted:
                return int(result.retry_us)
            self._queue.popleft()
        return self._controller_wake_us

    def snapshot(self) -> Any:
        """Return the dynamic state of controller, radio and queue."""
        return (
            self._controller.snapshot(),
            self._radio.snapshot(),
            list(self._queue),
            (self._controller_wake_us, self.wake_us, tuple(self.alarms), self.state),
        )

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        controller, radio, queue, rest = state
        self._controller.restore(controller)
        self._radio.restore(radio)
        self._queue = deque(queue, maxlen=QUEUE_LENGTH)
        self._controller_wake_us, self.wake_us, self.alarms, self.state = rest
