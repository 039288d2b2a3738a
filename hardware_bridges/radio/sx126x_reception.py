"""Reception under way: whether an SX126x hears a frame that has not ended yet.

Activity detection and standby take the chip out of reception, and the frame is lost. The chip
raises a flag at a preamble and one at a header. A preamble that was only noise leaves its flag
behind, so a flag counts no longer than what it promises may take.
"""

from __future__ import annotations

from gridmodel.wire.lora import Modem
from hardware_bridges.radio.sx126x_codes import Irq

_BEGUN = Irq.PREAMBLE_DETECTED | Irq.HEADER_VALID
_ENDED = Irq.RX_DONE | Irq.HEADER_ERROR | Irq.CRC_ERROR
#: After the preamble: sync word and start of frame 4.25 symbols, header 8, and some to spare.
_TO_HEADER_SYMBOLS = 16


class ReceptionWatch:
    """Tells by flags and time whether a frame is coming in.

    Parameters
    ----------
    modem : Modem
        How the chip listens.
    longest_bytes : int
        The longest payload that may come. [B]
    """

    def __init__(self, modem: Modem, longest_bytes: int) -> None:
        header = modem.preamble_symbols + _TO_HEADER_SYMBOLS
        self._whole_us = modem.airtime_us(longest_bytes)
        self._header_us = round(header * modem.symbol_us)
        if not modem.explicit_header:  # no flag will come before the end
            self._header_us = self._whole_us
        self.forget()

    def forget(self) -> None:
        """Begin anew: the flags were cleared, or a frame has ended."""
        self._since_us: int | None = None
        self._until_us = 0

    def under_way(self, now_us: int, flags: Irq) -> bool:
        """Return whether a frame is coming in. [us]"""
        if not flags & _BEGUN or flags & _ENDED:
            self.forget()
            return False
        if self._since_us is None:
            self._since_us = now_us
            self._until_us = now_us + self._header_us
        if flags & Irq.HEADER_VALID:
            self._until_us = self._since_us + self._whole_us + self._header_us
        return now_us < self._until_us
