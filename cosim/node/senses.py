"""Senses: what a node sees through its ports, also when one of them fails for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from gridmodel.control import Alarm, Observations
from gridmodel.errors import BridgeError, RecordError
from gridmodel.ports import Inverter, Measurement, Meter, Relay, Thermometer

Value = TypeVar("Value")


class Senses:
    """The ports a node reads.

    A port that fails is taken for what it said last: a meter's reading then has an old
    instant, by which the controller can tell.

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
        return Observations(
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

    def rings(self, now_us: int, alarms: Iterable[Alarm]) -> bool:
        """Return whether a meter's present reading lies outside an alarm's bounds."""
        return any(
            alarm.rings(self._ask(f"meter.{alarm.meter}", partial(self._read, alarm, now_us)))
            for alarm in alarms
        )

    def _read(self, alarm: Alarm, now_us: int) -> Measurement:
        return self._meters[alarm.meter].read(now_us)

    def do(self, act: Callable[[], object]) -> bool:
        """Act through a port; return whether it could."""
        try:
            act()
        except (BridgeError, RecordError):
            self.fault_count += 1
            return False
        return True

    def snapshot(self) -> Any:
        """Return what the ports said last."""
        return dict(self._last), self.fault_count

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        last, self.fault_count = state
        self._last = dict(last)

    def _ask(self, key: str, read: Callable[[], Value]) -> Value:
        try:
            value = read()
        except BridgeError:
            self.fault_count += 1
            if key not in self._last:
                raise
            held: Value = self._last[key]
            return held
        self._last[key] = value
        return value


def _closed(relay: Relay) -> bool:
    return relay.closed
