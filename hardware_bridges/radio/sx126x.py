"""SX126x: our command layer of the SX1261 and SX1262 over SPI.

One method a command, with the units a person uses; the bytes are those of the data
sheet. It knows no duty cycle, no interrupt handler and no Raspberry Pi: the SPI device is
anything with spidev's ``xfer2``, the pins anything with a ``value``.

The known errata are worked around where they belong: modulation quality at 500 kHz
(15.1), antenna mismatch on the SX1262 (15.2), inverted IQ (15.4). Erratum 15.3 (the timer
runs on after a timed reception with implicit header) needs no cure as we never set a
reception time-out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from gridmodel.wire.lora import Modem
from hardware_bridges.link_error import LinkError
from hardware_bridges.radio.signal_report import rssi_dbm, snr_db
from hardware_bridges.radio.sx126x_codes import (
    BANDWIDTH_CODE,
    CAD_MINIMUM,
    CAD_PEAK,
    CAD_PEAK_500_KHZ,
    IMAGE_BANDS,
    PACKET_TYPE_LORA,
    RAMP_40_US,
    RX_CONTINUOUS,
    RX_GAIN_BOOSTED,
    RX_GAIN_SAVING,
    TCXO_V,
    TIMER_STEP_US,
    Command,
    CommandStatus,
    Irq,
    Mode,
    Register,
    frequency_code,
)

#: A symbol at least this long needs low data rate optimisation. [us]
LOW_DATA_RATE_SYMBOL_US = 16_380
#: BUSY longer than this means that there is no chip, or a dead one. The longest that is
#: normal is a calibration with a crystal oscillator to start: some 10 ms. [s]
BUSY_LIMIT_S = 0.5
_PAUSE_S = 20e-6
_ALL_BLOCKS = 0x7F


class SpiDevice(Protocol):
    """What we need of a `spidev.SpiDev`."""

    def xfer2(self, values: Sequence[int], /) -> Sequence[int]:
        """Exchange bytes with the chip selected throughout."""
        ...


class InputPin(Protocol):
    """What we need of a gpiozero input."""

    @property
    def value(self) -> Any:
        """True when the line is high."""
        ...


class OutputPin(Protocol):
    """What we need of a gpiozero output."""

    def on(self) -> None:
        """Drive the line high."""

    def off(self) -> None:
        """Drive the line low."""


class ChipStatus(NamedTuple):
    """Mode of the chip and fate of its last command."""

    mode: int
    command: int


class PacketStatus(NamedTuple):
    """How well the last packet was heard."""

    rssi_dbm: float
    snr_db: float


class Sx126x:
    """A chip on an SPI bus.

    Parameters
    ----------
    spi : SpiDevice
        Mode 0, at most 16 MHz.
    busy : InputPin
        High while the chip works on a command.
    reset : OutputPin or None
        Low resets the chip.
    pause : callable
        Waits for so many seconds; an emulated chip gives its own. [s]
    name : str
        For the text of errors.
    """

    def __init__(
        self,
        spi: SpiDevice,
        busy: InputPin,
        reset: OutputPin | None = None,
        pause: Callable[[float], None] = time.sleep,
        name: str = "SX126x",
    ) -> None:
        self._spi = spi
        self._busy = busy
        self._reset = reset
        self.pause = pause
        self.name = name

    # State of the chip

    def reset(self) -> None:
        """Pull the reset line for 200 us and wait until the chip is in standby."""
        if self._reset is not None:
            self._reset.off()
            self.pause(200e-6)
            self._reset.on()
        self.pause(1e-3)
        self._wait()

    def sleep(self) -> None:
        """Sleep with the settings kept; the next command wakes it and is lost."""
        self._write(Command.SET_SLEEP, 0x04)

    def wake(self) -> None:
        """Wake the chip: selecting it does; the bytes are lost on it."""
        self._spi.xfer2([int(Command.GET_STATUS), 0])
        self._wait()

    def standby(self, crystal: bool = False) -> None:
        """Stand by on the RC oscillator, or on the crystal."""
        self._write(Command.SET_STANDBY, int(crystal))

    def receive(self) -> None:
        """Listen until told otherwise."""
        self._write(Command.SET_RX, *RX_CONTINUOUS.to_bytes(3, "big"))

    def transmit(self) -> None:
        """Send what the buffer holds, however long it takes."""
        self._write(Command.SET_TX, 0, 0, 0)

    def detect_activity(self) -> None:
        """Look once whether a LoRa signal is in the channel; an interrupt gives the answer."""
        self._write(Command.SET_CAD)

    def status(self) -> ChipStatus:
        """Return the chip's mode and the fate of its last command."""
        raw = self._read(Command.GET_STATUS, count=0)[-1]
        return ChipStatus(raw >> 4 & 7, raw >> 1 & 7)

    def device_errors(self) -> int:
        """Return the error bits: bit 5 is a crystal that does not start, bit 6 the PLL."""
        return int.from_bytes(self._read(Command.GET_DEVICE_ERRORS, count=2), "big")

    def clear_device_errors(self) -> None:
        """Forget the errors so far."""
        self._write(Command.CLEAR_DEVICE_ERRORS, 0, 0)

    def check(self, mode: Mode) -> None:
        """Raise if the chip is not in a mode, or refused its last command.

        Raises
        ------
        LinkError
            With what the chip said.
        """
        now = self.status()
        refused = now.command in (CommandStatus.PROCESSING_ERROR, CommandStatus.EXECUTION_FAILURE)
        if now.mode != mode or refused:
            raise LinkError(
                self.name,
                f"the chip is in mode {now.mode} (status {now.command}) and not in {mode.name}.",
                "Check the SPI wires, the chip-select and the supply.",
            )

    # The board

    def set_tcxo(self, supply_v: float, start_ms: float) -> None:
        """Feed a crystal oscillator from DIO3. [V], [ms]"""
        steps = round(start_ms * 1e3 / TIMER_STEP_US)
        self._write(Command.SET_DIO3_AS_TCXO, TCXO_V.index(supply_v), *steps.to_bytes(3, "big"))

    def set_rf_switch(self, on: bool) -> None:
        """Let DIO2 drive the antenna switch: high while sending."""
        self._write(Command.SET_DIO2_AS_RF_SWITCH, int(on))

    def set_regulator(self, switching: bool) -> None:
        """Use the switching regulator, which needs an inductor, or the linear one."""
        self._write(Command.SET_REGULATOR_MODE, int(switching))

    def calibrate(self) -> None:
        """Calibrate all blocks."""
        self._write(Command.CALIBRATE, _ALL_BLOCKS)

    def calibrate_image(self, frequency_mhz: float) -> None:
        """Calibrate image rejection for the band of a frequency, if it is one of the five."""
        for low, high, code in IMAGE_BANDS:
            if low <= frequency_mhz <= high:
                self._write(Command.CALIBRATE_IMAGE, *code)

    def set_rx_gain(self, boosted: bool) -> None:
        """Choose sensitivity or current: boosted costs 0.7 mA."""
        self.write_register(Register.RX_GAIN, [RX_GAIN_BOOSTED if boosted else RX_GAIN_SAVING])

    def set_power(self, power_dbm: int, high_power: bool) -> None:
        """Set the output of the chip.

        Parameters
        ----------
        power_dbm : int
            -9..22 on an SX1262, -17..15 on an SX1261. [dBm]
        high_power : bool
            True on an SX1262.
        """
        if high_power:
            self._write(Command.SET_PA_CONFIG, 0x04, 0x07, 0x00, 0x01)
            clamp = self.read_register(Register.TX_CLAMP)[0]
            self.write_register(Register.TX_CLAMP, [clamp | 0x1E])  # erratum 15.2
        else:
            self._write(Command.SET_PA_CONFIG, 0x06 if power_dbm == 15 else 0x04, 0x00, 0x01, 0x01)
            power_dbm = min(power_dbm, 14)  # 15 dBm is 14 with a longer duty of the amplifier
        self._write(Command.SET_TX_PARAMS, power_dbm & 0xFF, RAMP_40_US)

    # The modem

    def set_packet_type_lora(self) -> None:
        """Make it a LoRa modem; the settings that follow need it."""
        self._write(Command.SET_PACKET_TYPE, PACKET_TYPE_LORA)

    def set_frequency(self, frequency_mhz: float) -> None:
        """Tune to a frequency, to the nearest 0.95 Hz. [MHz]"""
        self._write(Command.SET_RF_FREQUENCY, *frequency_code(frequency_mhz).to_bytes(4, "big"))

    def set_modulation(self, modem: Modem) -> None:
        """Set spreading factor, bandwidth, coding rate and low data rate optimisation."""
        slow = modem.spreading_factor > 6 and modem.symbol_us >= LOW_DATA_RATE_SYMBOL_US
        self._write(
            Command.SET_MODULATION_PARAMS, modem.spreading_factor,
            BANDWIDTH_CODE[modem.bandwidth_khz], modem.coding_rate - 4, int(slow),
        )  # fmt: skip
        self._set_bit(Register.TX_MODULATION, 2, modem.bandwidth_khz != 500.0)  # erratum 15.1

    def set_packet(self, modem: Modem, payload_bytes: int, inverted_iq: bool = False) -> None:
        """Set preamble, header, payload length and payload check. [B]"""
        self._write(
            Command.SET_PACKET_PARAMS, *modem.preamble_symbols.to_bytes(2, "big"),
            int(not modem.explicit_header), payload_bytes, int(modem.crc), int(inverted_iq),
        )  # fmt: skip
        self._set_bit(Register.IQ_POLARITY, 2, not inverted_iq)  # erratum 15.4

    def set_sync_word(self, word: int) -> None:
        """Set the sync word: 0x12 private, 0x34 LoRaWAN; the lower halves stay as they are."""
        high, low = self.read_register(Register.SYNC_WORD, 2)
        self.write_register(
            Register.SYNC_WORD, [high & 0x0F | word & 0xF0, low & 0x0F | word << 4 & 0xF0]
        )

    def set_activity_detection(self, modem: Modem) -> None:
        """Set activity detection to two symbols and back to standby after it."""
        table = CAD_PEAK_500_KHZ if modem.bandwidth_khz == 500.0 else CAD_PEAK
        peak = table[modem.spreading_factor]
        self._write(Command.SET_CAD_PARAMS, 0x01, peak, CAD_MINIMUM, 0x00, 0, 0, 0)

    def set_interrupts(self, on_dio1: Irq, silent: int = 0) -> None:
        """Choose the interrupts: those that raise DIO1, and those that are only to be read."""
        masks = (on_dio1 | silent).to_bytes(2, "big") + on_dio1.to_bytes(2, "big")
        self._write(Command.SET_DIO_IRQ_PARAMS, *masks, 0, 0, 0, 0)

    def interrupts(self) -> Irq:
        """Return the interrupts that are pending."""
        return Irq(int.from_bytes(self._read(Command.GET_IRQ_STATUS, count=2), "big") & 0x3FF)

    def clear_interrupts(self, which: Irq) -> None:
        """Clear interrupts."""
        self._write(Command.CLEAR_IRQ_STATUS, *which.to_bytes(2, "big"))

    # Buffers and registers

    def set_buffer_base(self, tx: int = 0, rx: int = 0) -> None:
        """Place what is sent and what is received in the buffer of 256 bytes."""
        self._write(Command.SET_BUFFER_BASE_ADDRESS, tx, rx)

    def write_buffer(self, offset: int, data: bytes) -> None:
        """Write into the buffer."""
        self._write(Command.WRITE_BUFFER, offset, *data)

    def read_buffer(self, offset: int, count: int) -> bytes:
        """Read from the buffer."""
        return self._read(Command.READ_BUFFER, offset, count=count)

    def rx_buffer_status(self) -> tuple[int, int]:
        """Return length and place of the last packet received. [B]"""
        length, start = self._read(Command.GET_RX_BUFFER_STATUS, count=2)
        return length, start

    def packet_status(self) -> PacketStatus:
        """Return how well the last packet was heard."""
        rssi, snr, _ = self._read(Command.GET_PACKET_STATUS, count=3)
        return PacketStatus(rssi_dbm(rssi), snr_db(snr))

    def rssi_now_dbm(self) -> float:
        """Return the strength in the channel while receiving. [dBm]"""
        return rssi_dbm(self._read(Command.GET_RSSI_INST, count=1)[0])

    def write_register(self, address: int, values: Sequence[int]) -> None:
        """Write registers in a row."""
        self._write(Command.WRITE_REGISTER, *address.to_bytes(2, "big"), *values)

    def read_register(self, address: int, count: int = 1) -> bytes:
        """Read registers in a row."""
        return self._read(Command.READ_REGISTER, *address.to_bytes(2, "big"), count=count)

    def _set_bit(self, address: int, bit: int, value: bool) -> None:
        before = self.read_register(address)[0]
        self.write_register(address, [before & ~(1 << bit) | value << bit])

    def _write(self, command: Command, *values: int) -> None:
        self._wait()
        self._spi.xfer2([int(command), *values])

    def _read(self, command: Command, *values: int, count: int) -> bytes:
        """Return what follows the status byte of a reading command."""
        self._wait()
        sent = [int(command), *values, 0, *[0] * count]
        answer = bytes(self._spi.xfer2(sent))
        return answer[-count:] if count else answer

    def _wait(self) -> None:
        """Wait until the chip takes the next command.

        Raises
        ------
        LinkError
            If it stays busy.
        """
        if not self._busy.value:
            return
        deadline_s = time.monotonic() + BUSY_LIMIT_S
        while self._busy.value:
            if time.monotonic() > deadline_s:
                raise LinkError(
                    self.name,
                    f"BUSY has been high for {BUSY_LIMIT_S:g} s.",
                    "Check that the BUSY pin and the reset pin of the settings are the HAT's, "
                    "and that the HAT is an SPI one.",
                )
            self.pause(_PAUSE_S)
