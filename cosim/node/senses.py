"""Senses: what a node sees through its ports, also when one of them fails for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from gridmodel.control import Alarm, Observations
from gridmodel.errors import BridgeError, RecordError
from gridmodel.ports import Inverter, Measurement, Meter, Relay, Thermometer

Value = TypeVar("Value")
#: What an inverter or a thermometer said last counts for so long. [us]
HOLD_US = 60_000_000


class Senses:
    """The ports a node reads.

    A port that fails is taken for what it said last: a meter's reading then has an old
    instant, by which the controller can tell. An inverter that has failed for `HOLD_US` gives
    and takes nothing, and a thermometer is then not there.

    Parameters
    ----------
    meters, relays : mapping
        By name.
    inverter, thermometer : port or None
        If there is one.
    """

    def __init__(
        self,
        meters: Mapping[str, Meter],
        relays: Mapping[str, Relay],
        inverter: Inverter | None,
        thermometer: Thermometer | None,
    ) -> None:
        self._meters = meters
        self._relays = relays
        self._inverter = inverter
        self._thermometer = thermometer
        self._last: dict[str, Any] = {}
        self._since_us: dict[str, int] = {}  # a port fails since then
        #: Ports that failed when they were last used, and how.
        self.faults: dict[str, str] = {}
        #: Times a port failed.
        self.fault_count = 0

    def see(self, now_us: int) -> Observations:
        """Return what the ports say.

        Raises
        ------
        BridgeError
            If a port fails that has never said anything.
        """
        inverter, thermometer = self._inverter, self._thermometer
        seen = Observations(
            {
                name: self._ask(f"meter.{name}", partial(meter.read, now_us))
                for name, meter in self._meters.items()
            },
            {
                name: self._ask(f"relay.{name}", partial(_closed, relay))
                for name, relay in self._relays.items()
            },
            self._ask("inverter", inverter.read) if inverter is not None else None,
            self._ask("thermometer", thermometer.read) if thermometer is not None else None,
        )
        if seen.inverter is not None and self._lost("inverter", now_us):
            still = seen.inverter._replace(p_kw=0.0, p_max_kw=0.0)
            seen = seen._replace(inverter=still)
        if seen.temp_c is not None and self._lost("thermometer", now_us):
            seen = seen._replace(temp_c=None)
        return seen

    def _lost(self, port: str, now_us: int) -> bool:
        """Return whether a port has failed for so long that what it said last counts no more."""
        if port not in self.faults:
            self._since_us.pop(port, None)
            return False
        return now_us - self._since_us.setdefault(port, now_us) >= HOLD_US

    def rings(self, now_us: int, alarms: Iterable[Alarm]) -> bool:
        """Return whether a meter's present reading lies outside an alarm's bounds."""
        return any(
            alarm.rings(self._ask(f"meter.{alarm.meter}", partial(self._read, alarm, now_us)))
            for alarm in alarms
        )

    def _read(self, alarm: Alarm, now_us: int) -> Measurement:
        return self._meters[alarm.meter].read(now_us)

    def do(self, act: Callable[[], object], port: str) -> bool:
        """Act through a port; return whether it could."""
        try:
            act()
        except (BridgeError, RecordError) as error:
            self.failed(port, error)
            return False
        self.faults.pop(port, None)
        return True

    def failed(self, port: str, error: Exception) -> None:
        """Note that a port failed."""
        self.fault_count += 1
        self.faults[port] = str(error)

    def snapshot(self) -> Any:
        """Return what the ports said last."""
        return dict(self._last), self.fault_count, dict(self.faults), dict(self._since_us)

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        last, self.fault_count, faults, since_us = state
        self._last, self.faults, self._since_us = dict(last), dict(faults), dict(since_us)

    def _ask(self, key: str, read: Callable[[], Value]) -> Value:
        try:
            value = read()
        except BridgeError as error:
            self.failed(key, error)
            if key not in self._last:
                raise
            held: Value = self._last[key]
            return held
        self._last[key] = value
        if self.faults:
            self.faults.pop(key, None)
        return value


def _closed(relay: Relay) -> bool:
    return relay.closed
