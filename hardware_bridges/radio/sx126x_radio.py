"""Body of the radio port over an SX126x: the same on a Raspberry Pi and on an emulated chip.

It listens whenever it does not send. Its books of duty cycle and busy time are those of
the simulated radio, so the same sends are accepted at the same instants.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from math import floor
from typing import Any, Protocol
from zlib import crc32

from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.lora import Modem
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.radio.kept_airtime import KeptAirtime
from hardware_bridges.radio.sx126x import Sx126x
from hardware_bridges.radio.sx126x_codes import Irq, Mode
from hardware_bridges.radio.sx126x_config import Sx126xConfig
from hardware_bridges.radio.sx126x_reception import ReceptionWatch
from hardware_bridges.radio.transmitter import Transmitter

#: Frames heard that wait for the node; beyond this the oldest is dropped.
INBOX_LENGTH = 64
#: The chip may end a sending later than its airtime, by its ramp and our bookkeeping; a
#: frame that meets the end is asked to come again after this. [us]
_NOT_YET_US = 2_000
#: A sending that never ends is given up after this, and the chip is set up anew. [us]
_STUCK_US = 1_000_000
#: Parts of an airtime to wait when the channel is taken.
_BACKOFF_SLOTS = 8
_PAUSE_S = 200e-6
_INTERRUPTS = Irq.TX_DONE | Irq.RX_DONE | Irq.HEADER_ERROR | Irq.CRC_ERROR
_LOOKING = _INTERRUPTS | Irq.CAD_DONE | Irq.CAD_DETECTED
_BEGINNING = Irq.PREAMBLE_DETECTED | Irq.HEADER_VALID
_ALL = Irq(0x3FF)
#: How often it is looked whether a chip that should listen does. [us]
_LOOK_US = 1_000_000


class InterruptPin(Protocol):
    """What we need of a gpiozero input that calls back."""

    when_activated: Callable[[], None] | None

    @property
    def value(self) -> Any:
        """True when the line is high."""
        ...

    def close(self) -> None:
        """Let go of the pin."""


class Sx126xRadio:
    """A packet radio on an SX126x.

    Parameters
    ----------
    chip : Sx126x
        The command layer on its bus.
    dio1 : InterruptPin
        The chip's interrupt.
    modem : Modem
        How it sends and listens.
    config : Sx126xConfig
        The board.
    clock : callable
        The node's time, for the stamps of frames heard. [us]
    lock : context manager or None
        Guards chip and body; an emulated chip gives its own.

    Raises
    ------
    DeviceError
        If the board cannot do what the modem's settings ask.
    LinkError
        If no chip answers.
    ValueError
        If the channel lies in no sub-band.
    """

    def __init__(
        self,
        chip: Sx126x,
        dio1: InterruptPin,
        modem: Modem,
        config: Sx126xConfig,
        clock: Callable[[], int],
        lock: Any = None,
    ) -> None:
        self._config = config
        self._chip = chip
        self._dio1 = dio1
        self._modem = modem
        self._clock = clock
        self._lock = lock if lock is not None else threading.RLock()
        self._transmitter = Transmitter.of(modem)
        self._power_dbm = self._chip_power_dbm()
        if not modem.explicit_header and self._config.implicit_bytes is None:
            raise DeviceError(
                chip.name, "without an explicit header all frames have one length, and none is given.",
                "Set implicit_bytes, or explicit_header: true.",
            )  # fmt: skip
        if modem.chip != "sx126x":
            raise DeviceError(
                chip.name, f"the modem's settings are those of an {modem.chip}.",
                "Leave out its chip, or set it to sx126x.",
            )  # fmt: skip
        self._inbox: deque[ReceivedFrame] = deque(maxlen=INBOX_LENGTH)
        self._sending_until_us: int | None = None
        self._looking = False
        self._look_us = 0
        longest = 255 if modem.explicit_header else config.implicit_bytes
        self._coming = ReceptionWatch(modem, longest or 255)
        #: Frames heard broken, channels found taken, chips set up anew.
        self.crc_error_count = self.taken_count = self.recovered_count = 0
        with self._lock:
            self._start()
            dio1.when_activated = self._service

    def keep_airtime(self, kept: KeptAirtime) -> None:
        """Take over what was sent before this process began, and keep what is sent."""
        self._transmitter.keep(kept)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame now, or say when the modem, the law or the channel allows it.

        Raises
        ------
        ValueError
            If the frame is over 255 bytes, has not the fixed length of a radio without
            headers, or no hour has room for it.
        LinkError
            If the chip does not answer.
        """
        fixed = self._config.implicit_bytes
        if not self._modem.explicit_header and len(data) != fixed:
            raise ValueError(f"without a header every frame has {fixed} bytes, not {len(data)}")
        with self._lock:
            self._service()
            result = self._transmitter.ask(now_us, len(data))
            if not result.accepted:
                return result
            if not self._mend(now_us):
                return SendResult(False, result.airtime_us, now_us + _NOT_YET_US)
            if self._config.listen_first and (self._hears(now_us) or self._taken()):
                self.taken_count += 1
                slot = 1 + crc32(data + now_us.to_bytes(8, "big")) % _BACKOFF_SLOTS
                later = now_us + slot * result.airtime_us // _BACKOFF_SLOTS
                return SendResult(False, result.airtime_us, later)
            self._transmit(data, now_us + result.airtime_us)
            self._transmitter.book(now_us, result.airtime_us)
            return result

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None.

        Raises
        ------
        LinkError
            If the chip had to be set up anew, and does not answer.
        """
        with self._lock:
            self._service()
            now_us = self._clock()
            if now_us >= self._look_us:
                self._look_us = now_us + _LOOK_US
                self._mend(now_us)
            return self._inbox.popleft() if self._inbox else None

    def close(self) -> None:
        """Put the chip to sleep and let go of its interrupt."""
        with self._lock:
            self._dio1.when_activated = None
            self._chip.standby()
            self._chip.sleep()

    def found(self) -> str:
        """Return what a self-test finds: the chip's mode, its errors, and how it is set."""
        with self._lock:
            mode, errors = self._chip.status().mode, self._chip.device_errors()
        modem = self._modem
        text = (
            f"chip in mode {Mode(mode).name}, {modem.frequency_mhz:g} MHz, SF{modem.spreading_factor}/"
            f"{modem.bandwidth_khz:g} kHz, {modem.tx_power_dbm:g} dBm"
        )
        if self.recovered_count:
            text = f"{text}; set up anew {self.recovered_count} times"
        return f"{text}; errors {errors:#06x} (20: crystal, 40: PLL)" if errors else text

    def snapshot(self) -> Any:
        """Return ledger, busy time and frames waiting; the chip itself is hardware."""
        with self._lock:
            return self._transmitter.snapshot(), tuple(self._inbox)

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave; the chip goes on as it is."""
        with self._lock:
            books, inbox = state
            self._transmitter.restore(books)
            self._inbox = deque(inbox, maxlen=INBOX_LENGTH)

    def _chip_power_dbm(self) -> int:
        """Return the chip's own power for the power wanted at the antenna. [dBm]"""
        wanted = self._modem.tx_power_dbm - self._config.board_gain_db
        low, high = (-9, 22) if self._config.chip == "sx1262" else (-17, 15)
        if not low <= floor(wanted) <= high:
            raise DeviceError(
                f"radio ({self._config.chip})",
                f"{self._modem.tx_power_dbm:g} dBm at the antenna needs {wanted:g} dBm of the "
                f"chip, which gives {low} to {high}.",
                "Change tx_power_dbm, or state the board's amplifier in board_gain_db.",
            )
        return floor(wanted)

    def _start(self) -> None:
        """Set the chip up from nothing and listen."""
        chip, config, modem = self._chip, self._config, self._modem
        self._sending_until_us = None
        chip.reset()
        chip.standby()
        if config.tcxo_v is not None:
            chip.set_tcxo(config.tcxo_v, config.tcxo_start_ms)
        chip.clear_device_errors()  # at power-on the oscillator counts as failed
        chip.calibrate()
        chip.set_regulator(config.switching_regulator)
        chip.set_rf_switch(config.rf_switch)
        chip.set_packet_type_lora()
        chip.calibrate_image(modem.frequency_mhz)
        chip.set_frequency(modem.frequency_mhz)
        chip.set_power(self._power_dbm, config.chip == "sx1262")
        chip.set_buffer_base()
        chip.set_modulation(modem)
        chip.set_sync_word(config.sync_word)
        chip.set_rx_gain(config.boosted_rx)
        chip.set_activity_detection(modem)
        chip.set_interrupts(_LOOKING, _BEGINNING)
        self._listen()
        self._check()

    def _check(self) -> None:
        """Raise if the chip did not take its settings."""
        errors = self._chip.device_errors()
        if errors & 1 << 5:
            raise LinkError(
                self._chip.name, "the chip's oscillator does not start.",
                "Boards with a crystal oscillator need tcxo_v (often 1.8), others none.",
            )  # fmt: skip
        self._chip.check(Mode.RX)

    def _listen(self) -> None:
        """Receive until told otherwise."""
        size = 255 if self._modem.explicit_header else self._config.implicit_bytes
        self._chip.set_packet(self._modem, size or 255)
        self._chip.clear_interrupts(_ALL)
        self._coming.forget()
        self._chip.receive()

    def _mend(self, now_us: int) -> bool:
        """Set the chip up anew if it has forgotten what it was told; return whether it is free.

        A dip of the supply resets it: then it neither sends to the end nor listens.
        """
        until_us = self._sending_until_us
        if until_us is not None and now_us < until_us + _STUCK_US:
            return False
        if until_us is not None or self._chip.status().mode != Mode.RX:
            self.recovered_count += 1
            self._start()
        return True

    def _transmit(self, data: bytes, until_us: int) -> None:
        """Send a frame; the interrupt at its end brings the chip back to listening.

        Raises
        ------
        LinkError
            If the chip does not send, nor after it was set up anew.
        """
        self._load_and_go(data, until_us)
        if not self._sends():
            self.recovered_count += 1
            self._start()
            self._load_and_go(data, until_us)
            if not self._sends():
                self._chip.check(Mode.TX)

    def _load_and_go(self, data: bytes, until_us: int) -> None:
        self._chip.standby()
        self._service()  # what came in at the last moment
        self._chip.set_packet(self._modem, len(data))
        self._chip.write_buffer(0, data)
        self._chip.clear_interrupts(_ALL)
        self._sending_until_us = until_us
        self._chip.transmit()

    def _sends(self) -> bool:
        """Return whether the frame goes out, or is out already."""
        sending = self._chip.status().mode == Mode.TX or self._sending_until_us is None
        return sending or bool(self._chip.interrupts() & Irq.TX_DONE)

    def _hears(self, now_us: int) -> bool:
        """Return whether a frame is coming in, which a look at the channel would destroy."""
        return self._coming.under_way(now_us, self._chip.interrupts())

    def _taken(self) -> bool:
        """Return whether a LoRa signal is in the channel; afterwards listen again if so."""
        self._looking = True
        try:
            self._chip.standby()
            self._service_now()
            self._chip.clear_interrupts(_ALL)
            self._chip.detect_activity()
            deadline_s = time.monotonic() + 1.0
            while not (found := self._chip.interrupts()) & Irq.CAD_DONE:
                if time.monotonic() > deadline_s:
                    raise LinkError(self._chip.name, "activity detection does not end.")
                self._chip.pause(_PAUSE_S)
            taken = bool(found & Irq.CAD_DETECTED)
            if taken:
                self._listen()
            return taken
        finally:
            self._looking = False

    def _service(self) -> None:
        """Answer the interrupt line; runs in the interrupt's thread as well."""
        with self._lock:
            if not self._looking and self._dio1.value:
                self._service_now()

    def _service_now(self) -> None:
        """Fetch what was heard, and listen again after a sending."""
        pending = self._chip.interrupts()
        if not pending:
            return
        self._chip.clear_interrupts(pending)
        self._coming.forget()
        if pending & Irq.RX_DONE:
            if pending & Irq.CRC_ERROR:
                self.crc_error_count += 1
            else:
                self._fetch()
        if pending & Irq.TX_DONE:
            self._sending_until_us = None
            self._listen()

    def _fetch(self) -> None:
        """Read a frame out of the buffer."""
        length, place = self._chip.rx_buffer_status()
        report = self._chip.packet_status()
        data = self._chip.read_buffer(place, length)
        self._inbox.append(ReceivedFrame(self._clock(), data, *report))
