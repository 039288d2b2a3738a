"""Commands of the emulated SX126x: which bytes each takes, in which mode, and what it sets.

The modes are those of the data sheet's chapter 13 (from memory, with Semtech's driver as
the map): settings in standby only, registers and buffer in any mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hardware_bridges.radio.sx126x_codes import (
    CAD_SYMBOLS,
    CRYSTAL_HZ,
    PACKET_TYPE_LORA,
    PLL_STEPS,
    TCXO_V,
    Command,
    CommandStatus,
    Irq,
    Mode,
    Register,
)
from hardware_bridges.radio.sx126x_settings import Modulation, Packet

_XOSC_START_ERROR = 1 << 5
_NO_IRQ = Irq(0)
_STANDBY = frozenset({Mode.STANDBY_RC, Mode.STANDBY_XOSC})
_SETTING = _STANDBY | {Mode.FS}
_ANY = frozenset(Mode)


@dataclass(slots=True)
class Memory:
    """Everything the chip was told, and what it keeps for its host."""

    packet_type: int = 0
    frequency_mhz: float | None = None
    modulation: Modulation | None = None
    packet: Packet | None = None
    high_power: bool | None = None
    power_dbm: int | None = None
    tcxo_v: float | None = None
    rf_switch: bool = False
    switching_regulator: bool = False
    fallback: Mode = Mode.STANDBY_RC
    cad_symbols: int = 0
    tx_base: int = 0
    rx_base: int = 0
    irq_mask: Irq = _NO_IRQ
    dio1_mask: Irq = _NO_IRQ
    errors: int = 0
    received: tuple[int, int] = (0, 0)
    report: bytes = bytes(3)
    buffer: bytearray = field(default_factory=lambda: bytearray(256))
    # Values after a reset of those registers that a driver reads before it writes: the
    # sync word from the data sheet, the others from memory.
    registers: dict[int, int] = field(
        default_factory=lambda: {
            Register.SYNC_WORD: 0x14,
            Register.SYNC_WORD + 1: 0x24,
            Register.IQ_POLARITY: 0x0D,
            Register.TX_MODULATION: 0x01,
            Register.TX_CLAMP: 0xC8,
            Register.RX_GAIN: 0x94,
            Register.OVER_CURRENT: 0x38,
        }
    )


class Refusal(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """The chip refuses a command."""

    def __init__(self, status: CommandStatus) -> None:
        self.status = status


class Reply(NamedTuple):
    """Bytes back: the status so many times, then data."""

    header: int = 1
    data: bytes = b""


class Chip(Protocol):
    """What commands do to a chip."""

    memory: Memory
    mode: Mode

    @property
    def irq(self) -> Irq:
        """Interrupts that are pending."""
        ...

    def clear_irq(self, which: int) -> None:
        """Clear interrupts."""

    def crystal_runs(self) -> bool:
        """Return whether the oscillator has its supply."""
        ...

    def go(self, mode: Mode) -> None:
        """Change mode."""

    def listen(self, timeout: int) -> None:
        """Start to receive."""

    def send(self) -> None:
        """Start to send."""

    def look(self) -> None:
        """Start an activity detection."""


def handle(chip: Chip, command: Command, values: bytes) -> Reply:
    """Run one command.

    Raises
    ------
    Refusal
        If bytes are missing or mean nothing, or the mode forbids it.
    """
    count, modes, run = _COMMANDS[command]
    if len(values) < count:
        raise Refusal(CommandStatus.PROCESSING_ERROR)
    if chip.mode not in modes:
        raise Refusal(CommandStatus.EXECUTION_FAILURE)
    return run(chip, values) or Reply()


def _need(meant: bool) -> None:
    """Refuse bytes that mean nothing."""
    if not meant:
        raise Refusal(CommandStatus.PROCESSING_ERROR)


def _set_sleep(chip: Chip, values: bytes) -> None:
    if not values[0] & 0x04:  # a cold start forgets
        chip.memory = Memory()
    chip.go(Mode.SLEEP)


def _set_standby(chip: Chip, values: bytes) -> None:
    _need(values[0] <= 1)
    if values[0]:
        _start_crystal(chip)
    chip.go(Mode.STANDBY_XOSC if values[0] else Mode.STANDBY_RC)


def _start_crystal(chip: Chip) -> None:
    if not chip.crystal_runs():
        chip.memory.errors |= _XOSC_START_ERROR
        raise Refusal(CommandStatus.EXECUTION_FAILURE)


def _set_fs(chip: Chip, values: bytes) -> None:
    _start_crystal(chip)
    chip.go(Mode.FS)


def _ready(chip: Chip) -> None:
    """Refuse to use a radio that was never set up."""
    memory = chip.memory
    told = (memory.frequency_mhz, memory.modulation, memory.packet)
    if memory.packet_type != PACKET_TYPE_LORA or None in told:
        raise Refusal(CommandStatus.EXECUTION_FAILURE)
    _start_crystal(chip)


def _set_rx(chip: Chip, values: bytes) -> None:
    _ready(chip)
    chip.listen(int.from_bytes(values[:3], "big"))


def _set_tx(chip: Chip, values: bytes) -> None:
    _ready(chip)
    if chip.memory.power_dbm is None:
        raise Refusal(CommandStatus.EXECUTION_FAILURE)
    chip.send()


def _set_cad(chip: Chip, values: bytes) -> None:
    _ready(chip)
    chip.look()


def _set_cad_params(chip: Chip, values: bytes) -> None:
    _need(values[0] < len(CAD_SYMBOLS) and values[3] == 0)  # only back to standby
    chip.memory.cad_symbols = values[0]


def _set_packet_type(chip: Chip, values: bytes) -> None:
    _need(values[0] == PACKET_TYPE_LORA)  # this chip knows no other
    chip.memory.packet_type = values[0]


def _set_rf_frequency(chip: Chip, values: bytes) -> None:
    steps = int.from_bytes(values[:4], "big")
    frequency_mhz = steps * CRYSTAL_HZ / PLL_STEPS / 1e6
    _need(150.0 <= frequency_mhz <= 960.0)
    chip.memory.frequency_mhz = frequency_mhz


def _set_modulation_params(chip: Chip, values: bytes) -> None:
    modulation = Modulation.decode(values)
    _need(chip.memory.packet_type == PACKET_TYPE_LORA and modulation is not None)
    chip.memory.modulation = modulation


def _set_packet_params(chip: Chip, values: bytes) -> None:
    packet = Packet.decode(values)
    _need(chip.memory.packet_type == PACKET_TYPE_LORA and packet is not None)
    chip.memory.packet = packet


def _set_pa_config(chip: Chip, values: bytes) -> None:
    duty, most, device, table = values[:4]
    _need(duty <= 7 and most <= 7 and device <= 1 and table == 1)
    chip.memory.high_power = device == 0


def _set_tx_params(chip: Chip, values: bytes) -> None:
    power = int.from_bytes(values[:1], "big", signed=True)
    low, high = (-9, 22) if chip.memory.high_power else (-17, 14)
    _need(chip.memory.high_power is not None and low <= power <= high and values[1] <= 7)
    chip.memory.power_dbm = power


def _set_buffer_base_address(chip: Chip, values: bytes) -> None:
    chip.memory.tx_base, chip.memory.rx_base = values[:2]


def _set_dio_irq_params(chip: Chip, values: bytes) -> None:
    chip.memory.irq_mask = Irq(int.from_bytes(values[:2], "big") & 0x3FF)
    chip.memory.dio1_mask = Irq(int.from_bytes(values[2:4], "big") & 0x3FF)
    chip.clear_irq(0)  # the line follows its new mask


def _clear_irq_status(chip: Chip, values: bytes) -> None:
    chip.clear_irq(int.from_bytes(values[:2], "big"))


def _clear_device_errors(chip: Chip, values: bytes) -> None:
    chip.memory.errors = 0


def _set_tcxo(chip: Chip, values: bytes) -> None:
    _need(values[0] < len(TCXO_V))
    chip.memory.tcxo_v = TCXO_V[values[0]]


def _set_rf_switch(chip: Chip, values: bytes) -> None:
    _need(values[0] <= 1)
    chip.memory.rf_switch = bool(values[0])


def _set_regulator(chip: Chip, values: bytes) -> None:
    _need(values[0] <= 1)
    chip.memory.switching_regulator = bool(values[0])


def _set_fallback(chip: Chip, values: bytes) -> None:
    modes = {0x20: Mode.STANDBY_RC, 0x30: Mode.STANDBY_XOSC, 0x40: Mode.FS}
    _need(values[0] in modes)
    chip.memory.fallback = modes[values[0]]


def _calibrate(chip: Chip, values: bytes) -> None:
    if not chip.crystal_runs():
        chip.memory.errors |= _XOSC_START_ERROR


def _write_register(chip: Chip, values: bytes) -> None:
    address = int.from_bytes(values[:2], "big")
    for k, value in enumerate(values[2:]):
        chip.memory.registers[(address + k) & 0xFFFF] = value


def _read_register(chip: Chip, values: bytes) -> Reply:
    address = int.from_bytes(values[:2], "big")
    places = ((address + k) & 0xFFFF for k in range(len(values) - 3))
    return Reply(4, bytes(chip.memory.registers.get(place, 0) for place in places))


def _write_buffer(chip: Chip, values: bytes) -> None:
    for k, value in enumerate(values[1:]):
        chip.memory.buffer[(values[0] + k) % 256] = value


def _read_buffer(chip: Chip, values: bytes) -> Reply:
    places = range(values[0], values[0] + len(values) - 2)
    return Reply(3, bytes(chip.memory.buffer[place % 256] for place in places))


def _get_status(chip: Chip, values: bytes) -> Reply:
    return Reply(2)


def _get_packet_type(chip: Chip, values: bytes) -> Reply:
    return Reply(2, bytes([chip.memory.packet_type]))


def _get_irq_status(chip: Chip, values: bytes) -> Reply:
    return Reply(2, chip.irq.to_bytes(2, "big"))


def _get_rx_buffer_status(chip: Chip, values: bytes) -> Reply:
    return Reply(2, bytes(chip.memory.received))


def _get_packet_status(chip: Chip, values: bytes) -> Reply:
    return Reply(2, chip.memory.report)


def _get_rssi_inst(chip: Chip, values: bytes) -> Reply:
    return Reply(2, bytes([0xFF]))  # as quiet as it can say; the channel tells us no more


def _get_device_errors(chip: Chip, values: bytes) -> Reply:
    return Reply(2, chip.memory.errors.to_bytes(2, "big"))


def _nothing(chip: Chip, values: bytes) -> None:
    """Take a command that changes nothing we emulate."""


#: Bytes that must follow, modes it is taken in, what it does.
_COMMANDS: dict[Command, tuple[int, frozenset[Mode], Callable[[Chip, bytes], Reply | None]]] = {
    Command.SET_SLEEP: (1, _STANDBY, _set_sleep),
    Command.SET_STANDBY: (1, _ANY, _set_standby),
    Command.SET_FS: (0, _SETTING, _set_fs),
    Command.SET_RX: (3, _ANY - {Mode.TX}, _set_rx),
    Command.SET_TX: (3, _ANY - {Mode.TX}, _set_tx),
    Command.SET_CAD: (0, _SETTING, _set_cad),
    Command.SET_CAD_PARAMS: (7, _SETTING, _set_cad_params),
    Command.SET_PACKET_TYPE: (1, _STANDBY, _set_packet_type),
    Command.SET_RF_FREQUENCY: (4, _SETTING, _set_rf_frequency),
    Command.SET_MODULATION_PARAMS: (4, _SETTING, _set_modulation_params),
    Command.SET_PACKET_PARAMS: (6, _SETTING, _set_packet_params),
    Command.SET_PA_CONFIG: (4, _SETTING, _set_pa_config),
    Command.SET_TX_PARAMS: (2, _SETTING, _set_tx_params),
    Command.SET_BUFFER_BASE_ADDRESS: (2, _SETTING, _set_buffer_base_address),
    Command.SET_RX_TX_FALLBACK_MODE: (1, _SETTING, _set_fallback),
    Command.SET_REGULATOR_MODE: (1, frozenset({Mode.STANDBY_RC}), _set_regulator),
    Command.SET_DIO3_AS_TCXO: (4, frozenset({Mode.STANDBY_RC}), _set_tcxo),
    Command.CALIBRATE: (1, frozenset({Mode.STANDBY_RC}), _calibrate),
    Command.CALIBRATE_IMAGE: (2, _STANDBY, _nothing),
    Command.SET_DIO2_AS_RF_SWITCH: (1, _SETTING, _set_rf_switch),
    Command.SET_DIO_IRQ_PARAMS: (8, _ANY, _set_dio_irq_params),
    Command.CLEAR_IRQ_STATUS: (2, _ANY, _clear_irq_status),
    Command.CLEAR_DEVICE_ERRORS: (2, _ANY, _clear_device_errors),
    Command.WRITE_REGISTER: (2, _ANY, _write_register),
    Command.READ_REGISTER: (3, _ANY, _read_register),
    Command.WRITE_BUFFER: (1, _ANY, _write_buffer),
    Command.READ_BUFFER: (2, _ANY, _read_buffer),
    Command.GET_STATUS: (0, _ANY, _get_status),
    Command.GET_PACKET_TYPE: (1, _ANY, _get_packet_type),
    Command.GET_IRQ_STATUS: (1, _ANY, _get_irq_status),
    Command.GET_RX_BUFFER_STATUS: (1, _ANY, _get_rx_buffer_status),
    Command.GET_PACKET_STATUS: (1, _ANY, _get_packet_status),
    Command.GET_RSSI_INST: (1, _ANY, _get_rssi_inst),
    Command.GET_DEVICE_ERRORS: (1, _ANY, _get_device_errors),
}
