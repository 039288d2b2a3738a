"""A radio inside the federation: it keeps its duty cycle and hands frames to the channel."""

from __future__ import annotations

from typing import Any

from gridmodel.control import Terminal
from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.lora import Modem
from hardware_bridges.radio.signal_report import reported
from hardware_bridges.radio.transmitter import Transmitter


class SimulatedRadio:
    """A LoRa modem with the duty-cycle ledger of its sub-band."""

    def __init__(self, terminal: Terminal, modem: Modem) -> None:
        self._terminal = terminal
        self._transmitter = Transmitter.of(modem)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame now, or say when the modem or the law allows it."""
        result = self._transmitter.ask(now_us, len(data))
        if result.accepted:
            self._transmitter.book(now_us, result.airtime_us)
            self._terminal.sent.append((data, result.airtime_us))
        return result

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None; its report is as coarse as a modem's."""
        if not self._terminal.received:
            return None
        t_us, data, rssi, snr = self._terminal.received.popleft()
        return ReceivedFrame(t_us, data, *reported(rssi, snr))

    def snapshot(self) -> Any:
        """Return ledger and busy time."""
        return self._transmitter.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._transmitter.restore(state)
