"""Held radio: keeps what was received until the program takes it, so that one can look first."""

from __future__ import annotations

from collections import deque
from typing import Any

from gridmodel.ports import ReceivedFrame, SendResult


class HeldRadio:
    """A radio port around another one."""

    def __init__(self, radio: Any) -> None:
        self._radio = radio
        self._held: deque[ReceivedFrame] = deque()

    @property
    def recovered_count(self) -> int:
        """Times the radio's chip had to be set up anew."""
        return getattr(self._radio, "recovered_count", 0)

    def poll(self) -> bool:
        """Take what the radio has received; return whether anything waits."""
        while (frame := self._radio.receive()) is not None:
            self._held.append(frame)
        return bool(self._held)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame, or say when it may be sent."""
        result: SendResult = self._radio.send(now_us, data)
        return result

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        return self._held.popleft() if self.poll() else None

    def snapshot(self) -> Any:
        """Return the radio's state and what is held."""
        return self._radio.snapshot(), tuple(self._held)

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        radio, held = state
        self._radio.restore(radio)
        self._held = deque(held)
