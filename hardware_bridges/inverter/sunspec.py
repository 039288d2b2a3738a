"""SunSpec inverter: a battery inverter's port over SunSpec Modbus TCP.

Models: 701 measurement, 702 capacity, 703 enter service, 704 power set-point with its
reversion timer, 713 storage. SunSpec counts active power as positive when it is generated
(701.W, 704.WSet), as we do: nothing is flipped, but for devices that are known to differ.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import isfinite
from typing import Any

from gridmodel.errors import BridgeError
from gridmodel.inverter_scale import INT16_MAX, INT32_MAX, to_raw
from gridmodel.ports import InverterState
from hardware_bridges.bounded_call import BoundedCaller, StillRunning
from hardware_bridges.inverter.sunspec_config import SunSpecConfig
from hardware_bridges.inverter.sunspec_session import SunSpecSession
from hardware_bridges.link_error import DeviceError, LinkError

#: 704's codes.
PER_CENT, WATTS = 0, 1
#: 713.Sta: the storage has failed.
STORAGE_ERROR = 2
#: A set-point is repeated this many times within its reversion time.
REPEATS = 3


class SunSpecInverter:
    """A SunSpec inverter under a controller's command.

    Each call waits at most ``timeout_s``; the connection is made, and after a loss made
    again, in a thread. The set-point is repeated with `read`, not by the thread: a
    controller that hangs must lose the inverter to its reversion timer.

    Parameters
    ----------
    config : SunSpecConfig
        Where it is and how long to wait.
    now_s : callable
        The controller's clock, by which states age and set-points are repeated. [s]
    """

    Config = SunSpecConfig

    def __init__(self, config: SunSpecConfig, now_s: Callable[[], float] = time.monotonic) -> None:
        self.where = f"{config.host}:{config.port} unit {config.unit_id}"
        self.fault = ""
        self.losses = 0
        self._config = config
        self._now_s = now_s
        self._sign = -1.0 if config.discharge_is_negative else 1.0
        self._caller = BoundedCaller(f"sunspec {self.where}")
        self._closing = threading.Event()
        self._session: SunSpecSession | None = None
        self._retry_s = 0.0
        self._pause_s = config.retry_first_s
        self._why = "the connection was lost."
        self._refusal = ""
        self._state: tuple[InverterState, float] | None = None
        self._wanted_kw: float | None = None
        self._written: tuple[float, float] | None = None

    @classmethod
    def fit(cls, config: SunSpecConfig, name: str, bench: Any) -> SunSpecInverter:
        """Return the inverter of a node, by the node's clock."""
        inverter = cls(config, lambda: bench.now_us() * 1e-6)
        bench.closes.append(inverter.close)
        return inverter

    def read(self) -> InverterState:
        """Return the present state, or for ``hold_s`` the last one while the link is lost.

        Raises
        ------
        LinkError
            If there is no state, or none younger than ``hold_s``.
        DeviceError
            If the inverter answers but cannot be used.
        """
        try:
            self._within_time(self._exchange)
        except LinkError as error:
            self.fault = str(error)
            if self._state is None or self._now_s() - self._state[1] > self._config.hold_s:
                raise
        else:
            self.fault = self._refusal
        assert self._state is not None  # the exchange has set it, or was held above
        return self._state[0]

    def set_power(self, p_kw: float) -> None:
        """Set the power wanted, discharge positive; kept for a link that is lost. [kW]

        Raises
        ------
        DeviceError
            If the inverter refuses it.
        """
        if not isfinite(p_kw):
            raise DeviceError(self.where, f"{p_kw} kW wanted.", "Give a finite power.")
        self._wanted_kw = p_kw
        try:
            self._within_time(self._command)
        except LinkError as error:
            self.fault = str(error)

    def describe(self) -> str:
        """Return what was found, for a person. Raises as `read` does."""
        self._within_time(self._exchange)
        session = self._session
        if session is None:
            raise LinkError(self.where, "the connection was lost.")
        name = " ".join(session.text(1, point) for point in ("Mn", "Md", "SN"))
        models = ", ".join(map(str, session.models))
        text = f"{name} at {self.where}: models {models}"
        if session.number(704, "WSetRvrtTms") is None:
            text += "; no reversion timer: it keeps its last set-point when this node dies"
        return text

    def close(self) -> None:
        """Drop the connection; the inverter goes back after its reversion time."""
        self._closing.set()
        self._caller.close(self._config.timeout_s)
        self._drop()

    def _within_time(self, job: Callable[[], None]) -> None:
        timeout_s = self._config.timeout_s
        try:
            self._caller.call(lambda: self._attempt(job), timeout_s)
        except StillRunning:
            raise LinkError(
                self.where, f"no answer within {timeout_s:g} s; the request goes on."
            ) from None

    def _attempt(self, job: Callable[[], None]) -> None:
        """Run a job of the thread; a lost link ends the session."""
        try:
            job()
        except DeviceError:
            raise  # a whole answer: the session is still in step
        except Exception:
            if self._session is not None:
                self.losses += 1
            self._drop()
            raise
        if self._closing.is_set():
            self._drop()

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None
        self._written = None

    def _connected(self) -> SunSpecSession:
        if self._session is not None:
            return self._session
        now_s = time.monotonic()
        if now_s < self._retry_s:
            wait_s = self._retry_s - now_s
            raise LinkError(self.where, f"{self._why} The next attempt is in {wait_s:.1f} s.")
        self._retry_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._config.retry_most_s)
        try:
            self._session = SunSpecSession(self._config)
        except BridgeError as error:
            self._why = f"{error.problem} {error.advice}".strip()
            raise
        self._retry_s, self._pause_s = 0.0, self._config.retry_first_s
        if self._config.enter_service:
            self._session.write(703, {"ES": 1})
        return self._session

    def _exchange(self) -> None:
        session = self._connected()
        try:
            self._command()
            self._refusal = ""
        except DeviceError as error:  # it does not obey, but what it says counts
            self._refusal = str(error)
        session.refresh(701, "St", "W")
        session.refresh(702, "WMax", "WDisChaRteMax")
        if 703 in session.models:
            session.refresh(703, "ES", "ES")
        session.refresh(704, "WMaxLimPctEna", "WMaxLimPct")
        session.refresh(713, "WHRtg", "Sta")
        self._state = self._seen(session), self._now_s()

    def _seen(self, session: SunSpecSession) -> InverterState:
        health_pu = session.value(713, "SoH", 2)
        return InverterState(
            self._sign * session.need(701, "W", 3) + 0.0,  # no minus zero
            session.need(713, "SoC", 2),
            _limit_kw(session),
            session.need(713, "WHRtg", 3) * (1.0 if health_pu is None else health_pu),
        )

    def _command(self) -> None:
        """Write the set-point if it is new, or a third of its reversion time has passed."""
        if self._wanted_kw is None:
            return
        session, wanted, now_s = self._connected(), self._wanted_kw, self._now_s()
        every_s = self._config.reversion_s / REPEATS
        if self._written is not None:
            value, at_s = self._written
            if value == wanted and (not every_s or now_s - at_s < every_s):
                return
        session.write(704, self._numbers(session, wanted))
        session.write(704, {"WSetEna": 1})
        self._written = wanted, now_s

    def _numbers(self, session: SunSpecSession, p_kw: float) -> dict[str, int]:
        """Return the set-point as 704's points, in watts or in per cent of 702.WMax."""
        watt, reversion = 1e3 * self._sign * p_kw, self._config.reversion_s
        if session.number(704, "WSet") is not None:
            raw = to_raw(watt, session.power(704, "WSet"), INT32_MAX, -INT32_MAX)
            numbers = {"WSetMod": WATTS, "WSet": raw}
        elif session.number(704, "WSetPct") is not None:
            pct = 100.0 * watt / max(session.need(702, "WMax"), 1.0)
            raw = to_raw(pct, session.power(704, "WSetPct"), INT16_MAX, -INT16_MAX)
            numbers = {"WSetMod": PER_CENT, "WSetPct": raw}
        else:
            session.need(704, "WSet")
        # back to the inverter's own rule, not to another set-point
        asked = {"WSetEnaRvrt": 0, "WSetRvrtTms": reversion}
        for point, number in {**asked, "WSetMod": numbers["WSetMod"]}.items():
            if session.number(704, point) is not None:
                numbers[point] = number
            else:
                numbers.pop(point, None)
        return numbers


def _limit_kw(session: SunSpecSession) -> float:
    """Return the greatest discharge power now. [kW]"""
    number, value = session.number, session.value
    permitted = 703 not in session.models or number(703, "ES") != 0
    if not permitted or number(701, "ConnSt") == 0 or number(713, "Sta") == STORAGE_ERROR:
        return 0.0
    limits = (value(702, "WMax", 3), value(702, "WDisChaRteMax", 3))
    limit_kw = min((limit for limit in limits if limit is not None), default=None)
    if limit_kw is None:
        limit_kw = session.need(702, "WMaxRtg", 3)
    if number(704, "WMaxLimPctEna") == 1:
        part_pu = value(704, "WMaxLimPct", 2)
        limit_kw *= 1.0 if part_pu is None else min(part_pu, 1.0)
    return limit_kw
