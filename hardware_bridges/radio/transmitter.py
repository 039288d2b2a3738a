"""Transmitter: when a radio may send. All bodies of the radio port share it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from gridmodel.ports import SendResult
from gridmodel.wire.duty_cycle import DutyLedger
from gridmodel.wire.lora import Modem
from gridmodel.wire.regions import HOUR_US, SubBand
from hardware_bridges.radio.kept_airtime import KeptAirtime


class Transmitter:
    """The books of one radio on one channel: what it sent, and until when it is busy.

    Parameters
    ----------
    airtime_us : callable
        Gives the time on air of a payload by its length in bytes. [us]
    band : SubBand
        The law it sends under: duty cycle, dwell time.
    """

    def __init__(self, airtime_us: Callable[[int], int], band: SubBand) -> None:
        self._airtime_us = airtime_us
        self._band = band
        self._ledgers = []
        if band.duty_pu < 1.0:
            self._ledgers.append(DutyLedger(band.duty_pu))
        if band.dwell_window_us:
            share_pu = band.dwell_us / band.dwell_window_us
            self._ledgers.append(DutyLedger(share_pu, band.dwell_window_us))
        self._free_us = 0
        self._kept: KeptAirtime | None = None
        self._resumed = False

    def keep(self, kept: KeptAirtime) -> None:
        """Take over what a process before this one sent, and keep what this one sends.

        A dwell time, whose window is short, is not kept but counted as used up at the start.
        """
        self._kept = kept

    @classmethod
    def of(cls, modem: Modem) -> Transmitter:
        """Return the books of a LoRa modem under the law of its region.

        Raises
        ------
        ValueError
            If its channel lies in no sub-band, or its power is above the limit.
        """
        return cls(modem.airtime_us, modem.rule())

    def ask(self, now_us: int, size_bytes: int) -> SendResult:
        """Return whether a payload may be sent now, or when. Nothing is booked.

        Raises
        ------
        ValueError
            If no window has room for it.
        LinkError
            If what is sent is to be kept, and cannot be.
        """
        self._resume(now_us)
        airtime = self._airtime_us(size_bytes)
        limit_us = self._band.dwell_us
        if limit_us and airtime > limit_us:
            raise ValueError(
                f"a packet of {airtime / 1e3:.1f} ms is longer than the dwell time of "
                f"{limit_us / 1e3:.0f} ms in {self._band.name} MHz"
            )
        start = max(now_us, self._free_us)
        for ledger in self._ledgers:
            ledger.forget(now_us)
        first = max((one.earliest_us(start, airtime) for one in self._ledgers), default=start)
        if first != now_us:
            return SendResult(False, airtime, first)
        if self._kept is not None and self._band.duty_pu < 1.0:
            self._kept.set_aside(now_us, self._ledgers[0], airtime)
        return SendResult(True, airtime)

    def book(self, now_us: int, airtime_us: int) -> None:
        """Note that a sending began."""
        for ledger in self._ledgers:
            ledger.book(now_us, airtime_us)
        if self._kept is not None:
            self._kept.sent(airtime_us)
        self._free_us = now_us + airtime_us

    def _resume(self, now_us: int) -> None:
        """Count what was sent before this process, at the first chance to know the time."""
        if self._kept is None or self._resumed:
            return
        self._resumed = True
        for ledger in self._ledgers:
            if ledger.window_us == HOUR_US:
                self._kept.resume(now_us, ledger)
            else:  # some seconds are sooner waited for than written to flash at each packet
                ledger.book(now_us - ledger.budget_us, ledger.budget_us)

    def snapshot(self) -> Any:
        """Return ledgers and busy time."""
        return copy.deepcopy((self._ledgers, self._free_us))

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._ledgers, self._free_us = copy.deepcopy(state)
