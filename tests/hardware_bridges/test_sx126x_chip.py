"""Emulated SX126x: what it answers to the bytes of a driver, good and bad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem
from hardware_bridges.radio.sx126x import Sx126x
from hardware_bridges.radio.sx126x_chip import Sx126xChip
from hardware_bridges.radio.sx126x_codes import Command, Irq, Mode

MS = 1000


class Air:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = []

    def send(self, frame, airtime_us):
        self.sent.append((frame, airtime_us))


class Bench:
    """A chip with its driver, its air and its clock."""

    def __init__(self, tcxo_v=None):
        self.t_us = 0
        self.air = Air()
        self.chip = Sx126xChip(self.air, lambda: self.t_us, tcxo_v)
        self.driver = Sx126x(self.chip, self.chip.busy, self.chip.nreset, self.chip.pause)

    def raw(self, text):
        """Transfer bytes once the chip takes them."""
        while self.chip.busy.value:
            pass
        return bytes(self.chip.xfer2(bytes.fromhex(text))).hex(" ")

    def set_up(self, modem=None, size=255):
        modem = modem or Modem()
        one = self.driver
        one.reset()
        one.set_packet_type_lora()
        one.set_frequency(modem.frequency_mhz)
        one.set_power(14, high_power=True)
        one.set_modulation(modem)
        one.set_packet(modem, size)
        one.set_activity_detection(modem)
        one.set_interrupts(Irq(0x3FF))
        return one


def test_after_reset_it_stands_by_and_its_status_says_so():
    bench = Bench()
    bench.driver.reset()
    assert bench.raw("c0 00") == "22 22"  # mode 2, no command yet


def test_while_busy_it_ignores_what_it_is_told():
    bench = Bench()
    assert bench.chip.xfer2([0x8A, 0x01]) == [0x22, 0x22]
    assert bench.chip.xfer2([0x8A, 0x00]) == [0, 0]  # it is still at the first
    assert bench.chip.ignored_count == 1
    assert bench.raw("11 00 00") == "22 22 01"


def test_calibration_keeps_it_busy_for_milliseconds():
    bench = Bench()
    bench.raw("89 7f")
    bench.chip.pause(3.3e-3)
    assert bench.chip.busy.value
    bench.chip.pause(0.3e-3)
    assert not bench.chip.busy.value


def test_sleep_shows_as_busy_and_the_first_transfer_only_wakes_it():
    bench = Bench()
    bench.driver.sleep()
    assert bench.chip.busy.value
    bench.chip.pause(1.0)
    assert bench.chip.busy.value
    bench.driver.wake()
    assert bench.raw("c0 00") == "22 22"


REFUSED = [
    # bytes, chip mode they are given in, command status afterwards, why
    ("99", "standby", 4),  # no such command
    ("86 36 41", "standby", 4),  # bytes are missing
    ("80 02", "standby", 4),  # no such standby
    ("8a 07", "standby", 4),  # no such packet type
    ("86 00 00 00 01", "standby", 4),  # 1 Hz
    ("8b 0d 04 01 00", "standby", 4),  # SF13
    ("8b 07 07 01 00", "standby", 4),  # no such bandwidth
    ("8b 07 04 05 00", "standby", 4),  # no such coding rate
    ("8c 00 00 00 14 01 00", "standby", 4),  # no preamble
    ("8e 17 02", "standby", 4),  # 23 dBm
    ("97 08 00 01 40", "standby", 4),  # no such supply
    ("93 50", "standby", 4),  # no such fall-back
    ("88 05 16 0a 00 00 00 00", "standby", 4),  # 32 symbols
    ("86 36 41 99 9a", "receive", 5),  # settings while it receives
    ("8b 07 04 01 00", "transmit", 5),  # settings while it sends
    ("82 ff ff ff", "transmit", 5),
    ("83 00 00 00", "transmit", 5),
    ("89 7f", "receive", 5),
]


@pytest.mark.parametrize(("sent", "mode", "status"), REFUSED)
def test_misuse_is_refused_in_the_status_and_changes_nothing(sent, mode, status):
    bench = Bench()
    getattr(bench.set_up(), mode)()
    before = repr(bench.chip.memory), bench.chip.mode
    bench.raw(sent)
    assert bench.driver.status().command == status
    assert (repr(bench.chip.memory), bench.chip.mode) == before
    assert bench.chip.refused_count == 1


@pytest.mark.parametrize("sent", ["82 ff ff ff", "83 00 00 00", "c5"])
def test_a_radio_never_set_up_neither_sends_nor_receives(sent):
    bench = Bench()
    bench.raw(sent)
    assert bench.raw("c0 00") == "2a 2a"  # standby, command could not be executed
    assert not bench.air.sent


def test_modulation_before_the_packet_type_is_refused():
    bench = Bench()
    bench.raw("8b 07 04 01 00")
    assert bench.driver.status().command == 4


def test_a_board_with_an_oscillator_does_not_start_without_its_supply():
    bench = Bench(tcxo_v=1.8)
    one = bench.set_up()
    one.receive()
    assert one.status() == (Mode.STANDBY_RC, 5)
    assert one.device_errors() == 1 << 5
    one.set_tcxo(1.6, 5.0)  # too little
    one.clear_device_errors()
    one.receive()
    assert one.status().mode == Mode.STANDBY_RC
    one.set_tcxo(1.8, 5.0)
    one.clear_device_errors()
    one.receive()
    assert one.status().mode == Mode.RX
    assert one.device_errors() == 0


modems = st.builds(
    Modem,
    spreading_factor=st.integers(5, 12),
    bandwidth_khz=st.sampled_from(BANDWIDTHS_KHZ),
    coding_rate=st.integers(5, 8),
    preamble_symbols=st.integers(6, 100),
    explicit_header=st.booleans(),
    crc=st.booleans(),
    frequency_mhz=st.sampled_from([868.3, 869.8, 866.5]),
)


@given(modem=modems, size=st.integers(1, 255))
def test_airtime_follows_from_the_bytes_and_equals_the_gridmodels(modem, size):
    # Two formulas, written apart: one over the settings, one over the bytes they made.
    bench = Bench()
    one = bench.set_up(modem, size)
    frame = bytes(k % 256 for k in range(size))
    one.write_buffer(0, frame)
    one.transmit()
    assert bench.air.sent == [(frame, modem.airtime_us(size))]


@given(modem=modems, frame=st.binary(min_size=1, max_size=255))
def test_a_frame_goes_from_chip_to_chip_at_every_setting(modem, frame):
    a, b = Bench(), Bench()
    b.set_up(modem, 255 if modem.explicit_header else len(frame)).receive()
    one = a.set_up(modem, len(frame))
    one.write_buffer(0, frame)
    one.transmit()
    ((sent, airtime),) = a.air.sent
    b.t_us = airtime
    b.chip.hear(sent, -80.0, 5.0, airtime)
    assert b.chip.dio1.value
    length, place = b.driver.rx_buffer_status()
    assert b.driver.read_buffer(place, length) == frame


def test_sending_ends_at_its_airtime_to_the_microsecond_with_an_interrupt():
    bench = Bench()
    one = bench.set_up(size=20)
    rises = []
    bench.chip.dio1.when_activated = lambda: rises.append(bench.chip.now_us())
    one.transmit()
    bench.t_us = 56_576 - 1
    assert one.status().mode == Mode.TX
    assert not one.interrupts()
    bench.t_us = 90_000  # nobody looked at the right instant: the interrupt came at it
    assert one.status() == (Mode.STANDBY_RC, 6)
    assert rises == [56_576]
    assert one.interrupts() == Irq.TX_DONE
    one.clear_interrupts(Irq.TX_DONE)
    assert not bench.chip.dio1.value


def test_an_interrupt_not_asked_for_is_not_seen():
    bench = Bench()
    one = bench.set_up(size=5)
    one.set_interrupts(Irq.RX_DONE)
    one.transmit()
    bench.t_us = 1_000_000
    assert one.status().mode == Mode.STANDBY_RC
    assert not one.interrupts()
    assert not bench.chip.dio1.value


def test_the_payload_is_what_lies_at_the_base_address():
    bench = Bench()
    one = bench.set_up(size=4)
    one.set_buffer_base(tx=254, rx=0)
    one.write_buffer(254, b"abcd")  # the buffer is a ring
    one.transmit()
    assert bench.air.sent[0][0] == b"abcd"


SF7_20 = Modem().airtime_us(20)  # 56576 us


@pytest.mark.parametrize(
    ("end_us", "heard"),
    [
        (1_000 * MS, True),  # ends as the sending begins
        (1_000 * MS + 2, False),
        (1_000 * MS + 30_000, False),
        (1_000 * MS + SF7_20, False),
        (1_000 * MS + 2 * SF7_20 - 2, False),  # begins before the sending has ended
        (1_000 * MS + 2 * SF7_20, True),
    ],
)
def test_half_duplex_a_frame_that_meets_a_sending_is_lost(end_us, heard):
    bench = Bench()
    one = bench.set_up(size=20)
    one.receive()

    def back_to_reception():
        one.clear_interrupts(Irq.TX_DONE)
        one.set_packet(Modem(), 255)
        one.receive()

    bench.chip.dio1.when_activated = back_to_reception
    bench.t_us = 1_000 * MS
    one.transmit()
    bench.t_us = end_us
    bench.chip.hear(bytes(20), -80.0, 5.0, end_us)
    assert bool(one.interrupts() & Irq.RX_DONE) == heard
    assert bench.chip.missed_count == (not heard)


def test_in_standby_it_hears_nothing_nor_if_it_listened_too_late():
    bench = Bench()
    one = bench.set_up()
    bench.t_us = 100 * MS
    bench.chip.hear(bytes(20), -80.0, 5.0, bench.t_us)
    one.receive()
    bench.t_us += SF7_20 - 2
    bench.chip.hear(bytes(20), -80.0, 5.0, bench.t_us)  # it began before
    assert bench.chip.missed_count == 2
    bench.t_us += 2
    bench.chip.hear(bytes(20), -80.0, 5.0, bench.t_us)
    assert one.rx_buffer_status()[0] == 20


def test_a_broken_frame_raises_the_crc_flag_unless_no_check_is_asked_for():
    for crc in (True, False):
        bench = Bench()
        modem = Modem(crc=crc)
        one = bench.set_up(modem)
        one.receive()
        bench.t_us = 200 * MS
        bench.chip.hear(b"broken", -80.0, 5.0, bench.t_us, crc_ok=False)
        pending = one.interrupts()
        assert pending & Irq.RX_DONE
        assert bool(pending & Irq.CRC_ERROR) == crc


@pytest.mark.parametrize(
    ("rssi", "snr", "told"),
    [
        (-90.26, -7.4, (-90.5, -7.5)),
        (-140.0, -20.0, (-127.5, -20.0)),  # as far as its byte goes
        (3.0, 40.0, (0.0, 31.75)),
    ],
)
def test_a_signal_report_is_as_coarse_as_the_chips_bytes(rssi, snr, told):
    bench = Bench()
    one = bench.set_up()
    one.receive()
    bench.t_us = 200 * MS
    bench.chip.hear(b"x", rssi, snr, bench.t_us)
    assert one.packet_status() == told


def test_two_frames_in_one_reception_lie_one_behind_the_other():
    bench = Bench()
    one = bench.set_up()
    one.receive()
    for k, frame in enumerate((b"first", b"second")):
        bench.t_us = (k + 1) * 200 * MS
        bench.chip.hear(frame, -80.0, 5.0, bench.t_us)
    assert one.rx_buffer_status() == (6, 5)
    assert one.read_buffer(0, 11) == b"firstsecond"


def test_a_reception_for_one_packet_ends_with_it_and_a_timed_one_without():
    bench = Bench()
    one = bench.set_up()
    bench.raw("82 00 00 00")
    bench.t_us = 200 * MS
    bench.chip.hear(b"one", -80.0, 5.0, bench.t_us)
    assert one.status() == (Mode.STANDBY_RC, 2)
    one.clear_interrupts(Irq(0x3FF))
    bench.raw("82 00 19 00")  # 6400 steps: 100 ms
    bench.t_us += 100 * MS - 1
    assert one.status().mode == Mode.RX
    bench.t_us += 1
    assert one.status() == (Mode.STANDBY_RC, 3)
    assert one.interrupts() == Irq.TIMEOUT


def test_a_frame_longer_than_the_host_allows_is_a_header_error():
    bench = Bench()
    one = bench.set_up(size=10)
    one.receive()
    bench.t_us = 200 * MS
    bench.chip.hear(bytes(11), -80.0, 5.0, bench.t_us)
    assert one.interrupts() & Irq.HEADER_ERROR
    assert not one.interrupts() & Irq.RX_DONE


@pytest.mark.parametrize(("until_ms", "detected"), [(0, False), (50, False), (51, True)])
def test_activity_detection_finds_a_signal_in_the_channel(until_ms, detected):
    bench = Bench()
    one = bench.set_up()
    bench.t_us = 50 * MS
    bench.chip.carrier(until_ms * MS)
    one.detect_activity()
    # two symbols and a half at SF7/125 are 2.56 ms of bench time, and none of the world's
    bench.chip.pause(2.4e-3)
    assert not bench.chip.dio1.value
    bench.chip.pause(0.2e-3)
    assert bench.chip.dio1.value
    assert one.interrupts() == Irq.CAD_DONE | (Irq.CAD_DETECTED if detected else Irq(0))
    assert one.status().mode == Mode.STANDBY_RC
    assert bench.chip.now_us() == 50 * MS


def test_its_pins_can_be_gpiozeros_mock_pins():
    gpiozero = pytest.importorskip("gpiozero")
    from gpiozero.pins.mock import MockFactory

    bench = Bench()
    factory = MockFactory()
    line = bench.chip.dio1
    with gpiozero.DigitalInputDevice(16, pin_factory=factory) as dio1:
        line.when_activated = factory.pin(16).drive_high
        line.when_deactivated = factory.pin(16).drive_low
        one = bench.set_up(size=3)
        one.transmit()
        bench.chip.advance(1_000 * MS)
        assert dio1.value == 1
        one.clear_interrupts(Irq.TX_DONE)
        assert dio1.value == 0


words = st.binary(max_size=20)
commands = st.builds(
    lambda command, rest: bytes((command,)) + rest,
    st.sampled_from([int(command) for command in Command]), words,
)  # fmt: skip
deeds = st.lists(
    st.one_of(
        words, commands,
        st.integers(0, 10_000_000),  # time passes
        st.tuples(st.binary(max_size=255), st.booleans()),  # a frame ends
    ),
    max_size=40,
)  # fmt: skip


@given(deeds=deeds, ready=st.booleans())
def test_no_bytes_crash_the_chip(deeds, ready):
    bench = Bench()
    if ready:
        bench.set_up()
    for deed in deeds:
        if isinstance(deed, int):
            bench.t_us += deed
        elif isinstance(deed, tuple):
            bench.chip.hear(deed[0], -80.0, 5.0, bench.t_us, crc_ok=deed[1])
        else:
            bench.chip.pause(0.01)
            answer = bench.chip.xfer2(deed)
            assert len(answer) == len(deed)
            assert all(0 <= value <= 255 for value in answer)
    bench.chip.nreset.off()
    bench.chip.nreset.on()
    bench.driver.reset()
    assert bench.raw("c0 00") == "22 22"
