"""SX126x chip, emulated at the level of SPI commands.

It knows nothing but the bytes it is given: what it sends and for how long follows from
them. It is busy after a command and takes none meanwhile; refuses what its mode forbids,
in the status byte; raises DIO1 for the interrupts it was asked for; hears nothing while it
sends.

It lives in two times. The *world's* time is the clock given: sending and hearing happen
in it, to the microsecond, so a chip under a simulation's clock agrees with the simulated
radio. The *bench's* time passes by bytes on the bus, by looks at BUSY and by the driver's
pauses: calibration, BUSY and activity detection happen in it, and cost the world nothing.

Left out: everything but LoRa, time-outs of sending, the buffer's retention in sleep, and
the ramp of the amplifier (its sending begins with the command). Stricter than the chip: it
refuses to send or receive with parameters never set.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from hardware_bridges.radio.air import Air
from hardware_bridges.radio.emulated_pins import Line, ReadLine, Strap
from hardware_bridges.radio.signal_report import rssi_code, snr_code
from hardware_bridges.radio.sx126x_codes import (
    CAD_SYMBOLS,
    RX_CONTINUOUS,
    TIMER_STEP_US,
    Command,
    CommandStatus,
    Irq,
    Mode,
)
from hardware_bridges.radio.sx126x_commands import Memory, Refusal, handle
from hardware_bridges.radio.sx126x_settings import Packet, airtime_us

#: A byte at 2 MHz. [us]
_BYTE_US = 4.0
#: BUSY after a command that sets something, and after those that take longer: data sheet,
#: table 8-4 (from memory). [us]
_BUSY_US = 5.0
_LONG_BUSY_US = {
    Command.SET_STANDBY: 30.0,
    Command.SET_RX: 83.0,
    Command.SET_TX: 126.0,
    Command.SET_FS: 50.0,
    Command.CALIBRATE: 3500.0,
    Command.CALIBRATE_IMAGE: 3500.0,
}
_RESET_US, _WAKE_US = 3500.0, 340.0
#: The clock's law hands a message on up to this late. [us]
_SLACK_US = 1
_BUFFER = 256
#: Sync word and start of frame 4.25 symbols, header 8.
_TO_HEADER_SYMBOLS = 12.25


class Sx126xChip:
    """An emulated chip with its pins.

    Parameters
    ----------
    air : Air
        Takes what it sends.
    clock : callable
        The world's time. [us]
    tcxo_v : float or None
        The board's crystal oscillator needs this supply on DIO3; None: it has a crystal. [V]
    """

    mode: Mode
    memory: Memory
    _end_us: int | None  # of sending, or of a timed reception
    _cad_until: float | None
    _rx_packet: Packet | None
    _carrier_until_us: int
    _header_us: int | None  # when the header of a frame that comes in has been heard

    def __init__(self, air: Air, clock: Callable[[], int], tcxo_v: float | None = None) -> None:
        self._air = air
        self._clock = clock
        self._tcxo_v = tcxo_v
        #: Guards the chip; its driver shares it, as an interrupt runs in the chip's thread.
        self.lock = threading.RLock()
        self.busy = ReadLine(self._look_at_busy)
        self.dio1 = Line(self.now_us)
        self.nreset = Strap(self._reset)
        #: Transfers while BUSY, commands refused, frames not heard.
        self.ignored_count = self.refused_count = self.missed_count = 0
        #: It may have begun to listen so much after a frame did. [us]
        self.slack_us = _SLACK_US
        self._now_us = clock()
        self._bench_us = 0.0
        self._running = False
        self._held = False
        self._clear()

    # The host's side

    def xfer2(self, values: Sequence[int], /) -> list[int]:
        """Exchange bytes with the chip selected; see `spidev.SpiDev.xfer2`."""
        with self.lock:
            self.advance(self._clock())
            data = bytes(value & 0xFF for value in values)
            silent = [0] * len(data)
            if not data or self._held:
                return silent
            if self.mode is Mode.SLEEP:
                self.mode = Mode.STANDBY_RC
                self._busy_until = self._bench_us + _WAKE_US
                return silent
            if self._bench_us < self._busy_until:
                self.ignored_count += 1
                return silent
            self._pass_us(len(data) * _BYTE_US)
            return self._execute(data)

    def pause(self, t_s: float) -> None:
        """Let bench time pass, as a driver waits. [s]"""
        with self.lock:
            self._pass_us(t_s * 1e6)

    def now_us(self) -> int:
        """Return the world's time as the chip knows it: in an interrupt, its instant. [us]"""
        with self.lock:
            self.advance(self._clock())
            return self._now_us

    # The world's side

    def advance(self, t_us: int) -> None:
        """Let everything happen that happens until an instant. [us]"""
        with self.lock:
            if self._running:  # an interrupt's handler talks to us at the interrupt's instant
                return
            self._running = True
            try:
                if self._header_us is not None and self._header_us <= t_us:
                    self._header_us = None
                    self._raise(Irq.HEADER_VALID)
                while self._end_us is not None and self._end_us <= t_us:
                    self._now_us = max(self._now_us, self._end_us)
                    self._end_us = None
                    self._end()
                self._now_us = max(self._now_us, t_us)
            finally:
                self._running = False

    def hear(
        self, frame: bytes, rssi_dbm: float, snr_db: float, t_us: int, crc_ok: bool = True
    ) -> None:
        """Let a frame end at the antenna.

        Parameters
        ----------
        frame : bytes
            The payload, 0..255 B.
        rssi_dbm, snr_db : float
            How well it is heard. [dBm], [dB]
        t_us : int
            Instant of its end. One that is past already is heard as if in time. [us]
        crc_ok : bool
            False if bits were lost.
        """
        if len(frame) > 255:
            raise ValueError(f"a LoRa payload has 0 to 255 bytes, not {len(frame)}")
        with self.lock:
            self.advance(t_us)
            memory, packet = self.memory, self._rx_packet
            self._header_us = None
            if memory.modulation is None or packet is None:
                self.missed_count += 1
                return
            start_us = t_us - airtime_us(memory.modulation, packet, len(frame))
            if not self._listened(start_us, t_us):
                self.missed_count += 1
                return
            memory.report = bytes((rssi_code(rssi_dbm), snr_code(snr_db), rssi_code(rssi_dbm)))
            found = Irq.PREAMBLE_DETECTED | Irq.SYNC_WORD_VALID
            before, self._running = self._running, True  # an interrupt sees this instant
            try:
                self._take(frame, packet, found, crc_ok)
            finally:
                self._running = before

    def carrier(self, until_us: int) -> None:
        """Let a signal begin that is in the channel until an instant. [us]

        Activity detection sees it. A chip that listens flags its preamble, and its header
        when that is over.
        """
        with self.lock:
            self.advance(self._clock())
            self._carrier_until_us = max(self._carrier_until_us, until_us)
            modulation, packet = self.memory.modulation, self._rx_packet
            if not self._listening or modulation is None or packet is None:
                return
            self._raise(Irq.PREAMBLE_DETECTED)
            symbols = packet.preamble_symbols + _TO_HEADER_SYMBOLS
            header_us = self._now_us + round(symbols * modulation.symbol_us)
            if not packet.implicit_header and header_us < until_us:
                self._header_us = header_us

    # Inside

    def _clear(self) -> None:
        """Forget everything, as a reset does."""
        self.mode = Mode.STANDBY_RC
        self.memory = Memory()
        self._status = CommandStatus.NONE
        self._irq = Irq(0)
        self._end_us = None
        self._single = False
        self._rx_since_us = 0
        self._rx_place = 0
        self._rx_packet = None
        self._windows: deque[tuple[int, int]] = deque(maxlen=8)
        self._carrier_until_us = 0
        self._header_us = None
        self._cad_until = None
        self._busy_until = 0.0

    def _reset(self, released: bool) -> None:
        with self.lock:
            self._held = not released
            self._clear()
            self._busy_until = self._bench_us + _RESET_US
            self.dio1.drive(False)

    def _look_at_busy(self) -> bool:
        with self.lock:
            self.advance(self._clock())
            busy = self._held or self.mode is Mode.SLEEP or self._bench_us < self._busy_until
            self._pass_us(1.0)
            return busy

    def _pass_us(self, t_us: float) -> None:
        """Let bench time pass; an activity detection may end in it."""
        self._bench_us += t_us
        if self._cad_until is not None and self._bench_us >= self._cad_until:
            self._cad_until = None
            self.mode = Mode.STANDBY_RC
            seen = self._now_us < self._carrier_until_us
            self._raise(Irq.CAD_DONE | (Irq.CAD_DETECTED if seen else Irq(0)))

    def _execute(self, data: bytes) -> list[int]:
        """Run one command and return the bytes it answers."""
        status = self.mode << 4 | self._status << 1
        answer = bytes([status])
        try:
            command = Command(data[0])
            reply = handle(self, command, data[1:])
            if command is not Command.GET_STATUS:
                self._status = CommandStatus.NONE
            answer = bytes([status] * reply.header) + reply.data
            self._busy_until = self._bench_us + _LONG_BUSY_US.get(command, _BUSY_US)
        except ValueError:  # no such command
            self._status = CommandStatus.PROCESSING_ERROR
            self.refused_count += 1
        except Refusal as refusal:
            self._status = refusal.status
            self.refused_count += 1
        short = len(data) - len(answer)
        return [*answer[: len(data)], *[status] * short]

    @property
    def _listening(self) -> bool:
        """Whether it receives packets, and not only looks for activity."""
        return self.mode is Mode.RX and self._cad_until is None

    @property
    def irq(self) -> Irq:
        """Interrupts that are pending."""
        return self._irq

    def clear_irq(self, which: int) -> None:
        """Clear interrupts; DIO1 falls when none is left for it."""
        self._irq = Irq(self._irq & ~which)
        self._set_dio1()

    def _raise(self, which: Irq) -> None:
        self._irq |= which & self.memory.irq_mask
        self._set_dio1()

    def _set_dio1(self) -> None:
        self.dio1.drive(bool(self._irq & self.memory.dio1_mask))

    def crystal_runs(self) -> bool:
        """Return whether the oscillator has the supply the board asks for."""
        given = self.memory.tcxo_v
        return self._tcxo_v is None or (given is not None and given >= self._tcxo_v)

    def go(self, mode: Mode) -> None:
        """Change mode; sending or receiving ends, and a frame that comes in is lost."""
        if self._listening and mode is not Mode.RX:
            self._windows.append((self._rx_since_us, self._now_us))
        self._end_us = self._header_us = None
        self._cad_until = None
        self.mode = mode

    def listen(self, timeout: int) -> None:
        """Start to receive: continuously, or for one packet or a number of timer steps."""
        if not self._listening:
            self._rx_since_us = self._now_us
        self._cad_until = None
        self.mode = Mode.RX
        self._single = timeout != RX_CONTINUOUS
        self._rx_place = self.memory.rx_base
        self._rx_packet = self.memory.packet
        timed = timeout not in (0, RX_CONTINUOUS)
        self._end_us = self._now_us + round(timeout * TIMER_STEP_US) if timed else None

    def send(self) -> None:
        """Start to send what the buffer holds."""
        memory = self.memory
        assert memory.modulation is not None
        assert memory.packet is not None
        size = memory.packet.payload_bytes
        base = memory.tx_base
        frame = bytes(memory.buffer[(base + k) % _BUFFER] for k in range(size))
        airtime = airtime_us(memory.modulation, memory.packet, size)
        self.go(Mode.TX)
        self._end_us = self._now_us + airtime
        self._air.send(frame, airtime)

    def look(self) -> None:
        """Start to look for activity in the channel."""
        assert self.memory.modulation is not None
        self.go(Mode.RX)
        symbols = CAD_SYMBOLS[self.memory.cad_symbols] + 0.5
        self._cad_until = self._bench_us + symbols * self.memory.modulation.symbol_us

    def _end(self) -> None:
        """End sending, or a reception that heard nothing in its time."""
        sent = self.mode is Mode.TX
        self.go(self.memory.fallback if sent else Mode.STANDBY_RC)
        self._status = CommandStatus.TX_DONE if sent else CommandStatus.TIMEOUT
        self._raise(Irq.TX_DONE if sent else Irq.TIMEOUT)

    def _listened(self, start_us: int, end_us: int) -> bool:
        """Return whether the chip received from the beginning of a frame to its end."""
        windows = [*self._windows]
        if self._listening:
            windows.append((self._rx_since_us, self._now_us))
        return any(
            begin <= start_us + self.slack_us and end_us - self.slack_us <= end
            for begin, end in windows
        )

    def _take(self, frame: bytes, packet: Packet, found: Irq, crc_ok: bool) -> None:
        """Put a frame heard into the buffer, under the settings its reception began with."""
        memory = self.memory
        if packet.implicit_header:
            frame = frame[: packet.payload_bytes].ljust(packet.payload_bytes, b"\0")
        elif len(frame) > packet.payload_bytes:
            self._raise(found | Irq.HEADER_ERROR)
            self.missed_count += 1
            return
        else:
            found |= Irq.HEADER_VALID
        for k, value in enumerate(frame):
            memory.buffer[(self._rx_place + k) % _BUFFER] = value
        memory.received = (len(frame), self._rx_place)
        # In continuous reception the next packet follows this one (from memory).
        self._rx_place = (self._rx_place + len(frame)) % _BUFFER
        if self._single and self.mode is Mode.RX:
            self.go(memory.fallback)
        self._status = CommandStatus.DATA_AVAILABLE
        broken = packet.crc and not crc_ok
        self._raise(found | Irq.RX_DONE | (Irq.CRC_ERROR if broken else Irq(0)))
