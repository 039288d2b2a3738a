"""SX126x command layer: the bytes of every command, against vectors written by hand."""

from __future__ import annotations

import pytest

from gridmodel.wire.lora import Modem
from hardware_bridges.link_error import LinkError
from hardware_bridges.radio.sx126x import Sx126x
from hardware_bridges.radio.sx126x_codes import Irq, Mode, frequency_code


class Tape:
    """An SPI device that notes what it is sent and answers from a list."""

    def __init__(self, *answers: str) -> None:
        self.sent: list[str] = []
        self._answers = [bytes.fromhex(text) for text in answers]

    def xfer2(self, values, /):
        self.sent.append(bytes(values).hex(" "))
        answer = self._answers.pop(0) if self._answers else b""
        assert len(answer) <= len(values)
        return [*answer, *[0] * (len(values) - len(answer))]


class Low:
    value = 0


def told(call, *answers):
    """Return the transfers a call makes."""
    tape = Tape(*answers)
    call(Sx126x(tape, Low(), pause=lambda _: None))
    return tape.sent


SLOW = Modem(spreading_factor=12, preamble_symbols=300, crc=False, explicit_header=False)

VECTORS = [
    (lambda c: c.standby(), ["80 00"]),
    (lambda c: c.standby(crystal=True), ["80 01"]),
    (lambda c: c.sleep(), ["84 04"]),
    (lambda c: c.receive(), ["82 ff ff ff"]),
    (lambda c: c.transmit(), ["83 00 00 00"]),
    (lambda c: c.detect_activity(), ["c5"]),
    (lambda c: c.set_packet_type_lora(), ["8a 01"]),
    # 868.1 * 2^20: 868 is 0x364, 0.1 * 2^20 = 104857.6 rounds to 0x1999A
    (lambda c: c.set_frequency(868.1), ["86 36 41 99 9a"]),
    (lambda c: c.set_frequency(915.0), ["86 39 30 00 00"]),
    (lambda c: c.set_buffer_base(0x80, 0x10), ["8f 80 10"]),
    (lambda c: c.set_rf_switch(True), ["9d 01"]),
    (lambda c: c.set_regulator(True), ["96 01"]),
    # 5 ms are 320 steps of 15.625 us
    (lambda c: c.set_tcxo(1.8, 5.0), ["97 02 00 01 40"]),
    (lambda c: c.calibrate(), ["89 7f"]),
    (lambda c: c.calibrate_image(868.1), ["98 d7 db"]),
    (lambda c: c.calibrate_image(915.0), ["98 e1 e9"]),
    (lambda c: c.calibrate_image(433.5), ["98 6b 6f"]),
    (lambda c: c.calibrate_image(600.0), []),  # no band of the table
    (lambda c: c.set_rx_gain(True), ["0d 08 ac 96"]),
    (lambda c: c.set_rx_gain(False), ["0d 08 ac 94"]),
    (lambda c: c.set_interrupts(Irq.TX_DONE | Irq.RX_DONE | Irq.CAD_DETECTED),
     ["08 01 03 01 03 00 00 00 00"]),
    (lambda c: c.clear_interrupts(Irq.TIMEOUT | Irq.CRC_ERROR), ["02 02 40"]),
    (lambda c: c.clear_device_errors(), ["07 00 00"]),
    (lambda c: c.write_buffer(3, b"\xaa\xbb"), ["0e 03 aa bb"]),
    (lambda c: c.write_register(0x08E7, [0x38]), ["0d 08 e7 38"]),
    (lambda c: c.set_activity_detection(Modem()), ["88 01 16 0a 00 00 00 00"]),
    (lambda c: c.set_activity_detection(Modem(spreading_factor=12)), ["88 01 1d 0a 00 00 00 00"]),
    (lambda c: c.set_activity_detection(Modem(spreading_factor=12, bandwidth_khz=500.0)),
     ["88 01 1e 0a 00 00 00 00"]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "bytes_"), VECTORS)
def test_a_command_is_sent_as_the_data_sheet_has_it(call, bytes_):
    assert told(call) == bytes_


REGISTER_VECTORS = [
    # errata 15.1: bit 2 of 0x0889 is set below 500 kHz and cleared at 500 kHz
    (lambda c: c.set_modulation(Modem()), "00 00 00 00 01",
     ["8b 07 04 01 00", "1d 08 89 00 00", "0d 08 89 05"]),
    (lambda c: c.set_modulation(Modem(spreading_factor=9, bandwidth_khz=500.0, coding_rate=8)),
     "00 00 00 00 05", ["8b 09 06 04 00", "1d 08 89 00 00", "0d 08 89 01"]),
    # low data rate optimisation: 16.38 ms and longer, so SF12 at 250 kHz too
    (lambda c: c.set_modulation(Modem(spreading_factor=12, bandwidth_khz=250.0)),
     "00 00 00 00 05", ["8b 0c 05 01 01", "1d 08 89 00 00", "0d 08 89 05"]),
    (lambda c: c.set_modulation(Modem(spreading_factor=10, bandwidth_khz=62.5, coding_rate=6)),
     "00 00 00 00 05", ["8b 0a 03 02 01", "1d 08 89 00 00", "0d 08 89 05"]),
    (lambda c: c.set_modulation(Modem(spreading_factor=10, coding_rate=7)),
     "00 00 00 00 05", ["8b 0a 04 03 00", "1d 08 89 00 00", "0d 08 89 05"]),
    # errata 15.4: bit 2 of 0x0736 is set with standard IQ and cleared with inverted
    (lambda c: c.set_packet(Modem(), 20), "00 00 00 00 09",
     ["8c 00 08 00 14 01 00", "1d 07 36 00 00", "0d 07 36 0d"]),
    (lambda c: c.set_packet(SLOW, 255, inverted_iq=True), "00 00 00 00 0d",
     ["8c 01 2c 01 ff 00 01", "1d 07 36 00 00", "0d 07 36 09"]),
    # errata 15.2: bits 4..1 of 0x08D8 on an SX1262 only
    (lambda c: c.set_power(22, high_power=True), "00 00 00 00 c8",
     ["95 04 07 00 01", "1d 08 d8 00 00", "0d 08 d8 de", "8e 16 02"]),
    (lambda c: c.set_power(-9, high_power=True), "00 00 00 00 c8",
     ["95 04 07 00 01", "1d 08 d8 00 00", "0d 08 d8 de", "8e f7 02"]),
    (lambda c: c.set_power(14, high_power=False), "", ["95 04 00 01 01", "8e 0e 02"]),
    (lambda c: c.set_power(15, high_power=False), "", ["95 06 00 01 01", "8e 0e 02"]),
    (lambda c: c.set_power(-17, high_power=False), "", ["95 04 00 01 01", "8e ef 02"]),
    (lambda c: c.set_sync_word(0x34), "00 00 00 00 14 24",
     ["1d 07 40 00 00 00", "0d 07 40 34 44"]),
    (lambda c: c.set_sync_word(0x12), "00 00 00 00 34 44",
     ["1d 07 40 00 00 00", "0d 07 40 14 24"]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "register", "bytes_"), REGISTER_VECTORS)
