"""E22 HAT, emulated on a pseudo-terminal: its port can be opened with pyserial.

Mode by the pins M0 and M1, registers as in the maker's manual, packets in fixed or
transparent transmission, the strength byte after what it heard. What it hears while it
sends is lost. Left out: wake-on-radio, the repeater, sub-packets' timing, and the serial
speed, which a pseudo-terminal does not have.
"""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable

from hardware_bridges.radio import e22
from hardware_bridges.radio.air import Air
from hardware_bridges.radio.emulated_pins import Line, Strap

_DEFAULTS = bytes((0, 0, 0, 0x62, 0, 0x17, 0x03, 0, 0))
_CHUNK = 4096
#: A pause of the host this long ends what it gives to the air. [s]
_GAP_S = 0.002


class E22Hat:
    """An emulated module.

    Parameters
    ----------
    air : Air
        Takes what it sends.
    clock : callable
        The world's time. [us]
    airtime_us : callable
        Time on air by bytes of a packet: measured, as no formula gives it. [us]
    rssi_halved : bool
        Older firmware; see `E22Config`.
    """

    def __init__(
        self,
        air: Air,
        clock: Callable[[], int],
        airtime_us: Callable[[int], int],
        rssi_halved: bool = False,
    ) -> None:
        self._air = air
        self._clock = clock
        self._airtime_us = airtime_us
        self._rssi_halved = rssi_halved
        self._lock = threading.RLock()
        self._kept = bytearray(_DEFAULTS)
        self.registers = bytearray(_DEFAULTS)
        self.m0 = Strap(self._mode_changed)
        self.m1 = Strap(self._mode_changed)
        self.aux = Line()
        self.aux.drive(True)
        self._begun = bytearray()
        self._sent: list[tuple[int, int]] = []  # begin, end of the last sendings
        #: Bytes given to the host; frames not heard; commands refused.
        self.given_count = self.missed_count = self.refused_count = 0
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)

    @property
    def port(self) -> str:
        """Path of the serial port."""
        return os.ttyname(self._slave)

    @property
    def configuring(self) -> bool:
        """Whether the pins ask for the configuration mode: M0 low, M1 high."""
        return not self.m0.value and bool(self.m1.value)

    @property
    def awake(self) -> bool:
        """Whether the pins ask for normal transmission: both low."""
        return not self.m0.value and not self.m1.value

    def pump(self, wait_s: float = 0.0) -> bool:
        """Take what the host has written; return whether there was anything.

        Parameters
        ----------
        wait_s : float
            Longest wait for the first byte. [s]
        """
        anything = False
        while select.select([self._master], [], [], _GAP_S if anything else wait_s)[0]:
            try:
                data = os.read(self._master, _CHUNK)
            except OSError:  # the port is closed
                break
            with self._lock:
                self._begun += data
                anything = True
                if self.configuring:
                    self._answer()
                elif len(self._begun) >= _CHUNK:  # more than the module has room for
                    self._give_to_air()
        if anything:
            with self._lock:
                if self.configuring:
                    self._refuse(bool(self._begun))  # a command that was not ended
                else:
                    self._give_to_air()
        return anything

    def run(self, stopped: threading.Event) -> None:
        """Serve the host until told to stop; for a thread."""
        while not stopped.is_set():
            self.pump(0.05)

    def hear(
        self, frame: bytes, rssi_dbm: float, snr_db: float, t_us: int, crc_ok: bool = True
    ) -> None:
        """Let a packet end at the antenna.

        Parameters
        ----------
        frame : bytes
            The packet as it was in the air.
        rssi_dbm : float
            How strong it is. [dBm]
        snr_db : float
            Not told to the host.
        t_us : int
            Instant of its end. [us]
        crc_ok : bool
            A broken packet is dropped by the module.
        """
        with self._lock:
            begin = t_us - self._airtime_us(len(frame))
            deaf = any(begin < end and start < t_us for start, end in self._sent)
            if deaf or not crc_ok or not self.awake:
                self.missed_count += 1
                return
            code = -2.0 * rssi_dbm if self._rssi_halved else 256.0 + rssi_dbm
            told = bytes((min(max(round(code), 0), 255),))
            self._give(frame + (told if self.registers[6] & 0x80 else b""))

    def carrier(self, until_us: int) -> None:
        """Let a signal be in the channel: this module's answer to it is not emulated."""

    def close(self) -> None:
        """Close the pseudo-terminal."""
        os.close(self._master)
        os.close(self._slave)

    def _mode_changed(self, high: bool) -> None:
        with self._lock:
            self._begun.clear()

    def _give(self, data: bytes) -> None:
        """Write to the host; what it does not fetch in time is lost."""
        try:
            self.given_count += os.write(self._master, data)
        except BlockingIOError:
            self.missed_count += 1

    def _answer(self) -> None:
        """Answer the commands that are complete."""
        while len(self._begun) >= 3:
            command, first, count = self._begun[:3]
            writes = command in (e22.WRITE, e22.WRITE_KEPT)
            known = (writes or command == e22.READ) and count and first + count <= 9
            if not known:
                self._refuse(True)
                return
            if writes:
                if len(self._begun) < 3 + count:
                    return
                self._store(first, bytes(self._begun[3 : 3 + count]), command == e22.WRITE_KEPT)
            values = bytearray(self.registers)
            values[7:9] = b"\0\0"  # the key is not told
            self._give(bytes((e22.READ, first, count)) + bytes(values[first : first + count]))
            del self._begun[: 3 + (count if writes else 0)]

    def _refuse(self, refused: bool) -> None:
        """Answer what is no command as the module does."""
        if refused:
            self.refused_count += 1
            self._begun.clear()
            self._give(e22.WRONG_FORMAT)

    def _store(self, first: int, values: bytes, kept: bool) -> None:
        self.registers[first : first + len(values)] = values
        if kept:
            self._kept[:] = self.registers

    def power_cycle(self) -> None:
        """Lose what was not kept."""
        with self._lock:
            self.registers[:] = self._kept
            self._begun.clear()

    def _give_to_air(self) -> None:
        """Send what the host gave, if the mode allows it."""
        data = bytes(self._begun)
        self._begun.clear()
        if not self.awake:
            return
        if self.registers[6] & 0x40:  # fixed: address and channel lead
            channel_ok = len(data) > e22.TARGET_BYTES and data[2] == self.registers[5]
            data = data[e22.TARGET_BYTES :] if channel_ok else b""
        data = data[:240]
        if not data:
            return
        now = self._clock()
        begin = max([now, *(end for _, end in self._sent)])
        airtime = self._airtime_us(len(data))
        self._sent = [*self._sent[-7:], (begin, begin + airtime)]
        self._air.send(data, airtime)
