"""Emulated SX126x: packets it sends and hears, to the microsecond and to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem
from hardware_bridges.radio.sx126x_codes import Irq, Mode
from tests.hardware_bridges.sx126x_bench import Bench

MS = 1000

# sending

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
    assert bench.sent == [(0, frame, modem.airtime_us(size))]


@given(modem=modems, frame=st.binary(min_size=1, max_size=255))
def test_a_frame_goes_from_chip_to_chip_at_every_setting(modem, frame):
    a, b = Bench(), Bench()
    b.set_up(modem, 255 if modem.explicit_header else len(frame)).receive()
    one = a.set_up(modem, len(frame))
    one.write_buffer(0, frame)
    one.transmit()
    ((_, sent, airtime),) = a.sent
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
    assert bench.sent[0][1] == b"abcd"


# hearing

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
