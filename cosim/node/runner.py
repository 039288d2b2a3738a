"""Node runner: reads the ports, lets the controller decide, acts on the ports.

The same loop in every body; only the bodies behind the ports differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gridmodel.control import Alarm, Controller, Observations
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
        self._meters = meters
        self._relays = relays
        self._radio = radio
        self._inverter = inverter
        self._storage = storage
        self._thermometer = thermometer
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
        return self._controller.kpis()

    def step(self, now_us: int) -> None:
        """Run one turn of the loop."""
        frames = []
        while (frame := self._radio.receive()) is not None:
            frames.append(frame)
        seen = Observations(
            {name: meter.read(now_us) for name, meter in self._meters.items()},
            {name: relay.closed for name, relay in self._relays.items()},
            self._inverter.read() if self._inverter is not None else None,
            self._thermometer.read() if self._thermometer is not None else None,
        )
        decisions = self._controller.step(now_us, seen, frames)
        if decisions.keep is not None and self._storage is not None:
            self._storage.save(decisions.keep)
        for name, closed in decisions.relays.items():
            relay = self._relays[name]
            if closed:
                relay.close()
            else:
                relay.open()
        if decisions.p_set_kw is not None and self._inverter is not None:
            self._inverter.set_power(decisions.p_set_kw)
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