def test_errata_registers_are_read_and_only_their_bits_changed(call, register, bytes_):
    class OneRegister(Tape):
        def xfer2(self, values, /):
            answer = super().xfer2(values)
            return list(bytes.fromhex(register)) if values[0] == 0x1D else answer

    tape = OneRegister()
    call(Sx126x(tape, Low(), pause=lambda _: None))
    assert tape.sent == bytes_


READINGS = [
    # what is sent, what comes back, what it means
    (lambda c: c.status(), "c0 00", "a2 d4", (5, 2)),
    (lambda c: c.device_errors(), "17 00 00 00", "a2 a2 00 20", 1 << 5),
    (lambda c: c.interrupts(), "12 00 00 00", "a2 a2 01 81",
     Irq.CAD_DETECTED | Irq.CAD_DONE | Irq.TX_DONE),
    (lambda c: c.rx_buffer_status(), "13 00 00 00", "d4 d4 0f 80", (15, 128)),
    # -181 / 2 dBm, -30 / 4 dB
    (lambda c: c.packet_status(), "14 00 00 00 00", "d4 d4 b5 e2 b5", (-90.5, -7.5)),
    (lambda c: c.rssi_now_dbm(), "15 00 00", "d4 d4 d2", -105.0),
    (lambda c: c.read_buffer(7, 3), "1e 07 00 00 00 00", "d4 d4 d4 61 62 63", b"abc"),
    (lambda c: c.read_register(0x0740, 2), "1d 07 40 00 00 00", "a2 a2 a2 a2 14 24", b"\x14\x24"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "sent", "answer", "meaning"), READINGS)
def test_an_answer_is_read_behind_its_status_bytes(call, sent, answer, meaning):
    tape = Tape(answer)
    assert call(Sx126x(tape, Low())) == meaning
    assert tape.sent == [sent]


@pytest.mark.parametrize(
    ("frequency_mhz", "code"),
    [(863.0, 863 << 20), (868.1, 0x3641999A), (869.525, 0x36586666), (902.3, 0x3864CCCD)],
)
def test_a_frequency_is_its_count_of_the_synthesisers_steps(frequency_mhz, code):
    assert frequency_code(frequency_mhz) == code
    assert abs(code * 32e6 / 2**25 - frequency_mhz * 1e6) < 0.5  # [Hz]


def test_the_driver_waits_for_busy_before_every_command():
    class Busy:
        looks = 0

        @property
        def value(self):
            self.looks += 1
            return self.looks % 4 != 0

    busy, tape, pauses = Busy(), Tape(), []
    chip = Sx126x(tape, busy, pause=pauses.append)
    chip.standby()
    assert len(pauses) == 2
    assert tape.sent == ["80 00"]


def test_a_chip_that_stays_busy_is_an_error_that_says_what_to_check(monkeypatch):
    class Stuck:
        value = 1

    monkeypatch.setattr("hardware_bridges.radio.sx126x.BUSY_LIMIT_S", 0.002)
    tape = Tape()
    chip = Sx126x(tape, Stuck(), pause=lambda _: None, name="SX126x on spidev0.0")
    with pytest.raises(LinkError, match=r"SX126x on spidev0.0: BUSY has been high .* BUSY pin"):
        chip.standby()
    assert tape.sent == []


def test_reset_pulls_the_line_low_and_lets_it_go():
    class Reset:
        moves: list[str] = []  # noqa: RUF012

        def on(self):
            self.moves.append("high")

        def off(self):
            self.moves.append("low")

    Sx126x(Tape(), Low(), Reset(), pause=lambda _: Reset.moves.append("wait")).reset()
    assert Reset.moves == ["low", "wait", "high", "wait"]


@pytest.mark.parametrize("answer", ["00 00", "ff ff", "22 28", "52 5a"])
def test_a_bus_with_no_chip_or_a_refusal_is_seen(answer):
    # nothing there, nothing there, refused in standby, failed in reception
    chip = Sx126x(Tape(answer), Low())
    with pytest.raises(LinkError, match="Check the SPI wires"):
        chip.check(Mode.RX)


def test_a_chip_that_took_its_command_passes_the_check():
    Sx126x(Tape("52 52"), Low()).check(Mode.RX)
