"""A radio inside the federation: it keeps its duty cycle and hands frames to the channel."""

from __future__ import annotations

import copy
from typing import Any

from gridmodel.control import Terminal
from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.duty_cycle import DutyLedger, sub_band
from gridmodel.wire.lora import Modem


class SimulatedRadio:
    """A LoRa modem with the duty-cycle ledger of its sub-band."""

    def __init__(self, terminal: Terminal, modem: Modem) -> None:
        self._terminal = terminal
        self._modem = modem
        band = sub_band(modem.frequency_mhz, modem.bandwidth_khz)
        self._ledger = DutyLedger(band.duty_pu)
        self._free_us = 0

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame now, or say when the modem or the law allows it."""
        airtime = self._modem.airtime_us(len(data))
        if now_us < self._free_us:
            return SendResult(False, airtime, self._ledger.earliest_us(self._free_us, airtime))
        if not self._ledger.allows(now_us, airtime):
            return SendResult(False, airtime, self._ledger.earliest_us(now_us, airtime))
        self._ledger.book(now_us, airtime)
        self._free_us = now_us + airtime
        self._terminal.sent.append((data, airtime))
        return SendResult(True, airtime)

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        return self._terminal.received.popleft() if self._terminal.received else None

    def snapshot(self) -> Any:
        """Return ledger and busy time."""
        return copy.deepcopy((self._ledger, self._free_us))

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._ledger, self._free_us = copy.deepcopy(state)
