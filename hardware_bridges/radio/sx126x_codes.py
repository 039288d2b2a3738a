"""SX126x codes: commands, registers and parameter values, as the chip knows them.

From the SX1261/2 data sheet as Semtech's open driver has it (`sx126x.h`, `sx126x_regs.h`
of the LoRa Basics Modem). The errata registers are those of chapter 15 of data sheet 1.2.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

#: Crystal. [Hz]
CRYSTAL_HZ = 32_000_000
#: Steps of the synthesiser within one crystal frequency.
PLL_STEPS = 2**25
#: Step of the chip's timers. [us]
TIMER_STEP_US = 15.625
#: Value of the reception time-out that means: receive until told otherwise.
RX_CONTINUOUS = 0xFFFFFF


class Command(IntEnum):
    """First byte of an SPI transfer."""

    CLEAR_IRQ_STATUS = 0x02
    CLEAR_DEVICE_ERRORS = 0x07
    SET_DIO_IRQ_PARAMS = 0x08
    WRITE_REGISTER = 0x0D
    WRITE_BUFFER = 0x0E
    GET_PACKET_TYPE = 0x11
    GET_IRQ_STATUS = 0x12
    GET_RX_BUFFER_STATUS = 0x13
    GET_PACKET_STATUS = 0x14
    GET_RSSI_INST = 0x15
    GET_DEVICE_ERRORS = 0x17
    READ_REGISTER = 0x1D
    READ_BUFFER = 0x1E
    SET_STANDBY = 0x80
    SET_RX = 0x82
    SET_TX = 0x83
    SET_SLEEP = 0x84
    SET_RF_FREQUENCY = 0x86
    SET_CAD_PARAMS = 0x88
    CALIBRATE = 0x89
    SET_PACKET_TYPE = 0x8A
    SET_MODULATION_PARAMS = 0x8B
    SET_PACKET_PARAMS = 0x8C
    SET_TX_PARAMS = 0x8E
    SET_BUFFER_BASE_ADDRESS = 0x8F
    SET_RX_TX_FALLBACK_MODE = 0x93
    SET_PA_CONFIG = 0x95
    SET_REGULATOR_MODE = 0x96
    SET_DIO3_AS_TCXO = 0x97
    CALIBRATE_IMAGE = 0x98
    SET_DIO2_AS_RF_SWITCH = 0x9D
    GET_STATUS = 0xC0
    SET_FS = 0xC1
    SET_CAD = 0xC5


class Irq(IntFlag):
    """Interrupt bits."""

    TX_DONE = 1 << 0
    RX_DONE = 1 << 1
    PREAMBLE_DETECTED = 1 << 2
    SYNC_WORD_VALID = 1 << 3
    HEADER_VALID = 1 << 4
    HEADER_ERROR = 1 << 5
    CRC_ERROR = 1 << 6
    CAD_DONE = 1 << 7
    CAD_DETECTED = 1 << 8
    TIMEOUT = 1 << 9


class Mode(IntEnum):
    """Chip mode, bits 6..4 of the status byte; sleep shows as no mode at all."""

    SLEEP = 0
    STANDBY_RC = 2
    STANDBY_XOSC = 3
    FS = 4
    RX = 5
    TX = 6


class CommandStatus(IntEnum):
    """Fate of the last command, bits 3..1 of the status byte."""

    NONE = 1
    DATA_AVAILABLE = 2
    TIMEOUT = 3
    PROCESSING_ERROR = 4
    EXECUTION_FAILURE = 5
    TX_DONE = 6


class Register(IntEnum):
    """Addresses of registers."""

    IQ_POLARITY = 0x0736  # errata 15.4: bit 2 set with standard polarity
    SYNC_WORD = 0x0740  # two bytes
    TX_MODULATION = 0x0889  # errata 15.1: bit 2 clear at 500 kHz
    RX_GAIN = 0x08AC
    TX_CLAMP = 0x08D8  # errata 15.2: bits 4..1 set on an SX1262
    OVER_CURRENT = 0x08E7


PACKET_TYPE_LORA = 1
RX_GAIN_BOOSTED, RX_GAIN_SAVING = 0x96, 0x94
RAMP_40_US = 0x02
#: Bandwidth by code, the ones of a LoRa packet. [kHz]
BANDWIDTH_KHZ = {
    0: 500 / 64, 8: 500 / 48, 1: 500 / 32, 9: 500 / 24, 2: 31.25, 10: 500 / 12, 3: 62.5,
    4: 125.0, 5: 250.0, 6: 500.0,
}  # fmt: skip
BANDWIDTH_CODE = {khz: code for code, khz in BANDWIDTH_KHZ.items()}
#: Supply of a crystal oscillator on DIO3, by code. [V]
TCXO_V = (1.6, 1.7, 1.8, 2.2, 2.4, 2.7, 3.0, 3.3)
#: Image calibration: bands with the two bytes of CalibrateImage. [MHz]
IMAGE_BANDS = (
    (430.0, 440.0, (0x6B, 0x6F)),
    (470.0, 510.0, (0x75, 0x81)),
    (779.0, 787.0, (0xC1, 0xC5)),
    (863.0, 870.0, (0xD7, 0xDB)),
    (902.0, 928.0, (0xE1, 0xE9)),
)
#: Symbols of a channel activity detection, by code.
CAD_SYMBOLS = (1, 2, 4, 8, 16)
#: Detection peak by spreading factor for two symbols, below 500 kHz and at 500 kHz, as
#: Semtech's driver sets it (application note AN1200.48).
CAD_PEAK = {5: 19, 6: 20, 7: 22, 8: 22, 9: 24, 10: 25, 11: 26, 12: 29}
CAD_PEAK_500_KHZ = {5: 19, 6: 20, 7: 21, 8: 22, 9: 23, 10: 23, 11: 26, 12: 30}
CAD_MINIMUM = 10


def frequency_code(frequency_mhz: float) -> int:
    """Return the synthesiser's steps of a frequency: f * 2^25 / 32 MHz, rounded."""
    return round(frequency_mhz * 1e6 * PLL_STEPS / CRYSTAL_HZ)
