"""Body of the radio port over an E22 module on a serial port.

The module's time on air cannot be computed; without a measured one this body does not
start, since it could not promise a duty cycle. It has no signal-to-noise ratio to give
(NaN), and whether a packet went out it does not say either.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from gridmodel.ports import ReceivedFrame, SendResult
from gridmodel.wire.regions import REGIONS
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.radio import e22
from hardware_bridges.radio.e22_airtimes import known_air
from hardware_bridges.radio.e22_config import E22Config
from hardware_bridges.radio.kept_airtime import KeptAirtime
from hardware_bridges.radio.sx126x import InputPin, OutputPin
from hardware_bridges.radio.transmitter import Transmitter

INBOX_LENGTH = 64
#: The module needs this to change its mode without AUX. [s]
_MODE_S = 0.04
_ANSWER_S = 0.5
_TRIES = 3
#: A packet's bytes come in one go; a longer gap means that some were lost. [s]
_GAP_S = 0.1
_NOT_YET_US = 2_000
_CONFIG_BAUD = 9600


class SerialPort(Protocol):
    """What we need of a `serial.Serial`."""

    baudrate: int

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read now."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes, waiting at most the port's time-out."""
        ...

    def write(self, data: bytes, /) -> int | None:
        """Write bytes."""
        ...

    def reset_input_buffer(self) -> None:
        """Drop what can be read."""

    def close(self) -> None:
        """Close the port."""


class E22Radio:
    """A packet radio on an E22 module.

    Parameters
    ----------
    port : SerialPort
        Open, with a short time-out.
    m0, m1 : OutputPin
        The module's mode pins.
    config : E22Config
        The HAT.
    clock : callable
        The node's time, for the stamps of frames heard. [us]
    aux : InputPin or None
        High when the module is idle.
    pause : callable
        Waits for so many seconds. [s]

    Raises
    ------
    DeviceError
        If the airtime is not known, the band forbids it, or the module refuses a setting.
    LinkError
        If no module answers.
    """

    def __init__(
        self,
        port: SerialPort,
        m0: OutputPin,
        m1: OutputPin,
        config: E22Config,
        clock: Callable[[], int],
        aux: InputPin | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._port = port
        self._m0, self._m1, self._aux = m0, m1, aux
        self._config = config
        self._clock = clock
        self._pause = pause
        self._name = f"E22 on {config.port}"
        self._transmitter = self._books()
        self._stream = e22.PacketStream(config.packet_bytes)
        self._last_s = 0.0
        self._read_count = 0
        self._inbox: deque[ReceivedFrame] = deque(maxlen=INBOX_LENGTH)
        self._configure()

    def keep_airtime(self, kept: KeptAirtime) -> None:
        """Take over what was sent before this process began, and keep what is sent."""
        self._transmitter.keep(kept)

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame now, or say when module or law allows it.

        Raises
        ------
        ValueError
            If the frame does not fit the packets.
        """
        config = self._config
        packet = e22.pack(data, config.packet_bytes)
        result = self._transmitter.ask(now_us, len(packet))
        if not result.accepted:
            return result
        if self._aux is not None and not self._aux.value:
            return SendResult(False, result.airtime_us, now_us + _NOT_YET_US)
        target = (*config.to_address.to_bytes(2, "big"), config.channel)
        self._port.write(bytes(target) + packet)
        self._transmitter.book(now_us, result.airtime_us)
        return result

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        waiting = self._port.in_waiting
        now_s = time.monotonic()
        if waiting:
            if now_s - self._last_s > _GAP_S:
                self._stream.forget()
            self._last_s = now_s
            data = self._port.read(waiting)
            self._read_count += len(data)
            for frame, code in self._stream.feed(data):
                rssi = e22.rssi_dbm(code, self._config.rssi_halved)
                self._inbox.append(ReceivedFrame(self._clock(), frame, rssi, float("nan")))
        return self._inbox.popleft() if self._inbox else None

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()

    def snapshot(self) -> Any:
        """Return ledger, busy time and frames waiting; the module itself is hardware."""
        return self._transmitter.snapshot(), tuple(self._inbox)

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave; the module goes on as it is."""
        books, inbox = state
        self._transmitter.restore(books)
        self._inbox = deque(inbox, maxlen=INBOX_LENGTH)

    def _books(self) -> Transmitter:
        """Return the books of a module whose signal was measured."""
        config = self._config
        airtime_us, bandwidth_khz = known_air(config, self._name)
        band = REGIONS[config.region].rule(config.frequency_mhz, bandwidth_khz)
        power_dbm = config.power_dbm + config.antenna_gain_db
        if power_dbm > band.power_dbm:
            raise DeviceError(
                self._name,
                f"{power_dbm:g} dBm is over the {band.power_dbm:g} dBm of {band.name} MHz.",
                "Lower power_dbm (22, 17, 13 or 10), or take a channel of another sub-band.",
            )
        return Transmitter(lambda size: airtime_us, band)

    def _configure(self) -> None:
        """Write the registers and read them back.

        Raises
        ------
        LinkError, DeviceError
            If nothing answers, or something else.
        """
        wanted = e22.E22Registers.of(self._config).encode()
        write = e22.WRITE_KEPT if self._config.keep else e22.WRITE
        self._mode(config=True)
        try:
            self._ask(bytes((write,)) + e22.REGISTERS + wanted)
            found = self._ask(e22.READ_COMMAND)[3:]
        finally:
            self._mode(config=False)
        # The key cannot be read back: the module answers zeros.
        if found[:7] != wanted[:7]:
            raise DeviceError(
                self._name,
                f"the module keeps registers {found[:7].hex(' ')} and not {wanted[:7].hex(' ')}.",
                "Some air speeds and powers exist only in some modules; see its manual.",
            )

    def _ask(self, command: bytes) -> bytes:
        """Return the module's answer to a command, 12 bytes."""
        for _ in range(_TRIES):
            self._port.reset_input_buffer()
            self._port.write(command)
            answer = self._read(e22.ANSWER_BYTES)
            if len(answer) == e22.ANSWER_BYTES and answer[:3] == e22.READ_COMMAND:
                return answer
        raise LinkError(
            self._name,
            f"no answer to {command[:3].hex(' ')} in {_TRIES} tries.",
            "Check that M0 and M1 are wired (no jumpers on them), that the serial console is "
            "off (raspi-config), and that the HAT is a UART one.",
        )

    def _read(self, size: int) -> bytes:
        data = b""
        deadline_s = time.monotonic() + _ANSWER_S
        while len(data) < size and time.monotonic() < deadline_s:
            waiting = self._port.in_waiting
            if waiting:
                data += self._port.read(min(waiting, size - len(data)))
                if data.startswith(e22.WRONG_FORMAT):
                    break
            else:
                self._pause(1e-3)
        return data

    def _mode(self, config: bool) -> None:
        """Set the mode pins and the speed that goes with them."""
        self._m0.off()
        if config:
            self._m1.on()
        else:
            self._m1.off()
        self._pause(_MODE_S)
        self._port.baudrate = _CONFIG_BAUD if config else self._config.baud
        self._port.reset_input_buffer()
